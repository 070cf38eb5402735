import assert from "node:assert/strict";
import { alice, now, realm } from "../../../tests/fixtures/made_facts.ts";
import { restrictedSpec } from "../../../tests/lab/lab_workloads.ts";
import { defaultSettings } from "../../api/mod.ts";
import { type AdmissionQuestion, type AdmissionWorld, respondTo } from "./response.ts";
import { webhookConfigurationOf } from "./configuration.ts";

const hard = { "requests.cpu": "2", pods: "5" };
const world: AdmissionWorld = {
  settings: defaultSettings,
  cluster: { ranges: [], extendedKeys: [], storageClasses: [] },
  local: alice,
  realmNamed: (name) => name === "bob-home" ? realm() : undefined,
  isCollective: () => false,
  realms: () => [realm()],
  grantsTo: () => [],
  guest: (namespace) =>
    namespace === "guest-bob-home"
      ? {
        quotas: [{ metadata: { name: "keystone" }, spec: { hard }, status: { hard, used: {} } }],
        limits: [],
        grants: [],
      }
      : undefined,
  now,
};
const workload = (kind: string, replicas: number, metadata = {}) => ({
  apiVersion: "apps/v1",
  kind,
  metadata: { name: "web", ...metadata },
  spec: {
    replicas,
    template: { spec: restrictedSpec({ image: "i", resources: { requests: { cpu: "1" } } }) },
  },
});
const ask = (object: unknown, more: Partial<AdmissionQuestion> = {}) =>
  respondTo(
    { operation: "CREATE", namespace: "guest-bob-home", subResource: "", object, oldObject: null, ...more },
    world,
  );
const owned = { ownerReferences: [{ kind: "Deployment", name: "web", uid: "u", controller: true }] };

const cases: [string, ReturnType<typeof ask>, boolean, number][] = [
  ["a workload that fits: allowed", ask(workload("Deployment", 2)), true, 0],
  ["a workload above the grants: refused", ask(workload("Deployment", 3)), false, 0],
  ["a namespace that is not known: allowed", ask(workload("Deployment", 3), { namespace: "guest-x" }), true, 0],
  ["a ReplicaSet with a controller: allowed", ask(workload("ReplicaSet", 3, owned)), true, 0],
  [
    "a ReplicaSet without a controller: refused",
    ask(workload("ReplicaSet", 3, { ownerReferences: [{ kind: "X" }] })),
    false,
    0,
  ],
  [
    "an update that grows: refused",
    ask(workload("Deployment", 4), { operation: "UPDATE", oldObject: workload("Deployment", 3) }),
    false,
    0,
  ],
  [
    "an update that shrinks: allowed",
    ask(workload("Deployment", 3), { operation: "UPDATE", oldObject: workload("Deployment", 4) }),
    true,
    0,
  ],
  ["a deletion: allowed", ask(null, { operation: "DELETE", oldObject: workload("Deployment", 9) }), true, 0],
  ["a subresource: allowed", ask(workload("Deployment", 9), { subResource: "status" }), true, 0],
];
for (const [that, response, allowed, warnings] of cases) {
  Deno.test(`response: ${that}`, () => {
    assert.equal(response.allowed, allowed);
    assert.equal(response.warnings.length, warnings, response.warnings.join());
    assert.equal(response.message !== undefined, !allowed);
  });
}

Deno.test("response: pods that Pod Security refuses: a warning with the fields to set, once", () => {
  const containers = [{ name: "a", image: "i", resources: { requests: { cpu: "1" } } }];
  const open = { ...workload("Deployment", 1), spec: { template: { spec: { containers } } } };
  const { allowed, warnings } = ask(open);
  assert.equal(allowed, true);
  assert.match(warnings.join(), /^Deployment web: Pod Security restricted refuses its pods\. Set spec\.template\.spec/);
  const scaled = { ...open, spec: { ...open.spec, replicas: 2 } };
  assert.deepEqual(ask(scaled, { operation: "UPDATE", oldObject: open }).warnings, []);
  assert.equal(ask(open, { operation: "UPDATE", oldObject: workload("Deployment", 1) }).warnings.length, 1);
  const internal = { ...world, realmNamed: () => realm({ spec: { trustLevel: "internal" } }) };
  const question = { operation: "CREATE", namespace: "guest-bob-home", subResource: "", object: open, oldObject: null };
  assert.deepEqual(respondTo(question, internal).warnings, []);
});

Deno.test("response: terms that are likely wrong: allowed with a warning", () => {
  const kind = (kind: string, spec: unknown, oldObject: unknown = null) =>
    ask({ apiVersion: "keystone.io/v1alpha1", kind, metadata: { name: "x" }, spec }, { namespace: "", oldObject });
  const terms = { grantorRealm: "alice-home", granteeRealm: "nobody", hard: {} };
  assert.deepEqual(kind("Grant", terms).warnings.length, 1);
  assert.equal(kind("Grant", terms).allowed, true);
  const identity = { identity: "bob-home.tailnet-name.ts.net", connectionType: "tailscale", trustLevel: "partner" };
  assert.match(kind("Realm", identity).warnings.join(), /Realm bob-home already has/);
  assert.equal(kind("Realm", identity, { spec: identity }).warnings.length, 1);
  assert.deepEqual(kind("SuperEntity", {}), { allowed: true, warnings: [] });
  assert.throws(() => kind("Grant", { hard: 3 }));
});

Deno.test("the webhook configuration: matches only guests' workloads and Keystone's kinds, and fails open", () => {
  for (const place of [{ service: true } as const, { url: "https://192.0.2.7:9443" }]) {
    const { webhooks } = webhookConfigurationOf(place, "PEM");
    for (const { failurePolicy, timeoutSeconds, namespaceSelector, rules, clientConfig, sideEffects } of webhooks!) {
      assert.equal(failurePolicy, "Ignore");
      assert.equal(sideEffects, "None");
      assert.ok(timeoutSeconds! <= 3);
      assert.equal(new TextDecoder().decode(Uint8Array.fromBase64(clientConfig.caBundle!)), "PEM");
      assert.equal(
        "service" in place ? clientConfig.service?.name : clientConfig.url,
        "service" in place ? "keystone-webhook" : "https://192.0.2.7:9443/admit",
      );
      for (const { apiGroups, resources } of rules!) {
        assert.ok(![...apiGroups!, ...resources!].some((word) => word.includes("*") || word === "secrets"));
        const ofGuests = namespaceSelector?.matchExpressions?.some(({ key, operator }) =>
          key === "keystone.io/realm" && operator === "Exists"
        );
        assert.ok(ofGuests || apiGroups!.every((group) => group === "keystone.io"));
      }
    }
  }
});
