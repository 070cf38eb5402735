import assert from "node:assert/strict";
import type { SuperEntityStatus } from "../../api/mod.ts";
import type { SuperEntityFacts } from "../facts.ts";
import { superEntityTransitions } from "./superentity_transitions.ts";

const facts = (status: SuperEntityStatus): SuperEntityFacts => ({
  name: "pool",
  uid: "u",
  generation: 1,
  createdAt: 0,
  finalized: true,
  otherFinalizers: [],
  resourceVersion: "1",
  spec: { members: [{ realm: "alice" }, { realm: "bob" }] },
  status,
});

const ready = (status: "True" | "False", reason: string) => ({
  type: "Ready",
  status,
  reason,
  message: `Because ${reason}.`,
  lastTransitionTime: "2026-06-01T12:00:00Z",
});

const member = (realm: string, approved: boolean) => ({ realm, approved, state: "Connected" as const });

const pending: SuperEntityStatus = {
  phase: "Pending",
  digest: "d1",
  members: [member("alice", false), member("bob", false)],
  conditions: [ready("False", "QuorumMissing")],
};
const active: SuperEntityStatus = {
  ...pending,
  phase: "Active",
  members: [member("alice", true), member("bob", true)],
  conditions: [ready("True", "Approved")],
};

const lines = (before: SuperEntityStatus, after: SuperEntityStatus | undefined): string[] =>
  superEntityTransitions(facts(before), after && facts(after)).map(({ level, transition, message }) =>
    `${level} ${transition}: ${message}`
  );

Deno.test("SuperEntity transitions: created: waits for approvals, which needs nobody's attention yet", () => {
  assert.deepEqual(lines({}, pending), [
    "info pending: SuperEntity pool is Pending (QuorumMissing): Because QuorumMissing.",
  ]);
});

Deno.test("SuperEntity transitions: approved: a line for the phase and one for each approval", () => {
  assert.deepEqual(lines(pending, active), [
    "info active: SuperEntity pool is Active: Because Approved.",
    "info approved: SuperEntity pool: Realm alice has approved d1.",
    "info approved: SuperEntity pool: Realm bob has approved d1.",
  ]);
});

Deno.test("SuperEntity transitions: a member is lost, or its approval is void: warnings", () => {
  const lost = { ...active, phase: "Incomplete" as const, conditions: [ready("False", "MemberLost")] };
  assert.deepEqual(lines(active, lost), [
    "warn incomplete: SuperEntity pool is Incomplete (MemberLost): Because MemberLost.",
  ]);
  assert.deepEqual(lines(active, { ...active, members: [member("alice", true), member("bob", false)] }), [
    "warn approval-void: SuperEntity pool: the approval of Realm bob was withdrawn or is void.",
  ]);
});

Deno.test("SuperEntity transitions: nothing differs, then it is deleted", () => {
  assert.deepEqual(lines(active, active), []);
  assert.deepEqual(lines(active, undefined), ["info deleted: SuperEntity pool is deleted."]);
});
