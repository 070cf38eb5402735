import assert from "node:assert/strict";
import { changedLines } from "./line_diff.ts";

const shown = (before: string, after: string): string =>
  changedLines(before.split(" "), after.split(" ")).map(({ mark, line }) => mark + line).join(" ");

Deno.test("two texts differ: only the changed lines are shown, the lines before first", () => {
  assert.equal(shown("a b c d", "a x c y d e"), "-b +x +y +e");
  assert.equal(shown("a a b", "a b b"), "-a +b");
  assert.equal(shown("a b", "a b"), "");
});

Deno.test("thousands of lines differ: both texts are shown in full, without delay", () => {
  const text = (prefix: string) => Array.from({ length: 5000 }, (_, index) => `${prefix}${index}`);
  assert.equal(changedLines(text("a"), text("b")).length, 10_000);
});
