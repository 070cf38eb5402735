import assert from "node:assert/strict";
import { didYouMean } from "./nearest_name.ts";

const names = ["alice-to-bob", "alice-to-carla", "trial"];
const cases: [string, string][] = [
  ["alice-to-bbo", "alice-to-bob"],
  ["Alice-To-Bob", "alice-to-bob"],
  ["trail", "trial"],
  ["carla", "alice-to-carla"],
  ["x", ""],
  ["grant-of-nobody", ""],
];
for (const [written, expected] of cases) {
  Deno.test(`name ${written}: ${expected || "nothing is near"}`, () =>
    assert.equal(didYouMean(written, names), expected && ` Did you mean ${expected}?`));
}
