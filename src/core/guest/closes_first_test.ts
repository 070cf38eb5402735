import assert from "node:assert/strict";
import {
  accountFor,
  afterWrites,
  converged,
  grant,
  guestWorld,
  now,
  realm,
  verified,
} from "../../../tests/fixtures/made_facts.ts";
import { parseQuantity } from "../../../lib/quantity/mod.ts";
import { defaultSettings } from "../../api/mod.ts";
import type { GrantFacts, PodFacts } from "../facts.ts";
import { effectsOf, effectText } from "../effects.ts";
import { type GuestPlan, planGuest } from "./plan_guest.ts";
import type { GuestWorld } from "./guest_world.ts";
import { enforcementsOf } from "./enforcements.ts";

const active = { phase: "Active" as const };
const bob = realm({ status: verified("100.64.0.2"), trustedNode: "n1" });
const at = (ms: number): string => new Date(now + ms).toISOString();
const open = (...allowedDestinations: string[]) => ({ networkPolicy: { egressAllowed: true, allowedDestinations } });
const termination = { noticeSeconds: 0, drainSeconds: 60 };
const ending = (facts: Parameters<typeof grant>[0] = {}): GrantFacts =>
  grant({
    ...facts,
    status: active,
    spec: { ...open("203.0.113.0/24"), termination, ...facts.spec, validity: { validUntil: at(1000) } },
  });
const closingOf = (plan: GuestPlan): string[] => effectsOf(plan, "close").map(effectText);
const allOf = (plan: GuestPlan): string[] => effectsOf(plan).map(effectText);
const pod = (facts: Partial<PodFacts> & { name: string }): PodFacts => ({
  namespace: "guest-bob-home",
  uid: `uid-${facts.name}`,
  createdAt: now - 1000,
  priority: 0,
  usage: new Map([["pods", parseQuantity("1")]]),
  finished: false,
  terminating: false,
  graceSeconds: 30,
  finalizers: [],
  ...facts,
});

/** Adds pods, which the quota counts. */
const holding = (world: GuestWorld, ...pods: PodFacts[]): GuestWorld => ({
  ...world,
  pods,
  ...(world.quota
    ? { quota: { ...world.quota, used: { ...world.quota.used, "count/pods": String(pods.length) } } }
    : {}),
});

/** Makes fields of an object unreadable. */
function broken<T extends object>(object: T, ...fields: (keyof T)[]): T {
  const thrown = () => {
    throw new TypeError("that is no function");
  };
  return Object.defineProperties(
    Object.create(null, Object.getOwnPropertyDescriptors(object)),
    Object.fromEntries(fields.map((field) => [field, { get: thrown, enumerable: true, configurable: true }])),
  ) as T;
}

const thrown = () => {
  throw new TypeError("that is no function");
};

/** Faults in a plan's input, one at a time. */
const faults: Record<string, (world: GuestWorld) => GuestWorld> = {
  "the Realms by name": (world) => ({ ...world, realmNamed: thrown }),
  "the DNS answers": (world) => ({ ...world, addressesOfName: thrown }),
  "the SuperEntities": (world) => ({ ...world, pooling: { entityNamed: thrown, roomOf: thrown } }),
  "the settings for DNS": (world) => ({ ...world, settings: broken(world.settings, "dns") }),
  "the proxies of realms": (world) => ({ ...world, settings: broken(world.settings, "realmPeers") }),
  "the trust rules": (world) => ({ ...world, settings: broken(world.settings, "trust") }),
  "the cluster's ranges": (world) => ({ ...world, cluster: broken(world.cluster, "ranges", "rangesUnknown") }),
  "the storage classes": (world) => ({ ...world, cluster: broken(world.cluster, "storageClasses") }),
  "the Realm's subjects": (world) => ({ ...world, realm: { ...bob, spec: broken(bob.spec, "subjects") } }),
  "the Realm's node": (world) => ({ ...world, realm: broken(bob, "status") }),
  "the Realm's trust": (world) => ({ ...world, realm: { ...bob, spec: broken(bob.spec, "trustLevel") } }),
  "the guide": (world) => ({ ...world, guide: world.guide && broken(world.guide, "data") }),
  "the limits": (world) => ({ ...world, limitRange: world.limitRange && broken(world.limitRange, "limits") }),
  "the usage": (world) => ({
    ...world,
    quota: world.quota && { ...world.quota, used: { ...world.quota.used, "requests.cpu": "1e1002e" } },
  }),
};

