import assert from "node:assert/strict";
import { defaultSettings } from "../../api/mod.ts";
import { alice, grant, now, realm, superEntity } from "../../../tests/fixtures/made_facts.ts";
import type { RealmFacts, SuperEntityFacts } from "../facts.ts";
import { granteeRecord, ownershipOf } from "../guest/namespace/ownership.ts";
import { realmPeersOf } from "../network/realm_peers.ts";
import { granteeFrom, noPooling, type Pooling } from "./parties.ts";
import { type Lifecycle, lifecycleOf } from "./lifecycle.ts";

const node = (name: string, address: string, facts: Partial<RealmFacts> = {}) =>
  realm({
    name,
    trustedNode: name,
    status: {
      node: { stableID: name, name: `${name}.tailnet-name.ts.net`, addresses: [address] },
      conditions: [{ type: "IdentityVerified", status: "True", reason: "x", message: "", lastTransitionTime: "" }],
    },
    ...facts,
  });
const named = (...all: RealmFacts[]) => (name: string) => all.find((each) => each.name === name);
const one = node("alice-home", "100.64.0.1", {
  spec: { ...realm().spec, identity: "alice-home.tailnet-name.ts.net", trustLevel: "internal" },
});
const two = node("bob-home", "100.64.0.2");
const three = realm({
  name: "carol-home",
  spec: { trustLevel: "public", subjects: [{ kind: "User", name: "carol" }] },
});
const homes = superEntity({ contributions: { "alice-home": {}, "bob-home": {}, "carol-home": {} } });

Deno.test("a SuperEntity as grantee: its approved members' subjects and verified addresses, with their lowest trust level", () => {
  const grantee = granteeFrom(undefined, homes, named(one, two, three))!;
  assert.equal(grantee.deleting, false);
  assert.equal(grantee.spec.trustLevel, "public");
  assert.deepEqual(grantee.spec.subjects!.map(({ name }) => name), [
    "keystone:realm:alice-home",
    "keystone:realm:bob-home",
    "carol",
  ]);
  const { ranges, closed } = realmPeersOf("coop", grantee, { settings: defaultSettings, cluster: { ranges: [] } });
  assert.equal(ranges.length, 2);
  assert.equal(closed, undefined);
  const partly = superEntity({
    contributions: { "alice-home": {}, "bob-home": {}, "carol-home": {} },
    approvedBy: ["alice-home", "bob-home"],
    spec: { quorum: 2 },
  });
  const fewer = granteeFrom(undefined, partly, named(one, two, three))!;
  assert.equal(fewer.spec.trustLevel, "partner", "a member without approval doesn't count");
  assert.equal(fewer.spec.subjects!.length, 2);
});

Deno.test("a member's Realm is gone: its last known trust level counts, or public if none is known", () => {
  const status = (trustLevel?: "internal" | "public") => ({
    ...homes.status,
    members: [{
      realm: "carol-home",
      state: "NotFound" as const,
      approved: true,
      ...(trustLevel ? { trustLevel } : {}),
    }],
  });
  const trust = (level?: "internal" | "public") =>
    granteeFrom(undefined, { ...homes, status: status(level) }, named(one, two))!.spec.trustLevel;
  assert.deepEqual([trust("internal"), trust("public"), trust()], ["partner", "public", "public"]);
});

Deno.test("without consent nobody has access; without a SuperEntity of the name the Realm is the grantee", () => {
  assert.equal(granteeFrom(undefined, { ...homes, spec: { ...homes.spec, purpose: "x" } }, named(one))!.deleting, true);
  assert.equal(granteeFrom(two, undefined, named(one)), two);
});

Deno.test("members change: the namespace is theirs as long as one member stays", () => {
  const made = (record: string) => ({
    name: "guest-coop",
    uid: "u",
    createdAt: 0,
    labels: { "app.kubernetes.io/managed-by": "keystone", "keystone.io/realm": "coop" },
    annotations: { "keystone.io/grantee": record },
    deleting: false,
  });
  const grantee = granteeFrom(undefined, homes, named(one, two, three))!;
  assert.equal(granteeRecord(grantee), "SuperEntity/coop/alice-home,bob-home,carol-home/");
  const is = (record: string) => ownershipOf({ grantee: "coop", realm: grantee, namespace: made(record) }).is;
  assert.equal(is("SuperEntity/coop/alice-home,dora-home/"), "ours");
  assert.equal(is("SuperEntity/coop/dora-home/"), "another's");
  assert.equal(is("Realm/coop/coop.tailnet-name.ts.net/"), "another's");
});

