/** Words for verbs that don't exist: the answer names the command that does it, never its opposite. */
import assert from "node:assert/strict";
import { keystone } from "../../tests/fixtures/keystone_command.ts";

const meant: Readonly<Record<string, string>> = {
  "grant end": "grant revoke",
  "grant delete x": "grant revoke",
  "grant stop": "grant revoke",
  "grant evoke x": "grant revoke",
  "grant extends x": "grant extend",
  "grant show": "grant list",
  "grant new": "grant create",
  "realm create": "realm add",
  "realm get": "realm list",
  "realm token": "realm kubeconfig",
  "superentity show": "superentity list",
  status: "doctor",
  lend: "grant create",
  "would-ift": "would-fit",
};
for (const [words, command] of Object.entries(meant)) {
  Deno.test(`keystone ${words}: exit code 2, and keystone ${command} is suggested`, async () => {
    const { code, err } = await keystone(undefined, words.split(" "));
    assert.equal(code, 2);
    assert.match(err, new RegExp(`unknown command.*\nDid you mean keystone ${command}\\?\n`), err);
    const [verb] = [command.split(" ").at(-1)!];
    assert.equal((await keystone(undefined, [...command.split(" "), "--help"])).code, 0, verb);
  });
}

Deno.test("a word that means nothing: no command is suggested", async () => {
  for (const words of [["grant", "elephant"], ["elephant"]]) {
    const { code, err } = await keystone(undefined, words);
    assert.equal(code, 2);
    assert.doesNotMatch(err, /Did you mean/);
    assert.match(err, /Use --help for more\./);
  }
});

Deno.test("a verb after an earlier name of a list: the note has the command with the verb", async () => {
  const { err } = await keystone("/nowhere/kubeconfig", ["realms", "add"]);
  assert.match(err, /Note: keystone realms is now keystone realm list\. For the verb: keystone realm add/);
});
