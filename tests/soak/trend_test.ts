import assert from "node:assert/strict";
import { SeededRandom } from "../simulation/random.ts";
import { grows, isTelling, type Trend, trendOf } from "./trend.ts";

/** A heap of 30 MB with garbage of up to so much, looked at after each fifty grants; two hundred of them. */
const trends = (leak: number, garbage: number): Trend[] =>
  Array.from({ length: 200 }, (_, seed) => {
    const random = new SeededRandom(seed);
    return trendOf(Array.from({ length: 60 }, (_, index) => ({
      grants: 50 * index,
      value: 30e6 + leak * 50 * index + random.below(garbage),
    })));
  });

Deno.test("a leak of a kilobyte per grant is told from garbage that comes and goes, and nothing else is told", () => {
  assert.deepEqual(trends(0, 1e6).filter((trend) => grows(trend, 256)), []);
  assert.deepEqual(trends(1024, 1e6).filter((trend) => !grows(trend, 256) || !isTelling(trend, 1024, 256)), []);
});

Deno.test("where there is too much garbage to tell it, that is told", () => {
  assert.deepEqual(trends(0, 20e6).filter((trend) => grows(trend, 256) || isTelling(trend, 1024, 256)), []);
});

Deno.test("what stays as it is has no trend", () => {
  assert.deepEqual(trendOf(Array.from({ length: 8 }, (_, index) => ({ grants: index, value: 17 }))), {
    perGrant: 0,
    error: 0,
  });
});
