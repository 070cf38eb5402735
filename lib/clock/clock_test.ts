import assert from "node:assert/strict";
import { FakeClock, sleep, systemClock } from "./mod.ts";

Deno.test("FakeClock: several timers: fire in order of their due times, each at its own time", async () => {
  const clock = new FakeClock(1_000_000);
  const fired: [string, number, number][] = [];
  const note = (name: string) => () => fired.push([name, clock.now(), clock.monotonic()]);
  clock.setTimer(30, note("c"));
  clock.setTimer(10, note("a"));
  clock.setTimer(30, note("d"));
  clock.setTimer(20, note("b"));
  clock.setTimer(41, note("not yet"));
  await clock.advance(40);
  assert.deepEqual(fired, [["a", 1_000_010, 10], ["b", 1_000_020, 20], ["c", 1_000_030, 30], ["d", 1_000_030, 30]]);
  assert.equal(clock.now(), 1_000_040);
  assert.equal(clock.pending, 1);
});

Deno.test("FakeClock: timer set by a timer or a promise callback while advancing: fires", async () => {
  const clock = new FakeClock();
  const fired: number[] = [];
  clock.setTimer(10, () => {
    fired.push(clock.monotonic());
    Promise.resolve().then(() => {}).then(() => clock.setTimer(10, () => fired.push(clock.monotonic())));
  });
  await clock.advance(20);
  assert.deepEqual(fired, [10, 20]);
});

Deno.test("FakeClock: canceled timer never fires; no timer fires synchronously", async () => {
  const clock = new FakeClock();
  let fired = 0;
  const timer = clock.setTimer(5, () => fired++);
  timer.cancel();
  timer.cancel();
  clock.setTimer(-1, () => fired++);
  assert.equal(fired, 0);
  await clock.advance(0);
  assert.equal(fired, 1);
  await clock.advance(10);
  assert.equal(fired, 1);
});

Deno.test("FakeClock.step: moves only the wall clock", async () => {
  const clock = new FakeClock(5_000);
  let fired = 0;
  clock.setTimer(10, () => fired++);
  clock.step(-3_000);
  assert.equal(clock.now(), 2_000);
  assert.equal(clock.monotonic(), 0);
  await clock.advance(9);
  assert.equal(fired, 0);
  await clock.advance(1);
  assert.equal(fired, 1);
  assert.equal(clock.now(), 2_010);
});

Deno.test("sleep: time is over or signal aborts: ends and holds no timer", async () => {
  const clock = new FakeClock();
  const abort = new AbortController();
  const ended: string[] = [];
  const sleeps = [
    sleep(clock, 10, abort.signal).then(() => ended.push("short")),
    sleep(clock, 1000, abort.signal).then(() => ended.push("long")),
  ];
  await clock.advance(10);
  assert.deepEqual(ended, ["short"]);
  abort.abort();
  await Promise.all([...sleeps, sleep(clock, 1000, abort.signal).then(() => ended.push("aborted before"))]);
  assert.deepEqual(ended.sort(), ["aborted before", "long", "short"]);
  assert.equal(clock.pending, 0);
});

Deno.test("systemClock: short timer fires, canceled one doesn't", async () => {
  let cancelledFired = false;
  const cancelled = systemClock.setTimer(0, () => cancelledFired = true);
  cancelled.cancel();
  const before = systemClock.monotonic();
  await new Promise<void>((resolve) => systemClock.setTimer(2, resolve));
  assert.ok(systemClock.monotonic() - before >= 1);
  assert.equal(cancelledFired, false);
});

Deno.test("systemClock: delay beyond the range of setTimeout: doesn't fire at once", async () => {
  let fired = false;
  const timer = systemClock.setTimer(2 ** 31 + 1000, () => fired = true);
  await new Promise<void>((resolve) => systemClock.setTimer(5, resolve));
  timer.cancel();
  assert.equal(fired, false);
});

Deno.test("systemClock: long delay: timeouts are chained until it is over", () => {
  // Fakes of setTimeout and performance.now show the chain without waiting 50 days.
  const delays: number[] = [];
  let armed: (() => void) | undefined;
  let monotonic = 0;
  const realSetTimeout = globalThis.setTimeout;
  const realNow = performance.now;
  globalThis.setTimeout = ((fire: () => void, delay: number) => {
    delays.push(delay);
    armed = fire;
    return 0;
  }) as unknown as typeof setTimeout;
  performance.now = () => monotonic;
  try {
    let fired = 0;
    const longest = 2 ** 31 - 1;
    systemClock.setTimer(2 * longest + 7, () => fired++);
    for (const elapsed of [longest, longest]) {
      monotonic += elapsed;
      armed!();
      assert.equal(fired, 0);
    }
    monotonic += 7;
    armed!();
    assert.equal(fired, 1);
    assert.deepEqual(delays, [longest, longest, 7]);
  } finally {
    globalThis.setTimeout = realSetTimeout;
    performance.now = realNow;
  }
});
