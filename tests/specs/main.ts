/**
 * `deno task test:specs`: every field of every custom resource with values at its limits and beyond, on a real API
 * server with a real operator. `--list` prints the mutations, `--only ID` selects those whose ID begins with it,
 * `--seed` sets the order, and so which mutation follows another, `--minutes` the time limit.
 */
import { parseArgs } from "node:util";
import { sharedLab } from "../lab/shared.ts";
import { SeededRandom } from "../simulation/random.ts";
import { runBatch } from "./batch.ts";
import { allMutations } from "./mutations.ts";
import { withHarness } from "./setting.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    list: { type: "boolean" },
    only: { type: "string" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    minutes: { type: "string", default: "60" },
  },
});
/** Number of concurrent mutations: each has two sets of fixtures, and all of them are observed together. */
const atOnce = 100;

const wanted = (await allMutations()).filter(({ id }) => id.startsWith(values.only ?? ""));
if (values.list) {
  for (const { id } of wanted) console.log(id);
  Deno.exit(0);
}
if (wanted.length === 0) {
  console.error(`--only ${values.only} matches no mutation; --list prints all of them.`);
  Deno.exit(2);
}

console.log(`specs: ${wanted.length} mutations, --seed ${values.seed}`);
const endsAt = performance.now() + Number(values.minutes) * 60_000;
const queue = new SeededRandom(Number(values.seed)).shuffled(wanted);
const count = { ran: 0, differ: 0, refused: 0 };
const explained = new Map<string, number>();
await using lab = await sharedLab({ fastControllers: true });
await withHarness(lab, async (harness) => {
  while (queue.length > 0 && performance.now() < endsAt) {
    for (const verdict of await runBatch(harness, queue.splice(0, atOnce))) {
      count.ran++;
      if (!verdict.accepted) count.refused++;
      for (const why of verdict.explained) explained.set(why, (explained.get(why) ?? 0) + 1);
      if (verdict.faults.size === 0) continue;
      count.differ++;
      console.log(`${verdict.mutation.id} ${verdict.accepted ? "(accepted)" : "(refused)"}`);
      for (const fault of [...verdict.faults].slice(0, 12)) console.log(`  ${fault}`);
      if (verdict.faults.size > 12) console.log(`  and ${verdict.faults.size - 12} more`);
    }
    console.log(`${count.ran} of ${wanted.length}, ${count.refused} refused, ${count.differ} differ`);
  }
});
for (const [why, times] of explained) console.log(`by design, ${times} times: ${why}`);
if (queue.length > 0) console.log(`not run: ${queue.length}, because the time is up`);
console.log(`specs: ${count.ran} ran, ${count.ran - count.differ} agreed, ${count.differ} differ`);
Deno.exitCode = count.differ === 0 && count.ran > 0 ? 0 : 1;
