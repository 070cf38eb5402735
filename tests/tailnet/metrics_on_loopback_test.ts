/**
 * Another node of the tailnet reaches no port of an operator next to a tailscaled in userspace mode, which delivers
 * connections to every port of this node to loopback.
 */
import assert from "node:assert/strict";
import { ownAddress } from "../fixtures/own_address.ts";
import { installed } from "../fixtures/in_force.ts";
import { eventually, prepared, step } from "../fixtures/test_operator.ts";
import { startBothProcesses } from "../fixtures/operator_process.ts";
import { getAs } from "../fixtures/tailnet_dial.ts";
import { startLab } from "../lab/lab.ts";
import { freePorts } from "../lab/ports.ts";

Deno.test("a peer of the tailnet, and the ports of the operator", {
  ignore: Deno.env.get("KEYSTONE_LAB") === "external",
}, async (t) => {
  await using lab = await startLab({ realms: ["alice-home", "bob-home"] });
  using _cluster = await prepared(lab);
  await installed(lab, "base", "webhook");
  const [alice, bob] = [lab.realms["alice-home"]!, lab.realms["bob-home"]!];
  const asBob = (port: number, path: string) => getAs(bob.socket, alice.ipv4, port, path);

  await step(t, "a listener on loopback: the peer reaches it, so the following steps mean something", async () => {
    await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => new Response("here"));
    // The first connection between two nodes takes longer; after it, silence means that the port is closed.
    await eventually("the peer reaches it", async () => {
      const said = await asBob(server.addr.port, "/");
      return /here$/.test(said ?? "") || (said ?? "nothing answers");
    }, 40_000);
  });

  await step(t, "health, metrics and webhook on loopback: closed, and the log says why", async () => {
    const [metrics, frontMetrics, webhook] = freePorts(3);
    await using operator = startBothProcesses({
      KUBECONFIG: lab.kubeconfig,
      TS_SOCKET: alice.socket,
      KEYSTONE_REALM: "alice-home",
      KEYSTONE_LISTEN: `127.0.0.1:${metrics}`,
      KEYSTONE_FRONT_LISTEN: String(frontMetrics),
      KEYSTONE_WEBHOOK: `https://127.0.0.1:${webhook}`,
    });
    const isClosed = async () => {
      for (const port of [metrics!, frontMetrics!, webhook!]) {
        for (const path of ["/metrics", "/readyz", "/admit"]) {
          assert.equal(await asBob(port, path), undefined, `${port}`);
        }
      }
    };
    await operator.says(/Enforcing grants/, 40_000);
    await isClosed();
    const closed = [
      new RegExp(`Health and metrics at 127.0.0.1:${metrics} are closed: tailscaled at .* userspace`),
      new RegExp(`Health and metrics at 127.0.0.1:${frontMetrics} are closed: tailscaled at .* userspace`),
      /The admission webhook is closed: tailscaled at .* userspace mode/,
    ];
    // Two processes write these lines, in any order.
    for (const line of closed) {
      await eventually(
        `one of them says ${line}`,
        () => Promise.resolve(operator.log.some((text) => line.test(text)) || operator.log.join("\n")),
        40_000,
      );
    }
    await isClosed();
    assert.equal(await operator.stop(), 0);
  });

  await step(t, "on another address of this machine: open, and the peer doesn't reach them", async () => {
    const own = ownAddress();
    if (own === undefined) return;
    const [port] = freePorts(1);
    await using operator = startBothProcesses({
      KUBECONFIG: lab.kubeconfig,
      TS_SOCKET: alice.socket,
      KEYSTONE_REALM: "alice-home",
      KEYSTONE_LISTEN: `${own}:${port}`,
    });
    await operator.says(/Enforcing grants/, 40_000);
    const url = /http:[^"\s]*\d/.exec(operator.log.find((line) => /Health and metrics are at/.test(line))!)![0];
    assert.equal((await (await fetch(`${url}/healthz`)).text()).trim(), "ok");
    assert.equal(await asBob(port!, "/metrics"), undefined);
    assert.equal(await operator.stop(), 0);
  });
});
