/**
 * `deno task test:faults`: runs all plans, or the selected ones, and reports those whose outcome differs from the
 * undisturbed run of their scenario. See README.md.
 */
import { parseArgs } from "node:util";
import { byRealms, onPlanes, runPlans } from "./fault_campaign.ts";
import { type Counts, isOfTailscaled, surely, writeCatalogue } from "./catalogue.ts";
import { Journal, type JournalEntry } from "./journal.ts";
import { allPlans, randomPlans, samplePlans } from "./plans.ts";
import { perform } from "./fault_run.ts";
import { scenarios } from "./scenarios.ts";

const startedAt = performance.now();
const { values: asked } = parseArgs({
  options: {
    list: { type: "boolean", default: false },
    record: { type: "boolean", default: false },
    sample: { type: "boolean", default: false },
    plan: { type: "string", multiple: true, default: [] },
    random: { type: "string" },
    seed: { type: "string", default: "1" },
    shard: { type: "string", default: "1/1" },
    resume: { type: "boolean", default: false },
    minutes: { type: "string" },
    planes: { type: "string", default: "4" },
    lab: { type: "string", multiple: true },
    journal: { type: "string" },
  },
});
const planes: readonly (string | undefined)[] = asked.lab ?? Array.from({ length: Number(asked.planes) });
const folder = new URL("../../.faults/", import.meta.url).pathname;

/** Unhandled errors fail the campaign: they can't be attributed to a plan. */
const unhandled: string[] = [];
globalThis.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  unhandled.push(event.reason instanceof Error ? event.reason.stack ?? event.reason.message : String(event.reason));
});

function chosen() {
  const [shard, shards] = asked.shard.split("/").map(Number);
  const { random, seed } = asked;
  const plans = random !== undefined
    ? randomPlans(Number(random), Number(seed))
    : asked.sample
    ? samplePlans()
    : allPlans();
  if (asked.plan.length === 0) return plans.filter((_, index) => index % shards! === shard! - 1);
  return asked.plan.map((id) => {
    const [, seed, index] = /^random\/(\d+)\/(\d+)$/.exec(id) ?? [];
    const plan = seed === undefined
      ? allPlans().find((each) => each.id === id)
      : randomPlans(Number(index) + 1, Number(seed)).at(-1);
    if (!plan) throw new Error(`Plan "${id}" does not exist; --list prints all plans.`);
    return plan;
  });
}

/** Runs all scenarios undisturbed, several times each, and writes the entries that occurred in all runs. */
async function record(): Promise<void> {
  const runs = new Map(scenarios.map(({ name }) => [name, [] as ReadonlyMap<string, number>[]]));
  for (const [realms, group] of byRealms(scenarios, (each) => each)) {
    const queue = group.flatMap((scenario) => Array.from({ length: 4 }, () => scenario));
    await onPlanes(planes, realms, async (plane) => {
      for (let scenario = queue.shift(); scenario; scenario = queue.shift()) {
        const { broken, asked } = await perform(plane, scenario, []);
        if (broken.length > 0) throw new Error(`${scenario.name}: ${broken.join("\n")}`);
        runs.get(scenario.name)!.push(asked);
      }
    });
  }
  const counts: Record<string, Counts> = {};
  for (const { name, realms } of scenarios) {
    const all = Object.entries(surely(runs.get(name)!));
    counts[name] = Object.fromEntries(all.filter(([asked]) => realms === undefined || isOfTailscaled(asked)));
  }
  await writeCatalogue(counts);
}

function sum(entries: readonly JournalEntry[]): { fired: number; agreed: number; differ: number } {
  const of = (verdict: JournalEntry["verdict"]) => entries.filter((entry) => entry.verdict === verdict).length;
  return { fired: of("agreed") + of("differs"), agreed: of("agreed"), differ: of("differs") };
}

if (asked.record) {
  await record();
  Deno.exit(0);
}
if (asked.list) {
  for (const { id, faults } of chosen()) {
    console.log(id, ...id.startsWith("random/") ? faults.map(({ kind, at, nth }) => `${kind}/${at}/${nth}`) : []);
  }
  Deno.exit(0);
}
const journal = await Journal.open(asked.journal ?? `${folder}${asked.sample ? "sample" : "journal"}.jsonl`, asked);
const plans = chosen().filter((plan) => asked.plan.length > 0 || !journal.has(plan));
console.log(`${plans.length} plans; journal: ${journal.path}`);
let done = 0;
await runPlans(plans, {
  planes,
  ...(asked.minutes === undefined ? {} : { until: startedAt + Number(asked.minutes) * 60_000 }),
  told: async (plan, verdict) => {
    await journal.add(plan, verdict);
    if (++done % 50 === 0) console.log(`${done} of ${plans.length}`);
    if (verdict.verdict === "not fired") console.log(`not fired: ${plan.id}`);
    if (verdict.verdict === "differs") console.log(`differs: ${plan.id}\n  ${verdict.differences.join("\n  ")}`);
  },
}).catch((error) => {
  // The listener above would take it for an unhandled error.
  console.error(error);
  Deno.exit(2);
});
const entries = journal.entries();
for (const [name, group] of Object.entries(Object.groupBy(entries, (entry) => entry.class))) {
  const { fired, agreed, differ } = sum(group!);
  if (!name.includes("+")) console.log(`  ${name}: ${fired} fired, ${agreed} agreed, ${differ} differ`);
}
for (const text of unhandled) console.log(`unhandled: ${text}`);
const { fired, agreed, differ } = sum(entries);
console.log(`faults: ${fired} fired, ${agreed} agreed, ${differ} differ`);
Deno.exit(differ === 0 && unhandled.length === 0 && fired > 0 ? 0 : 1);
