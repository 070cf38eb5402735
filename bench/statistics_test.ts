import assert from "node:assert/strict";
import { distribution, summary } from "./statistics.ts";

Deno.test("bench statistics: the median and the spread are measured values, to three digits", () => {
  assert.deepEqual(summary([3, 1, 2.34567, 10_000.4]), { median: 2.35, spread: [1, 10_000], samples: 4 });
  assert.throws(() => summary([]), RangeError);
});

Deno.test("bench statistics: a distribution summarizes each round, and all of them", () => {
  const { median, spread, p99, quantiles, samples } = distribution([[1, 2, 3], [4, 5, 6], [7, 8, 9]]);
  assert.deepEqual({ median, spread, samples }, { median: 5, spread: [2, 8], samples: 9 });
  assert.deepEqual(p99, { median: 6, spread: [3, 9], samples: 3 });
  assert.deepEqual([quantiles[0], quantiles[10], quantiles[20]], [1, 5, 9]);
});
