import assert from "node:assert/strict";
import { apiPath, fileName, groups } from "./groups.ts";
import type { Document, Schema } from "./openapi.ts";
import { folder } from "./paths.ts";
import { reduce } from "./reduce.ts";

const committed = new Map<string, Document>();
for (const file of ["meta@v1", ...groups.map(fileName)]) {
  committed.set(file, JSON.parse(await Deno.readTextFile(new URL(`openapi/${file}.json`, folder))));
}

/** What an API server would serve: everything in one document is as good as in several. */
function served(change: (document: Document) => void = () => {}): Document[] {
  const document: Document = structuredClone(committed.get("core@v1")!);
  for (const { paths, components } of committed.values()) {
    Object.assign(document.paths, structuredClone(paths));
    Object.assign(document.components.schemas, structuredClone(components.schemas));
  }
  change(document);
  return [document];
}

const schemasOf = (documents: Map<string, Document>, file: string): Record<string, Schema> =>
  documents.get(file)!.components.schemas;

Deno.test("reducing what is reduced changes nothing", () => {
  assert.deepEqual(reduce(served()), committed);
});

Deno.test("the order in which the server sends keys doesn't show", () => {
  const reversed = (document: Document): Document =>
    JSON.parse(JSON.stringify(document), (key, value) => {
      if (key === "required" && Array.isArray(value)) return value.toReversed();
      if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
      return Object.fromEntries(Object.entries(value).reverse());
    });
  assert.equal(JSON.stringify([...reduce(served().map(reversed))]), JSON.stringify([...committed]));
});

Deno.test("what no kind reaches, the kinds of other groups, defaults, limits, rules and deprecated watch paths are left out", () => {
  const documents = reduce(served(({ paths, components: { schemas } }) => {
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
    // Events are served by two groups, of which only one is generated.
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
  }));
  assert.deepEqual(documents, committed);
});

Deno.test("a schema is in the file of its own group, whoever refers to it", () => {
  assert.ok("io.k8s.api.core.v1.ObjectReference" in schemasOf(committed, "core@v1"));
  assert.ok(!("io.k8s.api.core.v1.ObjectReference" in schemasOf(committed, "events.k8s.io@v1")));
  assert.ok("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta" in schemasOf(committed, "meta@v1"));
});

Deno.test("a kind that the server doesn't have is named, with what to do", () => {
  const without = served(({ components: { schemas } }) => delete schemas["io.keystone.v1alpha1.Grant"]);
  assert.throws(() => reduce(without), { message: /no schema io\.keystone\.v1alpha1\.Grant: apply crds\/ first/ });
});

Deno.test("the committed documents name no host but those in descriptions", () => {
  for (const [file, document] of committed) {
    const text = JSON.stringify(document, (key, value) => key === "description" ? undefined : value);
    assert.doesNotMatch(text, /https?:|\d+\.\d+\.\d+\.\d+/, file);
  }
});

Deno.test("each document has the paths of its own group only", () => {
  for (const group of groups) {
    for (const path of Object.keys(committed.get(fileName(group))!.paths)) {
      assert.ok(path.startsWith(`/${apiPath(group)}/`), path);
    }
  }
});
