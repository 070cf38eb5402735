import assert from "node:assert/strict";
import { FakeClock } from "../clock/mod.ts";
import { WorkQueue } from "./work_queue.ts";

const never = new AbortController().signal;

function queueWithClock() {
  const clock = new FakeClock(1_000_000);
  return { clock, queue: new WorkQueue({ clock, random: () => 0 }) };
}

/** Takes and returns keys until none is due. */
async function drain(queue: WorkQueue): Promise<string[]> {
  const keys: string[] = [];
  while (queue.depth > 0) {
    const key = await queue.take(never);
    keys.push(key);
    queue.done(key);
  }
  return keys;
}

/** Starts a take and records its key. */
function taker(queue: WorkQueue, signal = never) {
  const taken: { key?: string } = {};
  queue.take(signal).then((key) => taken.key = key, () => {});
  return taken;
}

Deno.test("work queue: added keys: taken in order, each once", async () => {
  const { queue } = queueWithClock();
  for (const key of ["a", "b", "a", "c", "b"]) queue.add(key);
  assert.deepEqual(await drain(queue), ["a", "b", "c"]);
});

Deno.test("work queue: urgent keys: taken first; a due key can become urgent, not the reverse", async () => {
  const { queue } = queueWithClock();
  for (const key of ["a", "b", "c"]) queue.add(key);
  queue.add("x", { urgent: true });
  queue.add("c", { urgent: true });
  queue.add("x");
  assert.deepEqual(await drain(queue), ["x", "c", "a", "b"]);
});

Deno.test("work queue: hasUrgent: true only while an urgent key is due and not taken", async () => {
  const { clock, queue } = queueWithClock();
  queue.add("usual");
  queue.addAt("late", clock.now() + 1000, { urgent: true });
  assert.equal(queue.hasUrgent, false);
  await clock.advance(1000);
  assert.equal(queue.hasUrgent, true);
  assert.equal(await queue.take(never), "late");
  assert.equal(queue.hasUrgent, false);
});

Deno.test("work queue: isIdle: true while no key is due or taken", async () => {
  const { clock, queue } = queueWithClock();
  queue.addAt("later", clock.now() + 1000);
  assert.equal(queue.isIdle, true);
  await clock.advance(1000);
  assert.equal(queue.isIdle, false);
  const key = await queue.take(never);
  assert.equal(queue.isIdle, false);
  queue.done(key);
  assert.equal(queue.isIdle, true);
});

Deno.test("work queue: begun keys: taken before others, also if added while taken", async () => {
  const { queue } = queueWithClock();
  queue.add("a");
  await queue.take(never);
  for (const key of ["b", "c", "d"]) queue.add(key);
  queue.add("a", { begun: true });
  queue.add("a");
  queue.add("c", { begun: true });
  queue.add("d", { urgent: true });
  queue.add("d", { begun: true });
  queue.done("a");
  assert.deepEqual(await drain(queue), ["d", "c", "a", "b"]);
});

Deno.test("work queue: key added while taken: due again after done", async () => {
  const { queue } = queueWithClock();
  queue.add("a");
  await queue.take(never);
  queue.add("a");
  queue.add("a", { urgent: true });
  queue.add("b");
  assert.equal(queue.depth, 1);
  queue.done("a");
  assert.deepEqual(await drain(queue), ["a", "b"], "a was added again as urgent");
});

Deno.test("work queue: looked: drops earlier requests, keeps later ones", async () => {
  const { clock, queue } = queueWithClock();
  queue.add("a");
  await queue.take(never);
  queue.add("a", { urgent: true });
  queue.addAt("a", clock.now() + 500);
  queue.looked("a");
  queue.done("a");
  assert.deepEqual(await drain(queue), []);
  await clock.advance(500);
  assert.equal(await queue.take(never), "a", "its instant is kept");
  queue.looked("a");
  queue.add("a");
  queue.done("a");
  assert.deepEqual(await drain(queue), ["a"]);
});

Deno.test("work queue: instant: due exactly then", async () => {
  const { clock, queue } = queueWithClock();
  queue.addAt("a", clock.now() + 500);
  const taken = taker(queue);
  await clock.advance(499);
  assert.deepEqual([taken.key, queue.waiting, queue.depth], [undefined, 1, 0]);
  await clock.advance(1);
  assert.deepEqual([taken.key, queue.waiting, clock.pending], ["a", 0, 0]);
});

