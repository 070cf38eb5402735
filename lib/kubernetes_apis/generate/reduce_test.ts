import assert from "node:assert/strict";
import { apiPath, documentOf, type Group, kubernetesGroups as groups } from "./groups.ts";
import type { Document, Schema } from "./openapi.ts";
import { reduce } from "./reduce.ts";

const committed = new Map<Group | undefined, Document>();
for (const group of [undefined, ...groups]) {
  committed.set(group, JSON.parse(await Deno.readTextFile(documentOf(group))));
}
const groupNamed = (name: string) => groups.find(({ group }) => group === name)!;

/** A served API, with everything in one document. */
function served(change: (document: Document) => void = () => {}): Document[] {
  const document: Document = structuredClone(committed.get(groupNamed(""))!);
  for (const { paths, components } of committed.values()) {
    Object.assign(document.paths, structuredClone(paths));
    Object.assign(document.components.schemas, structuredClone(components.schemas));
  }
  change(document);
  return [document];
}

const schemasOf = (group?: string): Record<string, Schema> =>
  committed.get(group === undefined ? undefined : groupNamed(group))!.components.schemas;

Deno.test("reduce: reduced documents: unchanged", () => {
  assert.deepEqual(reduce(groups, served()), committed);
});

Deno.test("reduce: any order of keys: same result", () => {
  const reversed = (document: Document): Document =>
    JSON.parse(JSON.stringify(document), (key, value) => {
      if (key === "required" && Array.isArray(value)) return value.toReversed();
      if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
      return Object.fromEntries(Object.entries(value).reverse());
    });
  assert.equal(JSON.stringify([...reduce(groups, served().map(reversed))]), JSON.stringify([...committed]));
});

Deno.test("reduce: unused schemas, other groups' kinds, defaults, limits, rules and deprecated watch paths: removed", () => {
  const documents = reduce(
    groups,
    served(({ paths, components: { schemas } }) => {
      schemas["io.k8s.api.core.v1.Binding"] = { type: "object", properties: {} };
      Object.assign(schemas["io.k8s.api.core.v1.ConfigMap"]!, {
        default: {},
        maxLength: 1,
        "x-kubernetes-validations": [],
      });
      const operation = {
        "x-kubernetes-action": "watchlist",
        "x-kubernetes-group-version-kind": { group: "", version: "v1", kind: "ConfigMap" },
        operationId: "x",
      };
      paths["/api/v1/watch/configmaps"] = { get: operation };
      // Two groups serve events, of which only one is generated.
      paths["/api/v1/events"] = {
        get: {
          "x-kubernetes-action": "list",
          "x-kubernetes-group-version-kind": { group: "", version: "v1", kind: "Event" },
        },
      };
      paths["/api/v1/bindings"] = {
        post: {
          "x-kubernetes-action": "post",
          "x-kubernetes-group-version-kind": { group: "", version: "v1", kind: "Binding" },
        },
      };
    }),
  );
  assert.deepEqual(documents, committed);
});

Deno.test("reduce: schema: in the document of its own group, whatever references it", () => {
  assert.ok("io.k8s.api.core.v1.ObjectReference" in schemasOf(""));
  assert.ok(!("io.k8s.api.core.v1.ObjectReference" in schemasOf("events.k8s.io")));
  assert.ok("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta" in schemasOf());
});

Deno.test("reduce: server doesn't have a kind: the error names it, with the remedy", () => {
  const without = served(({ components: { schemas } }) => delete schemas["io.k8s.api.storage.v1.StorageClass"]);
  assert.throws(() => reduce(groups, without), {
    message: /no schema io\.k8s\.api\.storage\.v1\.StorageClass: apply crds first/,
  });
});

Deno.test("committed documents: no host names outside descriptions", () => {
  for (const [group, document] of committed) {
    const text = JSON.stringify(document, (key, value) => key === "description" ? undefined : value);
    assert.doesNotMatch(text, /https?:|\d+\.\d+\.\d+\.\d+/, group?.group);
  }
});

Deno.test("committed documents: only paths of their own group", () => {
  for (const group of groups) {
    for (const path of Object.keys(committed.get(group)!.paths)) {
      assert.ok(path.startsWith(`/${apiPath(group)}/`), path);
    }
  }
});