for (const [what, fault] of Object.entries(faults)) {
  Deno.test(`closing: ${what} can't be read: at the end everything closes nevertheless`, () => {
    const two = [ending({ spec: open("203.0.113.0/24", "carol:22", "nas.example.org") }), ending({ name: "other" })];
    const stands = converged(guestWorld({ realm: bob, grants: two }));
    const world = holding({ ...stands, now: now + 1000 }, pod({ name: "a" }));
    const closed = afterWrites(fault(world), planGuest(fault(world)));
    assert.equal(closed.binding, undefined);
    assert.deepEqual(closed.policies.map(({ name }) => name), ["default-deny"]);
    assert.deepEqual(new Set(Object.values(closed.quota!.specHard)), new Set(["0"]));
    assert.deepEqual(closingOf(planGuest(fault(closed))), ["Evicting Pod guest-bob-home/a"]);
    const enforcements = (faulty: GuestWorld) => enforcementsOf(faulty, planGuest(faulty));
    assert.equal(enforcements(fault(world)).get("other")!.enforced, true);
  });

  Deno.test(`closing: ${what} can't be read: one grant ends with its share and its policy, the others stay`, () => {
    const stays = grant({ name: "stays", status: { ...active, hard: { "requests.cpu": "2", pods: "50" } } });
    const world = converged(guestWorld({ realm: bob, grants: [stays, ending({ spec: { hard: { cpu: 3 } } })] }));
    const later = fault({ ...world, now: now + 1000 });
    const after = afterWrites(later, planGuest(later));
    assert.equal(after.quota!.specHard["requests.cpu"], "2");
    assert.ok(!after.policies.some(({ name }) => name === "grant-alice-to-bob"));
    assert.equal(
      planGuest(later).draining,
      what === "the usage" || planGuest({ ...world, now: now + 1000 }).draining,
    );
  });
}

Deno.test("closing: a Realm named constructor is a Realm like any other", () => {
  const named = realm({ name: "constructor", status: verified("100.64.0.2"), trustedNode: "n1" });
  const own = { ...named, spec: { ...named.spec, identity: "bob-home.tailnet-name.ts.net" } };
  const given = ending({ spec: { granteeRealm: "constructor", ...open("constructor:22", "203.0.113.0/24") } });
  const world = converged(guestWorld({ grantee: "constructor", realm: own, grants: [given] }));
  assert.deepEqual(planGuest(world).faults, []);
  assert.ok(world.binding);
  assert.deepEqual(world.policies.map(({ name }) => name).sort(), [
    "default-deny",
    "dns",
    "grant-alice-to-bob",
    "guest-internal",
    "realm",
  ]);
  assert.equal(converged({ ...world, now: now + 1000 }).binding, undefined);
});

Deno.test("closing: a destination can't be planned: it opens nothing and is named, the others stay open", () => {
  const given = grant({ status: active, spec: open("203.0.113.0/24", "carol:22") });
  const world = converged(guestWorld({ realm: bob, grants: [given], realmNamed: thrown }));
  const { egress } = world.policies.find(({ name }) => name === "grant-alice-to-bob")!.spec;
  assert.deepEqual(egress!.flatMap(({ to }) => to!.map(({ ipBlock }) => ipBlock!.cidr)), ["203.0.113.0/24"]);
  const plan = planGuest(world);
  assert.deepEqual(plan.faults.map(({ part, grant }) => [part, grant]), [["destination carol:22", "alice-to-bob"]]);
  const [fine, failed] = enforcementsOf(world, plan).get("alice-to-bob")!.destinations;
  assert.equal(fine!.error, undefined);
  assert.match(
    failed!.error!,
    /^Planning destination carol:22 failed: that is no function\. This is a bug in the op/,
  );
});

