import assert from "node:assert/strict";
import { loadAll } from "js-yaml";
import { chartValuesText, refusedKindOf, refusedKinds } from "./chart_values.ts";

interface Rule {
  apiGroups: string[];
  resources: string[];
  verbs: string[];
}

const manifest = new URL("../../../deploy/kustomize/base/guest-role.yaml", import.meta.url);
const [role] = loadAll(await Deno.readTextFile(manifest)) as { rules: Rule[] }[];

/** Returns the resource names of a kind, as the API server and the operators' generators form the plural. */
const plurals = (kind: string): string[] => {
  const name = kind.toLowerCase();
  return [name, `${name}s`, `${name}es`, name.replace(/y$/, "ies")];
};

Deno.test("chart values: guests may create no kind of the table, by their role", () => {
  const created = role!.rules.filter(({ verbs }) => verbs.includes("create"));
  for (const { group, kinds } of refusedKinds) {
    const resources = created.filter(({ apiGroups }) => apiGroups.includes(group)).flatMap(({ resources }) =>
      resources
    );
    assert.deepEqual(kinds.filter((kind) => plurals(kind).some((name) => resources.includes(name))), []);
  }
});

Deno.test("chart values: each kind has one entry, with a value that turns it off or an alternative", () => {
  const all = refusedKinds.flatMap(({ group, kinds }) => kinds.map((kind) => `${group}/${kind}`));
  assert.equal(new Set(all).size, all.length);
  for (const { values, instead } of refusedKinds) {
    assert.ok(values.length > 0 || instead);
    for (const value of values) assert.match(value, /^[a-zA-Z.]+=false$/);
  }
});

Deno.test("chart values: a kind of any version: reason, value and alternative", () => {
  assert.equal(
    chartValuesText("networking.k8s.io/v1", "Ingress"),
    "Guests may not write this kind, because it would publish pods outside the cluster, which no grant includes. In a " +
      "chart it is usually left out with --set ingress.enabled=false. Use kubectl port-forward, or ask your lender to " +
      "route to your Service.",
  );
  assert.equal(refusedKindOf("networking.k8s.io/v1beta1", "Ingress"), refusedKindOf("networking.k8s.io/v1", "Ingress"));
  assert.deepEqual(refusedKindOf("rbac.authorization.k8s.io/v1", "RoleBinding")?.values, ["rbac.create=false"]);
  assert.deepEqual(refusedKindOf("v1", "Namespace")?.values, ["namespace.create=false"]);
});

Deno.test("chart values: a kind that guests may write, or of another group: no text", () => {
  assert.equal(chartValuesText("v1", "ServiceAccount"), "");
  assert.equal(chartValuesText("apps/v1", "Deployment"), "");
  assert.equal(chartValuesText("example.com/v1", "Ingress"), "", "a kind of the same name");
  assert.equal(chartValuesText("example.com/v1", "constructor"), "");
});