const coop = superEntity();
const room = { allotment: new Map() };
const pooling = (entity: SuperEntityFacts | undefined, roomOf = {}): Pooling => ({
  entityNamed: (name) => name === "coop" ? entity : undefined,
  roomOf: () => roomOf,
});
const from = { name: "g", spec: { grantorRealm: "coop" } };

const lifecycles: [string, Parameters<typeof grant>[0], Pooling, Partial<Lifecycle> & { reason?: string }][] = [
  ["with room in the pool it is active", from, pooling(coop, room), { is: "active" }],
  ["without room it waits", from, pooling(coop), { is: "pending", reason: "PoolPending" }],
  ["it lacks room", from, pooling(coop, { shortfall: "short" }), { is: "pending", reason: "ExceedsPool" }],
  [
    "too few members have approved",
    from,
    pooling(superEntity({ approvedBy: ["bob-home"], spec: { quorum: 2 } }), room),
    { is: "pending", reason: "SuperEntityPending" },
  ],
  [
    "the status is for other terms",
    from,
    pooling({ ...coop, status: { phase: "Active", digest: "old" } }, room),
    { is: "pending", reason: "SuperEntityPending" },
  ],
  [
    "it is Incomplete",
    from,
    pooling({ ...coop, status: { ...coop.status, phase: "Incomplete" } }, room),
    { is: "pending", reason: "SuperEntityIncomplete" },
  ],
  [
    "this cluster is not a member",
    from,
    pooling(superEntity({ contributions: { "bob-home": {} } }), room),
    { is: "pending", reason: "GrantorNotLocal" },
  ],
  [
    "this cluster has not approved",
    from,
    pooling(superEntity({ approvedBy: ["bob-home"], spec: { quorum: 1 } }), room),
    { is: "pending", reason: "SuperEntityPending" },
  ],
  ["there is no SuperEntity of the name", from, noPooling, { is: "pending", reason: "GrantorNotLocal" }],
  [
    "in force, and the consent is lost: stays in force",
    { ...from, status: { phase: "Active", sharedFrom: "coop" } },
    pooling(superEntity({ approvedBy: [] })),
    { is: "active" },
  ],
  [
    "the SuperEntity is deleted: a waiting grant isn't ended",
    from,
    pooling({ ...coop, deletingSince: now - 1000 }, room),
    { is: "pending", reason: "SuperEntityDeleted" },
  ],
];
for (const [what, facts, given, wanted] of lifecycles) {
  Deno.test(`a grant from a SuperEntity: ${what}`, () => {
    const lifecycle = lifecycleOf({
      grant: grant(facts),
      realm: realm(),
      local: alice,
      pooling: given,
      settings: defaultSettings,
      skewMs: 0,
      now,
    });
    assert.deepEqual({ ...lifecycle, ...wanted }, lifecycle, JSON.stringify(lifecycle));
  });
}

Deno.test("a SuperEntity is deleted: the grants from it and to it end after their notice", () => {
  const termination = { noticeSeconds: 30 };
  const leaving = { ...coop, deletingSince: now - 10_000 };
  for (const spec of [{ grantorRealm: "coop", termination }, { granteeRealm: "coop", termination }]) {
    const at = (instant: number) =>
      lifecycleOf({
        grant: grant({ spec, status: { phase: "Active" } }),
        realm: realm(),
        local: alice,
        pooling: pooling(leaving),
        settings: defaultSettings,
        skewMs: 0,
        now: instant,
      });
    assert.deepEqual(at(now), {
      is: "active",
      notice: { why: "PartyDeleted", endsAt: now + 20_000, skewed: false },
      wakeAt: now + 20_000,
    });
    const over = at(now + 20_000);
    assert.ok(over.is === "ended" && over.phase === "Revoked");
  }
});
