import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { tailOf } from "./lab_files.ts";
import { endLab, type Lab, launch, openLab, startLab } from "./lab.ts";
import { poll } from "./poll.ts";
import { freePorts } from "./ports.ts";
import { isLabProcess } from "./process.ts";
import { readState } from "./lab_state.ts";
import { sharedLab } from "./shared.ts";
import { tailscaleStatus } from "./tailscaled.ts";

const MAIN = fileURLToPath(new URL("./main.ts", import.meta.url));

/** Runs kubectl and expects exit code 0. */
async function kubectl(lab: Lab, args: string[], stdin?: string): Promise<string> {
  const { code, stdout, stderr } = await lab.kubectl(args, stdin === undefined ? {} : { stdin });
  assert.equal(code, 0, `kubectl ${args.join(" ")}: ${stderr}`);
  return stdout;
}

/** Waits until one realm's daemon sees another as online or offline. */
function sees(lab: Lab, observer: string, peer: string, online: boolean): Promise<void> {
  return poll(`${observer} sees ${peer} ${online ? "online" : "offline"}`, async () => {
    const status = await tailscaleStatus(lab.realms[observer]!.socket);
    if (typeof status === "string") return status;
    const found = Object.values(status.Peer ?? {}).find((candidate) => candidate.DNSName.startsWith(`${peer}.`));
    return found?.Online === online || JSON.stringify(found ?? "no such peer");
  }, { withinMs: 45_000 });
}

interface AuditEvent {
  level: string;
  verb: string;
  user: { username: string };
  objectRef?: { resource: string };
  responseStatus: { code: number };
}

const pod = (name: string, cpu: string) =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name },
    spec: {
      containers: [{
        name: "main",
        image: "registry.k8s.io/pause:3.10",
        resources: { requests: { cpu }, limits: { cpu } },
      }],
    },
  });

