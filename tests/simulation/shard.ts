/**
 * A share of the schedules, so that as many run at the same time as there are processors. How many in all:
 * `KEYSTONE_SCHEDULES` (default 10000), from the seed `KEYSTONE_FIRST_SEED` (default 0) on. `KEYSTONE_SEED` runs one and prints its trace, `KEYSTONE_STEPS` only some of its
 * steps.
 */
import assert from "node:assert/strict";
import { Coverage } from "./coverage.ts";
import { minimal } from "./minimal.ts";
import { runSchedule } from "./schedule.ts";

const shards = 2;
const schedules = Number(Deno.env.get("KEYSTONE_SCHEDULES") ?? 10_000);
const firstSeed = Number(Deno.env.get("KEYSTONE_FIRST_SEED") ?? 0);
const oneSeed = Deno.env.get("KEYSTONE_SEED");
/** From so many schedules on each branch has to be reached. */
const enough = 2000;

/** Registers the test of one share: each second seed. */
export function testShard(shard: number): void {
  const name = `simulation: whatever comes between, every promise holds (${shard + 1} of ${shards})`;
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

/** The broken promise with the least that breaks it, and how to see it again. */
async function failure(seed: number): Promise<string> {
  const { steps, message, trace } = await minimal(seed);
  return `${message}\n\n${trace.join("\n")}\n\nAgain, with just these steps: KEYSTONE_SEED=${seed} ` +
    `KEYSTONE_STEPS=${steps.join(",") || "none"} deno task test:simulation`;
}

async function runOne(seed: number): Promise<void> {
  const steps = Deno.env.get("KEYSTONE_STEPS");
  const only = steps === undefined ? {} : { only: new Set(steps.split(",").map(Number)) };
  const run = () => runSchedule(seed, { coverage: new Coverage(), traced: true, ...only });
  const { broken, hash, trace } = await run();
  assert.equal((await run()).hash, hash, "a seed says all");
  console.log(trace.join("\n"));
  assert.equal(broken?.message, undefined);
}