Deno.test("work queue: several instants: the earliest wins", async () => {
  const { clock, queue } = queueWithClock();
  queue.addAt("a", clock.now() + 500);
  queue.addAt("a", clock.now() + 900);
  queue.addAt("b", clock.now() + 800);
  queue.addAt("b", clock.now() + 100);
  const first = taker(queue);
  await clock.advance(100);
  assert.equal(first.key, "b");
  const second = taker(queue);
  await clock.advance(400);
  assert.equal(second.key, "a");
  queue.done("a");
  queue.done("b");
  assert.equal(queue.waiting, 0, "the earlier run replaced later instants");
});

Deno.test("work queue: earlier instant while a take waits for a later one: on time", async () => {
  const { clock, queue } = queueWithClock();
  queue.addAt("late", clock.now() + 1000);
  const taken = taker(queue);
  queue.addAt("early", clock.now() + 10);
  assert.equal(clock.pending, 1);
  await clock.advance(10);
  assert.equal(taken.key, "early");
});

Deno.test("work queue: run: replaces instants requested before it, not during it", async () => {
  const { clock, queue } = queueWithClock();
  queue.addAt("a", clock.now() + 500);
  queue.add("a");
  await queue.take(never);
  assert.equal(queue.waiting, 0);
  queue.addAt("a", clock.now() + 700);
  queue.done("a");
  const taken = taker(queue);
  await clock.advance(699);
  assert.equal(taken.key, undefined);
  await clock.advance(1);
  assert.equal(taken.key, "a");
});

Deno.test("work queue: instant falls due while the key is taken: due again after done", async () => {
  const { clock, queue } = queueWithClock();
  queue.add("a");
  await queue.take(never);
  queue.addAt("a", clock.now() + 10);
  const taken = taker(queue);
  await clock.advance(20);
  assert.equal(taken.key, undefined);
  queue.done("a");
  await clock.advance(0);
  assert.equal(taken.key, "a");
});

Deno.test("work queue: urgent instant: goes before keys that became due earlier", async () => {
  const { clock, queue } = queueWithClock();
  for (const key of ["a", "b", "c"]) queue.add(key);
  queue.addAt("c", clock.now() + 10, { urgent: true });
  queue.addAt("x", clock.now() + 5, { urgent: true });
  await clock.advance(10);
  assert.deepEqual(await drain(queue), ["x", "c", "a", "b"]);
});

Deno.test("work queue: past instant: due at once; not a number: refused", async () => {
  const { clock, queue } = queueWithClock();
  queue.addAt("a", clock.now() - 5);
  assert.deepEqual(await drain(queue), ["a"]);
  assert.throws(() => queue.addAt("a", NaN), /Key a can't be queued for the instant NaN/);
  assert.throws(() => queue.addAt("a", Infinity), RangeError);
});

Deno.test("work queue: instant a year ahead: on time, with a single timer of at most 30 s", async () => {
  const delays: number[] = [];
  class RecordingClock extends FakeClock {
    override setTimer(afterMs: number, fire: () => void) {
      delays.push(afterMs);
      return super.setTimer(afterMs, fire);
    }
  }
  const clock = new RecordingClock(1_000_000);
  const queue = new WorkQueue({ clock });
  queue.addAt("a", clock.now() + 365 * 86_400_000);
  const taken = taker(queue);
  for (let i = 0; i < 3; i++) {
    await clock.advance(30_000);
    assert.equal(clock.pending, 1);
  }
  assert.deepEqual(delays, [30_000, 30_000, 30_000, 30_000]);
  clock.step(365 * 86_400_000 - 90_001);
  await clock.advance(30_000);
  assert.equal(taken.key, "a");
  assert.equal(clock.pending, 0);
});

Deno.test("work queue: wall clock jumps ahead (suspend, correction): noticed within 30 s", async () => {
  const { clock, queue } = queueWithClock();
  queue.addAt("a", clock.now() + 3_600_000);
  const taken = taker(queue);
  await clock.advance(1000);
  clock.step(3_600_000);
  await clock.advance(29_000);
  assert.equal(taken.key, "a");
});

Deno.test("work queue: wall clock is set back: postpones an instant, not a retry", async () => {
  const { clock, queue } = queueWithClock();
  queue.addAt("instant", clock.now() + 1000);
  queue.retry("retry");
  clock.step(-5000);
  const first = taker(queue);
  await clock.advance(100);
  assert.equal(first.key, "retry");
  const second = taker(queue);
  await clock.advance(5899);
  assert.equal(second.key, undefined);
  await clock.advance(1);
  assert.equal(second.key, "instant");
});

Deno.test("work queue: retries: delay doubles from 100 ms to 60 s until forget", async () => {
  const { clock, queue } = queueWithClock();
  const delayOfRetry = async () => {
    queue.retry("a");
    const startedAt = clock.monotonic();
    let takenAt = NaN;
    const taken = queue.take(never).then((key) => {
      takenAt = clock.monotonic();
      queue.done(key);
    });
    await clock.advance(60_000);
    await taken;
    return takenAt - startedAt;
  };
  const delays: number[] = [];
  for (let i = 0; i < 12; i++) delays.push(await delayOfRetry());
  assert.deepEqual(delays, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000]);
  queue.forget("a");
  assert.equal(await delayOfRetry(), 100);
});

