import assert from "node:assert/strict";
import fc from "fast-check";
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
import { type Effect, effectsOf, writtenBy } from "../effects.ts";
import type { PodFacts, RealmFacts } from "../facts.ts";
import { type GuestPlan, planGuest } from "./plan_guest.ts";
import type { GuestWorld } from "./guest_world.ts";
import { enforcementsOf } from "./enforcements.ts";

const named = (write: Effect): string => {
  const written = writtenBy(write);
  if (written) return `${written.kind}/${written.metadata!.name}`;
  if ("patch" in write) return `${write.patch.kind === "Namespace" ? "adopt" : "internal"} ${write.patch.name}`;
  if ("delete" in write) return `-${write.delete.kind}/${write.delete.name}`;
  return "evict" in write ? `evict ${write.evict.name}` : "-volumes";
};
const stages = (plan: GuestPlan): string[][] => plan.stages.map(({ effects }) => effects.map(named));
const writes = (world: GuestWorld): string[] => effectsOf(planGuest(world)).map(named);
const carriedOut = (world: GuestWorld): GuestWorld => afterWrites(world, planGuest(world));
const at = (ms: number): string => new Date(now + ms).toISOString();
const open = (...allowedDestinations: string[]) => ({ networkPolicy: { egressAllowed: true, allowedDestinations } });
const active = { phase: "Active" as const };
const atOnce = { termination: { noticeSeconds: 0 } };
const bob = realm({ status: verified("100.64.0.2"), trustedNode: "n1" });
const hardOf = (world: GuestWorld, ...keys: string[]) => keys.map((key) => world.quota!.specHard[key]);
const policyNames = (world: GuestWorld) => world.policies.map(({ name }) => name).sort();
const using = (world: GuestWorld, used: Record<string, string>): GuestWorld => ({
  ...world,
  quota: { ...world.quota!, used: { ...world.quota!.used, ...used } },
});
const pod = (facts: Partial<PodFacts> & { name: string }, cpu = "1"): PodFacts => ({
  namespace: "guest-bob-home",
  uid: `uid-${facts.name}`,
  createdAt: now - 1000,
  priority: 0,
  usage: new Map([["pods", parseQuantity("1")], ["requests.cpu", parseQuantity(cpu)]]),
  finished: false,
  terminating: false,
  graceSeconds: 30,
  finalizers: [],
  ...facts,
});

Deno.test("guest: objects are created in safe order, each once, access last", () => {
  const world = guestWorld({ realm: bob, grants: [grant({ spec: open("203.0.113.0/24") })] });
  const plan = planGuest(world);
  assert.deepEqual(stages(plan), [
    ["Namespace/guest-bob-home"],
    ["NetworkPolicy/default-deny"],
    ["ResourceQuota/keystone"],
    ["LimitRange/keystone", "ServiceAccount/default"],
    ["NetworkPolicy/guest-internal", "NetworkPolicy/dns", "NetworkPolicy/realm", "NetworkPolicy/grant-alice-to-bob"],
    ["ConfigMap/keystone"],
  ]);
  const uncounted = afterWrites(world, plan, Infinity, false);
  assert.deepEqual(writes(uncounted), [], "nobody has access before admission enforces the quota");
  const counted = afterWrites(world, plan);
  assert.deepEqual(stages(planGuest(counted)), [["RoleBinding/keystone-guest"]]);
  assert.deepEqual(writes(carriedOut(counted)), []);
});

Deno.test("guest: no default deny: nobody has access, whatever else is in force", () => {
  const world = converged(guestWorld({ realm: bob }));
  const open = { ...world, binding: undefined, policies: world.policies.filter(({ name }) => name !== "default-deny") };
  assert.deepEqual(writes(open), ["NetworkPolicy/default-deny"]);
  assert.deepEqual(writes(carriedOut(open)), ["RoleBinding/keystone-guest"]);
});

Deno.test("guest: the seed's grant opens nothing but DNS, the guests' own pods and the realm's node", () => {
  const world = converged(guestWorld({ realm: { ...bob, status: verified("100.64.0.2", "fd7a:115c:a1e0::2") } }));
  assert.deepEqual(policyNames(world), ["default-deny", "dns", "guest-internal", "realm"]);
  const specOf = (name: string) => world.policies.find((policy) => policy.name === name)!.spec;
  assert.deepEqual(specOf("default-deny"), { podSelector: {}, policyTypes: ["Ingress", "Egress"] });
  assert.deepEqual(specOf("realm"), {
    podSelector: {},
    policyTypes: ["Ingress", "Egress"],
    ingress: [{ from: [{ ipBlock: { cidr: "100.64.0.2/32" } }, { ipBlock: { cidr: "fd7a:115c:a1e0::2/128" } }] }],
    egress: [{ to: [{ ipBlock: { cidr: "100.64.0.2/32" } }, { ipBlock: { cidr: "fd7a:115c:a1e0::2/128" } }] }],
  });
});

Deno.test("guest: destinations open nothing while egressAllowed is false", () => {
  const closed = grant({ spec: { networkPolicy: { egressAllowed: false, allowedDestinations: ["203.0.113.0/24"] } } });
  assert.ok(!policyNames(converged(guestWorld({ grants: [closed] }))).includes("grant-alice-to-bob"));
});

Deno.test("guest: the node has no address: no policy, because an empty list of peers would allow everything", () => {
  for (const status of [{}, verified(), { ...verified("100.64.0.2"), conditions: [] }]) {
    assert.ok(!policyNames(converged(guestWorld({ realm: { ...bob, status } }))).includes("realm"));
  }
});

Deno.test("guest: the node was verified for another identity or pin: opens nothing", () => {
  assert.ok(policyNames(converged(guestWorld({ realm: bob }))).includes("realm"));
  const identity = "mallory.tailnet-name.ts.net";
  const { trustedNode: _, ...released } = bob;
  for (const changed of [{ ...bob, spec: { ...bob.spec, identity } }, { ...bob, trustedNode: "n2" }, released]) {
    assert.ok(!policyNames(converged(guestWorld({ realm: changed }))).includes("realm"));
  }
});

Deno.test("guest: subjects are the realm's group or the Realm's subjects, and their account", () => {
  const subjects = (known: RealmFacts) =>
    converged(guestWorld({ realm: known })).binding!.subjects.map(({ kind, name }) => [kind, name]);
  const account = (known: RealmFacts) => ["ServiceAccount", accountFor(known).name];
  assert.deepEqual(subjects(bob), [["Group", "keystone:realm:bob-home"], account(bob)]);
  const named = realm({ spec: { subjects: [{ kind: "User", name: "bob@example.com" }] } });
  assert.deepEqual(subjects(named), [["User", "bob@example.com"], account(named)]);
  assert.notDeepEqual(account(named), account(realm()));
});

