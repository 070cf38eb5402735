import assert from "node:assert/strict";
import { gitApply } from "../mutants/mutant.ts";
import { copyProject } from "../support/project_copy.ts";
import { deno } from "./deno.ts";

const patch = new URL("add_loop.patch", import.meta.url).pathname;

Deno.test("contributing: a loop is one file and one entry in the list of loops", async () => {
  const text = await Deno.readTextFile(patch);
  assert.deepEqual([...text.matchAll(/^\+\+\+ b\/(.*)$/gm)].map(([, path]) => path).sort(), [
    "src/controllers/loops.ts",
    "src/controllers/tenants.ts",
    "src/controllers/tenants_test.ts",
  ]);
  const dir = await copyProject("keystone-contributing-");
  try {
    assert.equal(await gitApply(dir, [patch]), "");
    await deno(dir, "check", "--frozen", "src/controllers/operator.ts", "src/controllers/tenants_test.ts");
    await deno(dir, "test", "--frozen", "-A", "--no-check", "src/controllers/tenants_test.ts");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