/** A grant whose terms can't be read. */
const unreadable = (facts: Parameters<typeof grant>[0]): GrantFacts => {
  const whole = grant(facts);
  return { ...whole, spec: broken(whole.spec, "hard", "networkPolicy") };
};

Deno.test("closing: a grant can't be read: its recorded amounts stay, and other grants end on time", () => {
  const status = { ...active, hard: { "requests.cpu": "4", "limits.cpu": "4", pods: "9" } };
  const odd = { name: "odd", status, spec: { hard: { cpu: 4, pods: 9 } } };
  const before = converged(guestWorld({ realm: bob, grants: [grant(odd), ending({ spec: { hard: { cpu: 3 } } })] }));
  const world = { ...before, grants: [unreadable(odd), before.grants[1]!], now: now + 1000 };
  const after = afterWrites(world, planGuest(world));
  assert.deepEqual([after.quota!.specHard["requests.cpu"], after.quota!.specHard["pods"]], ["4", "9"]);
  assert.ok(after.binding);
  const enforcement = enforcementsOf(after, planGuest(after)).get("odd")!;
  assert.equal(enforcement.failure!.reason, "PlanFailed");
  assert.match(enforcement.failure!.message, /^Planning spec\.hard of grant odd failed: that is no function\./);
  assert.equal(
    enforcementsOf(after, planGuest(after)).get("alice-to-bob")!.failure,
    undefined,
    "it is none of the others'",
  );
});

Deno.test("closing: a grant can't be read: it ends by its terms", () => {
  const before = converged(guestWorld({ realm: bob, grants: [ending()] }));
  const whole = ending();
  const grants = [{ ...whole, spec: broken(whole.spec, "hard", "networkPolicy", "grantorRealm") }];
  const world = { ...before, grants, now: now + 1000 };
  const closed = afterWrites(world, planGuest(world));
  assert.equal(closed.binding, undefined);
  assert.deepEqual(closed.policies.map(({ name }) => name), ["default-deny"]);
});

Deno.test("closing: a new grant can't be read: it opens nothing and reports the reason", () => {
  const world = guestWorld({ realm: bob, grants: [unreadable({})] });
  assert.deepEqual(allOf(planGuest(world)), []);
  assert.equal(enforcementsOf(world, planGuest(world)).get("alice-to-bob")!.failure!.reason, "PlanFailed");
});

const leaving = (world: GuestWorld): GuestWorld => ({ ...world, namespace: { ...world.namespace!, deleting: true } });

Deno.test("namespace in deletion: at the end access, policies and quota close, and pods are deleted at once", () => {
  const account = accountFor(bob);
  const stands = { ...converged(guestWorld({ realm: bob, grants: [ending()] })), accounts: [account] };
  assert.deepEqual(allOf(planGuest(leaving(stands))), [], "grants in force stay until then");
  const pods = [pod({ name: "runs" }), pod({ name: "year", terminating: true, graceSeconds: 31_536_000 })];
  const world = leaving({ ...stands, now: now + 1000, pods });
  const plan = planGuest(world);
  assert.ok(plan.stages.every(({ kind }) => kind === "close"));
  assert.deepEqual(allOf(plan), [
    "Deleting RoleBinding guest-bob-home/keystone-guest",
    `Deleting ServiceAccount keystone-system/${account.name}`,
    "Deleting NetworkPolicy guest-bob-home/guest-internal",
    "Deleting NetworkPolicy guest-bob-home/dns",
    "Deleting NetworkPolicy guest-bob-home/realm",
    "Deleting NetworkPolicy guest-bob-home/grant-alice-to-bob",
    "Writing ResourceQuota guest-bob-home/keystone",
    "Deleting Pod guest-bob-home/runs",
    "Deleting Pod guest-bob-home/year",
  ]);
  const graces = effectsOf(plan).flatMap((write) => "graceSeconds" in write ? [write.graceSeconds] : []);
  assert.deepEqual(graces, [30, 30]);
});

