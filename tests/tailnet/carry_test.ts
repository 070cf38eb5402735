/** Guests' kubectl over a real tailnet: their tailscaled, the lender's, the front as its own process, the API server. */
import assert from "node:assert/strict";
import { startBothProcesses } from "../fixtures/operator_process.ts";
import { installed } from "../fixtures/in_force.ts";
import { eventually, grantOf, prepared, realmOf, step } from "../fixtures/test_operator.ts";
import { tailnetGuest } from "../fixtures/tailnet_guests.ts";
import { startLab } from "../lab/lab.ts";
import { freePorts } from "../lab/ports.ts";

Deno.test("guests' kubectl over the tailnet", {
  // The lab provides the tailnet; an external cluster has none.
  ignore: Deno.env.get("KEYSTONE_LAB") === "external",
}, async (t) => {
  await using lab = await startLab({ realms: ["alice-home", "bob-home", "carol-home", "mallory"] });
  using cluster = await prepared(lab);
  await installed(lab, "base", "webhook");
  const [port, webhook, frontListen] = freePorts(3) as [number, number, number];
  await using operator = startBothProcesses({
    KUBECONFIG: lab.kubeconfig,
    TS_SOCKET: lab.realms["alice-home"]!.socket,
    KEYSTONE_REALM: "alice-home",
    KEYSTONE_LISTEN: "off",
    KEYSTONE_FRONT_LISTEN: String(frontListen),
    KEYSTONE_WEBHOOK: `https://127.0.0.1:${webhook}`,
    KEYSTONE_TAILNET_LISTEN: `127.0.0.1:${port}`,
  });
  await operator.says(/Enforcing grants/, 60_000);
  await operator.says(/The tailnet server is at http:\/\/alice-home/, 60_000);
  for (const name of ["bob-home", "carol-home"]) {
    await cluster.realms.create(realmOf(name));
    await cluster.grants.create(grantOf({ name: `to-${name}`, to: name, hard: { "count/configmaps": "100" } }));
    await cluster.grantIn("Active", `to-${name}`);
  }
  await using bob = await tailnetGuest(lab, { realm: "bob-home", port });
  const works = async (...args: string[]) => {
    const { code, stdout, stderr } = await bob.kubectl(args);
    assert.equal(code, 0, stderr);
    return stdout;
  };

  await step(t, "whoami: the realm's account, and no secret in the kubeconfig", async () => {
    await eventually("bob is served", async () => {
      const { code, stderr } = await bob.kubectl(["auth", "whoami"]);
      return code === 0 || stderr;
    }, 40_000);
    assert.match(await works("auth", "whoami", "-o", "json"), /system:serviceaccount:keystone-system:realm-bob-home-/);
    assert.doesNotMatch(await Deno.readTextFile(bob.kubeconfig), /token|certificate|password/);
  });
});
