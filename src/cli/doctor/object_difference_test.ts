import assert from "node:assert/strict";
import { differencesOf, inWords, isAddition } from "./object_difference.ts";
import { restoreCommand } from "./restore_command.ts";
import type { ShippedObject } from "./shipped_manifests.ts";

const shipped = {
  spec: {
    failurePolicy: "Fail",
    matchConstraints: { resourceRules: [{ apiGroups: [""], resources: ["pods"] }] },
    matchConditions: [{ name: "a", expression: "true" }],
    variables: [{ name: "x", expression: "1" }, { name: "y", expression: "2" }],
    validations: [{ expression: "false" }],
  },
};
const edited = (change: (spec: Record<string, never>) => void) => {
  const live = structuredClone(shipped);
  change(live.spec as unknown as Record<string, never>);
  return differencesOf(shipped, live);
};

Deno.test("doctor: the API server's defaults and another order of named entries: no difference", () => {
  const live = structuredClone(shipped);
  Object.assign(live.spec.matchConstraints, { matchPolicy: "Equivalent", namespaceSelector: {}, objectSelector: {} });
  Object.assign(live.spec.matchConstraints.resourceRules[0]!, { scope: "*" });
  live.spec.variables.reverse();
  assert.deepEqual(differencesOf(shipped, live), []);
});

Deno.test("doctor: an added condition or selector: a difference, which a removal ends", () => {
  const found = edited((spec: Record<string, unknown>) => {
    spec.matchConditions = [{ name: "never", expression: "false" }, ...shipped.spec.matchConditions];
    spec.matchConstraints = { ...shipped.spec.matchConstraints, namespaceSelector: { matchLabels: { a: "b" } } };
  });
  assert.deepEqual(found.map(isAddition), [true, true]);
  assert.deepEqual(found.map(inWords).sort(), [
    'spec.matchConditions[never] was added ({"name":"never","expression":"false"})',
    'spec.matchConstraints.namespaceSelector was added ({"matchLabels":{"a":"b"}})',
  ]);
  const manifest = {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingAdmissionPolicy",
    metadata: { name: "p" },
  } as ShippedObject;
  assert.equal(
    restoreCommand({ shipped: manifest, live: manifest, differences: found }, "install"),
    "kubectl patch validatingadmissionpolicies.admissionregistration.k8s.io p --type=json -p " +
      `'[{"op":"remove","path":"/spec/matchConstraints/namespaceSelector"},{"op":"remove","path":"/spec/matchConditions/0"}]'`,
  );
});

Deno.test("doctor: a changed or missing value: a difference, which the installation ends", () => {
  const found = edited((spec: Record<string, unknown>) => {
    spec.failurePolicy = "Ignore";
    spec.validations = [];
    spec.variables = [{ name: "x", expression: "1" }];
  });
  assert.deepEqual(found.map(isAddition), [false, false, false]);
  assert.ok(found.map(inWords).includes("spec.failurePolicy is Ignore, shipped as Fail"));
  assert.ok(found.map(inWords).includes("spec.variables[y] is missing"));
});
