/**
 * A guest's kubectl and helm on real pods, over a real tailnet: exec, attach, cp, logs and port-forward by WebSocket and
 * SPDY, with nothing secret in the kubeconfig.
 */
import assert from "node:assert/strict";
import { startBothProcesses } from "../fixtures/operator_process.ts";
import { installed } from "../fixtures/in_force.ts";
import { tailnetGuest } from "../fixtures/tailnet_guests.ts";
import { eventually, grantOf, prepared, realmOf, step } from "../fixtures/test_operator.ts";
import { build } from "../lab/build.ts";
import { type CommandResult, runCommand } from "../lab/command.ts";
import { startLab } from "../lab/lab.ts";
import { writeImage } from "../lab/lab_image.ts";
import { restrictedSpec } from "../lab/lab_workloads.ts";
import { nodeTest } from "../lab/needs_node.ts";
import { freePorts } from "../lab/ports.ts";
import { runOnTerminal } from "../../tools/record/pty.ts";

const image = "registry.example/pod-programs:1";
const mebibyte = 1024 * 1024;

const protocols = [
  ["WebSocket", {}],
  ["SPDY", { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: "false", KUBECTL_PORT_FORWARD_WEBSOCKETS: "false" }],
] as const;

nodeTest("a guest's kubectl on pods, over the tailnet", async (t) => {
  await using lab = await startLab({ node: true, realms: ["alice-home", "bob-home"] });
  using cluster = await prepared(lab);
  await installed(lab, "base", "webhook");
  const { agnhost, tar, cat, helm } = await build(["node", "pod-programs", "helm"]);
  writeImage(`${lab.dir}/programs.tar`, { names: [image], program: agnhost!, others: [tar!, cat!] });
  await lab.importImages(`${lab.dir}/programs.tar`);
  const [port, webhook] = freePorts(2) as [number, number];
  await using operator = startBothProcesses({
    KUBECONFIG: lab.kubeconfig,
    TS_SOCKET: lab.realms["alice-home"]!.socket,
    KEYSTONE_REALM: "alice-home",
    KEYSTONE_LISTEN: "off",
    KEYSTONE_FRONT_LISTEN: "off",
    KEYSTONE_WEBHOOK: `https://127.0.0.1:${webhook}`,
    KEYSTONE_TAILNET_LISTEN: `127.0.0.1:${port}`,
  });
  await operator.says(/The tailnet server is at/, 60_000);
  await cluster.realms.create(realmOf("bob-home"));
  const hard = { "requests.cpu": "2", "requests.memory": "2Gi", "limits.cpu": "8", "limits.memory": "4Gi" };
  await cluster.grants.create(grantOf({ name: "to-bob", to: "bob-home", hard }));
  await cluster.grantIn("Active", "to-bob");
  await using bob = await tailnetGuest(lab, { realm: "bob-home", port });
  const environment = (env: Record<string, string>) => ({
    KUBECONFIG: bob.kubeconfig,
    KUBECACHEDIR: `${lab.dir}/kubectl-cache`,
    ...env,
  });
  const run = (args: string[], { env = {}, ...options }: { env?: Record<string, string>; stdin?: string } = {}) =>
    runCommand(lab.kubectlPath, args, { ...options, env: environment(env), timeoutMs: 120_000 });
  const works = async (...given: Parameters<typeof run>): Promise<CommandResult> => {
    const result = await run(...given);
    assert.equal(result.code, 0, `kubectl ${given[0].join(" ")}: ${result.stderr}`);
    return result;
  };
  const podOf = (name: string, args: string[], more: Record<string, unknown> = {}) =>
    JSON.stringify({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name },
      spec: restrictedSpec({
        image,
        args,
        resources: { requests: { cpu: "10m", memory: "64Mi" }, limits: { cpu: "1", memory: "512Mi" } },
        ...more,
      }),
    });

  await step(t, "pods run: created and waited for over the tailnet", async () => {
    await eventually("bob is served", async () => {
      const { code, stderr } = await run(["get", "pods"]);
      return code === 0 || stderr;
    }, 60_000);
    await works(["apply", "-f", "-"], { stdin: podOf("box", ["netexec"]) });
    await works(["apply", "-f", "-"], { stdin: podOf("cat", [], { command: ["/cat"], stdin: true }) });
    const ticks = ["logs-generator", "--log-lines-total=100000", "--run-duration=1000s"];
    await works(["apply", "-f", "-"], { stdin: podOf("ticks", ticks) });
    await works(["wait", "pod/box", "pod/cat", "pod/ticks", "--for=condition=Ready", "--timeout=90s"]);
  });

  await step(t, "logs -f: lines arrive as they are written", async () => {
    const child = new Deno.Command(lab.kubectlPath, {
      args: ["logs", "-f", "ticks"],
      env: environment({}),
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    let lines = 0;
    const read = (async () => {
      for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) lines += text.split("\n").length - 1;
    })();
    const before = await eventually("lines", () => Promise.resolve(lines > 0 ? { lines } : "none"), 20_000);
    await eventually("more lines", () => Promise.resolve(lines > before.lines + 20 || `${lines}`), 20_000);
    child.kill("SIGTERM");
    await Promise.all([read, child.status]);
  });

  for (const [protocol, env] of protocols) {
    await step(t, `${protocol}: exec with stdin: all bytes come back`, async () => {
      const stdin = "0123456789abcdef".repeat(mebibyte / 16);
      const { stdout } = await works(["exec", "-i", "box", "--", "/cat"], { stdin, env });
      assert.equal(stdout.length, stdin.length);
      assert.ok(stdout === stdin);
      const failed = await run(["exec", "box", "--", "/tar", "cf", "-", "/nothing"], { env });
      assert.equal(failed.code, 1, "the exit code is the program's");
    });

    await step(t, `${protocol}: exec on a terminal`, async () => {
      let seen = "";
      const exports = Object.entries(environment(env)).map(([name, value]) => `${name}='${value}'`).join(" ");
      const terminal = runOnTerminal(`${exports} ${lab.kubectlPath} exec -it box -- /cat`, {
        columns: 80,
        cwd: lab.dir,
        onText: (text) => seen += text,
      });
      const shows = (what: string) =>
        eventually(`the terminal shows ${what}`, () => Promise.resolve(seen.includes(what) || seen), 30_000);
      await shows("a terminal");
      await terminal.type("hello\r");
      await shows("hello\r\nhello");
      await terminal.type("\x04");
      assert.equal(await terminal.ended, 0);
    });

    await step(t, `${protocol}: attach`, async () => {
      const child = new Deno.Command(lab.kubectlPath, {
        args: ["attach", "-i", "cat"],
        env: environment(env),
        stdin: "piped",
        stdout: "piped",
        stderr: "null",
      }).spawn();
      let seen = "";
      const read = (async () => {
        for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) seen += text;
      })();
      const writer = child.stdin.getWriter();
      await eventually("the pod's output", async () => {
        // The first letters may come before the container's end is attached.
        await writer.write(new TextEncoder().encode("ping\n"));
        return seen.includes("ping") || `seen: ${seen}`;
      }, 20_000);
      child.kill("SIGTERM");
      await Promise.all([read, child.status, writer.close().catch(() => {})]);
    });

    await step(t, `${protocol}: cp of 64 MiB both ways, in bounded memory of the front`, async () => {
      const path = `${lab.dir}/large`;
      await writeLarge(path, 64 * mebibyte);
      const front = await frontPid(operator.pid);
      const before = await residentMiB(front);
      let most = before;
      const timer = setInterval(async () => most = Math.max(most, await residentMiB(front).catch(() => 0)), 50);
      const began = performance.now();
      try {
        await works(["cp", path, "box:/tmp/large"], { env });
        await works(["cp", "box:/tmp/large", `${path}-back`], { env });
      } finally {
        clearInterval(timer);
      }
      const seconds = (performance.now() - began) / 1000;
      console.log(`${protocol}: 2 × 64 MiB in ${seconds.toFixed(1)} s, memory ${before} → ${most} MiB`);
      assert.equal(await digestOf(`${path}-back`), await digestOf(path));
      assert.ok(most - before < 32, `the front's memory grew from ${before} to ${most} MiB`);
      await Deno.remove(path);
      await Deno.remove(`${path}-back`);
    });

    await step(t, `${protocol}: port-forward under load`, async () => {
      const [local] = freePorts(1) as [number];
      const child = new Deno.Command(lab.kubectlPath, {
        args: ["port-forward", "pod/box", `${local}:8080`],
        env: environment(env),
        stdout: "null",
        stderr: "null",
      }).spawn();
      try {
        const url = `http://127.0.0.1:${local}/echo?msg=`;
        await eventually("the port answers", async () => (await answerOf(`${url}x`)) === "x" || "not yet", 20_000);
        const long = "y".repeat(8000);
        for (let round = 0; round < 20; round++) {
          const answers = await Promise.all(
            Array.from({ length: 10 }, (_, index) => answerOf(`${url}${long}${index}`)),
          );
          answers.forEach((answer, index) => assert.equal(answer, `${long}${index}`));
        }
      } finally {
        child.kill("SIGTERM");
        await child.status;
      }
    });
  }

  await step(t, "helm: install, upgrade, rollback, uninstall", async () => {
    const chart = `${lab.dir}/chart`;
    await Deno.mkdir(`${chart}/templates`, { recursive: true });
    await Deno.writeTextFile(`${chart}/Chart.yaml`, "apiVersion: v2\nname: web\nversion: 0.1.0\n");
    await Deno.writeTextFile(`${chart}/values.yaml`, "text: one\n");
    const pod = JSON.stringify({ ...JSON.parse(podOf("web", ["netexec"])) });
    await Deno.writeTextFile(`${chart}/templates/pod.yaml`, pod);
    await Deno.writeTextFile(
      `${chart}/templates/text.yaml`,
      "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: text }\ndata: { text: {{ .Values.text | quote }} }\n",
    );
    const helmDoes = async (...args: string[]) => {
      const home = { HELM_CACHE_HOME: lab.dir, HELM_CONFIG_HOME: lab.dir, HELM_DATA_HOME: lab.dir };
      const { code, stderr } = await runCommand(helm!, args, { env: environment(home), timeoutMs: 120_000 });
      assert.equal(code, 0, `helm ${args.join(" ")}: ${stderr}`);
    };
    const text = async () => (await works(["get", "configmap", "text", "-o", "jsonpath={.data.text}"])).stdout;
    await helmDoes("install", "web", chart, "--wait", "--timeout=90s");
    assert.equal(await text(), "one");
    await helmDoes("upgrade", "web", chart, "--set=text=two", "--wait", "--timeout=90s");
    assert.equal(await text(), "two");
    await helmDoes("rollback", "web", "1", "--wait", "--timeout=90s");
    assert.equal(await text(), "one");
    await helmDoes("uninstall", "web", "--wait", "--timeout=90s");
  });

  await step(t, "kubectl proxy over the tailnet", async () => {
    const [local] = freePorts(1) as [number];
    const child = new Deno.Command(lab.kubectlPath, {
      args: ["proxy", `--port=${local}`, "--append-server-path"],
      env: environment({}),
      stdout: "null",
      stderr: "null",
    }).spawn();
    try {
      const path = "/api/v1/namespaces/guest-bob-home/pods/box";
      await eventually("the proxy answers", async () => {
        const answer = await answerOf(`http://127.0.0.1:${local}${path}`);
        return /"kind": ?"Pod"/.test(answer) || answer;
      }, 20_000);
    } finally {
      child.kill("SIGTERM");
      await child.status;
    }
  });

  await step(t, "the grant is revoked: an open exec ends within a second", async () => {
    const child = new Deno.Command(lab.kubectlPath, {
      args: ["exec", "-i", "box", "--", "/cat"],
      env: environment({}),
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const writer = child.stdin.getWriter();
    const reader = child.stdout.getReader();
    await writer.write(new TextEncoder().encode("hello\n"));
    assert.equal(new TextDecoder().decode((await reader.read()).value), "hello\n");
    await cluster.grants.patch("to-bob", { spec: { revocation: { immediate: true } } }, { type: "merge" });
    const began = performance.now();
    // kubectl ends with its connection.
    const { code } = await child.status;
    console.log(`exec ended ${Math.round(performance.now() - began)} ms after the revocation`);
    assert.ok(code !== 0);
    assert.ok(performance.now() - began < 1000);
    await reader.cancel();
    await writer.close().catch(() => {});
  });
});

async function answerOf(url: string): Promise<string> {
  try {
    const response = await fetch(url);
    return await response.text();
  } catch (error) {
    return String(error);
  }
}

async function writeLarge(path: string, bytes: number): Promise<void> {
  using file = await Deno.open(path, { create: true, truncate: true, write: true });
  const block = new Uint8Array(65_536);
  for (let left = bytes; left > 0; left -= block.length) {
    crypto.getRandomValues(block);
    await file.write(block);
  }
}

async function digestOf(path: string): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", await Deno.readFile(path))).toHex();
}

/** Returns the ID of the front's process among the children of `deno task run`. */
async function frontPid(launcher: number): Promise<number> {
  const children = (await Deno.readTextFile(`/proc/${launcher}/task/${launcher}/children`)).trim().split(" ");
  for (const pid of children) {
    if (/front\/main\.ts/.test(await Deno.readTextFile(`/proc/${pid}/cmdline`))) return Number(pid);
  }
  throw new Error(`None of the processes ${children.join(", ")} is the front.`);
}

/** Returns the resident memory of a process. */
async function residentMiB(pid: number): Promise<number> {
  const [, kib] = /VmRSS:\s+(\d+) kB/.exec(await Deno.readTextFile(`/proc/${pid}/status`)) ?? [];
  return Math.round(Number(kib) / 1024);
}
