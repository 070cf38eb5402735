/** The keystone command on a real tailnet. */
import assert from "node:assert/strict";
import { createTailnet } from "../../src/tailnet/local_tailnet.ts";
import { keystone } from "../fixtures/keystone_command.ts";
import { eventually, prepared, realmOf, startOperator, step } from "../fixtures/test_operator.ts";
import { startLab } from "../lab/lab.ts";

interface Row {
  node: string;
  realm: string;
  online: boolean;
  trusted: string;
}

Deno.test("keystone on a real tailnet", {
  // The lab provides the tailnet; an external cluster has none.
  ignore: Deno.env.get("KEYSTONE_LAB") === "external",
}, async (t) => {
  await using lab = await startLab({ realms: ["alice-home", "bob-home"] });
  using cluster = await prepared(lab);
  const { socket } = lab.realms["alice-home"]!;
  const run = (...args: string[]) => keystone(lab.kubeconfig, [...args, "--ts-socket", socket]);
  const rows = async () => (await run("tailnet", "-o", "json")).json().items as Row[];
  const named = (rows: Row[], name: string) => rows.find(({ node }) => node === `${name}.tailnet-name.ts.net`);

  await step(t, "no Realms: every node is listed without a realm", async () => {
    assert.deepEqual((await rows()).map(({ realm, trusted }) => [realm, trusted]), [["", ""], ["", ""]]);
  });

  await step(t, "a Realm and its node: one line; a Realm without a node: listed too", async () => {
    await using _operator = await startOperator(lab, { realm: "alice-home", tailnet: createTailnet({ socket }) });
    await cluster.realms.create(realmOf("bob-home"));
    await cluster.realms.create(realmOf("carol-home"));
    await eventually(
      "Bob's node is trusted",
      async () => named(await rows(), "bob-home")?.trusted === "yes" || "not yet",
    );
    const bob = named(await rows(), "bob-home")!;
    assert.deepEqual([bob.realm, bob.online], ["bob-home", true]);
    const { code, out } = await run("tailnet");
    assert.equal(code, 0);
    assert.match(out, /bob-home\.tailnet-name\.ts\.net +\S+ +bob-home +yes +yes/);
    assert.match(out, /carol-home/);
  });

  await step(t, "doctor: checks tailscaled, and reports when there is none", async () => {
    const checks = async (path: string) =>
      (await keystone(lab.kubeconfig, ["doctor", "-o", "json", "--ts-socket", path])).json().checks as {
        name: string;
        status: string;
        message: string;
      }[];
    const { status, message } = (await checks(socket)).find(({ name }) => name === "tailscaled")!;
    assert.deepEqual([status, message], ["ok", "Running as alice-home.tailnet-name.ts.net."]);
    assert.equal((await checks("/nowhere")).find(({ name }) => name === "tailscaled")!.status, "fail");
  });

  await step(t, "no socket given: it asks for one; a missing socket: unreachable", async () => {
    assert.equal((await keystone(lab.kubeconfig, ["tailnet"])).code, 2);
    const gone = await keystone(lab.kubeconfig, ["tailnet", "--ts-socket", "/nowhere"]);
    assert.equal(gone.code, 4);
    assert.match(gone.err, /\/nowhere.*start tailscaled/);
  });
});