Deno.test("a lab with two realms", async (t) => {
  await using lab = await startLab({ realms: ["alice-home", "bob-home"] });
  lab.assertRunning();

  await t.step("it is Kubernetes 1.34 and has namespaces and service accounts", async () => {
    const version = JSON.parse(await kubectl(lab, ["version", "-o", "json"]));
    assert.equal(version.serverVersion.gitVersion, "v1.34.4");
    assert.equal(version.clientVersion.gitVersion, "v1.34.4");
    await kubectl(lab, ["get", "serviceaccount", "default", "-n", "default"]);
  });

  await t.step("a quota gets its status and rejects a pod that exceeds it", async () => {
    await kubectl(lab, ["create", "namespace", "guest"]);
    await kubectl(lab, ["create", "quota", "small", "-n", "guest", "--hard=requests.cpu=1"]);
    await poll("the quota has a status", async () => {
      const hard = await kubectl(lab, ["get", "quota", "small", "-n", "guest", "-o", "jsonpath={.status.hard}"]);
      return hard !== "" || "no status";
    }, { withinMs: 20_000 });
    await kubectl(lab, ["apply", "-n", "guest", "-f", "-"], pod("fits", "750m"));
    const refused = await lab.kubectl(["apply", "-n", "guest", "-f", "-"], { stdin: pod("too-much", "500m") });
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /exceeded quota: small, requested: requests\.cpu=500m, used: requests\.cpu=750m/);
  });

  await t.step("a deleted namespace goes away, so all its controllers work", async () => {
    await kubectl(lab, ["delete", "namespace", "guest", "--timeout=60s"]);
  });

  await t.step("users have their groups and no other rights", async () => {
    const bob = await lab.user("bob", { groups: ["guests", "readers"] });
    const who = await lab.kubectl(["auth", "whoami", "-o", "json"], { kubeconfig: bob });
    const { userInfo } = JSON.parse(who.stdout).status;
    assert.equal(userInfo.username, "bob");
    assert.deepEqual(userInfo.groups.sort(), ["guests", "readers", "system:authenticated"]);
    const secrets = await lab.kubectl(["get", "secrets"], { kubeconfig: bob });
    assert.match(secrets.stderr, /User "bob" cannot list resource "secrets"/);
    assert.equal(readState(lab.dir)?.users.bob, bob);
  });

  await t.step("the audit log has the user's request as soon as its response is complete", async () => {
    let events: AuditEvent[] = [];
    const found = () =>
      events.find((event) => event.user.username === "bob" && event.objectRef?.resource === "secrets");
    await poll("the request is in the audit log", () => {
      events = tailOf(lab.auditLog, 200).split("\n").map((line) => JSON.parse(line) as AuditEvent);
      return found() !== undefined || `not among ${events.length} events`;
    }, { withinMs: 5_000 });
    const { verb, level, responseStatus } = found()!;
    assert.deepEqual({ verb, level, code: responseStatus.code }, { verb: "list", level: "Metadata", code: 403 });
    assert.deepEqual(events.filter((event) => event.user.username === "system:apiserver"), []);
  });

  await t.step("each realm has its identity and addresses, and sees the other online", async () => {
    for (const name of ["alice-home", "bob-home"]) {
      const realm = lab.realms[name]!;
      assert.equal(realm.identity, `${name}.tailnet-name.ts.net`);
      assert.match(realm.ipv4, /^100\.64\./);
      assert.match(realm.ipv6, /^fd7a:115c:a1e0:/);
    }
    await sees(lab, "alice-home", "bob-home", true);
    await sees(lab, "bob-home", "alice-home", true);
    const nodes = JSON.parse((await lab.headscaleCli(["nodes", "list", "-o", "json"])).stdout);
    assert.deepEqual(nodes.map((node: { name: string }) => node.name).sort(), ["alice-home", "bob-home"]);
  });

  await t.step("a realm whose daemon is killed goes offline and comes back with the same address", async () => {
    const { tailscaled, ipv4 } = lab.realms["bob-home"]!;
    await tailscaled.kill();
    assert.equal(tailscaled.pid, undefined);
    await sees(lab, "alice-home", "bob-home", false);
    await tailscaled.start();
    await sees(lab, "alice-home", "bob-home", true);
    assert.equal(lab.realms["bob-home"]!.ipv4, ipv4);
  });

  await t.step("a realm with the stable daemon joins later", async () => {
    const carol = await lab.addRealm("carol-home", { stable: true });
    assert.equal(carol.identity, "carol-home.tailnet-name.ts.net");
    await sees(lab, "alice-home", "carol-home", true);
    await assert.rejects(lab.addRealm("carol-home"), /carol-home already exists/);
    await assert.rejects(lab.addRealm("Carol_Home"), /"Carol_Home" must be .*e\.g\. bob-home/);
  });

  await t.step("headscale restarts and the realms reconnect", async () => {
    await lab.headscale!.restart();
    await poll("all realms are online again", async () => {
      const { stdout, stderr } = await lab.headscaleCli(["nodes", "list", "-o", "json"]);
      const nodes = JSON.parse(stdout || "[]") as { name: string; online?: boolean }[];
      return nodes.filter((node) => node.online).length === 3 || stdout + stderr;
    }, { withinMs: 45_000 });
  });

  await t.step("the API server is killed, and starts again with its data", async () => {
    await kubectl(lab, ["create", "namespace", "kept"]);
    await lab.apiserver.kill();
    assert.equal((await lab.kubectl(["get", "namespaces"])).code, 1);
    await lab.apiserver.start();
    await lab.etcd.restart();
    await kubectl(lab, ["get", "namespace", "kept"]);
    await lab.controllerManager.restart();
    lab.assertRunning();
  });

  await t.step("the API server is paused and resumed", async () => {
    await lab.apiserver.pause();
    const { code, stderr } = await lab.kubectl(["get", "namespaces", "--request-timeout=1s"]);
    assert.equal(code, 1, stderr);
    lab.apiserver.resume();
    await kubectl(lab, ["get", "namespaces"]);
  });

  await t.step("another process uses the same lab, and leaves it running", async () => {
    {
      await using other = await openLab(lab.dir);
      assert.deepEqual(Object.keys(other.realms).sort(), ["alice-home", "bob-home", "carol-home"]);
      assert.equal(other.apiserver.pid, lab.apiserver.pid);
      await kubectl(other, ["get", "namespaces"]);
    }
    lab.assertRunning();
  });

  await t.step(
    "a second lab runs beside it; without realms it has no tailnet; a part that dies is named",
    async () => {
      let pids: number[];
      let dir: string;
      {
        await using second = await startLab({ fastControllers: true, scheduler: true });
        dir = second.dir;
        assert.notEqual(second.server, lab.server);
        assert.equal(second.headscale, undefined);
        assert.deepEqual(second.realms, {});
        assert.throws(() => second.headscaleCli(["nodes", "list"]), /no tailnet/);
        assert.ok(second.scheduler?.pid);
        await kubectl(second, ["get", "--raw", "/readyz"]);
        pids = Object.values(readState(dir)!.pids);
        assert.equal(pids.length, 5); // with the watchdog
        Deno.kill(second.scheduler.pid, "SIGKILL");
        await poll("the scheduler is dead", () => second.scheduler!.pid === undefined || "no", { withinMs: 5_000 });
        assert.throws(
          () => second.assertRunning(),
          /kube-scheduler (was killed|ended by itself)[^]*logs\/kube-scheduler\.log/,
        );
        await second.scheduler.start();
      }
      assert.deepEqual(pids.filter((pid) => isLabProcess(pid, dir)), []);
      assert.throws(() => Deno.statSync(dir), Deno.errors.NotFound);
      lab.assertRunning();
    },
  );
});

