/**
 * A minute of a guest who does all of it at once: for others nothing changes. How soon is measured, and held against what
 * is promised, by `deno task soak --attackers`, on a machine that does nothing else; here it is within bounds that a busy
 * machine keeps too.
 */
import assert from "node:assert/strict";
import { attacked } from "../soak/attackers/attack_campaign.ts";
import { broken, promised } from "../soak/attackers/judgement.ts";
import { tables } from "../soak/attackers/tables.ts";

const seed = Number(Deno.env.get("KEYSTONE_SEED") ?? crypto.getRandomValues(new Uint32Array(1))[0]);
/** The promises, and for what depends on how fast the machine is, generous bounds. */
const limits = { ...promised, soonPercent: 80, soonMs: 3000, latestMs: 15_000 };

Deno.test("a guest who does all of it at once for a minute changes nothing for another realm", {
  // It needs an operator of its own, and a database that it may fill.
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
