/** Messages while a grant ends or starts, and the lines on the terminal. */
import assert from "node:assert/strict";
import type { Grant } from "../../api/client/keystone.io@v1alpha1.ts";
import { requestText } from "./busy_client.ts";
import { timeoutFrom } from "./follow_grant.ts";
import { endProgress, leftText, startProgress } from "./grant_progress.ts";
import type { FollowedGrant } from "./grant_watch.ts";
import { LiveLines } from "./live_lines.ts";

const until = "2026-06-01T12:05:00Z";
const condition = (type: string, status: string, reason: string, message = `${reason}.`) => ({
  type,
  status,
  reason,
  message,
  lastTransitionTime: until,
});
const view = (status: object, more: Partial<FollowedGrant> = {}, metadata = {}): FollowedGrant => ({
  name: "lent",
  grant: {
    metadata: { name: "lent", uid: "g1", generation: 2, ...metadata },
    spec: { grantorRealm: "alice-home", granteeRealm: "bob-home", hard: {}, termination: { drainSeconds: 60 } },
    status: { observedGeneration: 2, ...status },
  } as Grant,
  pods: [],
  budgets: [],
  claims: [],
  complete: true,
  ...more,
});
const pod = (name: string, metadata = {}) => ({ metadata: { name, labels: { app: name }, ...metadata } }) as never;

Deno.test("end: waits for the operator, then the notice, then the pods; done when none is left", () => {
  assert.match(endProgress(view({ phase: "Active", observedGeneration: 1 })).text, /waiting for the operator\.$/);
  const notice = view({
    phase: "Active",
    effectiveUntil: until,
    conditions: [condition("Draining", "True", "Revoked", "Ends soon"), condition("Ready", "True", "Enforced")],
  });
  assert.deepEqual(endProgress(notice), {
    done: false,
    text: "Grant lent is on notice. Ends soon.",
    until: Date.parse(until),
    pods: [],
  });
  const draining = { phase: "Revoked", effectiveUntil: until, conditions: [condition("Draining", "True", "Evicting")] };
  const budget = { metadata: { name: "db" }, spec: { selector: { matchLabels: { app: "db" } } } };
  const budgets = [{ ...budget, status: { disruptionsAllowed: 0, currentHealthy: 1, desiredHealthy: 1 } }] as never;
  const pods = [
    pod("web", { deletionTimestamp: until }),
    pod("db"),
    pod("old", { deletionTimestamp: until, finalizers: ["example.com/hold"] }),
    pod("more"),
  ];
  const left = endProgress(view(draining, { pods, budgets }));
  assert.equal(left.until, Date.parse(until) + 60_000);
  assert.deepEqual(left.pods, [
    "Pod db waits for PodDisruptionBudget db: 1 healthy, 1 needed",
    "Pod old is held by finalizers: example.com/hold",
    "Pod web is stopping; it may take until 2026-06-01T12:05:00Z",
    "1 other pod still running",
  ]);
  const message = "found no controllers for pod";
  const failed = { disruptionsAllowed: 0, conditions: [{ type: "DisruptionAllowed", reason: "SyncFailed", message }] };
  assert.deepEqual(
    endProgress(view(draining, { pods: [pod("db")], budgets: [{ ...budget, status: failed }] as never })).pods,
    ["Pod db waits for PodDisruptionBudget db: it allows no eviction, because found no controllers for pod"],
  );
  const bare = { disruptionsAllowed: 0, currentHealthy: 1, desiredHealthy: 0 };
  assert.deepEqual(
    endProgress(view(draining, { pods: [pod("db")], budgets: [{ ...budget, status: bare }] as never })).pods,
    ["Pod db waits for PodDisruptionBudget db: it allows no eviction, because no controller wants the pod"],
  );
  const over = { phase: "Revoked", effectiveUntil: until, message: "Revoked: why", conditions: [] };
  const claims = [{ metadata: { name: "data", namespace: "guest-bob-home" } }] as never;
  const done = endProgress(view(over, { claims }));
  assert.ok(done.done);
  assert.match(done.text, /^Revoked: why\. It ended at \S+\. 1 volume claim is left in guest-bob-home: data\.$/);
  const others = endProgress(view(over, { pods: [pod("web"), pod("gone", { deletionTimestamp: until })] }));
  assert.match(others.text, / 1 pod in guest-bob-home goes on, under other grants\.$/);
  assert.ok(!endProgress(view(over, {}, { deletionTimestamp: until, finalizers: ["a"] })).done, "it still exists");
  assert.ok(endProgress({ ...view({}), grant: undefined }).done);
});

Deno.test("start: done when the present terms are enforced, or when the start is later", () => {
  const ready = (status: string, reason: string) => ({ conditions: [condition("Ready", status, reason)] });
  assert.ok(startProgress(view({ phase: "Active", ...ready("True", "Enforced") })).done);
  assert.ok(!startProgress(view({ observedGeneration: 1, ...ready("True", "Enforced") })).done);
  assert.ok(startProgress(view({ phase: "Pending", ...ready("False", "NotYetValid") })).done);
  assert.ok(!startProgress(view({ phase: "Pending", ...ready("False", "GranteeUnknown") })).done);
});

Deno.test("time left: two units at most, none when it is over", () => {
  const cases = [[0, undefined], [900, "1 s"], [80_000, "1 min 20 s"], [3_600_000, "1 h"], [
    90_061_000,
    "1 d 1 h",
  ]] as const;
  for (const [ms, text] of cases) assert.equal(leftText(1000 + ms, 1000), text);
  assert.equal(leftText(undefined, 0), undefined);
  assert.deepEqual(["90s", "5m", "2h", "0"].map(timeoutFrom), [90_000, 300_000, 7_200_000, Infinity]);
  assert.throws(() => timeoutFrom("soon"), /--timeout is soon/);
});

Deno.test("live lines: replaced in place, cut to the terminal, removed before other text", () => {
  let written = "";
  const lines = new LiveLines({ write: (text) => written += text, size: () => ({ columns: 24, rows: 4 }) });
  lines.show(["a", "b"]);
  lines.show(["x".repeat(40), "b", "c"]);
  assert.ok(written.includes("\x1b[2A\r"), "up over the two lines");
  assert.ok(written.includes(`${"x".repeat(22)}…\n`));
  assert.ok(written.endsWith("… and 2 more\n"), written);
  written = "";
  lines.clear();
  assert.equal(written, "\x1b[2A\r\x1b[J\x1b[?25h");
  written = "";
  lines.clear();
  assert.equal(written, "");
});

Deno.test("requests in words: the resource, its place, and dry runs", () => {
  const of = (path: string, query = "") =>
    requestText({ method: "GET", path, querystring: new URLSearchParams(query) });
  assert.equal(of("/api/v1/namespaces/guest-bob-home/pods"), "reading pods in guest-bob-home");
  assert.equal(of("/apis/keystone.io/v1alpha1/grants/lent"), "reading grants/lent");
  assert.equal(of("/api/v1/namespaces/guest-bob-home"), "reading namespaces/guest-bob-home");
  assert.equal(of("/version"), "reading version");
  assert.equal(of("/apis/apps/v1/namespaces/a/deployments", "dryRun=All"), "reading deployments in a as a dry run");
});