Deno.test("another program takes a port: the lab starts with other ports", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let attempts = 0;
  const ports = () => {
    attempts++;
    const [etcd, etcdPeer, apiserver, controllerManager] = freePorts(4) as [number, number, number, number];
    const unused = { scheduler: 0, headscale: 0, headscaleMetrics: 0, headscaleGrpc: 0, stun: 0 };
    const apiserverPort = attempts === 1 ? taken.addr.port : apiserver;
    return { etcd, etcdPeer, apiserver: apiserverPort, controllerManager, ...unused };
  };
  await using lab = await launch({}, ports);
  assert.equal(attempts, 2);
  await kubectl(lab, ["get", "namespaces"]);
});

Deno.test("the lab's owner is killed: the lab ends and its folder is removed", async () => {
  const script = `
    const { startLab } = await import(${JSON.stringify(new URL("./lab.ts", import.meta.url).href)});
    const lab = await startLab();
    console.log(lab.dir);
    setInterval(() => {}, 1000);`;
  const starter = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", script],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = starter.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const dir = (await reader.read()).value!.trim();
  const { pids } = readState(dir)!;
  assert.ok(isLabProcess(pids.etcd!, dir));
  starter.kill("SIGKILL");
  await starter.status;
  await reader.cancel();
  await poll("all parts ended", () => !Object.values(pids).some((pid) => isLabProcess(pid, dir)) || "some run", {
    withinMs: 30_000,
  });
  await poll("the folder is gone", () => !exists(dir) || "it exists", { withinMs: 30_000 });
});