Deno.test("guest: the last grant ends: access is removed first, then policies, then quota; the namespace stays", () => {
  const ending = grant({ spec: { ...open("203.0.113.0/24"), validity: { validUntil: at(1000) }, ...atOnce } });
  const world = { ...converged(guestWorld({ realm: bob, grants: [ending] })), now: now + 1000 };
  const plan = planGuest(world);
  assert.deepEqual(
    stages(plan).map((stage) => stage.toSorted()),
    [
      ["-RoleBinding/keystone-guest"],
      ["Namespace/guest-bob-home"],
      ["dns", "grant-alice-to-bob", "guest-internal", "realm"].map((name) => `-NetworkPolicy/${name}`),
      ["ResourceQuota/keystone"],
      ["ConfigMap/keystone"],
    ].map((stage) => stage.toSorted()),
    "sorted",
  );
  const events = effectsOf(plan).flatMap((write) => "apply" in write ? write.events ?? [] : []);
  assert.match(events[0]!.event.note, /The last grant to bob-home has ended\. .*it is deleted 24 h after it is empty/);
  const closed = converged(world);
  assert.deepEqual(new Set(Object.values(closed.quota!.specHard)), new Set(["0"]));
  assert.equal(closed.quota!.specHard["pods"], "0");
  assert.deepEqual(policyNames(closed), ["default-deny"]);
  assert.equal(closed.namespace!.labels["keystone.io/locked"], "true");
  assert.equal(closed.guide!.data["grants.yaml"]!.split("\n")[1], "[]");
  const again = converged({ ...closed, grants: [grant({ name: "next" })] });
  assert.equal(again.namespace!.annotations["keystone.io/ended-at"], undefined);
  assert.deepEqual(hardOf(again, "requests.cpu"), ["2"]);
});

Deno.test("guest: a grant isn't in force: nothing is created", () => {
  for (const spec of [{ validity: { validUntil: at(-1) } }, { validity: { validFrom: at(1) } }, { revocation: {} }]) {
    assert.deepEqual(writes(guestWorld({ grants: [grant({ spec })] })), []);
  }
  assert.deepEqual(writes(guestWorld({ grants: [grant({ finalized: false })] })), [], "the finalizer comes first");
  assert.deepEqual(writes(guestWorld({ grants: [grant({ deletingSince: now })] })), []);
});

Deno.test("guest: on notice: pods keep running and usage can't grow; the freeze is computed once", () => {
  const staying = grant({ name: "staying", status: active, spec: { hard: { cpu: 2 } } });
  const leaving = grant({ name: "leaving", status: active, spec: { hard: { cpu: 3 } } });
  const running = using(converged(guestWorld({ realm: bob, grants: [staying, leaving] })), { "requests.cpu": "4" });
  const revoked = { ...leaving, generation: 2, spec: { ...leaving.spec, revocation: {} } };
  const frozen = converged({ ...running, grants: [staying, revoked] });
  assert.deepEqual(hardOf(frozen, "requests.cpu"), ["4"]);
  assert.ok(frozen.binding, "access stays");
  assert.deepEqual(writes(using(frozen, { "requests.cpu": "3" })), [], "it doesn't follow the use downwards");
  const tampered = {
    ...frozen,
    quota: { ...frozen.quota!, freeze: frozen.quota!.freeze!.replace('"4"', '"99"') },
  };
  assert.ok(Number(hardOf(converged(tampered), "requests.cpu")[0]) <= 5, "a record that was changed gives no more");
  const renewed = converged({ ...frozen, grants: [staying, leaving] });
  assert.deepEqual([...hardOf(renewed, "requests.cpu"), renewed.quota!.freeze], ["5", undefined]);
  const more = converged({
    ...frozen,
    grants: [staying, revoked, grant({ name: "new", spec: { hard: { cpu: 9 } } })],
  });
  assert.deepEqual(hardOf(more, "requests.cpu"), ["11"], "a new grant is given in full");
});

Deno.test("guest: the terms are reduced: a notice, then a drain", () => {
  const status = {
    ...active,
    hard: { "requests.cpu": "4", "limits.cpu": "4" },
    resolvedDestinations: [{ destination: "203.0.113.0/24" }, { destination: "198.51.100.0/24" }],
  };
  const before = grant({ status, spec: { hard: { cpu: 4 }, ...open("203.0.113.0/24", "198.51.100.0/24") } });
  const running = using(converged(guestWorld({ realm: bob, grants: [before] })), { "requests.cpu": "3" });
  const cut = grant({ generation: 2, status, spec: { hard: { cpu: 1 }, ...open("203.0.113.0/24") } });
  const frozen = converged({ ...running, grants: [cut] });
  assert.deepEqual(hardOf(frozen, "requests.cpu"), ["3"]);
  const [reduction] = enforcementsOf(frozen, planGuest(frozen)).get("alice-to-bob")!.reductions;
  assert.equal(reduction!.until, now + 300_000);
  assert.deepEqual(reduction!.destinations, ["198.51.100.0/24"]);
  assert.equal(policyOf(frozen, "grant-alice-to-bob").spec.egress![0]!.to!.length, 2, "both are still open");
  const recorded = {
    ...cut,
    status: {
      ...active,
      hard: { "requests.cpu": "1", "limits.cpu": "1" },
      resolvedDestinations: [{ destination: "203.0.113.0/24" }, { destination: "198.51.100.0/24" }],
      reductions: [{
        until: at(300_000),
        hard: { "limits.cpu": "4", "requests.cpu": "4" },
        allowedDestinations: ["198.51.100.0/24"],
      }],
    },
  };
  const noted = { ...frozen, grants: [recorded] };
  assert.deepEqual(writes(noted), [], "written down, it is the same");
  assert.equal(planGuest(noted).wakeAt, now + 300_000);
  const over = converged({ ...noted, now: now + 300_000 });
  assert.deepEqual(hardOf(over, "requests.cpu"), ["1"]);
  assert.equal(policyOf(over, "grant-alice-to-bob").spec.egress![0]!.to!.length, 1);
  assert.deepEqual([planGuest(over).draining, planGuest(over).needsPods], [true, true]);
});

Deno.test("guest: the grants include no cpu or no memory: they report that no pod can start", () => {
  const hint = (...hards: Record<string, string>[]) => {
    const world = converged(
      guestWorld({ realm: bob, grants: hards.map((hard, index) => grant({ name: `g${index}`, spec: { hard } })) }),
    );
    return enforcementsOf(world, planGuest(world)).get("g0")!.hint;
  };
  assert.equal(hint({ memory: "1Gi" }), "No pod can start in the namespace: no grant includes cpu.");
  assert.equal(
    hint({ "requests.storage": "1Gi" }),
    "No pod can start in the namespace: no grant includes cpu or memory.",
  );
  assert.equal(
    hint({ memory: "1Gi", cpu: "1", pods: "0" }),
    "No pod can start in the namespace: no grant includes pods.",
  );
  assert.equal(hint({ memory: "1Gi" }, { cpu: "1" }), undefined, "they add up");
});

