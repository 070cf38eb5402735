import assert from "node:assert/strict";
import { loadAll } from "js-yaml";
import { guardNames, guardsRevision } from "../../src/api/mod.ts";
import { guestGuards } from "./guest_guards.ts";
import { guardPolicies, guards } from "./guards_table.ts";

interface Rule {
  operations: string[];
  resources: string[];
}

interface Manifest {
  kind: string;
  metadata: { name: string };
  spec: {
    failurePolicy?: string;
    variables?: { name: string; expression: string }[];
    matchConditions?: { expression: string }[];
    policyName?: string;
    validationActions?: string[];
    paramRef?: { parameterNotFoundAction: string };
    matchResources?: { resourceRules: Rule[] };
  };
}

const manifests = loadAll(guestGuards()) as unknown as Manifest[];
const isWarning = ({ metadata: { name } }: Manifest) => name.includes("-warnings");

Deno.test("guards: each name is in the table once and has attacks", () => {
  assert.deepEqual(guards.map(({ name }) => name).sort(), [...guardNames].sort());
  // A field that no tested version has can't be sent; tests/hostile removes a known field from the list instead.
  const untried = guards.filter(({ attacks }) => attacks.length === 0).map(({ name }) => name);
  // Guards on requests without an object are tested in tests/hostile/verbs_test.ts.
  assert.deepEqual(untried, ["pod-fields", "container-fields", "workload-fields", "forced-end", "account-count"]);
});

Deno.test("guards: an expression fails: the request is refused; each policy has a binding that denies", () => {
  const written = manifests.filter(({ kind }) => kind === "ValidatingAdmissionPolicy");
  for (const policy of written) {
    const { name } = policy.metadata;
    assert.equal(policy.spec.failurePolicy, isWarning(policy) ? "Ignore" : "Fail", name);
    const bound = manifests.filter(({ spec }) => spec.policyName === name);
    assert.ok(bound.length > 0, name);
    for (const { spec } of bound) {
      assert.deepEqual(spec.validationActions, isWarning(policy) ? ["Warn", "Audit"] : ["Deny"], name);
    }
  }
});

Deno.test("guards: match conditions read only the user and the request, never an object", () => {
  for (const { spec, metadata } of manifests) {
    for (const { expression } of spec.matchConditions ?? []) {
      assert.doesNotMatch(expression, /\b(object|oldObject|params|variables|namespaceObject)\b/, metadata.name);
    }
  }
});

Deno.test("guards: the quota is missing: only the creation of pods is refused", () => {
  const denying = manifests.filter(({ spec }) => spec.paramRef?.parameterNotFoundAction === "Deny");
  assert.deepEqual(denying.map(({ spec }) => spec.matchResources!.resourceRules), [[
    { apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"] },
  ]]);
});

Deno.test("guards: an operator of an older revision manages the namespace: only the oldest guards refuse", () => {
  const revisions = guards.map(({ since = 1 }) => since);
  assert.equal(Math.max(...revisions), guardsRevision, "a new guard raises the revision");
  const first = guards.filter(({ since }) => since === 0).map(({ name }) => name);
  assert.deepEqual(first.sort(), [
    "account-count",
    "account-tokens",
    "external-ips",
    "external-name",
    "metadata-size",
    "node-name",
    "pod-finalizers",
    "pod-size",
    "priority",
    "tolerations",
    "volume-name",
  ]);
  for (const { name, guards } of guardPolicies) {
    const { spec } = manifests.find((each) =>
      each.kind === "ValidatingAdmissionPolicy" && each.metadata.name === name
    )!;
    const { expression } = spec.variables!.find((variable) => variable.name === "warned")!;
    const [, without] = /orValue\('0'\)\) < 1 \? \[(.*)\] : \[\]\)$/.exec(expression) ?? [];
    const heldBack = guards.filter(({ since = 1 }) => since > 0).map(({ name }) => `'${name}'`);
    assert.equal(without, heldBack.length > 0 ? heldBack.join(", ") : undefined, name);
  }
});

Deno.test("guards: the manifest in deploy/kustomize equals the generated one", async () => {
  const file = new URL("../kustomize/base/guest-guards.yaml", import.meta.url);
  assert.equal(await Deno.readTextFile(file), guestGuards());
});
