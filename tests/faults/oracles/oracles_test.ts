import assert from "node:assert/strict";
import type { KubernetesObject } from "../../../lib/kubernetes/mod.ts";
import type { RecordedFact } from "../recorder.ts";
import { counts } from "./quota_counts.ts";
import { plain, plainDifferences } from "./plain.ts";
import { safety } from "./safety.ts";

const mark = "-p1";
const labels = { "app.kubernetes.io/managed-by": "keystone", "keystone.io/realm": "bob-p1" };
const annotations = { "keystone.io/grantee": "Realm/bob-p1/bob-p1.tailnet-name.ts.net/" };
const inGuest = (name: string) => ({ name, namespace: "guest-bob-p1", labels });
const hard = {
  pods: "50",
  "requests.cpu": "2",
  "limits.cpu": "2",
  "requests.memory": "1Gi",
  "limits.memory": "1Gi",
  "requests.storage": "0",
  persistentvolumeclaims: "100",
  "services.loadbalancers": "0",
};

function grant(phase?: string): KubernetesObject {
  const spec = { grantorRealm: "alice-p1", granteeRealm: "bob-p1", hard: { cpu: "2", memory: "1Gi" } };
  const status = { phase, conditions: [{ type: "Draining", status: "False" }] };
  return { metadata: { name: "one-p1" }, spec, ...(phase ? { status } : {}) } as KubernetesObject;
}

const objects: Readonly<Record<string, KubernetesObject>> = {
  realms: {
    metadata: { name: "bob-p1" },
    spec: { identity: "bob-p1.tailnet-name.ts.net", connectionType: "tailscale", trustLevel: "partner" },
  } as KubernetesObject,
  grants: grant(),
  namespaces: { metadata: { name: "guest-bob-p1", labels, annotations } },
  networkpolicies: {
    metadata: inGuest("default-deny"),
    spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
  } as KubernetesObject,
  resourcequotas: { metadata: inGuest("keystone"), status: { hard, used: {} } } as KubernetesObject,
  rolebindings: { metadata: inGuest("keystone-guest") },
};

/** Builds a history of events in this order: a resource for its object, or a pair for another version of it. */
function history(...steps: (string | [resource: string, object: KubernetesObject])[]): RecordedFact[] {
  const seen = new Set<string>();
  return steps.map((step) => {
    const [resource, object] = typeof step === "string" ? [step, objects[step]!] : step;
    const type = seen.has(resource) ? "MODIFIED" : "ADDED";
    seen.add(resource);
    return { resource, type, at: Date.now(), object: { ...object, metadata: { uid: resource, ...object.metadata } } };
  });
}

const around = { tailnet: { kind: "none" }, aheadMs: 0 } as const;
const good = ["realms", "grants", "namespaces", "networkpolicies", "resourcequotas", "rolebindings"];
const cpu = (text: string): KubernetesObject =>
  ({ ...objects["resourcequotas"], status: { hard: { ...hard, "requests.cpu": text }, used: {} } }) as KubernetesObject;

Deno.test("safety: events in the right order break no invariant", () => {
  assert.deepEqual(safety(history(...good, ["grants", grant("Active")]), around), []);
});

for (
  const [what, broken, steps] of [
    ["access before the default deny", /only with a default deny/, good.filter((each) => each !== "networkpolicies")],
    ["access before the quota", /quota in force/, [...good.slice(0, 4), "rolebindings", "resourcequotas"]],
    ["more than is granted", /3 requests.cpu are enforced, but 2 are granted/, [...good, [
      "resourcequotas",
      cpu("3"),
    ]]],
    ["less at the end", /at rest the quota equals the sum/, [...good, ["grants", grant("Active")], [
      "resourcequotas",
      cpu("1"),
    ]]],
    ["a return from the end", /a grant never leaves a terminal phase/, [["grants", grant("Revoked")], [
      "grants",
      grant("Active"),
    ]]],
    ["an end with access", /ended only when nothing/, [...good, ["grants", grant("Active")], [
      "grants",
      grant("Revoked"),
    ]]],
  ] as [string, RegExp, Parameters<typeof history>][]
) {
  Deno.test(`safety: ${what} is reported`, () => {
    assert.match(safety(history(...steps), around).join(), broken);
  });
}

Deno.test("counts: an object that was deleted and created again counts twice, without the plan's mark", () => {
  const object = { metadata: { name: "keystone", namespace: "guest-bob-p1" } };
  const sightings = (["ADDED", "DELETED", "ADDED", "MODIFIED"] as const).map((type) => ({
    resource: "resourcequotas",
    type,
    object,
    at: 0,
  }));
  assert.deepEqual(counts(sightings, mark), {
    "ADDED resourcequotas/guest-bob/keystone": 2,
    "DELETED resourcequotas/guest-bob/keystone": 1,
  });
});

Deno.test("two runs: differences in content are reported, generated values are ignored", () => {
  const run = (mark: string, uid: string, at: string, pods: string) =>
    plain({
      metadata: { name: `bob${mark}`, uid, resourceVersion: uid, creationTimestamp: at, labels: { of: `bob${mark}` } },
      status: { hard: { pods }, message: `Ends at ${at}.` },
    } as KubernetesObject, mark);
  const first = run("-p1", "u1", "2026-06-01T12:00:00Z", "1");
  assert.deepEqual(plainDifferences(run("-p2", "u2", "2026-06-02T12:00:00Z", "1"), first), []);
  assert.deepEqual(plainDifferences(run("-p2", "u2", "2026-06-02T12:00:00Z", "2"), first), [
    'status.hard.pods: "2", not "1"',
  ]);
});