Deno.test("guest: two reductions: each has its own notice, and the second doesn't delay the first", () => {
  const status = {
    ...active,
    hard: { "requests.cpu": "3", "limits.cpu": "3", "requests.memory": "4Gi" },
    reductions: [{ until: at(60_000), hard: { "limits.cpu": "4", "requests.cpu": "4" } }],
  };
  const twice = grant({ generation: 3, status, spec: { hard: { cpu: 3, memory: "1Gi" } } });
  const world = guestWorld({ realm: bob, grants: [twice] });
  const granted = (world: GuestWorld, key: string) => planGuest(world).sums.granted.get(key)!.toString();
  const cuts = (world: GuestWorld) => enforcementsOf(world, planGuest(world)).get("alice-to-bob")!.reductions;
  assert.deepEqual(cuts(world).map(({ until }) => until - now), [60_000, 300_000]);
  assert.deepEqual([granted(world, "requests.cpu"), granted(world, "requests.memory")], ["4", "4Gi"]);
  assert.equal(planGuest(world).wakeAt, now + 60_000);
  const later = { ...world, now: now + 60_000 };
  assert.deepEqual([granted(later, "requests.cpu"), granted(later, "requests.memory")], ["3", "4Gi"]);
  const raised = grant({ generation: 4, status, spec: { hard: { cpu: 8, memory: "4Gi" } } });
  assert.deepEqual(cuts({ ...world, grants: [raised] }), [], "terms that were raised again lift it");
  const skewed = { ...world, skewMs: 3_600_000 };
  assert.deepEqual(
    cuts(skewed).map(({ until }) => until - now),
    [60_000, Infinity],
    "no instant while clocks disagree",
  );
  assert.equal(enforcementsOf(skewed, planGuest(skewed)).get("alice-to-bob")!.hard["requests.memory"], "4Gi");
  assert.equal(granted(skewed, "requests.memory"), "4Gi", "and nothing is cut");
});

Deno.test("guest: more reductions than the status holds: the rest shares the latest notice", () => {
  const reductions = Array.from({ length: 8 }, (_, index) => ({
    until: at((index + 1) * 10_000),
    hard: { "requests.cpu": `${20 - index}` },
  }));
  const status = { ...active, hard: { "requests.cpu": "5" }, reductions };
  const many = grant({ generation: 9, status, spec: { hard: { cpu: 1 } } });
  const world = guestWorld({ realm: bob, grants: [many] });
  const cuts = enforcementsOf(world, planGuest(world)).get("alice-to-bob")!.reductions;
  assert.equal(cuts.length, 8);
  assert.equal(cuts[7]!.until, now + 300_000);
  assert.equal(cuts[7]!.hard.get("requests.cpu")!.toString(), "13", "the larger of both amounts stays");
});

Deno.test("guest: only one grant names a key: others aren't limited by it, and it ends with the last grant", () => {
  const widgets = "count/widgets.example.com";
  const first = grant({ name: "first" });
  const second = grant({ name: "second", spec: { hard: { [widgets]: 2 } } });
  const both = converged(guestWorld({ realm: bob, grants: [first, second] }));
  assert.deepEqual(hardOf(both, widgets), ["102"]);
  const status = { ...active, hard: enforcementsOf(both, planGuest(both)).get("first")!.hard };
  const left = converged({ ...both, grants: [grant({ name: "first", status })] });
  assert.deepEqual(hardOf(left, widgets), ["100"]);
  assert.deepEqual(enforcementsOf(left, planGuest(left)).get("first")!.reductions, [], "and that is no cut");
});

Deno.test("guest: usage exceeds the remaining grants: pods are evicted, lowest priority first, then the newest", () => {
  const staying = grant({ name: "staying", status: active, spec: { hard: { cpu: 2 } } });
  const ended = grant({
    name: "ended",
    status: { ...active },
    spec: { hard: { cpu: 3 }, validity: { validUntil: at(0) }, termination: { drainSeconds: 60 } },
  });
  const world = using(converged(guestWorld({ realm: bob, grants: [staying, ended] })), {
    "requests.cpu": "4",
    pods: "4",
  });
  assert.deepEqual([planGuest(world).needsPods, writes(world)], [true, []]);
  const pods = [
    pod({ name: "old", createdAt: now - 9000 }),
    pod({ name: "important", priority: 10, createdAt: now - 1 }),
    pod({ name: "new", createdAt: now - 10, graceSeconds: 31_536_000 }),
    pod({ name: "newer", createdAt: now - 5 }),
  ];
  const draining = { ...world, pods };
  assert.deepEqual(writes(draining), ["evict newer", "evict new"]);
  assert.equal((effectsOf(planGuest(draining))[1] as { graceSeconds: number }).graceSeconds, 30);
  assert.equal(planGuest(draining).wakeAt, now + 2000);
  assert.deepEqual(writes({ ...draining, now: now + 60_000 }), ["-Pod/newer", "-Pod/new"], "after the deadline");
  const going = { ...draining, pods: pods.map((each) => ({ ...each, terminating: each.name.startsWith("new") })) };
  assert.deepEqual(writes(going), []);
  assert.deepEqual(writes({ ...going, now: now + 60_000 }), ["-Pod/new"], "a grace of a year is cut short");
  assert.equal(planGuest(using(draining, { "requests.cpu": "2" })).draining, false);
});

Deno.test("guest: the last grant ends: all pods are evicted; a quota lowered by hand: none", () => {
  const ended = grant({ status: active, spec: { validity: { validUntil: at(1) }, ...atOnce } });
  const before = using(converged(guestWorld({ realm: bob, grants: [ended] })), {
    pods: "2",
    "count/pods": "2",
    "requests.cpu": "0",
  });
  const world = converged({ ...before, now: now + 1 });
  const zero = pod({ name: "zero" }, "0");
  assert.deepEqual(writes({ ...world, pods: [zero, pod({ name: "done", finished: true })] }), ["evict zero"]);
  const lowered = using(converged(guestWorld({ realm: bob })), { "requests.cpu": "3" });
  assert.deepEqual(writes({ ...lowered, pods: ["a", "b", "c"].map((name) => pod({ name })) }), []);
  assert.equal(enforcementsOf(lowered, planGuest(lowered)).get("alice-to-bob")!.overcommitted.status, "True");
});

Deno.test("guest: the clocks disagree: nothing is ended, evicted or deleted", () => {
  const ending = grant({ status: active, spec: { validity: { validUntil: at(1000) }, ...atOnce } });
  const world = using(converged(guestWorld({ realm: bob, grants: [ending] })), { "requests.cpu": "1" });
  const jumped = converged({ ...world, now: now + 3_600_000, skewMs: -3_600_000 });
  assert.ok(jumped.binding);
  assert.deepEqual(hardOf(jumped, "requests.cpu", "pods"), ["1", "0"], "cordoned");
});

