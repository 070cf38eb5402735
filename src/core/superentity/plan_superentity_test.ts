import assert from "node:assert/strict";
import { parseQuantity } from "../../../lib/quantity/mod.ts";
import { alice, now, realm, superEntity } from "../../../tests/fixtures/made_facts.ts";
import type { RealmFacts, SuperEntityFacts } from "../facts.ts";
import { rfc3339 } from "../instants.ts";
import { entityConflict, realmConflict } from "./conflict.ts";
import { planSuperEntity, type SuperEntityWorld } from "./plan_superentity.ts";

const connected = (name: string, facts: Partial<RealmFacts> = {}) =>
  realm({ name, status: { connectionState: "Connected" }, ...facts });
const offline = (name: string, since: number) =>
  realm({
    name,
    status: {
      connectionState: "Disconnected",
      conditions: [{
        type: "Reachable",
        status: "False",
        reason: "Offline",
        message: "",
        lastTransitionTime: rfc3339(since),
      }],
    },
  });
const realms = (...all: RealmFacts[]) => (name: string) => all.find((each) => each.name === name);
const both = realms(connected("alice-home"), connected("bob-home"));

function world(entity: SuperEntityFacts, facts: Partial<SuperEntityWorld> = {}): SuperEntityWorld {
  return {
    entity,
    realmNamed: both,
    conflict: undefined,
    isHeld: false,
    local: alice,
    capacity: undefined,
    now,
    ...facts,
  };
}
const plan = (entity: SuperEntityFacts, facts: Partial<SuperEntityWorld> = {}) => planSuperEntity(world(entity, facts));
/** Plans again with the status that was written. */
const again = (
  entity: SuperEntityFacts,
  facts: Partial<SuperEntityWorld> = {},
  before: Partial<SuperEntityWorld> = {},
) => plan({ ...entity, status: plan(entity, before).status! }, facts);
const reason = ({ status }: { status?: SuperEntityFacts["status"] }) =>
  status?.conditions?.find(({ type }) => type === "Ready")?.reason;

Deno.test("all have approved: Active, with the pooled sum", () => {
  const { status, finalizer } = plan(superEntity());
  assert.equal(status!.phase, "Active");
  assert.deepEqual(status!.pooled, { "limits.cpu": "6", "requests.cpu": "6" });
  assert.deepEqual([status!.approved, status!.needed, status!.memberCount], [2, 2, 2]);
  assert.equal(finalizer, undefined);
  assert.equal(plan(superEntity({ finalized: false })).finalizer, "add");
});

Deno.test("one approval is missing: Pending with the member and the digest; a smaller quorum: Active", () => {
  const pending = plan(superEntity({ approvedBy: ["alice-home"] }));
  assert.equal(pending.status!.phase, "Pending");
  assert.match(pending.status!.message!, /1 of 2 needed approvals: waiting for bob-home to approve sha256:/);
  const misspelt = plan(superEntity({ approvedBy: ["alice-home"] }), { realmNamed: realms(connected("alice-home")) });
  assert.match(
    misspelt.status!.message!,
    /waiting for bob-home .* There is no Realm bob-home; create it, or remove it/,
  );
  const active = plan(superEntity({ approvedBy: ["alice-home"], spec: { quorum: 1 } })).status!;
  assert.equal(active.phase, "Active");
  assert.deepEqual(active.pooled, { "limits.cpu": "4", "requests.cpu": "4" }, "only of those that approved");
});

Deno.test("an approval of other terms, or of a non-member: ignored and named", () => {
  const entity = superEntity();
  const spec = { ...entity.spec, purpose: "another" };
  const { status } = plan({ ...entity, spec });
  assert.equal(status!.approved, 0);
  assert.match(
    status!.message!,
    /Void, because the terms or a member's subjects have changed: the approval of alice-home, bob-home\./,
  );
  const [first] = entity.spec.approvals!;
  const strange = { ...entity.spec, approvals: [first!, { realm: "mallory", digest: first!.digest }] };
  assert.equal(plan({ ...entity, spec: strange }).status!.approved, 1);
  assert.match(plan({ ...entity, spec: strange }).status!.message!, /Not a member: mallory\./);
});

Deno.test("seenAt of an approval doesn't change", () => {
  const entity = superEntity();
  const { status } = again(entity, { now: now + 60_000 });
  assert.equal(status!.approvals![0]!.seenAt, rfc3339(now));
});

Deno.test("a disconnected member: Active within the grace, Incomplete exactly at its end", () => {
  const entity = superEntity({ spec: { graceSeconds: 60 } });
  const realmNamed = realms(connected("alice-home"), offline("bob-home", now - 59_000));
  const within = plan(entity, { realmNamed });
  assert.equal(within.status!.phase, "Active");
  assert.equal(within.wakeAt, now + 1000);
  const after = plan(entity, { realmNamed, now: now + 1000 });
  assert.equal(after.status!.phase, "Incomplete");
  assert.equal(reason(after), "MemberLost");
  assert.match(after.status!.message!, /Realm bob-home is Disconnected since/);
  assert.equal(again(entity, {}, { realmNamed, now: now + 1000 }).status!.phase, "Active", "back again");
});

