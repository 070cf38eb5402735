import { FakeClock, systemClock } from "../clock/mod.ts";
import { WorkQueue } from "./work_queue.ts";

/** Run with `deno bench lib/controller/work_queue_bench.ts`. One iteration is 100,000 keys. */
const KEYS = Array.from({ length: 100_000 }, (_, i) => `guest-realm-${i}`);
/** A fixed order that is neither sorted nor random. */
const shuffled = KEYS.map((_, i) => (i * 62_989) % KEYS.length);
const never = new AbortController().signal;

async function drain(queue: WorkQueue): Promise<void> {
  for (let i = 0; i < KEYS.length; i++) queue.done(await queue.take(never));
}

Deno.bench("100k keys: add, take, done", { n: 10, warmup: 2 }, async () => {
  const queue = new WorkQueue({ clock: systemClock });
  for (const key of KEYS) queue.add(key);
  await drain(queue);
});

Deno.bench("100k keys: add thrice, every tenth becomes urgent, take, done", { n: 10, warmup: 2 }, async () => {
  const queue = new WorkQueue({ clock: systemClock });
  for (let round = 0; round < 3; round++) for (const key of KEYS) queue.add(key);
  for (let i = 0; i < KEYS.length; i += 10) queue.add(KEYS[i]!, { urgent: true });
  await drain(queue);
});

Deno.bench("100k keys: addAt in mixed order, take, done once they are due", { n: 10, warmup: 2 }, async () => {
  const clock = new FakeClock(0);
  const queue = new WorkQueue({ clock });
  for (const i of shuffled) queue.addAt(KEYS[i]!, 1 + i);
  clock.step(KEYS.length + 1);
  await drain(queue);
});

Deno.bench("100k keys: addAt, then moved earlier, with someone waiting", { n: 10, warmup: 2 }, () => {
  const queue = new WorkQueue({ clock: systemClock });
  const stop = new AbortController();
  queue.take(stop.signal).catch(() => {});
  const far = Date.now() + 3_600_000;
  for (const i of shuffled) queue.addAt(KEYS[i]!, far + i);
  for (const i of shuffled) queue.addAt(KEYS[i]!, far - i);
  stop.abort();
});