Deno.test("guest: a namespace not made by Keystone: left alone until it is handed over", () => {
  const foreign = {
    name: "guest-bob-home",
    uid: "u",
    createdAt: now,
    labels: { team: "web" },
    annotations: {},
    deleting: false,
  };
  const world = guestWorld({ namespace: foreign });
  assert.deepEqual(writes(world), []);
  const { quota } = enforcementsOf(world, planGuest(world)).get("alice-to-bob")!;
  assert.equal(quota.reason, "NamespaceConflict");
  assert.match(quota.message, /kubectl annotate namespace guest-bob-home keystone\.io\/adopt=bob-home/);
  const adopted = guestWorld({ namespace: { ...foreign, annotations: { "keystone.io/adopt": "bob-home" } } });
  assert.deepEqual(stages(planGuest(adopted))[0], ["adopt guest-bob-home"]);
});

Deno.test("guest: a namespace made for another identity: kept closed until it is handed over", () => {
  const world = converged(guestWorld({ realm: bob, grants: [grant({ status: active })] }));
  assert.equal(world.namespace!.annotations["keystone.io/grantee"], "Realm/bob-home/bob-home.tailnet-name.ts.net/n1");
  const other = realm({ spec: { identity: "mallory.tailnet-name.ts.net" }, status: verified("100.64.0.9") });
  const another = { ...bob, trustedNode: "n2", status: verified("100.64.0.9") };
  for (const taken of [other, another]) {
    const next = { ...world, realm: taken, grants: [grant({ status: active }), grant({ name: "more" })] };
    assert.deepEqual(writes(next).filter((write) => !write.startsWith("ConfigMap")), [
      "-RoleBinding/keystone-guest",
      "-NetworkPolicy/realm",
    ]);
    const closed = converged(next);
    assert.deepEqual(hardOf(closed, "requests.cpu"), ["2"], "nothing is added for the new one");
    const { access } = enforcementsOf(closed, planGuest(closed)).get("more")!;
    assert.match(access.message, /was created for Realm\/bob-home\/bob-home\.tailnet-name\.ts\.net\/n1/);
    const given = {
      ...closed,
      namespace: { ...closed.namespace!, annotations: { ...closed.namespace!.annotations, "keystone.io/adopt": "x" } },
    };
    assert.ok(converged(given).binding, "handed over");
  }
});

Deno.test("guest: a deleted Realm is created again: the same one only once its node is verified", () => {
  const world = converged(guestWorld({ realm: bob, grants: [grant({ status: active })] }));
  const back = realm({ status: {} });
  const waiting = converged({ ...world, realm: back });
  assert.equal(waiting.binding, undefined);
  const { access } = enforcementsOf(waiting, planGuest(waiting)).get("alice-to-bob")!;
  assert.deepEqual(access.reason, "NamespaceConflict");
  assert.match(access.message, /Realm bob-home has no trusted node yet\. Nobody has access until that node is/);
  assert.ok(converged({ ...waiting, realm: bob }).binding);
  // Without a tailnet there is no node, so the identity alone decides.
  const plain = converged(guestWorld({ grants: [grant({ status: active })] }));
  assert.ok(converged({ ...converged({ ...plain, realm: undefined }), realm: realm() }).binding);
});

Deno.test("guest: the Realm is deleted: pods keep the rules they were admitted by, and drift is repaired", () => {
  const trusted = realm({ spec: { trustLevel: "internal" }, status: verified("100.64.0.2"), trustedNode: "n1" });
  const running = grant({
    status: {
      ...active,
      hard: { "requests.cpu": "2" },
      resolvedDestinations: [{ destination: "169.254.169.254:80", addresses: ["169.254.169.254/32"] }],
    },
    spec: open("169.254.169.254:80"),
  });
  const world = converged(guestWorld({ realm: trusted, grants: [running] }));
  const levelOf = ({ namespace }: GuestWorld) => namespace!.labels["pod-security.kubernetes.io/enforce"];
  assert.equal(levelOf(world), "baseline");
  const lost = converged({ ...world, realm: undefined });
  assert.equal(levelOf(lost), "baseline");
  assert.equal(lost.binding, undefined);
  assert.deepEqual(policyNames(lost), ["default-deny", "dns", "grant-alice-to-bob", "guest-internal"]);
  const labels = { ...lost.namespace!.labels, "pod-security.kubernetes.io/enforce": "privileged" };
  const wider = lost.policies.map((policy) =>
    policy.name === "dns" ? { ...policy, spec: { ...policy.spec, egress: [{}] } } : policy
  );
  const drifted = { ...lost, namespace: { ...lost.namespace!, labels }, policies: wider };
  assert.deepEqual(writes(drifted), ["Namespace/guest-bob-home", "NetworkPolicy/dns"]);
  assert.deepEqual(
    converged(drifted).policies.map(({ name, spec }) => [name, spec]).sort(),
    lost.policies.map(({ name, spec }) => [name, spec]).sort(),
  );
  const { network, access, quota } = enforcementsOf(lost, planGuest(lost)).get("alice-to-bob")!;
  assert.deepEqual([network.reason, access.reason, quota.status], ["GranteeUnknown", "GranteeUnknown", "True"]);
  assert.match(network.message, /Traffic to and from the node of bob-home is denied: There is no Realm bob-home\./);
  // A namespace from a version without the record: the label decides.
  const { "keystone.io/trust": _, ...annotations } = world.namespace!.annotations;
  assert.equal(
    levelOf(converged({ ...world, realm: undefined, namespace: { ...world.namespace!, annotations } })),
    "baseline",
  );
  // An invalid record is ignored.
  const forged = { ...lost.namespace!, annotations: { ...annotations, "keystone.io/trust": "root" }, labels };
  assert.equal(levelOf(converged({ ...lost, namespace: forged })), "restricted");
});

Deno.test("guest: the node isn't verified: its policy closes at once, and the grants report the reason", () => {
  const world = converged(guestWorld({ realm: bob, grants: [grant({ spec: open("bob-home:22", "203.0.113.0/24") })] }));
  const message = "Another node (n2) has taken the name.";
  const condition = { type: "IdentityVerified", reason: "NodeReplaced", message, lastTransitionTime: "" };
  const taken = { ...bob, status: { conditions: [{ ...condition, status: "False" as const }] } };
  assert.deepEqual(writes({ ...world, realm: taken, realmNamed: () => taken }), [
    "-NetworkPolicy/realm",
    "NetworkPolicy/grant-alice-to-bob",
  ]);
  const closed = converged({ ...world, realm: taken, realmNamed: () => taken });
  assert.ok(closed.binding, "its people are let in as before");
  const { network, destinations } = enforcementsOf(closed, planGuest(closed)).get("alice-to-bob")!;
  assert.deepEqual([network.status, network.reason], ["False", "NodeReplaced"]);
  assert.match(network.message, /^Traffic to and from the node of bob-home is denied: Another node \(n2\) has taken/);
  assert.match(destinations[0]!.error!, /^Another node \(n2\)/);
  assert.deepEqual(destinations[1]!.addresses, ["203.0.113.0/24"]);
  // While the tailnet can't be queried this is shown, but not as an error.
  const unknown = { ...bob, status: { conditions: [{ ...condition, status: "Unknown" as const }] } };
  const waiting = converged({ ...world, realm: unknown, grants: [grant()] });
  const enforcement = enforcementsOf(waiting, planGuest(waiting)).get("alice-to-bob")!;
  assert.equal(enforcement.network.status, "True");
  assert.match(enforcement.network.message, /Traffic to and from the node of bob-home is denied: Another node/);
});

