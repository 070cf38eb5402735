import assert from "node:assert/strict";
import fc from "fast-check";
import type { Condition, GrantStatus } from "../../api/mod.ts";
import { grant } from "../../../tests/fixtures/made_facts.ts";
import { grantTransitions } from "./grant_transitions.ts";

const now = Date.parse("2026-06-01T12:00:00Z");

const condition = (type: string, status: Condition["status"], reason: string, message = "Why."): Condition => ({
  type,
  status,
  reason,
  message,
  lastTransitionTime: "2026-06-01T12:00:00Z",
});

const quiet = condition("Draining", "False", "NotDraining", "Nothing is on notice.");
const applied = ["QuotaApplied", "NetworkApplied", "AccessApplied"].map((type) => condition(type, "True", "Applied"));
const active: GrantStatus = {
  phase: "Active",
  message: "Enforced.",
  hard: { "requests.cpu": "2" },
  conditions: [...applied, quiet, condition("Ready", "True", "Enforced", "Enforced in namespace guest-bob.")],
};

const withConditions = (status: GrantStatus, ...changed: Condition[]): GrantStatus => ({
  ...status,
  conditions: [
    ...(status.conditions ?? []).filter(({ type }) => !changed.some((each) => each.type === type)),
    ...changed,
  ],
});

/** Returns the transitions as `level transition: message`. */
const lines = (before: GrantStatus | undefined, after: GrantStatus | undefined, at = now): string[] =>
  grantTransitions(
    before && grant({ name: "loan", status: before }),
    after && grant({ name: "loan", status: after }),
    at,
  ).map(({ level, transition, message }) => `${level} ${transition}: ${message}`);

const ended: GrantStatus = {
  phase: "Expired",
  effectiveUntil: "2026-06-01T12:00:00Z",
  conditions: [
    ...["QuotaApplied", "NetworkApplied", "AccessApplied", "Ready"].map((type) =>
      condition(type, "False", "Expired", "Ended at 2026-06-01T12:00:00Z.")
    ),
    condition("Draining", "True", "Evicting", "Pods are being evicted."),
  ],
};

const noticed = withConditions(
  { ...active, effectiveUntil: "2026-06-01T12:05:00Z" },
  condition("Draining", "True", "Revoked", "Ends at 2026-06-01T12:05:00Z: it was revoked."),
);

const cut = (until: string) => ({ until, hard: {} });

const cases: [string, GrantStatus | undefined, GrantStatus | undefined, string[]][] = [
  ["just created", undefined, {}, []],
  ["first status Active", {}, active, ["info active: Grant loan is Active: Enforced in namespace guest-bob."]],
  [
    "first status Pending for a reason that needs somebody",
    {},
    { phase: "Pending", conditions: [quiet, condition("Ready", "False", "GranteeUnknown", "There is no Realm bob.")] },
    ["warn pending: Grant loan is Pending (GranteeUnknown): There is no Realm bob."],
  ],
  [
    "Pending until its start",
    {},
    { phase: "Pending", conditions: [quiet, condition("Ready", "False", "NotYetValid", "Starts at noon.")] },
    ["info pending: Grant loan is Pending (NotYetValid): Starts at noon."],
  ],
  ["on notice: one line, no line for the date of its end", active, noticed, [
    "info notice: Grant loan is on notice: Ends at 2026-06-01T12:05:00Z: it was revoked.",
  ]],
  ["notice lifted", noticed, { ...active, effectiveUntil: "2026-07-01T00:00:00Z" }, [
    "info reopened: Grant loan is no longer on notice and ends at 2026-07-01T00:00:00Z.",
  ]],
  ["ended, and its pods drain", noticed, ended, [
    "info ended: Grant loan is Expired: Ended at 2026-06-01T12:00:00Z.",
    "info drain: Grant loan drains: Pods are being evicted.",
  ]],
  ["drained", ended, withConditions(ended, condition("Draining", "False", "Drained", "No pods are left.")), [
    "info drained: Grant loan is drained: No pods are left.",
  ]],
  [
    "a drain that doesn't finish",
    ended,
    withConditions(ended, condition("Draining", "True", "HeldByFinalizers", "Pod a has a finalizer.")),
    ["warn drain-held: Grant loan doesn't finish draining: Pod a has a finalizer."],
  ],
  ["extended", { ...active, effectiveUntil: "2026-06-02T00:00:00Z" }, {
    ...active,
    effectiveUntil: "2026-06-09T00:00:00Z",
  }, ["info extended: Grant loan ends at 2026-06-09T00:00:00Z; it ended at 2026-06-02T00:00:00Z before."]],
  ["shortened", active, { ...active, effectiveUntil: "2026-06-09T00:00:00Z" }, [
    "info shortened: Grant loan ends at 2026-06-09T00:00:00Z; it had no end before.",
  ]],
  ["more", active, { ...active, hard: { "requests.cpu": "4" } }, [
    "info extended: Grant loan has now requests.cpu 4 (was 2).",
  ]],
  ["less, at once", active, { ...active, hard: { "requests.cpu": "1500m" } }, [
    "info reduced: Grant loan has now requests.cpu 1500m (was 2).",
  ]],
  [
    "a second reduction on notice",
    withConditions({ ...active, reductions: [cut("2026-06-01T12:01:00Z")] }, condition("Draining", "True", "Reduced")),
    withConditions(
      { ...active, reductions: [cut("2026-06-01T12:01:00Z"), cut("2026-06-01T12:02:00Z")] },
      condition("Draining", "True", "Reduced", "Two."),
    ),
    ["info reduced: Grant loan is reduced: Two."],
  ],
  [
    "in force, and a destination doesn't resolve",
    active,
    withConditions(
      active,
      condition("NetworkApplied", "False", "DestinationUnresolved", "x has no address."),
      condition("Ready", "False", "DestinationUnresolved", "x has no address."),
    ),
    ["warn impaired: Grant loan is Active, but not Ready (DestinationUnresolved): x has no address."],
  ],
  [
    "more than the nodes have",
    active,
    withConditions(active, condition("FitsCluster", "False", "ExceedsCapacity", "1k of 8.")),
    ["warn condition: Grant loan: FitsCluster is False (ExceedsCapacity): 1k of 8."],
  ],
  ["deleted while in force", active, undefined, [
    "info deleted: Grant loan is deleted; nothing of it is enforced any more.",
  ]],
  [
    "only usage, messages and times differ",
    active,
    {
      ...active,
      actualUsage: { "requests.cpu": "1" },
      observedGeneration: 7,
      conditions: active.conditions!.map((each) => ({
        ...each,
        message: "Other words.",
        lastTransitionTime: "2026-06-02T00:00:00Z",
      })),
    },
    [],
  ],
];

