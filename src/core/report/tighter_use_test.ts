import assert from "node:assert/strict";
import { tighterUse } from "./tighter_use.ts";

const cases: [string, Record<string, [string, string]>, string][] = [
  ["limits are used up, requests are not", { requests: ["400m", "2"], limits: ["2", "2"] }, "2 of 2 limits"],
  ["more of the requests is used", { requests: ["1", "2"], limits: ["1", "4"] }, "1 of 2 requests"],
  [
    "more of the limits is used, although more is left",
    { requests: ["500m", "1"], limits: ["3", "4"] },
    "3 of 4 limits",
  ],
  ["both sides are equal", { requests: ["1", "2"], limits: ["1000m", "2"] }, "1 of 2"],
  ["equal parts: the one with less left", { requests: ["1", "2"], limits: ["2", "4"] }, "1 of 2 requests"],
  ["nothing is used", { requests: ["0", "2"], limits: ["0", "1"] }, "0 of 1 limits"],
  ["one side is not granted", { requests: ["1", "2"], limits: ["0", "0"] }, "0 of 0 limits"],
  ["more is used than granted", { requests: ["1", "2"], limits: ["5", "4"] }, "5 of 4 limits"],
  ["only one side is known", { requests: ["1", "2"] }, "1 of 2"],
  ["no side is known", {}, "-"],
];
for (const [name, sides, expected] of cases) {
  Deno.test(`${name}: shown as ${expected}`, () => {
    const of = (index: 0 | 1) =>
      Object.fromEntries(Object.entries(sides).map(([side, amounts]) => [`${side}.cpu`, amounts[index]]));
    const use = tighterUse("cpu", of(1), of(0));
    assert.equal(use ? `${use.used} of ${use.granted}${use.side ? ` ${use.side}` : ""}` : "-", expected);
  });
}
