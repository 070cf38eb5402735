import assert from "node:assert/strict";
import { FakeClock } from "../../lib/clock/mod.ts";
import type { Ping } from "../tailnet/tailnet.ts";
import { Pings } from "./pings.ts";

const now = Date.parse("2026-06-01T12:00:00Z");
const bob = { stableID: "n1", address: "100.64.0.2" };

function pingsOf(...answers: (Ping | Error)[]) {
  const clock = new FakeClock(now);
  const stop = new AbortController();
  const asked: string[] = [];
  const woken: [string, number | undefined][] = [];
  const pings = new Pings({
    ping: (address) => {
      asked.push(address);
      const answer = answers.shift()!;
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
    clock,
    signal: stop.signal,
    wake: (realm, at) => woken.push([realm, at === undefined ? undefined : at - now]),
  });
  return { pings, clock, asked, woken, stop };
}

Deno.test("pings: results: remembered, counted while they repeat, and reported", async () => {
  const direct: Ping = { kind: "answered", path: "direct", latencyMs: 3 };
  const none: Ping = { kind: "unanswered", message: "no answer" };
  const { pings, asked, woken } = pingsOf(direct, direct, none, none, direct);
  const seen = [];
  for (let round = 0; round < 5; round++) {
    pings.ask("bob-home", bob);
    pings.ask("bob-home", bob);
    await pings.ended();
    seen.push([pings.get("bob-home")!.path, pings.get("bob-home")!.alike]);
  }
  assert.deepEqual(seen, [["direct", 1], ["direct", 2], [undefined, 1], [undefined, 2], ["direct", 1]]);
  assert.equal(asked.length, 5, "one at a time");
  assert.deepEqual(woken, Array.from({ length: 5 }, () => ["bob-home", undefined]));
  pings.forget("bob-home");
  assert.equal(pings.get("bob-home"), undefined);
});

Deno.test("pings: another node or address: counting starts again", async () => {
  const direct: Ping = { kind: "answered", path: "direct", latencyMs: 3 };
  const { pings } = pingsOf(direct, direct, direct);
  for (const target of [bob, { ...bob, address: "100.64.0.9" }, { ...bob, stableID: "n2" }]) {
    pings.ask("bob-home", target);
    await pings.ended();
    assert.equal(pings.get("bob-home")!.alike, 1);
  }
});

Deno.test("pings: tailscaled can't be asked: says nothing about the node, retried later", async () => {
  const { pings, clock, asked, woken } = pingsOf({ kind: "unknown", message: "" }, new Error("broken"), {
    kind: "unanswered",
    message: "",
  });
  for (const _ of [1, 2]) {
    pings.ask("bob-home", bob);
    await pings.ended();
    pings.ask("bob-home", bob);
    assert.equal(pings.get("bob-home"), undefined);
    await clock.advance(30_000);
  }
  assert.deepEqual(woken, [30_000, 30_000, 60_000, 60_000].map((at) => ["bob-home", at]));
  assert.equal(asked.length, 2);
  pings.ask("bob-home", bob);
  await pings.ended();
  assert.equal(pings.get("bob-home")!.alike, 1);
});

Deno.test("pings: realm reconciled before the retry: the retry is kept", async () => {
  const { pings, clock, asked, woken } = pingsOf({ kind: "unknown", message: "" });
  pings.ask("bob-home", bob);
  await pings.ended();
  await clock.advance(10_000);
  // That reconcile replaced the scheduled one.
  woken.length = 0;
  pings.ask("bob-home", bob);
  assert.deepEqual(woken, [["bob-home", 30_000]]);
  assert.equal(asked.length, 1);
});

Deno.test("pings: signal aborts: they end", async () => {
  const stop = new AbortController();
  const pings = new Pings({
    ping: (_, signal) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true })),
    clock: new FakeClock(now),
    signal: stop.signal,
    wake: () => assert.fail("no realm is triggered any more"),
  });
  pings.ask("bob-home", bob);
  stop.abort();
  await pings.ended();
  assert.equal(pings.get("bob-home"), undefined);
});
