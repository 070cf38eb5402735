/** A sample of the comparison of `deno task test:generated`. */
import assert from "node:assert/strict";
import { generatedCase } from "./case_generator.ts";
import { compared, ComparisonScene } from "./comparison.ts";
import { countsOf, describedResult, disagreementsOf, missedBars } from "./report.ts";

/** Seed of the generated workloads: KEYSTONE_SEED=7. */
const seed = Number(Deno.env.get("KEYSTONE_SEED") ?? 1);
const caseCount = 60;
const slots = 16;

Deno.test("generated workloads: would-fit and the webhook predict what the controllers do", {
  // The made-up nodes have to be the only ones.
  ignore: Deno.env.get("KEYSTONE_LAB") === "external",
}, async () => {
  await using scene = await ComparisonScene.open();
  const aborted: string[] = [];
  const results = await compared(scene, Array.from({ length: caseCount }, (_, index) => generatedCase(seed, index)), {
    slots,
    onAbort: ({ index }, error) => aborted.push(`case ${index}: ${error.stack}`),
  });
  const wrong = results.filter((result) => disagreementsOf(result).length > 0);
  console.log(`KEYSTONE_SEED=${seed}: ${JSON.stringify(countsOf(results))}`);
  assert.deepEqual(aborted, []);
  assert.deepEqual(
    missedBars(countsOf(results)),
    [],
    wrong.map((each) => describedResult(each, { manifests: true })).join("\n"),
  );
});