Deno.test("guest: proxies to the node: open in both directions, and as a destination with its port", () => {
  const proxy = {
    namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "tailscale" } },
    podSelector: { matchLabels: { app: "egress-bob" } },
  };
  const settings = { ...defaultSettings, realmPeers: { "bob-home": [proxy] } };
  const world = converged(guestWorld({ realm: bob, settings, grants: [grant({ spec: open("bob-home:22") })] }));
  const specOf = (name: string) => world.policies.find((policy) => policy.name === name)!.spec;
  const address = { ipBlock: { cidr: "100.64.0.2/32" } };
  assert.deepEqual(specOf("realm").ingress, [{ from: [address, proxy] }]);
  assert.deepEqual(specOf("realm").egress, [{ to: [address, proxy] }]);
  assert.deepEqual(specOf("grant-alice-to-bob").egress, [{
    ports: [{ protocol: "TCP", port: 22 }],
    to: [address, proxy],
  }]);
});

Deno.test("guest: a person trusts another node: it inherits the namespace", () => {
  const world = converged(guestWorld({ realm: bob, grants: [grant({ status: active })] }));
  const status = { ...verified("100.64.0.9"), trustedNode: "n2", trustedBefore: ["n1"] };
  const next = converged({
    ...world,
    realm: { ...bob, trustedNode: "n2", status: { ...status, node: { ...status.node!, stableID: "n2" } } },
  });
  assert.ok(next.binding);
  assert.equal(next.namespace!.annotations["keystone.io/grantee"], "Realm/bob-home/bob-home.tailnet-name.ts.net/n2");
  assert.deepEqual(next.policies.find(({ name }) => name === "realm")!.spec.ingress, [{
    from: [{ ipBlock: { cidr: "100.64.0.9/32" } }],
  }]);
});

Deno.test("guest: a namespace is being deleted: the grant waits", () => {
  const world = converged(guestWorld());
  assert.deepEqual(writes({ ...world, namespace: { ...world.namespace!, deleting: true } }), []);
});

Deno.test("guest: a namespace is handed over: left alone until a grant is in force, and its volumes are kept", () => {
  const given = { "keystone.io/adopt": "bob-home" };
  const foreign = {
    name: "guest-bob-home",
    uid: "u",
    createdAt: now,
    labels: {},
    annotations: given,
    deleting: false,
  };
  assert.deepEqual(writes(guestWorld({ namespace: foreign, grants: [] })), []);
  const granted = grant({
    spec: { validity: { validUntil: at(1) }, termination: { noticeSeconds: 0, volumes: "Delete" } },
  });
  const taken = converged(guestWorld({ namespace: foreign, grants: [granted] }));
  assert.equal(taken.namespace!.annotations["keystone.io/volumes"], "Retain", "no grant applied to the stored volumes");
  const ended = { ...using(taken, { persistentvolumeclaims: "1" }), now: now + 1 };
  assert.ok(!writes(afterWrites(ended, planGuest(ended))).includes("-volumes"));
});

Deno.test("guest: a new grant in a closed namespace: the closed marks are removed, including those that others wrote", () => {
  const world = converged(guestWorld({ realm: bob }));
  for (const mark of ["annotations", "labels"] as const) {
    const key = mark === "labels" ? "keystone.io/locked" : "keystone.io/ended-at";
    const marked = {
      ...world,
      namespace: { ...world.namespace!, [mark]: { ...world.namespace![mark], [key]: "true" } },
    };
    assert.deepEqual(writes(marked), ["adopt guest-bob-home"]);
    assert.equal(converged(marked).namespace![mark][key], undefined);
  }
});

Deno.test("guest: an adopt annotation on the realm's own namespace: removed, so that no later realm can use it", () => {
  const said = (world: GuestWorld): GuestWorld => {
    const annotations = { ...world.namespace!.annotations, "keystone.io/adopt": "yes" };
    return { ...world, namespace: { ...world.namespace!, annotations } };
  };
  const world = converged(guestWorld({ realm: bob }));
  assert.deepEqual(writes(said(world)), ["adopt guest-bob-home"]);
  assert.deepEqual(converged(said(world)), world);
  const closed = converged({ ...world, grants: [] });
  assert.deepEqual(writes(said(closed)), ["adopt guest-bob-home"]);
  assert.deepEqual(converged(said(closed)), closed);
  // Without a Realm of the name, the annotation may be meant for a later one.
  assert.deepEqual(writes(said(converged({ ...world, realm: undefined }))), []);
});

Deno.test("guest: a grant lost its finalizer, as by kubectl replace: stays in force", () => {
  const world = converged(guestWorld({ realm: bob, grants: [grant({ status: active })] }));
  assert.deepEqual(writes({ ...world, grants: [grant({ status: active, finalized: false })] }), []);
});

Deno.test("guest: a restored grant waits for its Realm: the namespace closes without evictions or deletions", () => {
  const world = using(converged(guestWorld({ realm: bob, grants: [grant({ status: active })] })), { pods: "3" });
  const restored = { ...world, realm: undefined, grants: [grant()], now: now + 1_000_000 };
  const waiting = converged(restored);
  assert.deepEqual([waiting.binding, hardOf(waiting, "pods")], [undefined, ["0"]]);
  const later = planGuest({ ...waiting, now: now + 99 * 86_400_000 });
  assert.deepEqual([later.stages, later.draining, later.needsPods], [[], false, false]);
  const back = converged({ ...waiting, realm: bob });
  assert.ok(back.binding);
  assert.deepEqual(hardOf(back, "pods"), ["50"]);
});

Deno.test("guest: a device is removed from the terms: notice and drain, like any reduction", () => {
  const gpu = "requests.nvidia.com/gpu";
  const status = { ...active, hard: { "requests.cpu": "2", [gpu]: "1" } };
  const before = grant({ status, spec: { hard: { cpu: 2, [gpu]: "1" } } });
  const running = using(converged(guestWorld({ realm: bob, grants: [before] })), { [gpu]: "1" });
  const cut = { ...running, grants: [grant({ generation: 2, status, spec: { hard: { cpu: 2 } } })] };
  assert.equal(enforcementsOf(cut, planGuest(cut)).get("alice-to-bob")!.reductions[0]!.hard.get(gpu)!.toString(), "1");
  assert.deepEqual(hardOf(converged(cut), gpu), ["1"], "on notice it still holds");
});

