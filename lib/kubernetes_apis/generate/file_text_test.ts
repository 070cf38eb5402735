import assert from "node:assert/strict";
import { fileText } from "./file_text.ts";
import type { Group } from "./groups.ts";
import type { Document } from "./openapi.ts";

const shared = (type: string) => ({ $ref: `#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.${type}` });
const gvk = { group: "policy", version: "v1", kind: "Budget" };
const group: Group = {
  group: "policy",
  version: "v1",
  className: "PolicyV1",
  schemas: "io.k8s.api.policy.v1",
  kinds: ["Budget"],
  posted: ["Eviction"],
};
const typed = { apiVersion: { type: "string" as const }, kind: { type: "string" as const } };
const document: Document = {
  openapi: "3.0.0",
  info: { title: "Kubernetes", version: "1" },
  paths: {
    "/apis/policy/v1/namespaces/{namespace}/budgets": {
      get: { "x-kubernetes-action": "list", "x-kubernetes-group-version-kind": gvk },
      post: { "x-kubernetes-action": "post", "x-kubernetes-group-version-kind": gvk },
    },
  },
  components: {
    schemas: {
      "io.k8s.api.policy.v1.Budget": {
        type: "object",
        properties: { ...typed, metadata: shared("ObjectMeta") },
      },
      "io.k8s.api.policy.v1.Eviction": {
        type: "object",
        properties: { ...typed, options: shared("DeleteOptions") },
      },
    },
  },
};

const text = fileText("policy@v1", document, group);

Deno.test("a kind has a type, a constant and calls; one that is only posted has its type, with its version", () => {
  assert.match(text, /export interface Budget \{\n.*\n {2}apiVersion\?: "policy\/v1";\n.*\n {2}kind\?: "Budget";/);
  assert.match(text, /export const budgets: Resource<Budget>/);
  assert.match(text, /getBudgetList\(/);
  assert.match(text, /export interface Eviction \{\n.*\n {2}apiVersion\?: "policy\/v1";\n.*\n {2}kind\?: "Eviction";/);
  assert.doesNotMatch(text, /Resource<Eviction>|getEviction/);
});

Deno.test("a shared type named as one of the clients' comes under another name", () => {
  assert.match(text, /import type \{ DeleteOptions as MetaDeleteOptions, ObjectMeta \} from "\.\/meta@v1\.ts";/);
  assert.match(text, /options\?: MetaDeleteOptions;/);
  assert.match(text, /deleteBudget\(name: string, options\?: DeleteOptions\)/);
  assert.match(text, /type DeleteOptions, [^}]*\} from "\.\.\/kubernetes\/mod\.ts"/);
});

Deno.test("a file imports only what it uses", () => {
  const imports = text.matchAll(/^import (?:type )?\{ (.*) \} from/gm);
  for (const name of [...imports].flatMap(([, names]) => names!.split(", "))) {
    const local = name.replace("type ", "").split(" as ").at(-1)!;
    assert.ok(text.split(new RegExp(`\\b${local}\\b`)).length > 2, `${local} isn't used`);
  }
});
