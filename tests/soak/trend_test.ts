import assert from "node:assert/strict";
import { SeededRandom } from "../simulation/random.ts";
import { grows, isTelling, type Trend, trendOf } from "./trend.ts";

/** Returns trends of a 30 MB heap with random garbage, measured after each fifty grants; two hundred of them. */
const trends = (leak: number, garbage: number): Trend[] =>
  Array.from({ length: 200 }, (_, seed) => {
    const random = new SeededRandom(seed);
    return trendOf(Array.from({ length: 60 }, (_, index) => ({
      grants: 50 * index,
      value: 30e6 + leak * 50 * index + random.below(garbage),
    })));
  });

Deno.test("a leak of a kilobyte per grant is distinguished from varying garbage, without false alarms", () => {
  assert.deepEqual(trends(0, 1e6).filter((trend) => grows(trend, 256)), []);
  assert.deepEqual(trends(1024, 1e6).filter((trend) => !grows(trend, 256) || !isTelling(trend, 1024, 256)), []);
});

Deno.test("too much garbage to detect a leak: reported as too noisy", () => {
  assert.deepEqual(trends(0, 20e6).filter((trend) => grows(trend, 256) || isTelling(trend, 1024, 256)), []);
});

Deno.test("a constant value has no trend", () => {
  assert.deepEqual(trendOf(Array.from({ length: 8 }, (_, index) => ({ grants: index, value: 17 }))), {
    perGrant: 0,
    error: 0,
  });
});