Deno.test("guest: a grant with storage classes ends: the others keep theirs", () => {
  const fast = "fast.storageclass.storage.k8s.io/requests.storage";
  const any = grant({ name: "any", status: active, spec: { hard: { "requests.storage": "100Gi" } } });
  const one = grant({ name: "one", spec: { hard: { [fast]: "10Gi" }, validity: { validUntil: at(1) }, ...atOnce } });
  const both = converged(guestWorld({ realm: bob, grants: [any, one] }));
  assert.deepEqual(hardOf(both, "requests.storage", fast), ["110Gi", "110Gi"]);
  const left = converged({ ...both, now: now + 1 });
  assert.deepEqual(hardOf(left, "requests.storage", fast), ["100Gi", "100Gi"]);
});

Deno.test("guest: the trust level is lowered: load balancers end after a notice", () => {
  const own = { ...bob, spec: { ...bob.spec, trustLevel: "internal" as const } };
  const lb = "services.loadbalancers";
  const status = { ...active, hard: { [lb]: "2", "requests.cpu": "1" } };
  const granted = grant({ status, spec: { hard: { cpu: 1, [lb]: "2" } } });
  const world = converged(guestWorld({ realm: own, grants: [granted] }));
  assert.deepEqual(hardOf(world, lb), ["2"]);
  const lowered = { ...world, realm: bob };
  assert.equal(
    enforcementsOf(lowered, planGuest(lowered)).get("alice-to-bob")!.reductions[0]!.hard.get(lb)!.toString(),
    "2",
  );
});

Deno.test("guest: the Realm is missing: destinations close by the terms, and none opens", () => {
  const status = {
    ...active,
    hard: { "requests.cpu": "2" },
    resolvedDestinations: [{ destination: "203.0.113.0/24" }],
  };
  const before = grant({ status, spec: { ...open("203.0.113.0/24"), ...atOnce } });
  const world = converged(guestWorld({ realm: bob, grants: [before] }));
  const lost = { ...world, realm: undefined };
  assert.ok(policyNames(converged(lost)).includes("grant-alice-to-bob"));
  const closed = { ...lost, grants: [grant({ status, generation: 2, spec: atOnce })] };
  assert.ok(!policyNames(converged(closed)).includes("grant-alice-to-bob"));
  const more = {
    ...lost,
    grants: [grant({ status, generation: 2, spec: { ...open("203.0.113.0/24", "0.0.0.0/0"), ...atOnce } })],
  };
  assert.equal(policyOf(converged(more), "grant-alice-to-bob").spec.egress![0]!.to!.length, 1);
});

Deno.test("enforcement: an ended grant doesn't wait for other writes", () => {
  const ending = grant({ name: "ending", spec: { validity: { validUntil: at(1) }, ...atOnce } });
  const world = converged(guestWorld({ realm: bob, grants: [ending, grant()] }));
  const over = converged({ ...world, now: now + 1 });
  const drifted = { ...over, guide: undefined, namespace: { ...over.namespace!, annotations: {} } };
  assert.equal(enforcementsOf(drifted, planGuest(drifted)).get("ending")!.enforced, false);
});

const policyOf = (world: GuestWorld, name: string) => world.policies.find((policy) => policy.name === name)!;

Deno.test("guest: drift is repaired, object by object", () => {
  const world = converged(guestWorld({ realm: bob }));
  const without = (name: string) => world.policies.filter((policy) => policy.name !== name);
  const quota = world.quota!;
  const cases: [string, GuestWorld, string[]][] = [
    ["a deleted deny", { ...world, policies: without("default-deny") }, ["NetworkPolicy/default-deny"]],
    [
      "a deny that was narrowed to some pods",
      {
        ...world,
        policies: [...without("default-deny"), {
          ...policyOf(world, "default-deny"),
          spec: { podSelector: { matchLabels: { a: "b" } }, policyTypes: ["Ingress", "Egress"] },
        }],
      },
      ["NetworkPolicy/default-deny"],
    ],
    [
      "a rule that was added",
      {
        ...world,
        policies: [...without("realm"), {
          ...policyOf(world, "realm"),
          spec: { ...policyOf(world, "realm").spec, egress: [{}] },
        }],
      },
      ["NetworkPolicy/realm"],
    ],
    ["a policy that carries our labels and is not ours", {
      ...world,
      policies: [...world.policies, { ...policyOf(world, "realm"), name: "open" }],
    }, ["-NetworkPolicy/open"]],
    ["a quota that was raised", {
      ...world,
      quota: { ...quota, specHard: { ...quota.specHard, "requests.cpu": "99" } },
    }, [
      "ResourceQuota/keystone",
    ]],
    ["a quota that lost a key", { ...world, quota: { ...quota, specHard: {} } }, ["ResourceQuota/keystone"]],
    ["a quota that was narrowed by scopes", { ...world, quota: { ...quota, scoped: true } }, [
      "-ResourceQuota/keystone",
      "ResourceQuota/keystone",
    ]],
    ["a cordon that nobody ordered", { ...world, quota: { ...quota, freeze: "{}" } }, ["ResourceQuota/keystone"]],
    ["a limit range that was widened", { ...world, limitRange: { ...world.limitRange!, limits: [] } }, [
      "LimitRange/keystone",
    ]],
    [
      "an account that got its token back",
      { ...world, serviceAccount: { ...world.serviceAccount!, automount: true } },
      [
        "ServiceAccount/default",
      ],
    ],
    ["one more who may come in", {
      ...world,
      binding: { ...world.binding!, subjects: [...world.binding!.subjects, { kind: "User", name: "eve" }] },
    }, ["RoleBinding/keystone-guest"]],
    ["another role", { ...world, binding: { ...world.binding!, roleRef: { kind: "ClusterRole", name: "admin" } } }, [
      "-RoleBinding/keystone-guest",
    ]],
    ["a guide that guests have rewritten", {
      ...world,
      guide: { ...world.guide!, data: { "grants.yaml": "all mine" } },
    }, [
      "ConfigMap/keystone",
    ]],
    [
      "weakened Pod Security",
      {
        ...world,
        namespace: {
          ...world.namespace!,
          labels: { ...world.namespace!.labels, "pod-security.kubernetes.io/enforce": "privileged" },
        },
      },
      ["Namespace/guest-bob-home"],
    ],
    ["a record that was taken off", { ...world, namespace: { ...world.namespace!, annotations: {} } }, [
      "Namespace/guest-bob-home",
    ]],
  ];
  for (const [that, drifted, expected] of cases) assert.deepEqual(writes(drifted), expected, that);
});

Deno.test("guest: foreign labels, and quota keys that only restrict: left alone", () => {
  const world = converged(guestWorld());
  const touched = {
    ...world,
    namespace: { ...world.namespace!, labels: { ...world.namespace!.labels, "istio-injection": "enabled" } },
    quota: {
      ...world.quota!,
      specHard: { ...world.quota!.specHard, "requests.cpu": "2000m", "count/foos.example.com": "3" },
    },
  };
  assert.deepEqual(writes(touched), []);
});

