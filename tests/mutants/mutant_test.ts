import assert from "node:assert/strict";
import { gitApply, parseMutant, patchOf, readMutants } from "./mutant.ts";

const root = new URL("../../", import.meta.url).pathname;
const mutants = await readMutants();

Deno.test("each mutant can be planted", async () => {
  assert.equal(await gitApply(root, ["--check", ...mutants.map(({ name }) => patchOf(name))]), "");
});

Deno.test("the tests that have to notice a mutant exist", async () => {
  for (const path of new Set(mutants.flatMap(({ tests }) => tests))) await Deno.stat(root + path);
});

Deno.test("a patch without a promise, and one without tests and plans, is refused", () => {
  assert.throws(() => parseMutant("a", "Tests: src\n\n--- a/b\n"), /a\.patch must have one line "Promise: …"/);
  assert.throws(() => parseMutant("a", "Promise: b\n\n--- a/b\n"), /a\.patch must have either "Tests: PATH…" or/);
  assert.throws(() => parseMutant("a", "Promise: b\n\n--- a/b\nTests: src\n"), /must have either/);
});
