/**
 * The tailnet server as the chart installs it, in pods: a guest's node reaches it on both replicas, as the realm's account,
 * and its container can't change anything at tailscaled.
 */
import assert from "node:assert/strict";
import { bothReady, chart, helm, prepareInstall, processOf, readyPods, system } from "../fixtures/installed.ts";
import { getAs } from "../fixtures/tailnet_dial.ts";
import { clientOf, eventually, realmOf, step, TestCluster } from "../fixtures/test_operator.ts";
import { runCommand } from "../lab/command.ts";
import { startLab } from "../lab/lab.ts";
import { nodeTest } from "../lab/needs_node.ts";
import { tailscaleStatus } from "../lab/tailscaled.ts";

const grantor = "alice-home";
const path = "/k8s/bob-home/api/v1/namespaces/guest-bob-home/pods";

/** Returns the resident memory of a container's processes, in bytes. */
async function residentBytes(first: number): Promise<number> {
  const children = (await Deno.readTextFile(`/proc/${first}/task/${first}/children`)).trim().split(" ").filter(Boolean);
  const texts = await Promise.all([String(first), ...children].map((pid) => Deno.readTextFile(`/proc/${pid}/status`)));
  return texts.reduce((sum, text) => sum + Number(/VmRSS:\s+(\d+) kB/.exec(text)![1]) * 1024, 0);
}

