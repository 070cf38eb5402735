/**
 * `keystone use` on a guest's machine without a cluster: a real tailnet of daemons without network devices, the front,
 * and kubectl.
 */
import assert from "node:assert/strict";
import { installed } from "../fixtures/in_force.ts";
import { type OperatorProcess, startBothProcesses } from "../fixtures/operator_process.ts";
import { eventually, grantOf, prepared, realmOf, root, step } from "../fixtures/test_operator.ts";
import { type CommandResult, runCommand } from "../lab/command.ts";
import { startLab } from "../lab/lab.ts";
import { freePorts } from "../lab/ports.ts";

/** Time from the command to kubectl's answer. */
const limitMs = 10_000;

Deno.test("keystone use on a real tailnet", {
  // The lab provides the tailnet; an external cluster has none.
  ignore: Deno.env.get("KEYSTONE_LAB") === "external",
}, async (t) => {
  await using lab = await startLab({ realms: ["alice-home", "bob-home"] });
  const proxied = await lab.addRealm("carol-home", { proxy: true });
  await lab.addRealm("alice-home-1", { user: "alice-home" });
  using cluster = await prepared(lab);
  await installed(lab, "base", "webhook");
  const [port] = freePorts(1) as [number];
  const serve = async (replica: string): Promise<OperatorProcess> => {
    const [webhook, frontListen] = freePorts(2) as [number, number];
    const operator = startBothProcesses({
      KUBECONFIG: lab.kubeconfig,
      TS_SOCKET: lab.realms[replica]!.socket,
      KEYSTONE_REALM: "alice-home",
      KEYSTONE_LISTEN: "off",
      KEYSTONE_FRONT_LISTEN: String(frontListen),
      KEYSTONE_WEBHOOK: `https://127.0.0.1:${webhook}`,
      KEYSTONE_TAILNET_LISTEN: `127.0.0.1:${port}`,
    });
    await operator.says(/The tailnet server is at http:\/\/alice-home/, 60_000);
    return operator;
  };
  let operator = await serve("alice-home");
  const home = await Deno.makeTempDir();
  const guest = (realm: string) => {
    const kubeconfig = `${home}/${realm}`;
    const env = { HOME: home, KUBECONFIG: kubeconfig, TS_SOCKET: lab.realms[realm]!.socket, DENO_DIR: denoDir };
    return {
      kubeconfig,
      use: (...args: string[]) =>
        runCommand(Deno.execPath(), ["task", "--quiet", `--config=${root}deno.json`, "keystone", "use", ...args], {
          env,
        }),
      kubectl: (...args: string[]) => runCommand(lab.kubectlPath, args, { env }),
    };
  };
  const denoDir = JSON.parse((await runCommand(Deno.execPath(), ["info", "--json"])).stdout).denoDir as string;
  const works = ({ code, stdout, stderr }: CommandResult): string => {
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const [bob, carol] = [guest("bob-home"), guest("carol-home")];
  try {
    await step(t, "no grant yet: the lender's sentence, and nothing is written", async () => {
      const said = await eventually("the server answers", async () => {
        const said = await bob.use("alice-home", `--port=${port}`);
        return said.code === 3 || said.code === 1 ? said : said.stderr;
      }, 30_000);
      assert.match(said.stderr, /bob-home/);
      await assert.rejects(Deno.stat(bob.kubeconfig), Deno.errors.NotFound);
    });

    for (const name of ["bob-home", "carol-home"]) {
      await cluster.realms.create(realmOf(name));
      await cluster.grants.create(grantOf({ name: `to-${name}`, to: name }));
      await cluster.grantIn("Active", `to-${name}`);
    }

    await step(
      t,
      "without a proxy: kubectl works within 10 s of the command, and the kubeconfig has no secret",
      async () => {
        // The operator has to verify the node first.
        await eventually("bob is served", async () => {
          const { code, stderr } = await bob.use("alice-home", `--port=${port}`);
          return code === 0 || stderr;
        }, 40_000);
        works(await bob.use("alice-home", "--stop"));
        const began = performance.now();
        assert.match(works(await bob.use("alice-home", `--port=${port}`)), /namespace guest-bob-home of alice-home/);
        assert.match((await bob.kubectl("get", "pods")).stderr, /No resources found in guest-bob-home namespace/);
        const took = performance.now() - began;
        assert.ok(took < limitMs, `${took} ms`);
        const text = await Deno.readTextFile(bob.kubeconfig);
        assert.match(text, /credential_main/);
        assert.doesNotMatch(text, /PRIVATE|token|password|client-key|client-certificate/i);
        assert.match(works(await bob.kubectl("auth", "whoami")), /realm-bob-home-/);
      },
    );

    await step(t, "another user of the machine: neither the forwarder's port nor its keys", async () => {
      const server = /https:\/\/127\.0\.0\.1:\d+/.exec(await Deno.readTextFile(bob.kubeconfig))![0];
      const keys = /--allow-read=(\S+)/.exec(await Deno.readTextFile(bob.kubeconfig))![1]!;
      // Another user's rights, if this test may take them.
      const asOther = Deno.uid() === 0 ? { uid: 65534, gid: 65534 } : {};
      const other = (command: string, ...args: string[]) =>
        new Deno.Command(command, { args, ...asOther, stdout: "piped", stderr: "piped", cwd: "/" }).output();
      const said = await other("curl", "--silent", "--insecure", "--max-time", "5", `${server}/k8s`);
      assert.notEqual(said.code, 0);
      assert.equal(said.stdout.length, 0);
      if (Deno.uid() === 0) assert.notEqual((await other("cat", `${keys}/client-key.pem`)).code, 0);
      for await (const { name } of Deno.readDir(keys)) {
        assert.equal((await Deno.stat(`${keys}/${name}`)).mode! & 0o077, 0, name);
      }
      assert.equal((await Deno.stat(keys)).mode! & 0o077, 0);
      works(await bob.kubectl("get", "pods"));
    });

    await step(t, "with tailscaled's own proxy: kubectl uses it, and no process of this command runs", async () => {
      // Two nodes without network devices take some seconds to find each other, and the command goes on to the next way.
      await eventually("carol's node has found the lender's", async () => {
        const { code, stderr } = await carol.use("alice-home", `--port=${port}`, "--way=proxy");
        return code === 0 || stderr;
      }, 40_000);
      works(await carol.use("alice-home", "--stop"));
      const began = performance.now();
      works(await carol.use("alice-home", `--port=${port}`));
      assert.match((await carol.kubectl("get", "pods")).stderr, /No resources found in guest-carol-home namespace/);
      const took = performance.now() - began;
      assert.ok(took < limitMs, `${took} ms`);
      const text = await Deno.readTextFile(carol.kubeconfig);
      assert.ok(text.includes(`proxy-url: socks5://127.0.0.1:${proxied.proxy}`), text);
      assert.doesNotMatch(text, /exec|token|password|client-key|client-certificate/i);
      works(await carol.use("alice-home", `--port=${port}`, `--proxy-url=http://127.0.0.1:${proxied.proxy}`));
      assert.match(works(await carol.kubectl("auth", "whoami")), /realm-carol-home-/);
      assert.match(works(await carol.use("--list")), /alice-home .*until the lender revokes it/);
    });

    await step(t, "the first replica is killed: the forwarder takes the second, and so does the command", async () => {
      assert.equal(await operator.stop(), 0);
      await lab.realms["alice-home"]!.tailscaled.kill();
      operator = await serve("alice-home-1");
      await eventually("the second replica serves bob's kubectl", async () => {
        const { code, stderr } = await bob.kubectl("get", "pods");
        return code === 0 || stderr;
      }, 40_000);
      const began = performance.now();
      works(await carol.use("alice-home", `--port=${port}`));
      works(await carol.kubectl("get", "pods"));
      const took = performance.now() - began;
      assert.ok(took < limitMs, `${took} ms`);
      assert.match(await Deno.readTextFile(carol.kubeconfig), /alice-home-1\./);
    });

    await step(t, "the grant ends: kubectl says so, and --list too", async () => {
      await cluster.grants.patch("to-bob-home", { spec: { revocation: { immediate: true } } }, { type: "merge" });
      await eventually("bob has no access", async () => {
        const { code, stderr } = await bob.kubectl("get", "pods");
        return code !== 0 && /bob-home/.test(stderr) || `code ${code}: ${stderr}`;
      }, 30_000);
      assert.match(works(await bob.use("--list")), /no grant in force|bob-home/);
    });
  } finally {
    for (const { use } of [bob, carol]) await use("alice-home", "--stop");
    await operator.stop();
    await Deno.remove(home, { recursive: true });
  }
});
