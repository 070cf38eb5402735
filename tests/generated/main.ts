/**
 * Compares would-fit and the webhook with the controllers for generated workloads:
 * `deno task test:generated [--seed N] [--count N] [--slots N] [--only INDEX]… [--json FILE]`.
 */
import { parseArgs } from "node:util";
import { generatedCase } from "./case_generator.ts";
import { compared, ComparisonScene, type StepResult } from "./comparison.ts";
import { countsOf, describedResult, disagreementsOf, missedBars } from "./report.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    count: { type: "string", default: "2000" },
    slots: { type: "string", default: "16" },
    only: { type: "string", multiple: true, default: [] },
    json: { type: "string" },
  },
});
const seed = Number(values.seed);
const only = values.only.flatMap((text) => text.split(",")).map(Number);
const indices = only.length > 0 ? only : Array.from({ length: Number(values.count) }, (_, index) => index);
const cases = indices.map((index) => generatedCase(seed, index));
if (only.length > 0) {
  for (const each of cases) console.log(JSON.stringify(each, undefined, 1));
}
const start = performance.now();
const log = (text: string) => console.log(text);
const results: StepResult[] = [];
let aborted = 0;
await using scene = await ComparisonScene.open(log);
const ready = performance.now();
log(`The lab is ready after ${Math.round((ready - start) / 1000)} s.`);
await compared(scene, cases, {
  slots: Math.min(Number(values.slots), cases.length),
  log,
  onAbort: ({ index }, error) => {
    aborted++;
    log(`case ${index} (--seed ${seed} --only ${index}) was not tried to its end: ${error.stack}`);
  },
  onResult: (result) => {
    results.push(result);
    if (only.length > 0 || disagreementsOf(result).length > 0) {
      log(describedResult(result, { manifests: only.length > 0 }));
    }
    if (results.length % 100 === 0) log(`${results.length} steps: ${JSON.stringify(countsOf(results))}`);
    if (values.json && results.length % 25 === 0) Deno.writeTextFileSync(values.json, JSON.stringify(results));
  },
});
if (values.json) Deno.writeTextFileSync(values.json, JSON.stringify(results));
const counts = countsOf(results);
const minutes = (performance.now() - ready) / 60_000;
log(JSON.stringify(counts, undefined, 1));
log(
  `seed ${seed}: ${cases.length} cases, ${results.length} steps in ${minutes.toFixed(1)} minutes after ${
    Math.round((ready - start) / 1000)
  } s: ${Math.round(cases.length / minutes)} cases a minute`,
);
const missed = missedBars(counts);
for (const bar of missed) log(bar);
if (aborted > 0) log(`${aborted} cases were not tried to their end.`);
if (aborted > 0 || only.length === 0 && missed.length > 0) Deno.exitCode = 1;
