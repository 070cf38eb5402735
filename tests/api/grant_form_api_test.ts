/** The questions of the keystone command, on a terminal, against a real API server. */
import assert from "node:assert/strict";
import { type Answer, keystoneOnTerminal, terminalKeys } from "../fixtures/keystone_terminal.ts";
import { prepared, step } from "../fixtures/test_operator.ts";
import { startLab } from "../lab/lab.ts";

const { enter, down } = terminalKeys;
const amounts: readonly Answer[] = [
  [/To whom\?/, enter],
  [/How many CPU cores\?/, enter],
  [/How much memory\?/, enter],
  [/How much storage/, enter],
  [/Until when\?/, enter],
];

Deno.test("the form of keystone grant create", { ignore: Deno.build.os !== "linux" }, async (t) => {
  await using lab = await startLab();
  using cluster = await prepared(lab);
  await cluster.createRealm("bob-home");
  const run = (args: string[], answers: readonly Answer[]) =>
    keystoneOnTerminal(lab.kubeconfig, args, answers, { env: { KEYSTONE_REALM: "alice-home" } });
  const names = async () => (await cluster.grants.all()).map(({ metadata }) => metadata!.name);

  await step(t, "Ctrl-C at the summary: no grant exists", async () => {
    const { code, lines } = await run(["grant", "create"], [
      ...amounts,
      [/What may the guests reach/, enter],
      [/Name of the grant\?/, enter],
      [/Create this grant\?/, terminalKeys.interrupt],
    ]);
    assert.deepEqual([code, lines.at(-1)], [1, "Nothing was created."]);
    assert.deepEqual(await names(), []);
  });

  await step(t, "Enter on every question: the API server stores a grant with an end", async () => {
    const { code, lines } = await run(["grant", "create"], [
      ...amounts,
      [/What may the guests reach/, enter],
      [/Name of the grant\?/, enter],
      [/Create this grant\?/, enter],
    ]);
    assert.equal(code, 0, lines.join("\n"));
    const { spec } = await cluster.grants.get("to-bob-home");
    assert.deepEqual([spec.hard, spec.networkPolicy], [{ cpu: "2", memory: "4Gi" }, undefined]);
    const days = (Date.parse(spec.validity!.validUntil!) - Date.now()) / 86_400_000;
    assert.ok(days > 29.9 && days < 30.1, `${days} days`);
  });

  await step(t, "the internet but not the LAN until a day: stored so, and the name is another one", async () => {
    const { code, lines } = await run(["grant", "create"], [
      ...amounts.slice(0, -1),
      [/Until when\?/, `2030-06-01${enter}`],
      [/What may the guests reach/, `${down}${enter}`],
      [/Which ports\?/, enter],
      [/Which ranges stay closed/, enter],
      [/Name of the grant\?.*to-bob-home-2/, enter],
      [/Create this grant\?/, enter],
    ]);
    assert.equal(code, 0, lines.join("\n"));
    const { spec } = await cluster.grants.get("to-bob-home-2");
    assert.deepEqual(spec.networkPolicy, { egressAllowed: true, allowedDestinations: ["internet"] });
    assert.equal(spec.validity!.validUntil, "2030-05-31T22:00:00Z");
  });

  await step(t, "the API server refuses the grant: its words, and nothing is stored", async () => {
    const { code, lines } = await run(
      ["grant", "create", "--hard", "kobolds=4", "--for", "5d", "--allow", "internet"],
      [
        [/To whom\?/, enter],
        [/Name of the grant\?/, enter],
        [/Create this grant\?/, enter],
      ],
    );
    assert.equal(code, 1);
    assert.match(lines.join(" "), /kobolds is not enforced by any ResourceQuota/);
    assert.equal((await names()).length, 2);
  });

  await step(t, "revoke: Enter declines, y revokes", async () => {
    const question = /can't be undone/;
    assert.equal((await run(["revoke", "to-bob-home"], [[question, enter]])).code, 1);
    assert.equal((await cluster.grants.get("to-bob-home")).spec.revocation, undefined);
    assert.equal((await run(["revoke", "to-bob-home"], [[question, "y"]])).code, 0);
    assert.notEqual((await cluster.grants.get("to-bob-home")).spec.revocation, undefined);
  });
});