Deno.test("lab up, user, down, and down after an interrupted start", async (t) => {
  const parent = Deno.makeTempDirSync({ prefix: "keystone-lab-cli-" });
  // Too long for the path of a unix socket.
  const dir = `${parent}/${"a-long-name-".repeat(8)}`;
  const cli = async (...args: string[]) => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args: ["run", "-A", MAIN, ...args] })
      .output();
    return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
  };
  try {
    await t.step("down ends the parts left by a killed start", async () => {
      const starter = new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", MAIN, "up", "--dir", dir],
        stdout: "null",
      })
        .spawn();
      await poll("the API server is starting", () => readState(dir)?.pids["kube-apiserver"] ? true : "no", {
        withinMs: 60_000,
      });
      starter.kill("SIGKILL");
      await starter.status;
      const { pids } = readState(dir)!;
      assert.ok(isLabProcess(pids.etcd!, dir));
      const down = await cli("down", "--dir", dir);
      assert.match(down.stdout, /^lab: ended .*etcd, kube-apiserver/);
      assert.deepEqual(Object.values(pids).filter((pid) => isLabProcess(pid, dir)), []);
      assert.deepEqual(readState(dir)?.pids, {});
    });

    await t.step("up returns and the lab goes on; a second up ends the first lab", async () => {
      const first = await cli("up", "--dir", dir);
      assert.equal(first.code, 0, first.stderr);
      const { pids } = readState(dir)!;
      const second = await cli("up", "--dir", dir, "--realms", "alice-home");
      assert.equal(second.code, 0, second.stderr);
      assert.deepEqual(Object.values(pids).filter((pid) => isLabProcess(pid, dir)), []);
      assert.match(second.stdout, /Kubernetes v1\.34\.4/);
      assert.match(second.stdout, /alice-home\.tailnet-name\.ts\.net {2}100\.64\.0\.1/);
      assert.equal(second.stdout.trimEnd().split("\n").at(-1), `export KUBECONFIG=${dir}/kubeconfig`);
      await using lab = await openLab(dir);
      await kubectl(lab, ["get", "namespaces"]);
      assert.ok(lab.realms["alice-home"]!.socket.length < 104);
    });

    await t.step("user prints a kubeconfig path", async () => {
      const { stdout, code } = await cli("user", "bob", "--group", "guests", "--group", "readers", "--dir", dir);
      assert.equal(code, 0);
      await using lab = await openLab(dir);
      const who = await lab.kubectl(["auth", "whoami", "-o", "jsonpath={.status.userInfo.groups}"], {
        kubeconfig: stdout.trim(),
      });
      assert.equal(who.stdout, '["guests","readers","system:authenticated"]');
    });

    await t.step("test files share it by KEYSTONE_LAB_DIR, or as an external cluster", async () => {
      const environment = { KEYSTONE_LAB_DIR: dir, KUBECONFIG: `${dir}/kubeconfig`, PATH: pathWithKubectl(dir) };
      await using shared = await sharedLab({ realms: ["alice-home", "bob-home"] }, environment);
      assert.ok(shared.owned);
      assert.ok(shared.realms["bob-home"]?.tailscaled.pid);
      await using cluster = await sharedLab({}, { ...environment, KEYSTONE_LAB: "external" });
      assert.equal(cluster.owned, false);
      assert.equal(cluster.server, readState(dir)!.server);
      const kubeconfig = await cluster.user("dave", { groups: ["guests"] });
      const who = await cluster.kubectl(["auth", "whoami", "-o", "jsonpath={.status.userInfo}"], { kubeconfig });
      assert.match(who.stdout, /"guests".*"username":"dave"/);
      assert.equal((await cluster.kubectl(["get", "csr", "-o", "name"])).stdout, "");
      await using lab = await openLab(dir);
      lab.assertRunning();
    });

    await t.step("down ends all parts and leaves the logs", async () => {
      const { pids, sockets } = readState(dir)!;
      const down = await cli("down", "--dir", dir);
      assert.match(down.stdout, /tailscaled-alice-home/);
      assert.deepEqual(Object.values(pids).filter((pid) => isLabProcess(pid, dir)), []);
      assert.ok(exists(`${dir}/logs/kube-apiserver.log`));
      assert.equal(exists(sockets), false);
      assert.match((await cli("down", "--dir", dir)).stdout, /^lab: no lab runs in /);
      await assert.rejects(openLab(dir), /No lab runs in .*lab up --dir/);
    });

    await t.step("errors are printed, with exit code 2 for wrong usage", async () => {
      assert.equal((await cli("upp")).code, 2);
      assert.equal((await cli("up", "--realm", "x")).code, 2);
      assert.match((await cli("--help")).stdout, /deno task lab up/);
      const full = await cli("up", "--dir", parent);
      assert.equal(full.code, 1);
      assert.match(full.stderr, /is not empty and is not a lab/);
    });
  } finally {
    await endLab(dir);
    Deno.removeSync(parent, { recursive: true });
  }
});

/** PATH with the lab's kubectl first, because an external cluster uses the kubectl in PATH. */
function pathWithKubectl(dir: string): string {
  const [command] = Deno.readTextFileSync(`/proc/${readState(dir)!.pids.etcd}/cmdline`).split("\0");
  return `${command!.slice(0, command!.lastIndexOf("/"))}:${Deno.env.get("PATH")}`;
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
