/**
 * `deno task soak --attackers`: a guest does all that a hostile guest can do, at once, for ten minutes; for others nothing
 * changes. It fails when it does: see judgement.ts for what is promised.
 *
 * `--minutes` says how long, `--seed` which choices, `--only NAME,NAME` which attacks, `--megabytes` how much they may write
 * in all.
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
    // The API server keeps the history of five to ten minutes, and controllers write what they make of it.
    megabytes: { type: "string", default: "900" },
  },
});
const [minutes, seed, megabytes] = [values.minutes, values.seed, values.megabytes].map(Number) as [
  number,
  number,
  number,
];
if (![minutes, seed, megabytes].every((each) => each > 0)) {
  console.error("--minutes, --seed and --megabytes are numbers above 0, such as --minutes 10.");
  Deno.exit(2);
}
const again = `deno task soak --attackers --seed ${seed}`;
console.log(`soak: ${minutes} min of attacks; the same again: ${again} --minutes ${minutes}`);
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
if (found.length > 0) console.log(["The operator's and the front's last words:", ...log].join("\n  "));
console.log(`soak: ${found.length === 0 ? "ok" : "failed"} after ${seen.attempts} requests of attackers`);
Deno.exit(found.length === 0 ? 0 : 1);
