/**
 * Schedules of a SuperEntity's pool: a sixth of `KEYSTONE_SCHEDULES` (default 10000). `KEYSTONE_POOL_SEED` runs one and
 * prints its trace.
 */
import assert from "node:assert/strict";
import { runPoolSchedule } from "./pool_schedule.ts";

const schedules = Math.ceil(Number(Deno.env.get("KEYSTONE_SCHEDULES") ?? 10_000) / 6);
const oneSeed = Deno.env.get("KEYSTONE_POOL_SEED");

Deno.test("simulation: in any order of events, no new grant exceeds the pool and no cluster gives more than it contributes", async () => {
  const all = new Map<string, number>();
  const seeds = oneSeed === undefined ? Array.from({ length: schedules }, (_, seed) => seed) : [Number(oneSeed)];
  for (const seed of seeds) {
    const { trace, broken, seen } = await runPoolSchedule(seed);
    if (oneSeed !== undefined) console.log(trace.join("\n"));
    assert.equal(broken, undefined, `seed ${seed}, after ${trace.length}:\n${trace.slice(-60).join("\n")}\n${broken}`);
    for (const [what, count] of seen) all.set(what, (all.get(what) ?? 0) + count);
  }
  console.log([...all].sort().map(([what, count]) => `${String(count).padStart(7)} ${what}`).join("\n"));
  if (seeds.length < 500) return;
  for (
    const what of [
      "Active Enforced",
      "Active SuperEntityPending",
      "Active SuperEntityIncomplete",
      "Pending ExceedsPool",
      "Pending SuperEntityPending",
      "Pending SuperEntityIncomplete",
      "Revoked Revoked",
    ]
  ) assert.ok(all.has(what), `${what} was never reached`);
});