Deno.test("namespace in deletion: nothing is created, and present objects follow the grants", () => {
  const world = converged(guestWorld({ realm: bob, grants: [ending()] }));
  const bare = leaving({ ...world, quota: undefined, policies: [], limitRange: undefined, guide: undefined });
  assert.deepEqual(allOf(planGuest({ ...bare, now: now + 1000 })), [
    "Deleting RoleBinding guest-bob-home/keystone-guest",
  ]);
  const cut = grant({ status: active, spec: open("198.51.100.0/24") });
  const narrowed = planGuest(leaving({ ...world, grants: [cut] }));
  assert.deepEqual(allOf(narrowed), ["Writing NetworkPolicy guest-bob-home/grant-alice-to-bob"]);
  const foreign = leaving({ ...world, namespace: { ...world.namespace!, labels: {} }, now: now + 1000 });
  assert.deepEqual(allOf(planGuest(foreign)), [], "objects not made by Keystone are left alone");
});

Deno.test("namespace in deletion without default deny: its pods are deleted", () => {
  const stands = converged(guestWorld({ realm: bob, grants: [grant({ status: active })] }));
  const world = {
    ...stands,
    quota: { ...stands.quota!, used: { ...stands.quota!.used, pods: "2", "count/pods": "2" } },
  };
  const policies = world.policies.filter(({ name }) => name !== "default-deny");
  const pods = [pod({ name: "a" }), pod({ name: "b", terminating: true, graceSeconds: 3600 })];
  assert.equal(planGuest(leaving({ ...world, policies, pods: undefined })).needsPods, true);
  assert.deepEqual(allOf(planGuest(leaving({ ...world, policies, pods }))), [
    "Deleting Pod guest-bob-home/a",
    "Deleting Pod guest-bob-home/b",
  ]);
  assert.deepEqual(allOf(planGuest(leaving({ ...world, pods }))), []);
});

Deno.test("namespace in deletion: a grant is shown as ended once nothing of it is left, and as Drained once no pod is", () => {
  const world = leaving({ ...converged(guestWorld({ realm: bob, grants: [ending()] })), now: now + 1000 });
  const enforcement = (observed: GuestWorld) => enforcementsOf(observed, planGuest(observed)).get("alice-to-bob")!;
  assert.equal(enforcement(world).enforced, true);
  const closed = { ...holding(afterWrites(world, planGuest(world)), pod({ name: "any" })), pods: undefined };
  assert.deepEqual([enforcement(closed).enforced, enforcement(closed).draining, enforcement(closed).looking], [
    false,
    true,
    true,
  ]);
  const year = pod({ name: "year", terminating: true, graceSeconds: 31_536_000 });
  assert.equal(enforcement({ ...closed, pods: [year] }).draining, true);
  assert.deepEqual([enforcement({ ...closed, pods: [] }).draining, enforcement({ ...closed, pods: [] }).looking], [
    false,
    undefined,
  ]);
  const gone = { ...closed, namespace: undefined, quota: undefined, policies: [], binding: undefined };
  assert.deepEqual([enforcement(gone).enforced, enforcement(gone).draining], [false, false]);
  const unseen = { ...gone, quota: closed.quota };
  assert.equal(enforcement(unseen).enforced, true, "its quota is seen before the namespace that it is in");
});

