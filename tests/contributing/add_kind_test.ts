import assert from "node:assert/strict";
import { gitApply } from "../mutants/mutant.ts";
import { pathToFileURL } from "node:url";
import { objectTable } from "../lab/object_table.ts";
import { copyProject } from "../support/project_copy.ts";
import { deno } from "./deno.ts";

const patch = new URL("add_kind.patch", import.meta.url).pathname;

Deno.test("contributing: a kind of object in guest namespaces is one file and one rule in rbac", async () => {
  const text = await Deno.readTextFile(patch);
  assert.deepEqual([...text.matchAll(/^\+\+\+ b\/(.*)$/gm)].map(([, path]) => path).sort(), [
    "deploy/kustomize/base/rbac.yaml",
    "src/core/guest/objects/lease.ts",
    "src/core/guest/objects/lease_test.ts",
  ]);
  const dir = await copyProject("keystone-contributing-");
  try {
    assert.equal(await gitApply(dir, [patch]), "");
    // In place of `deno task gen`.
    for (const [path, table] of await objectTable(pathToFileURL(`${dir}/`))) {
      await Deno.writeTextFile(`${dir}/${path}`, table);
    }
    await deno(dir, "check", "--frozen", "src/controllers/operator.ts", "src/core/guest/objects/lease_test.ts");
    await deno(dir, "test", "--frozen", "-A", "--no-check", "src/core/guest/objects");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