Deno.test("a deleted Realm has a grace period, one that never existed has none; a member without approval isn't missed", () => {
  const entity = superEntity({ spec: { graceSeconds: 60 } });
  const without = { realmNamed: realms(connected("alice-home")) };
  const never = plan(entity, without);
  assert.equal(never.status!.phase, "Incomplete");
  assert.equal(reason(never), "MemberUnknown");
  assert.match(never.status!.message!, /There is no Realm bob-home/);
  const gone = again(entity, { ...without, now });
  assert.equal(gone.status!.phase, "Active");
  assert.equal(gone.wakeAt, now + 60_000);
  const later = plan({ ...entity, status: gone.status! }, { ...without, now: now + 60_000 });
  assert.equal(later.status!.phase, "Incomplete");
  const other = plan(superEntity({ approvedBy: ["alice-home"], spec: { quorum: 1 } }), without);
  assert.equal(other.status!.phase, "Active");
  assert.equal(other.status!.conditions!.find(({ type }) => type === "MembersKnown")!.reason, "MemberUnknown");
});

Deno.test("the tailnet can't be queried: no member becomes lost and none returns", () => {
  const unknown = { realmNamed: realms(realm({ name: "alice-home" }), realm({ name: "bob-home" })) };
  const entity = superEntity({ spec: { graceSeconds: 0 } });
  assert.equal(plan(entity, unknown).status!.phase, "Active");
  const lost = { realmNamed: realms(connected("alice-home"), offline("bob-home", now - 1000)) };
  assert.equal(again(entity, unknown, lost).status!.phase, "Incomplete");
});

Deno.test("this cluster has less than it contributes: Incomplete; other clusters aren't checked", () => {
  const of = (cpu: string) => ({ capacity: new Map([["requests.cpu", parseQuantity(cpu)]]) });
  const short = plan(superEntity(), of("3"));
  assert.equal(short.status!.phase, "Incomplete");
  assert.equal(reason(short), "BelowContribution");
  assert.match(short.status!.message!, /have 3 of 4 requests\.cpu, less than it contributes/);
  assert.equal(plan(superEntity(), of("4")).status!.phase, "Active");
  assert.equal(
    plan(superEntity(), { ...of("1"), local: { kind: "known", name: "carol-home" } }).status!.phase,
    "Active",
  );
});

Deno.test("deleted: keeps its finalizer while any grant is in force", () => {
  const entity = superEntity({ deletingSince: now });
  const held = plan(entity, { isHeld: true });
  assert.equal(held.finalizer, undefined);
  assert.equal(reason(held), "Deleted");
  assert.equal(plan(entity).finalizer, "remove");
  assert.equal(plan(superEntity({ deletingSince: now, finalized: false })).finalizer, undefined);
});

Deno.test("its name belongs to another object: Pending, and no finalizer", () => {
  const { status, finalizer } = plan(superEntity({ finalized: false }), {
    conflict: "There is an earlier Realm coop.",
  });
  assert.equal(status!.phase, "Pending");
  assert.equal(finalizer, undefined);
  assert.equal(status!.conditions!.find(({ type }) => type === "Ready")!.reason, "NameConflict");
});

Deno.test("two objects of the same name: the earlier has it, of the same second the Realm, and this cluster's realm always", () => {
  const entity = superEntity({ createdAt: 5000 });
  const namesake = (createdAt: number) => realm({ name: "coop", createdAt });
  for (const [at, isRealms] of [[4000, true], [5000, true], [6000, false]] as const) {
    assert.equal(entityConflict(entity, namesake(at), alice) !== undefined, isRealms);
    assert.equal(realmConflict(namesake(at), entity, alice) !== undefined, !isRealms);
  }
  assert.equal(entityConflict(entity, undefined, alice), undefined);
  const own = { kind: "known", name: "coop" } as const;
  assert.match(entityConflict(entity, undefined, own)!, /this cluster's own realm/);
  assert.equal(realmConflict(namesake(6000), entity, own), undefined);
});

Deno.test("one event for each new approval, void approval and phase", () => {
  const entity = superEntity();
  assert.deepEqual(plan(entity).events.map(({ reason }) => reason), ["MemberApproved", "MemberApproved", "Active"]);
  assert.deepEqual(again(entity).events, []);
  const other = { ...entity, status: plan(entity).status!, spec: { ...entity.spec, purpose: "another" } };
  assert.deepEqual(plan(other).events.map(({ reason }) => reason), ["ApprovalVoid", "ApprovalVoid", "QuorumMissing"]);
});
