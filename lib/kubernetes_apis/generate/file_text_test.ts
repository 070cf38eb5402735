import assert from "node:assert/strict";
import { fileText } from "./file_text.ts";
import type { Group } from "./groups.ts";
import type { Document } from "./openapi.ts";

const shared = (type: string) => ({ $ref: `#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.${type}` });
const gvk = { group: "storage.k8s.io", version: "v1", kind: "Budget" };
const group: Group = {
  group: "storage.k8s.io",
  version: "v1",
  className: "StorageV1",
  schemas: "io.k8s.api.storage.v1",
  kinds: ["Budget"],
};
const typed = { apiVersion: { type: "string" as const }, kind: { type: "string" as const } };
const document: Document = {
  openapi: "3.0.0",
  info: { title: "Kubernetes", version: "1" },
  paths: {
    "/apis/storage.k8s.io/v1/namespaces/{namespace}/budgets": {
      get: { "x-kubernetes-action": "list", "x-kubernetes-group-version-kind": gvk },
      post: { "x-kubernetes-action": "post", "x-kubernetes-group-version-kind": gvk },
    },
  },
  components: {
    schemas: {
      "io.k8s.api.storage.v1.Budget": {
        type: "object",
        properties: { ...typed, metadata: shared("ObjectMeta") },
      },
    },
  },
};

const text = fileText([group], document, group);

Deno.test("generated file: kind: type, constant and clients for all namespaces and for one", () => {
  assert.match(
    text,
    /export interface Budget \{\n.*\n {2}apiVersion\?: "storage\.k8s\.io\/v1";\n.*\n {2}kind\?: "Budget";/,
  );
  assert.match(text, /export const budgets: Resource<Budget>/);
  assert.match(text, /get budgets\(\): ResourceApi<Budget> \{\n.*\(this\.#rest, budgets\);/);
  assert.match(text, /get budgets\(\): ResourceApi<Budget> \{\n.*\(this\.#rest, budgets, this\.#namespace\);/);
});

Deno.test("generated file: imports only used types", () => {
  const imports = text.matchAll(/^import (?:type )?\{ (.*) \} from/gm);
  for (const name of [...imports].flatMap(([, names]) => names!.split(", "))) {
    const local = name.replace("type ", "").split(" as ").at(-1)!;
    assert.ok(text.split(new RegExp(`\\b${local}\\b`)).length > 2, `${local} isn't used`);
  }
});

Deno.test("generated file in another folder: imports relative to it", () => {
  const elsewhere = { ...group, folder: new URL("../../../src/api/client/", import.meta.url) };
  const text = fileText([elsewhere], document, elsewhere);
  assert.match(text, /from "\.\.\/\.\.\/\.\.\/lib\/kubernetes\/mod\.ts"/);
  assert.match(text, /from "\.\.\/\.\.\/\.\.\/lib\/kubernetes_apis\/meta@v1\.ts"/);
});
