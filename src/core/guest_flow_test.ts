import assert from "node:assert/strict";
import { flowSubjects, guestFlowOf, maxFlowSubjects, planGuestFlow } from "./guest_flow.ts";

const accountsIn = (namespace: string) => ({ kind: "ServiceAccount", serviceAccount: { namespace, name: "*" } });
const accounts = accountsIn("keystone-system");

Deno.test("guest flow: every grantee's subjects are in it once, by default its group, and the accounts of its pods", () => {
  const subjects = flowSubjects([
    { name: "bob-home" },
    { name: "carol", subjects: [{ kind: "User", name: "carol" }, { kind: "Group", name: "keystone:realm:bob-home" }] },
  ]);
  assert.deepEqual(subjects, [
    accounts,
    { kind: "Group", group: { name: "keystone:realm:bob-home" } },
    accountsIn("guest-bob-home"),
    accountsIn("guest-carol"),
    { kind: "User", user: { name: "carol" } },
  ]);
});

Deno.test("guest flow: a Realm that names the cluster's own identities slows nobody down", () => {
  const names = ["system:authenticated", "system:masters", "system:node:one", "*"];
  assert.deepEqual(flowSubjects(names.map((name) => ({ name: "eve", subjects: [{ kind: "Group", name }] }))), [
    accounts,
    accountsIn("guest-eve"),
  ]);
});

Deno.test("guest flow: more subjects than one object can hold are cut off", () => {
  const many = Array.from({ length: maxFlowSubjects + 5 }, (_, index) => ({ name: `realm-${index}` }));
  const flow = guestFlowOf(many, false);
  assert.equal(flow.spec!.rules![0]!.subjects.length, maxFlowSubjects);
  assert.ok(JSON.stringify(flow).length < 1_000_000);
});

Deno.test("guest flow: nothing is written without its level, nor when it is as it should be", () => {
  const grantees = [{ name: "bob-home" }];
  const desired = guestFlowOf(grantees, false);
  const present = { uid: "1", labels: desired.metadata!.labels!, spec: desired.spec, writesClosed: false };
  const open = { hasLevel: true, writesClosed: false };
  assert.equal(planGuestFlow({ grantees, present: undefined, hasLevel: false, writesClosed: false }), undefined);
  assert.equal(planGuestFlow({ grantees, present, ...open }), undefined);
  assert.ok(planGuestFlow({ grantees, present: undefined, ...open }));
  assert.ok(planGuestFlow({ grantees: [], present, ...open }));
  assert.ok(planGuestFlow({ grantees, present: { ...present, labels: {} }, ...open }));
});

Deno.test("guest flow: closing and opening guests' writes is one write of it, with or without its level", () => {
  const grantees = [{ name: "bob-home" }];
  const { metadata, spec } = guestFlowOf(grantees, false);
  const open = { uid: "1", labels: metadata!.labels!, spec, writesClosed: false };
  const closed = { ...open, writesClosed: true };
  const written = (present: typeof open | undefined, hasLevel: boolean, writesClosed: boolean) =>
    planGuestFlow({ grantees, present, hasLevel, writesClosed })?.metadata?.annotations;
  for (const hasLevel of [true, false]) {
    for (const present of [open, undefined]) {
      assert.deepEqual(written(present, hasLevel, true), { "keystone.io/guest-writes": "Closed" });
    }
    const opening = planGuestFlow({ grantees, present: closed, hasLevel, writesClosed: false });
    assert.ok(opening);
    assert.equal(opening.metadata!.annotations, undefined, "server-side apply takes it away");
    assert.equal(planGuestFlow({ grantees, present: closed, hasLevel, writesClosed: true }), undefined);
  }
});
