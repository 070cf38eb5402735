import assert from "node:assert/strict";
import { alice, now, realm, superEntity } from "../../../tests/fixtures/made_facts.ts";
import type { RealmFacts, SuperEntityFacts } from "../facts.ts";
import { granteeFrom, poolObstacle } from "../grant/parties.ts";
import { type Consented, consentOf, memberSubjects } from "./consent.ts";
import { digestOf } from "./digest.ts";
import { planSuperEntity } from "./plan_superentity.ts";

type Subjects = RealmFacts["spec"]["subjects"];
const user = (name: string) => ({ kind: "User" as const, name });
const withSubjects = (name: string, subjects?: Subjects, facts: Partial<RealmFacts> = {}) => {
  const plain = realm({ name, ...facts });
  return { ...plain, spec: { ...plain.spec, ...(subjects ? { subjects } : {}) } };
};
const realms = (bobs?: Subjects, facts: Partial<RealmFacts> = {}) => (name: string): RealmFacts | undefined =>
  name === "alice-home" ? withSubjects(name) : withSubjects("bob-home", bobs, facts);
const seen = (entity: SuperEntityFacts, realmNamed: (name: string) => RealmFacts | undefined): SuperEntityFacts => ({
  ...entity,
  subjects: memberSubjects(entity, realmNamed),
});
const approvedBy = (entity: Consented) => consentOf(entity).approved.map(({ realm }) => realm);
/** Adds the status that the operator writes. */
const looked = (entity: SuperEntityFacts, realmNamed: (name: string) => RealmFacts | undefined): SuperEntityFacts => ({
  ...entity,
  status: planSuperEntity({
    entity,
    realmNamed,
    conflict: undefined,
    isHeld: false,
    local: alice,
    capacity: undefined,
    now,
  }).status!,
});
/** Approved by all, with the digest of these subjects. */
function approvedWith(realmNamed: (name: string) => RealmFacts | undefined): SuperEntityFacts {
  const entity = superEntity();
  const digest = digestOf(entity.name, entity.spec, memberSubjects(entity, realmNamed));
  const approvals = entity.spec.members.map(({ realm }) => ({ realm, digest }));
  return looked({ ...entity, spec: { ...entity.spec, approvals } }, realmNamed);
}

Deno.test("a subject is added to a member after the approval: all approvals are void", () => {
  const before = realms([user("bob@example.com")]);
  const entity = approvedWith(before);
  assert.deepEqual(approvedBy(seen(entity, before)), ["alice-home", "bob-home"]);
  const changed = realms([user("bob@example.com"), user("mallory")]);
  assert.deepEqual(approvedBy(seen(entity, changed)), []);
  const { status } = looked(entity, changed);
  assert.equal(status.phase, "Pending");
  assert.match(
    status.message!,
    /Void, because the terms or a member's subjects have changed: .* alice-home, bob-home/,
  );
  assert.equal(granteeFrom(undefined, seen(entity, changed), changed)!.deleting, true, "nobody has access");
  assert.equal(poolObstacle(seen(entity, changed), alice)!.reason, "SuperEntityPending");
  assert.deepEqual(approvedBy(seen(entity, before)), ["alice-home", "bob-home"], "changed back, it counts again");
});

Deno.test("a member with the realm's own group gets subjects: earlier approvals are void", () => {
  const entity = approvedWith(realms());
  assert.equal(entity.status.digest, digestOf(entity.name, entity.spec), "nothing changes without subjects");
  assert.deepEqual(approvedBy(seen(entity, realms([user("mallory")]))), []);
});

Deno.test("another order, a duplicate subject, or the own group named: the approvals stay", () => {
  const entity = approvedWith(realms([user("a"), user("b")]));
  assert.equal(approvedBy(seen(entity, realms([user("b"), user("a"), user("b")]))).length, 2);
  const group = [{ kind: "Group" as const, name: "keystone:realm:bob-home" }];
  assert.equal(approvedBy(seen(approvedWith(realms()), realms(group))).length, 2);
});

Deno.test("a member's Realm is deleted: its last known subjects stay approved", () => {
  const entity = approvedWith(realms([user("bob@example.com")]));
  const gone = (name: string) => name === "alice-home" ? withSubjects(name) : undefined;
  assert.equal(approvedBy(seen(entity, gone)).length, 2);
  assert.equal(approvedBy(seen(entity, realms([user("bob@example.com")], { deleting: true }))).length, 2);
  assert.equal(approvedBy(seen(looked(entity, gone), gone)).length, 2, "after another look too");
  assert.equal(approvedBy(seen(entity, realms([user("mallory")], { uid: "another" }))).length, 0, "not of a new one");
});

/** Status from an operator that didn't record subjects: approved, and Bob's Realm names subjects. */
function fromBefore(): SuperEntityFacts {
  const entity = superEntity();
  const { approvals } = entity.spec;
  const members = entity.spec.members.map(({ realm }) => ({ realm, state: "Connected" as const, approved: true }));
  const seenAt = "2026-01-01T00:00:00Z";
  return {
    ...entity,
    status: {
      ...entity.status,
      members,
      approvals: approvals!.map(({ realm, digest }) => ({ realm, digest, seenAt })),
    },
  };
}

Deno.test("approved before digests contained subjects: valid while these are the first recorded ones", () => {
  const bobs = realms([user("bob@example.com")]);
  const entity = fromBefore();
  assert.equal(approvedBy(seen(entity, bobs)).length, 2, "at the upgrade");
  const first = looked(entity, bobs);
  assert.equal(first.status.phase, "Active");
  assert.notEqual(first.status.digest, entity.status.digest);
  assert.equal(first.status.approvals![0]!.seenAt, "2026-01-01T00:00:00Z");
  const second = looked(first, bobs);
  assert.deepEqual(second.status, first.status);
  const changed = realms([user("mallory")]);
  assert.deepEqual(approvedBy(seen(second, changed)), []);
  assert.deepEqual(approvedBy(seen(looked(second, changed), bobs)), [], "once void, it is void for good");
});

Deno.test("an approval of the terms alone, never counted before: void if a member has subjects", () => {
  const bobs = realms([user("bob@example.com")]);
  assert.deepEqual(approvedBy(seen(looked(superEntity(), bobs), bobs)), []);
  assert.deepEqual(approvedBy(seen({ ...superEntity(), status: {} }, bobs)), []);
});
