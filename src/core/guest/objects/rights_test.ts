import assert from "node:assert/strict";
import { loadAll } from "js-yaml";
import { singles } from "./table.ts";

interface Rule {
  apiGroups?: string[];
  resources?: string[];
  resourceNames?: string[];
  verbs: string[];
}

const manifest = new URL("../../../../deploy/kustomize/base/rbac.yaml", import.meta.url);
const documents = loadAll(await Deno.readTextFile(manifest)) as { kind: string; rules?: Rule[] }[];
const rules = documents.find(({ kind }) => kind === "ClusterRole")!.rules!;

for (const [key, { resource: { group, plural, kind }, name }] of singles) {
  Deno.test(`objects: the operator's role covers the ${key} of guest namespaces, and no others of the kind`, () => {
    const names = singles.flatMap(([, row]) => row.resource.kind === kind ? row.name : []);
    const found = rules.filter(({ apiGroups, resources }) => apiGroups?.includes(group) && resources?.includes(plural));
    assert.deepEqual(found.flatMap(({ resourceNames = ["any"] }) => resourceNames).sort(), names.sort());
    const { verbs } = found.find(({ resourceNames }) => resourceNames!.includes(name))!;
    for (const verb of ["list", "watch", "create", "patch"]) assert.ok(verbs.includes(verb), verb);
  });
}