Deno.test("guest: the trust level sets Pod Security and DNS; without the Realm the strictest applies", () => {
  const level = (world: GuestWorld) => converged(world).namespace!.labels["pod-security.kubernetes.io/enforce"];
  assert.equal(level(guestWorld({ realm: realm({ spec: { trustLevel: "internal" } }) })), "baseline");
  assert.equal(level(guestWorld({ realm: realm({ spec: { trustLevel: "partner" } }) })), "restricted");
  const lost = { ...guestWorld({ grants: [grant({ status: active })] }), realm: undefined };
  assert.equal(level(lost), "restricted");
  const strict = realm({ spec: { trustLevel: "public" } });
  const short = grant({ spec: { validity: { validUntil: at(86_400_000) } } });
  assert.deepEqual(policyNames(converged(guestWorld({ realm: strict, grants: [short] }))), [
    "default-deny",
    "guest-internal",
  ]);
});

Deno.test("guest: the Realm is deleted: access and its own policy close at once, usage can't grow, the rest stays", () => {
  const resolvedDestinations = [{ destination: "203.0.113.0/24" }];
  const held = { ...active, hard: { "requests.cpu": "2", pods: "50" }, resolvedDestinations };
  const world = using(
    converged(guestWorld({ realm: bob, grants: [grant({ status: held, spec: open("203.0.113.0/24") })] })),
    { "requests.cpu": "1", pods: "1" },
  );
  for (const gone of [undefined, { ...bob, deleting: true }]) {
    const lost = { ...world, realm: gone };
    assert.deepEqual(stages(planGuest(lost)).slice(0, 2), [["-RoleBinding/keystone-guest"], ["-NetworkPolicy/realm"]]);
    const closed = converged(lost);
    assert.deepEqual(policyNames(closed), ["default-deny", "dns", "grant-alice-to-bob", "guest-internal"]);
    assert.deepEqual(hardOf(closed, "requests.cpu", "pods"), ["1", "1"]);
    assert.equal(planGuest(closed).draining, false, "its pods stay");
    const back = converged({ ...closed, realm: bob });
    assert.ok(back.binding && policyNames(back).includes("realm"));
    assert.deepEqual(hardOf(back, "requests.cpu"), ["2"]);
  }
});

Deno.test("guest: the trust level is lowered: destinations beyond it close at once", () => {
  const spec = { ...open("203.0.113.0/24", "bob-home:22"), validity: { validUntil: at(86_400_000) } };
  const status = {
    ...active,
    resolvedDestinations: [{ destination: "203.0.113.0/24" }, { destination: "bob-home:22" }],
  };
  const world = converged(guestWorld({ realm: bob, grants: [grant({ status, spec })] }));
  const lowered = converged({ ...world, realm: { ...bob, spec: { ...bob.spec, trustLevel: "public" } } });
  const { egress } = policyOf(lowered, "grant-alice-to-bob").spec;
  assert.deepEqual(egress!.flatMap(({ to }) => to!.map(({ ipBlock }) => ipBlock!.cidr)), ["100.64.0.2/32"]);
});

Deno.test("enforcement: Applied only once admission enforces the quota", () => {
  const world = converged(guestWorld());
  const enforcement = (changed: Partial<GuestWorld["quota"] & object>) => {
    const observed = { ...world, quota: { ...world.quota!, ...changed } };
    return enforcementsOf(observed, planGuest(observed)).get("alice-to-bob")!;
  };
  const { statusHard, used, specHard } = world.quota!;
  assert.equal(enforcement({}).quota.status, "True");
  assert.equal(enforcement({ statusHard: {} }).quota.reason, "QuotaPending");
  assert.match(enforcement({ statusHard: {} }).quota.message, /the controller manager has not applied it yet/);
  assert.equal(enforcement({ statusHard: { ...statusHard, "requests.cpu": "1" } }).quota.reason, "QuotaPending");
  assert.match(enforcement({ used: {} }).quota.message, /has no usage yet for .*requests\.cpu/);
  assert.equal(enforcement({ specHard: { ...specHard, "requests.cpu": "1" } }).quota.reason, "Applying");
  const { ["count/jobs.batch"]: _, ...withoutJobs } = used;
  assert.equal(enforcement({ used: withoutJobs }).quota.status, "True", "a kind that isn't there can't be counted");
});

Deno.test("enforcement: an ended grant counts as enforced until all closing writes are in force", () => {
  const ending = grant({ spec: { validity: { validUntil: at(1000) }, ...atOnce } });
  const world = { ...converged(guestWorld({ grants: [ending] })), now: now + 1000 };
  const enforced = (observed: GuestWorld) =>
    enforcementsOf(observed, planGuest(observed)).get("alice-to-bob")!.enforced;
  assert.equal(enforced(world), true);
  const written = afterWrites(world, planGuest(world), Infinity, false);
  assert.equal(enforced(written), true, "admission still counts against the old quota");
  assert.equal(enforced(converged(world)), false);
});

Deno.test("guest: fields added by others: overruled if they open something, else left alone", () => {
  const world = converged(guestWorld({ realm: bob }));
  const deny = policyOf(world, "default-deny");
  const opened = { ...deny, spec: { ...deny.spec, egress: [{}] } };
  const policies = [...world.policies.filter((policy) => policy !== deny), opened];
  const [write] = effectsOf(planGuest({ ...world, policies }));
  assert.ok(write && "apply" in write && write.apply.kind === "NetworkPolicy");
  assert.deepEqual(write.apply.spec, { podSelector: {}, policyTypes: ["Ingress", "Egress"], egress: [] });
  const noted = { ...world, guide: { ...world.guide!, data: { ...world.guide!.data, notes: "mine" } } };
  assert.deepEqual(writes(noted), [], "a guest's own note in the guide holds up no end");
  const scribbled = { ...world, quota: { ...world.quota!, freeze: "no JSON" } };
  assert.equal(carriedOut(scribbled).quota!.freeze, "");
  assert.deepEqual(writes(carriedOut(scribbled)), []);
});

Deno.test("guest: the clocks disagree: no pod is evicted, even for an earlier end", () => {
  const ended = grant({ status: { phase: "Expired" }, spec: { validity: { validUntil: at(-1000) } } });
  const over = using(converged(guestWorld({ realm: bob, grants: [grant({ name: "first" }), ended] })), { pods: "99" });
  const world = { ...over, pods: [pod({ name: "a" })], now: now + 3_600_000 };
  assert.equal(planGuest(world).stages.length > 0, false, "one pod is not too many");
  const many = Array.from({ length: 60 }, (_, index) => pod({ name: `p${index}` }, "0"));
  assert.ok(writes({ ...world, pods: many }).length > 0);
  const skewed = planGuest({ ...world, pods: many, skewMs: -3_600_000 });
  assert.deepEqual([skewed.stages, skewed.draining], [[], true]);
});

