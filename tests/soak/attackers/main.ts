/**
 * `deno task soak --attackers`: runs all attacks of a hostile guest at once, for ten minutes, and fails if other guests
 * notice any of it; see judgement.ts for the limits.
 *
 * `--minutes` sets the duration, `--seed` the random choices, `--only NAME,NAME` the attacks, `--megabytes` the total
 * that they may write.
 */
import { parseArgs } from "node:util";
import { attacked } from "./attack_campaign.ts";
import { broken, promised } from "./judgement.ts";
import { tables } from "./tables.ts";

const { values } = parseArgs({
  args: Deno.args.filter((arg) => arg !== "--"),
  options: {
    attackers: { type: "boolean" },
    minutes: { type: "string", default: "10" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    only: { type: "string" },
    // The API server keeps the history of five to ten minutes, and controllers write objects derived from the guests'.
    megabytes: { type: "string", default: "900" },
  },
});
const [minutes, seed, megabytes] = [values.minutes, values.seed, values.megabytes].map(Number) as [
  number,
  number,
  number,
];
if (![minutes, seed, megabytes].every((each) => each > 0)) {
  console.error("--minutes, --seed and --megabytes must be numbers above 0, e.g. --minutes 10.");
  Deno.exit(2);
}
const again = `deno task soak --attackers --seed ${seed}`;
console.log(`soak: ${minutes} min of attacks; to repeat it: ${again} --minutes ${minutes}`);
const { seen, tally, log } = await attacked({
  attackMs: minutes * 60_000,
  beforeMs: 30_000,
  seed,
  megabytes,
  ...(values.only ? { only: values.only } : {}),
  say: (line) => console.log(`  ${line}`),
});
console.log(tables(seen, tally, promised));
const found = broken(seen, promised, again);
for (const sentence of found) console.log(sentence);
if (found.length > 0) console.log(["The end of the operator's and the front's logs:", ...log].join("\n  "));
console.log(`soak: ${found.length === 0 ? "ok" : "failed"} after ${seen.attempts} requests of attackers`);
Deno.exit(found.length === 0 ? 0 : 1);
