import assert from "node:assert/strict";
import { FakeClock } from "../../lib/clock/mod.ts";
import { ApiError, ConnectionError } from "../../lib/kubernetes/mod.ts";
import { FailureReports } from "./failure_reports.ts";

const forbidden = (kind: string) =>
  new ApiError(`${kind} is forbidden: User "x" cannot watch resource "${kind}"`, {
    code: 403,
    reason: "Forbidden",
    method: "GET",
    path: `/apis/${kind}`,
  });
const starting = () =>
  new ApiError("storage is (re)initializing", { code: 429, reason: "TooManyRequests", method: "GET", path: "/x" });
const gone = () => new ConnectionError("x didn't respond: connection refused");

function begun() {
  const clock = new FakeClock();
  const stop = new AbortController();
  const lines: string[] = [];
  const note = (message: string, properties: Record<string, unknown> = {}) =>
    lines.push(message.replace(/\{(\w+)\}/g, (_, name) => String(properties[name])));
  const state = { isOut: false };
  const failures = new FailureReports({
    log: { info: note, warn: note },
    clock,
    signal: stop.signal,
    isOut: () => state.isOut,
  });
  return { clock, stop, lines, state, failures };
}

Deno.test("failures: rights of many kinds are taken away: one line with the kinds and one remedy", async () => {
  const { clock, lines, failures } = begun();
  for (const kind of ["grants", "realms", "nodes", "a", "b", "c", "d"]) failures.watchFailed(kind, forbidden(kind));
  await clock.advance(1000);
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /^Can't watch grants, realms, nodes, a, b, c, 1 more: grants is forbidden.*rbac\.yaml/);
  for (const kind of ["grants", "realms"]) failures.watchRecovered(kind);
  await clock.advance(1000);
  assert.deepEqual(lines.slice(1), ["Watching grants, realms again."]);
});

Deno.test("failures: an outage explains failed connections: no line, neither for the failure nor for its end", async () => {
  const { clock, lines, failures, state } = begun();
  failures.watchFailed("grants", gone());
  failures.report(gone(), () => lines.push("guests bob: no connection"));
  state.isOut = true;
  await clock.advance(10_000);
  failures.watchFailed("realms", gone());
  await clock.advance(1000);
  state.isOut = false;
  failures.back();
  failures.watchRecovered("grants");
  failures.watchRecovered("realms");
  await clock.advance(10_000);
  assert.deepEqual(lines, []);
});

Deno.test("failures: a failed connection that is no outage and stays: reported after some seconds", async () => {
  const { clock, lines, failures } = begun();
  failures.watchFailed("grants", gone());
  failures.watchFailed("realms", gone());
  await clock.advance(3000);
  failures.watchRecovered("realms");
  assert.deepEqual(lines, []);
  await clock.advance(5000);
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /^Can't watch grants: /);
});

Deno.test("failures: a server that is starting: reported only if it lasts", async () => {
  const { clock, lines, failures } = begun();
  failures.watchFailed("grants", starting());
  await clock.advance(15_000);
  assert.deepEqual(lines, []);
  await clock.advance(6000);
  assert.equal(lines.length, 1);
});

Deno.test("failures: watching: resolves when no watch waits for a connection, whatever else fails", async () => {
  const { failures } = begun();
  failures.watchFailed("servicecidrs", forbidden("servicecidrs"));
  failures.watchFailed("grants", gone());
  let isDone = false;
  const done = failures.watching().then(() => isDone = true);
  await Promise.resolve();
  assert.equal(isDone, false);
  failures.watchRecovered("grants");
  await done;
});

Deno.test("failures: the operator stops: nothing is written later, and no timer stays", async () => {
  const { clock, lines, failures, stop } = begun();
  failures.watchFailed("grants", forbidden("grants"));
  failures.report(gone(), () => lines.push("late"));
  stop.abort();
  assert.equal(clock.pending, 0);
  await clock.advance(20_000);
  assert.deepEqual(lines, []);
});