for (const [title, before, after, expected] of cases) {
  Deno.test(`grant transitions: ${title}`, () => assert.deepEqual(lines(before, after), expected));
}

Deno.test("grant transitions: ended 40 s after its end: the line says so", () => {
  assert.deepEqual(
    lines(active, ended, now + 40_000)[0],
    "info ended: Grant loan is Expired: Ended at 2026-06-01T12:00:00Z. It ended 40 s late.",
  );
});

Deno.test("grant transitions: another grant of the same name: its first status counts, not the old one's", () => {
  const [line] = grantTransitions(
    grant({ name: "loan", uid: "old", status: active }),
    grant({ name: "loan", uid: "new", status: active }),
    now,
  );
  assert.equal(line?.transition, "active");
});

const anyCondition = (type: string) =>
  fc.record({
    type: fc.constant(type),
    status: fc.constantFrom("True", "False", "Unknown"),
    reason: fc.constantFrom("Applied", "Applying", "Evicting", "Revoked", "Reduced", "Odd", "Drained", "Enforced"),
    message: fc.constantFrom("A.", "B."),
    lastTransitionTime: fc.constantFrom("2026-06-01T12:00:00Z", "2026-06-02T12:00:00Z"),
  });

const types = ["AccessApplied", "Draining", "FitsCluster", "NetworkNarrowed", "QuotaApplied", "Ready", "Unheard"];
const anyStatus = fc.tuple(
  fc.constantFrom("Pending", "Active", "Expired", "Revoked"),
  ...types.map((type) => fc.option(anyCondition(type), { nil: undefined })),
).map(([phase, ...conditions]) =>
  ({ phase, conditions: conditions.filter((each) => each !== undefined) }) as GrantStatus
);

/** Returns what a transition is: the phase, and status and reason of each condition. */
const essence = ({ phase, conditions = [] }: GrantStatus) =>
  JSON.stringify([phase, conditions.map(({ type, status, reason }) => [type, status, reason])]);

Deno.test("grant transitions: any two statuses: a line if and only if the phase or a condition differs", () => {
  fc.assert(
    fc.property(anyStatus, anyStatus, (before, after) => {
      assert.equal(lines(before, after).length > 0, essence(before) !== essence(after));
    }),
    { numRuns: 2000 },
  );
});

Deno.test("grant transitions: one condition of any status changes: a line if its status or reason differs", () => {
  const changed = fc.constantFrom(...types).chain(anyCondition);
  fc.assert(
    fc.property(anyStatus, changed, (before, condition) => {
      const after = withConditions(before, condition as Condition);
      const old = before.conditions!.find(({ type }) => type === condition.type);
      const differs = old?.status !== condition.status || old.reason !== condition.reason;
      assert.equal(lines(before, after).length > 0, differs);
    }),
    { numRuns: 5000 },
  );
});
