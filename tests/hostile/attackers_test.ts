/**
 * A minute of all attacks at once by one guest: nothing changes for others. `deno task soak --attackers` measures latencies
 * against the promises on an idle machine; the bounds here hold on a busy machine too.
 */
import assert from "node:assert/strict";
import { attacked } from "../soak/attackers/attack_campaign.ts";
import { broken, promised } from "../soak/attackers/judgement.ts";
import { tables } from "../soak/attackers/tables.ts";

const seed = Number(Deno.env.get("KEYSTONE_SEED") ?? crypto.getRandomValues(new Uint32Array(1))[0]);
/** The promises, with generous bounds for latencies, which depend on the machine. */
const limits = { ...promised, soonPercent: 80, soonMs: 3000, latestMs: 15_000 };

Deno.test("a guest runs all attacks at once for a minute: nothing changes for another realm", {
  // The test needs its own operator, and a database that it may fill.
  ignore: Deno.env.get("KEYSTONE_LAB") === "external",
}, async () => {
  const { seen, tally, log } = await attacked({
    attackMs: 60_000,
    beforeMs: 10_000,
    seed,
    megabytes: 400,
    say: (line) => console.log(`  ${line}`),
  });
  console.log(tables(seen, tally, limits));
  const found = broken(seen, limits, `deno task soak --attackers --seed ${seed}`);
  assert.deepEqual(found, [], log.join("\n"));
});