// Any set of grants, some ended, deleted, open or closed, at any step of the plan's execution.
const anyGrant = (name: string) =>
  fc.record({
    hard: fc.dictionary(
      fc.constantFrom("cpu", "requests.memory", "limits.cpu", "requests.storage", "pods"),
      fc.constantFrom("1", "2", 3, "500"),
      { minKeys: 1 },
    ),
    destinations: fc.subarray(["203.0.113.0/24", "198.51.100.7:443", "0.0.0.0/0", "carol", "169.254.169.254"]),
    egressAllowed: fc.boolean(),
    deleted: fc.boolean(),
    ended: fc.boolean(),
    ends: fc.constantFrom(-1, 1000, undefined),
    phase: fc.constantFrom("Active" as const, undefined),
  }).map(({ hard, destinations, egressAllowed, deleted, ends, phase }) =>
    grant({
      name,
      ...(deleted ? { deletingSince: now - 400_000 } : {}),
      status: phase ? { phase } : {},
      spec: {
        hard,
        networkPolicy: { egressAllowed, allowedDestinations: destinations },
        ...(ends === undefined ? {} : { validity: { validUntil: at(ends) } }),
      },
    })
  );
const anyWorld = fc.tuple(
  anyGrant("a"),
  anyGrant("b"),
  anyGrant("c"),
  fc.constantFrom(verified(), verified("100.64.0.2")),
)
  .map(([a, b, c, status]) => guestWorld({ grants: [a, b, c], realm: { ...bob, status } }));

Deno.test("guest: any earlier state, even after an interruption: plans converge", () => {
  fc.assert(fc.property(anyWorld, anyWorld, fc.nat(12), fc.boolean(), (before, after, count, counted) => {
    const earlier = converged(before);
    const broken = afterWrites(earlier, planGuest(earlier), count, counted);
    const { namespace, quota, limitRange, serviceAccount, binding, guide, policies } = broken;
    converged({ ...after, namespace, quota, limitRange, serviceAccount, binding, guide, policies });
  }));
});

Deno.test("guest: after every step: nothing opens and nobody has access before deny and quota are in force", () => {
  fc.assert(fc.property(anyWorld, fc.boolean(), (world, counted) => {
    for (let round = 0; round < 3; round++) {
      const plan = planGuest(world);
      for (let count = 0; count <= effectsOf(plan).length; count++) {
        const { policies, quota, namespace, binding } = afterWrites(world, plan, count, counted);
        const deny = policies.some(({ name }) => name === "default-deny");
        if (policies.length > 1) assert.ok(namespace && quota && deny);
        if (binding) assert.ok(deny && quota!.statusHard["requests.cpu"] !== undefined);
        for (const { name, spec } of policies) {
          for (const rule of [...spec.egress ?? [], ...spec.ingress ?? []]) {
            const peers = "to" in rule ? rule.to : "from" in rule ? rule.from : [];
            assert.ok(peers!.length > 0, `${name}: an empty list of peers allows everything`);
          }
        }
      }
      world = afterWrites(world, plan, Infinity, counted);
    }
  }));
});

Deno.test("guest: the order of the grants doesn't matter", () => {
  fc.assert(fc.property(anyWorld, (world) => {
    const other = { ...world, grants: [...world.grants].reverse() };
    const sorted = (plan: GuestPlan) =>
      plan.stages.map(({ effects }) => effects.map((effect) => JSON.stringify(effect)).sort());
    assert.deepEqual(sorted(planGuest(other)), sorted(planGuest(world)));
  }));
});

Deno.test("guest: the quota records the provisioning StorageClasses, and keeps them while the classes can't be read", () => {
  const offering = (...provisioningClasses: string[]) => {
    const world = guestWorld({ realm: bob, grants: [grant()] });
    return { ...world, cluster: { ...world.cluster, provisioningClasses } };
  };
  const lifecycle = converged(offering("fast", "slow"));
  assert.equal(lifecycle.quota!.provisioningClasses, "fast,slow");
  const fewer = { ...lifecycle, cluster: offering("slow").cluster };
  assert.deepEqual(writes(fewer), ["ResourceQuota/keystone"]);
  assert.equal(carriedOut(fewer).quota!.provisioningClasses, "slow");
  const { provisioningClasses: _, ...unread } = lifecycle.cluster;
  assert.deepEqual(writes({ ...lifecycle, cluster: unread }), []);
  assert.equal(converged(offering()).quota!.provisioningClasses, "");
  const foreign = { ...lifecycle, quota: { ...lifecycle.quota!, provisioningClasses: "fast,premade,slow" } };
  assert.deepEqual(writes(foreign), ["ResourceQuota/keystone"], "a value written by somebody else is removed");
});

const device = "requests.example.com/gpu";

/** A grant of cpu only, on a cluster whose nodes now offer a device that an existing pod uses. */
function withStrayDevice(): { world: GuestWorld; pods: PodFacts[] } {
  const cluster = { ranges: [], extendedKeys: [device], storageClasses: [] };
  const world = converged(guestWorld({ realm: bob, grants: [grant({ status: active })], cluster }));
  const pods = [
    pod({
      name: "stray",
      usage: new Map([["pods", parseQuantity("1")], [device, parseQuantity("1")]]),
      graceSeconds: 9999,
    }),
    pod({ name: "fine" }),
  ];
  return { world: using(world, { [device]: "1", pods: "2" }), pods };
}

Deno.test("guest: pods use a device that was never granted: deleted without a notice", () => {
  const { world, pods } = withStrayDevice();
  const unseen = planGuest(world);
  assert.deepEqual([unseen.stages, unseen.needsPods, unseen.draining], [[], true, false]);
  const plan = planGuest({ ...world, pods });
  assert.deepEqual(stages(plan), [["-Pod/stray"]]);
  assert.equal((effectsOf(plan)[0] as { graceSeconds: number }).graceSeconds, 30);
  assert.equal(plan.wakeAt, now + 2000);
  assert.equal(planGuest(using({ ...world, pods }, { [device]: "0" })).needsPods, false);
});

Deno.test("guest: the device is granted, or the grants are uncertain: no pods are deleted", () => {
  const { world, pods } = withStrayDevice();
  const given = converged({ ...world, pods, grants: [grant({ status: active, spec: { hard: { [device]: "1" } } })] });
  assert.deepEqual(writes(using(given, { [device]: "1" })), []);
  const { realm: _, ...rest } = world;
  const unsure = { ...rest, realm: undefined, pods, grants: [grant()] };
  assert.deepEqual(writes(using(converged(unsure), { [device]: "1" })).filter((write) => write.includes("Pod/")), []);
});

Deno.test("guest: no grant is left: every pod is evicted, even an unreadable one", () => {
  const ended = { validity: { validUntil: at(-1000) }, termination: { drainSeconds: 60 } };
  const world = converged(guestWorld({
    realm: bob,
    namespace: converged(guestWorld({ realm: bob })).namespace,
    grants: [grant({ spec: ended, status: { phase: "Expired" } })],
  }));
  const pods = [
    pod({ name: "nothing", usage: new Map() }),
    pod({ name: "odd", usage: new Map(), unreadable: true }),
    pod({ name: "done", finished: true }),
  ];
  const plan = planGuest(using({ ...world, pods }, { pods: "1", "count/pods": "3" }));
  assert.deepEqual(stages(plan).flat(), ["evict nothing", "evict odd"]);
});