nodeTest("the tailnet server in pods", async (t) => {
  await using lab = await startLab({ node: true, realms: ["bob-home"] });
  const values = await prepareInstall(lab, grantor);
  using cluster = new TestCluster(lab, await clientOf(lab.kubeconfig));
  const { rest } = cluster;
  const { socket } = lab.realms["bob-home"]!;
  const memory = async () => {
    const pods = await readyPods(rest);
    return await Promise.all(
      pods.map(async (pod) => Math.round(await residentBytes(await processOf(rest, pod, "front")) / 2 ** 20)),
    );
  };

  await step(t, "installed without a tailnet server, then with one", async () => {
    await helm(lab, ["install", "keystone", chart, "--wait", "--timeout=3m"], {
      ...values,
      tailnetServer: { enabled: false },
    });
    await bothReady(rest);
    const before = await memory();
    await helm(lab, ["upgrade", "keystone", chart, "--wait", "--timeout=3m"], values);
    await bothReady(rest);
    console.log(
      `memory of the fronts: ${before.join(" and ")} MiB without a tailnet server, ${
        (await memory()).join(" and ")
      } with one`,
    );
  });

  await step(t, "a grant in force: each replica serves the guest's node as the realm's account", async () => {
    await cluster.realms.create(realmOf("bob-home", { connectionType: "headscale" }));
    await cluster.create({ name: "lent", to: "bob-home", hard: { pods: "2" } });
    await cluster.grantIn("Active", "lent", 30_000);
    const status = await eventually("both nodes are online", async () => {
      const status = await tailscaleStatus(socket);
      if (typeof status === "string") return status;
      const nodes = Object.values(status.Peer ?? {}).filter(({ HostName, Online }) =>
        Online && HostName.startsWith(grantor)
      );
      return nodes.length === 2 ? nodes : nodes.map(({ HostName }) => HostName).join() || "none";
    }, 60_000);
    assert.deepEqual(status.map(({ HostName }) => HostName).sort(), [grantor, `${grantor}-1`]);
    for (const { DNSName, TailscaleIPs, HostName } of status) {
      const name = DNSName.replace(/\.$/, "");
      const address = TailscaleIPs!.find((each) => each.includes("."))!;
      await eventually(`${HostName} serves`, async () => {
        const said = await getAs(socket, address, 8443, path, `${name}:8443`);
        return said !== undefined && /^HTTP\/1\.1 200 [^]*"kind":"PodList"/.test(said) || `${said}`;
      }, 60_000);
      const other = await getAs(
        socket,
        address,
        8443,
        "/k8s/bob-home/api/v1/namespaces/keystone-system/secrets",
        `${name}:8443`,
      );
      assert.match(other!, /^HTTP\/1\.1 403 /);
    }
    console.log(`memory of the fronts with a guest: ${(await memory()).join(" and ")} MiB`);
  });

  await step(
    t,
    "the front's user at tailscaled: may look, and changes nothing; the socket's folder is read-only",
    async () => {
      for (const pod of await readyPods(rest)) {
        const pid = await processOf(rest, pod, "front");
        const status = await Deno.readTextFile(`/proc/${pid}/status`);
        assert.match(status, /^Uid:\t65531\t65531\t65531\t65531$/m);
        const mounts = (await Deno.readTextFile(`/proc/${pid}/mountinfo`)).split("\n");
        for (const folder of ["/var/run/tailscale", "/var/run/keystone"]) {
          const [mount] = mounts.filter((line) => line.split(" ")[4] === folder);
          assert.match(mount!.split(" ")[5]!, /^ro(,|$)/, folder);
        }
        assert.deepEqual(mounts.filter((line) => line.split(" ")[4] === "/var/lib/tailscale"), []);
        const folder = `/proc/${await processOf(rest, pod, "tailscaled")}/root/var/run/tailscale`;
        /** Sends a request to tailscaled as the front's user; returns the status code. */
        const ask = async (method: string, path: string, body = "") => {
          // The shell enters the folder as root: only root may go through /proc of another user's process.
          const args = [
            "--silent",
            "--output",
            "/dev/null",
            "--write-out",
            "%{http_code}",
            "--unix-socket",
            "tailscaled.sock",
          ];
          const url = `http://local-tailscaled.sock${path}`;
          const curl = ["curl", ...args, "--request", method, ...(body ? ["--data", body] : []), url];
          const user = ["setpriv", "--reuid=65531", "--regid=65532", "--clear-groups"];
          const script = 'cd "$1" && shift && exec "$@"';
          return (await runCommand("/bin/sh", ["-c", script, "sh", folder, ...user, ...curl])).stdout;
        };
        assert.match(await ask("GET", "/localapi/v0/status"), /^200$/);
        const change = '{"Hostname":"attacked","HostnameSet":true}';
        for (
          const [method, path, body] of [["PATCH", "/localapi/v0/prefs", change], ["POST", "/localapi/v0/logout", ""], [
            "POST",
            "/localapi/v0/serve-config",
            "{}",
          ], ["POST", "/localapi/v0/reset-auth", ""]] as const
        ) {
          assert.match(await ask(method, path, body), /^40[13]$/, path);
        }
      }
      assert.equal((await readyPods(rest)).length, 2);
    },
  );

  await step(t, "the grant ends: nothing is served, and the account is gone", async () => {
    await cluster.grants.patch("lent", { spec: { revocation: { reason: "enough", immediate: true } } }, {
      type: "merge",
    }).catch(() => cluster.grants.patch("lent", { spec: { revocation: { reason: "enough" } } }, { type: "merge" }));
    const status = await tailscaleStatus(socket);
    assert.ok(typeof status !== "string");
    for (const { HostName, TailscaleIPs, DNSName } of Object.values(status.Peer ?? {})) {
      if (!HostName.startsWith(grantor)) continue;
      await eventually(`${HostName} serves no more`, async () => {
        const said = await getAs(
          socket,
          TailscaleIPs!.find((each) => each.includes("."))!,
          8443,
          path,
          `${DNSName.replace(/\.$/, "")}:8443`,
        );
        return said !== undefined && /^HTTP\/1\.1 40[13] /.test(said) || `${said}`;
      });
    }
    await eventually("the account is gone", async () => {
      const { stdout } = await lab.kubectl(["-n", system, "get", "serviceaccounts", "-o", "name"]);
      return !stdout.includes("realm-bob-home") || stdout;
    });
  });
});