Deno.test("drain: a pod held by a finalizer: counts as left and is named with the finalizer", () => {
  const world = converged({ ...converged(guestWorld({ realm: bob, grants: [ending()] })), now: now + 1000, pods: [] });
  const held = { terminating: true, finished: true, finalizers: ["batch.kubernetes.io/job-tracking"] };
  const seen = (later: number) => {
    const observed = holding({ ...world, now: now + later }, pod({ name: "managed", ...held }));
    return enforcementsOf(observed, planGuest(observed)).get("alice-to-bob")!;
  };
  assert.deepEqual([seen(2000).draining, seen(2000).obstacle], [true, undefined]);
  const { draining, obstacle } = seen(61_000);
  assert.deepEqual([draining, obstacle!.reason], [false, "HeldByFinalizers"]);
  assert.match(obstacle!.message, /managed \(batch\.kubernetes\.io\/job-tracking\)/);
});

Deno.test("drain: a pod that doesn't terminate and isn't counted any more: counts as left", () => {
  const world = converged({ ...converged(guestWorld({ realm: bob, grants: [ending()] })), now: now + 1000, pods: [] });
  const observed = holding({ ...world, now: now + 1_000_000 }, pod({ name: "lost", terminating: true }));
  const { draining, obstacle } = enforcementsOf(observed, planGuest(observed)).get("alice-to-bob")!;
  assert.deepEqual([draining, obstacle!.reason], [true, "PodsRemain"]);
  assert.match(obstacle!.message, /^Terminating pods still exist: lost\./);
});

Deno.test("drain: no pod was ever created: pods aren't listed", () => {
  const world = converged({ ...converged(guestWorld({ realm: bob, grants: [ending()] })), now: now + 1000, pods: [] });
  assert.equal(planGuest({ ...world, pods: undefined }).needsPods, false);
  assert.equal(planGuest({ ...holding(world, pod({ name: "a" })), pods: undefined }).needsPods, true);
});

Deno.test("drain: the quota can't be lowered: pods stay until the deadline", () => {
  const stands = converged(guestWorld({ realm: bob, grants: [ending()] }));
  const { quota } = stands;
  const stuck = { ...afterWrites({ ...stands, now: now + 1000 }, planGuest({ ...stands, now: now + 1000 })), quota };
  const pods = [pod({ name: "a" })];
  assert.deepEqual(planGuest({ ...stuck, pods }).wakeAt, now + 61_000);
  assert.ok(!allOf(planGuest({ ...stuck, pods })).some((text) => text.includes("Pod")));
  assert.ok(allOf(planGuest({ ...stuck, pods, now: now + 61_000 })).includes("Deleting Pod guest-bob-home/a"));
});

Deno.test("closing: an immutable guide: created again, and doesn't delay the deletion of volumes", () => {
  const world = converged(guestWorld({ realm: bob, grants: [grant({ status: active })] }));
  const stuck = { ...world, guide: { ...world.guide!, immutable: true } };
  assert.deepEqual(allOf(planGuest(stuck)), ["Deleting ConfigMap guest-bob-home/keystone"]);
  assert.equal(converged(stuck).guide!.immutable, undefined);
  const deleting = ending({ spec: { termination: { ...termination, volumes: "Delete" } } });
  const stands = converged(guestWorld({ realm: bob, grants: [deleting] }));
  const used = { ...stands.quota!.used, persistentvolumeclaims: "1" };
  const over = { ...stands, quota: { ...stands.quota!, used }, pods: [], now: now + 1000 };
  const closed = { ...afterWrites(over, planGuest(over)), guide: stands.guide! };
  assert.deepEqual(allOf(planGuest(closed)), [
    "Deleting the volume claims of guest-bob-home",
    "Writing ConfigMap guest-bob-home/keystone",
  ]);
});

Deno.test("closing: the settings lack a trust level: grants still end", () => {
  const settings = { ...defaultSettings, trust: { public: defaultSettings.trust.public } as never };
  const world = converged(guestWorld({ realm: bob, grants: [ending()] }));
  const later = { ...world, settings, now: now + 1000 };
  assert.equal(afterWrites(later, planGuest(later)).binding, undefined);
});
