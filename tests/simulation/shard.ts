/**
 * One shard of the schedules; there are as many shards as processors. `KEYSTONE_SCHEDULES` is the total number (default
 * 10000), `KEYSTONE_FIRST_SEED` the first seed (default 0). `KEYSTONE_SEED` runs one schedule and prints its trace,
 * `KEYSTONE_STEPS` runs only some of its steps.
 */
import assert from "node:assert/strict";
import { Coverage } from "./coverage.ts";
import { minimal } from "./minimal.ts";
import { runSchedule } from "./schedule.ts";

const shards = 2;
const schedules = Number(Deno.env.get("KEYSTONE_SCHEDULES") ?? 10_000);
const firstSeed = Number(Deno.env.get("KEYSTONE_FIRST_SEED") ?? 0);
const oneSeed = Deno.env.get("KEYSTONE_SEED");
/** Number of schedules from which every branch must be reached. */
const enough = 2000;

/** Registers the test of one shard: every second seed. */
export function testShard(shard: number): void {
  const name = `simulation: in any order of events, every invariant holds (${shard + 1} of ${shards})`;
  if (oneSeed === undefined) Deno.test(name, () => runShard(shard));
  else if (Number(oneSeed) % shards === shard) Deno.test(`simulation: seed ${oneSeed}`, () => runOne(Number(oneSeed)));
}

async function runShard(shard: number): Promise<void> {
  const coverage = new Coverage();
  const traces = new Set<number>();
  const began = performance.now();
  let [ran, disturbed] = [0, 0];
  for (let seed = firstSeed + shard; seed < firstSeed + schedules; seed += shards) {
    const { hash, crashes, staleReads, broken } = await runSchedule(seed, { coverage });
    ran++;
    traces.add(hash);
    if (crashes + staleReads > 0) disturbed++;
    if (broken) assert.fail(await failure(seed));
    if (ran % 10_000 === 0) console.log(progress(ran, performance.now() - began));
  }
  const seconds = (performance.now() - began) / 1000;
  console.log(
    `${ran} schedules, ${traces.size} of them distinct, ${disturbed} with a crash or a stale read; ` +
      `${Math.round(ran / seconds)} per second\n${coverage.report()}`,
  );
  if (ran < enough) return;
  assert.deepEqual(coverage.missing(), [], "branches that were never reached");
  assert.ok(disturbed * 2 >= ran, "half of the schedules have a crash or a stale read");
  assert.ok(traces.size >= ran * 0.99, "schedules differ");
}

function progress(ran: number, ms: number): string {
  const all = Math.ceil(schedules / shards);
  return `${ran} of ${all} schedules; about ${Math.ceil((ms / ran) * (all - ran) / 60_000)} min left`;
}

/** Returns the broken invariant with the fewest steps that break it, and the command to run them again. */
async function failure(seed: number): Promise<string> {
  const { steps, message, trace } = await minimal(seed);
  return `${message}\n\n${trace.join("\n")}\n\nRun only these steps again: KEYSTONE_SEED=${seed} ` +
    `KEYSTONE_STEPS=${steps.join(",") || "none"} deno task test:simulation`;
}

async function runOne(seed: number): Promise<void> {
  const steps = Deno.env.get("KEYSTONE_STEPS");
  const only = steps === undefined ? {} : { only: new Set(steps.split(",").map(Number)) };
  const run = () => runSchedule(seed, { coverage: new Coverage(), traced: true, ...only });
  const { broken, hash, trace } = await run();
  assert.equal((await run()).hash, hash, "a seed determines everything");
  console.log(trace.join("\n"));
  assert.equal(broken?.message, undefined);
}
