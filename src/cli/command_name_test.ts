import assert from "node:assert/strict";
import { keystone } from "../../tests/fixtures/keystone_command.ts";
import { withCommandName } from "./command_name.ts";

const plugin = { KEYSTONE_COMMAND: "kubectl keystone" };

Deno.test("as a plugin: help and errors say kubectl keystone, for every verb", async () => {
  const { out } = await keystone(undefined, ["--help"], { env: plugin });
  assert.match(out, /^Usage: kubectl keystone /);
  const verbs = [...out.slice(out.indexOf("Lend:")).matchAll(/^ {2}((?:(?:grant|realm|superentity) )?[a-z-]+) /gm)];
  assert.ok(verbs.length > 15, out);
  for (const [, verb] of verbs) {
    const { out } = await keystone(undefined, [...verb!.split(" "), "--help"], { env: plugin });
    assert.match(out, /^Usage: kubectl keystone /);
    assert.doesNotMatch(out.replace(/^After kubectl.*$/m, ""), /(?<!kubectl )\bkeystone [a-z]/, verb);
  }
  const { err } = await keystone("/nowhere", ["grants"], { env: plugin });
  assert.match(err, /^Note: kubectl keystone grants is now kubectl keystone grant list\.$/m);
});

Deno.test("as a plugin: only command lines change", () => {
  const env = (name: string) => plugin[name as keyof typeof plugin];
  for (const text of ["ConfigMap keystone uses", "/keystone use", "kubectl keystone use x", "my-keystone plan"]) {
    assert.equal(withCommandName({ env }, text), text);
  }
  assert.equal(withCommandName({ env }, "Run keystone use x."), "Run kubectl keystone use x.");
  assert.equal(withCommandName({ env: () => undefined }, "Run keystone use x."), "Run keystone use x.");
});
