import assert from "node:assert/strict";
import { gitApply, parseMutant, patchOf, readMutants } from "./mutant.ts";

const root = new URL("../../", import.meta.url).pathname;
const mutants = await readMutants();

Deno.test("each mutant can be applied", async () => {
  assert.equal(await gitApply(root, ["--check", ...mutants.map(({ name }) => patchOf(name))]), "");
});

Deno.test("the lines that a mutant replaces are unique in their file", async () => {
  for (const { name } of mutants) {
    const [, ...files] = (await Deno.readTextFile(patchOf(name))).split(/^--- a\//m);
    for (const [path, ...lines] of files.map((file) => file.split("\n"))) {
      const text = `\n${await Deno.readTextFile(root + path)}`;
      const [, ...hunks] = lines.join("\n").split(/^@@ .*\n/m);
      for (const hunk of hunks) {
        const before = hunk.split("\n").filter((line) => /^[ -]/.test(line)).map((line) => `\n${line.slice(1)}`).join(
          "",
        );
        assert.equal(text.split(`${before}\n`).length - 1, 1, `${name}.patch needs more context at${before}`);
      }
    }
  }
});

Deno.test("the tests of each mutant exist", async () => {
  for (const path of new Set(mutants.flatMap(({ tests }) => tests))) await Deno.stat(root + path);
});

Deno.test("a patch without a promise, or without tests and plans: an error", () => {
  assert.throws(() => parseMutant("a", "Tests: src\n\n--- a/b\n"), /a\.patch must have one line "Promise: …"/);
  assert.throws(() => parseMutant("a", "Promise: b\n\n--- a/b\n"), /a\.patch must have either "Tests: PATH…" or/);
  assert.throws(() => parseMutant("a", "Promise: b\n\n--- a/b\nTests: src\n"), /must have either/);
});