Deno.test("work queue: jitter: reduces a retry's delay by up to half", async () => {
  const clock = new FakeClock();
  const queue = new WorkQueue({ clock, random: () => 0.999_999 });
  queue.retry("a");
  const taken = taker(queue);
  await clock.advance(50);
  assert.equal(taken.key, undefined);
  await clock.advance(1);
  assert.equal(taken.key, "a");
});

Deno.test("work queue: retry with afterMs: due then, backoff is unchanged", async () => {
  const { clock, queue } = queueWithClock();
  queue.retry("a", { afterMs: 7000 });
  const first = taker(queue);
  await clock.advance(6999);
  assert.equal(first.key, undefined);
  await clock.advance(1);
  assert.equal(first.key, "a");
  queue.done("a");
  queue.retry("a");
  const second = taker(queue);
  await clock.advance(100);
  assert.equal(second.key, "a");
});

Deno.test("work queue: add during a retry's delay: due at once", async () => {
  const { queue } = queueWithClock();
  queue.retry("a");
  queue.add("a");
  assert.deepEqual(await drain(queue), ["a"]);
  assert.equal(queue.waiting, 0);
});

Deno.test("work queue: several takes: served in order; an aborted one leaves nothing behind", async () => {
  const { clock, queue } = queueWithClock();
  const stop = new AbortController();
  const reason = new Error("stop");
  const gone = assert.rejects(queue.take(stop.signal), (error) => error === reason);
  const first = taker(queue);
  const second = taker(queue);
  queue.addAt("later", clock.now() + 1000);
  stop.abort(reason);
  await gone;
  queue.add("a");
  queue.add("b");
  await clock.advance(0);
  assert.deepEqual([first.key, second.key, clock.pending], ["a", "b", 0]);
  await assert.rejects(queue.take(stop.signal), (error) => error === reason);
});

Deno.test("work queue: take is aborted: its timer is removed", () => {
  const { clock, queue } = queueWithClock();
  const stop = new AbortController();
  queue.addAt("later", clock.now() + 1000);
  taker(queue, stop.signal);
  assert.equal(clock.pending, 1);
  stop.abort();
  assert.equal(clock.pending, 0);
});

Deno.test("work queue: done without take: error", async () => {
  const { queue } = queueWithClock();
  assert.throws(() => queue.done("a"), /Key a is not taken/);
  queue.add("a");
  queue.done(await queue.take(never));
  assert.throws(() => queue.done("a"), /Key a is not taken/);
});

Deno.test("work queue: failing: counts failed keys until forget", () => {
  const clock = new FakeClock();
  const queue = new WorkQueue({ clock });
  queue.retry("a");
  queue.retry("a");
  queue.retry("b", { afterMs: 5 });
  assert.equal(queue.failing, 1);
  queue.forget("a");
  assert.equal(queue.failing, 0);
});
