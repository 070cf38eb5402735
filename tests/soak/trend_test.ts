import assert from "node:assert/strict";
import { Random } from "../simulation/random.ts";
import { grows, isTelling, trendOf } from "./trend.ts";

/** A heap of 30 MB that a collector empties at any moment, with 3 grants between two looks. */
const heap = (seed: number, leak: number) => {
  const random = new Random(seed);
  return Array.from({ length: 240 }, (_, index) => ({
    grants: 3 * index,
    value: 30e6 + leak * 3 * index + random.below(8_000_000),
  }));
};

Deno.test("a leak of a kilobyte per grant is told from what comes and goes, and nothing else is", () => {
  const trends = (leak: number) => Array.from({ length: 200 }, (_, seed) => trendOf(heap(seed, leak)));
  assert.deepEqual(trends(0).filter((trend) => grows(trend, 256)), []);
  const leaky = trends(2048);
  assert.ok(leaky.filter((trend) => grows(trend, 256)).length > 100);
  assert.ok(leaky.every((trend) => grows(trend, 256) || !isTelling(trend, 4096, 256) || trend.perGrant < 4096));
});

Deno.test("what stays as it is has no trend", () => {
  assert.deepEqual(trendOf(Array.from({ length: 24 }, (_, index) => ({ grants: index, value: 17 }))), {
    perGrant: 0,
    error: 0,
  });
});
