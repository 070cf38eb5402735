/** The packed keystone command, on Node alone, on a real cluster. */
import assert from "node:assert/strict";
import { dump, load } from "js-yaml";
import { runningForwarder, writeForwarderFolder } from "../../src/cli/use/forwarder_folder.ts";
import { makeForwarderKeys } from "../../src/cli/use/forwarder_keys.ts";
import { endForwarder } from "../../src/cli/use/start_forwarder.ts";
import { version } from "../../src/version.ts";
import { installed } from "../fixtures/in_force.ts";
import { installPackage } from "../fixtures/installed_package.ts";
import { commandOnTerminal, terminalKeys } from "../fixtures/keystone_terminal.ts";
import { prepared, startOperator, step } from "../fixtures/test_operator.ts";
import { startLab } from "../lab/lab.ts";
import { freePorts } from "../lab/ports.ts";
import { deploymentOf, restrictedSpec } from "../lab/lab_workloads.ts";

const web = (cpu: string) =>
  dump(deploymentOf(
    { name: "web" },
    restrictedSpec({ image: "example.com/none:1", resources: { requests: { cpu }, limits: { cpu } } }),
  ));

Deno.test("the npm package on Node alone", {
  // The test creates users.
  ignore: Deno.env.get("KEYSTONE_LAB") === "external",
}, async (t) => {
  await using lab = await startLab({ fastControllers: true });
  await using command = await installPackage(lab.kubectlPath);
  const env = { KUBECONFIG: lab.kubeconfig, KEYSTONE_REALM: "alice-home" };
  const keystone = (args: string[], more: { stdin?: string; env?: Record<string, string> } = {}) =>
    command.run("keystone", args, { ...more, env: { ...env, ...more.env } });

  await step(t, "there is no deno in PATH, and the command runs", async () => {
    assert.notEqual((await command.run("sh", ["-c", "command -v deno"])).code, 0);
    const { code, stdout, stderr } = await keystone(["--version"]);
    assert.deepEqual([code, stdout, stderr], [0, `${version}\n`, ""]);
    assert.equal(
      (await command.run("npx", ["--offline", "@keystone-ha/cli", "--version"], {
        cwd: `${command.bin}/../..`,
      })).stdout,
      `${version}\n`,
    );
  });

  using cluster = await prepared(lab);
  await installed(lab, "base");
  await using _ = await startOperator(lab, { realm: "alice-home" });
  await cluster.createRealm("bob-home");
  await cluster.create({ name: "alice-to-bob", to: "bob-home", hard: { cpu: "4", memory: "4Gi" } });
  await cluster.grantIn("Active", "alice-to-bob");

  await step(t, "grants, would-fit and a dry run", async () => {
    const grants = await keystone(["grants", "-o", "name"]);
    assert.deepEqual([grants.code, grants.stdout], [0, "grant.keystone.io/alice-to-bob\n"], grants.stderr);
    const fits = await keystone(["would-fit", "--realm", "bob-home", "-f", "-"], { stdin: web("2") });
    assert.equal(fits.code, 0, fits.stdout + fits.stderr);
    assert.match(fits.stdout, /Deployment web fits into guest-bob-home/);
    for (const way of ["client", "server"]) {
      const args = ["grant", "create", "more", "--to", "bob-home", "--hard", "cpu=1", `--dry-run=${way}`, "-o", "json"];
      const { code, stdout, stderr } = await keystone(args);
      assert.equal(code, 0, stderr);
      assert.equal(JSON.parse(stdout).spec.grantorRealm, "alice-home");
    }
  });

  await step(t, "exit codes: no, usage, forbidden, unreachable", async () => {
    const nobody = await lab.user("nobody");
    const gone = dump({
      ...load(await Deno.readTextFile(lab.kubeconfig)) as object,
      clusters: [{ name: "lab", cluster: { server: "http://127.0.0.1:1" } }],
    }).replaceAll(/cluster: [\w-]+$/gm, "cluster: lab");
    const unreachable = await Deno.makeTempFile();
    await Deno.writeTextFile(unreachable, gone);
    try {
      const codes = [
        await keystone(["would-fit", "--realm", "bob-home", "-f", "-"], { stdin: web("5") }),
        await keystone(["grant", "list", "--nothing"]),
        await keystone(["grant", "list"], { env: { KUBECONFIG: nobody } }),
        await keystone(["grant", "list"], { env: { KUBECONFIG: unreachable } }),
        await keystone(["use", "--stop", "nowhere"]),
      ].map(({ code, stderr }) => `${code} ${stderr.slice(0, 60).trim()}`);
      assert.deepEqual(codes.map((each) => each[0]), ["1", "2", "3", "4", "1"], codes.join("\n"));
    } finally {
      await Deno.remove(unreachable);
    }
  });

  await step(t, "use: without a tailscaled it says what is missing, and lists no contexts", async () => {
    const used = await keystone(["use", "alice-home", "--ts-socket", `${command.bin}/none.sock`]);
    assert.equal(used.code, 4, used.stderr);
    assert.match(used.stderr, /none\.sock/);
    assert.equal((await keystone(["use", "--list"], { env: { KUBECONFIG: `${command.bin}/none` } })).code, 0);
  });

  await step(t, "the credential plugin of keystone use starts the forwarder, both from the package", async () => {
    const folder = `${command.env.HOME}/forwarder`;
    const [port] = freePorts(1) as [number];
    const [socket, kubeconfig] = [`${folder}/none.sock`, lab.kubeconfig];
    const settings = { context: "c", kubeconfig, port, socket, lender: "l", lenderPort: 1, tls: false };
    const keys = await makeForwarderKeys(Date.now());
    await writeForwarderFolder(folder, settings, keys);
    const modules = `${command.bin}/..`;
    const arch = Deno.build.arch === "x86_64" ? "x64" : "arm64";
    const deno = Deno.build.os === "linux" ? `linux-${arch}-glibc` : `darwin-${arch}`;
    const runtime = await Deno.realPath(`${modules}/@deno/${deno}/deno`);
    try {
      const { code, stdout, stderr } = await command.run(runtime, [
        ...["run", "--quiet", "--no-prompt", "--no-config", "--no-lock", "--no-remote", "--no-npm"],
        ...[`--allow-read=${folder}`, `--allow-write=${folder}`, `--allow-run=${runtime}`],
        `${modules}/@keystone-ha/cli/credential_main.js`,
        folder,
      ]);
      assert.equal(code, 0, stderr);
      assert.equal(JSON.parse(stdout).status.clientCertificateData, keys.clientCertificate);
      assert.notEqual(await runningForwarder(folder), undefined);
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    } finally {
      await endForwarder(folder);
    }
  });

  await step(t, "a credential plugin of the kubeconfig", async () => {
    const config = load(await Deno.readTextFile(lab.kubeconfig)) as { users: { user: Record<string, string> }[] };
    const decoded = (key: string) => atob(config.users[0]!.user[key]!);
    const plugin = `${command.env.HOME}/login`;
    const status = {
      clientCertificateData: decoded("client-certificate-data"),
      clientKeyData: decoded("client-key-data"),
    };
    const credential = { apiVersion: "client.authentication.k8s.io/v1", kind: "ExecCredential", status };
    const script = `#!${(await command.run("sh", ["-c", "command -v node"])).stdout.trim()}\n` +
      `console.log(${JSON.stringify(JSON.stringify(credential))});\n`;
    await Deno.writeTextFile(plugin, script, { mode: 0o755 });
    const exec = { apiVersion: "client.authentication.k8s.io/v1", command: plugin, interactiveMode: "Never" };
    config.users[0]!.user = { exec } as never;
    await Deno.writeTextFile(`${plugin}.kubeconfig`, dump(config));
    const { code, stdout, stderr } = await keystone(["grants", "-o", "name", "--kubeconfig", `${plugin}.kubeconfig`]);
    assert.deepEqual([code, stdout], [0, "grant.keystone.io/alice-to-bob\n"], stderr);
  });

  const onTerminal = (args: string, answers: Parameters<typeof commandOnTerminal>[1]) =>
    commandOnTerminal(`exec ${command.bin}/keystone ${args}`, answers, {
      cwd: command.env.HOME!,
      env: { ...command.env, ...env, PATH: `${command.env.PATH}:/usr/bin:/bin` },
    });

  await step(t, "on a terminal: it asks, and Ctrl-C ends a question and a watch", async () => {
    const asked = await onTerminal("grant revoke alice-to-bob", [[/Revoke|\(y\/N\)|No/, "n"]]);
    assert.notEqual(asked.code, 0, asked.text);
    const stopped = await onTerminal("grant create more --to bob-home", [[/cpu|CPU/i, terminalKeys.interrupt]]);
    assert.notEqual(stopped.code, 0, stopped.text);
    const watched = await onTerminal("grant list --watch", [[/alice-to-bob/, terminalKeys.interrupt]]);
    assert.equal(watched.code, 130, watched.text);
    const { items } = JSON.parse((await keystone(["grants", "-o", "json"])).stdout);
    assert.deepEqual(items.map(({ name, phase }: Record<string, string>) => [name, phase]), [[
      "alice-to-bob",
      "Active",
    ]]);
  });

  await step(t, "signals from elsewhere end it as they end any program", async () => {
    for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
      const child = new Deno.Command(`${command.bin}/keystone`, {
        args: ["grant", "list", "--watch"],
        env: { ...command.env, ...env },
        stdin: "null",
        stdout: "piped",
        stderr: "null",
      }).spawn();
      const reader = child.stdout.getReader();
      await reader.read();
      child.kill(signal);
      assert.equal((await child.status).code, code, signal);
      await reader.cancel();
    }
  });

  await step(t, "as a plugin: kubectl keystone, its own words, and kubectl's completion", async () => {
    const kubectl = (...args: string[]) => command.run("kubectl", args, { env });
    const listed = await kubectl("keystone", "grant", "list", "-o", "name");
    assert.deepEqual([listed.code, listed.stdout], [0, "grant.keystone.io/alice-to-bob\n"], listed.stderr);
    const { stdout: help } = await kubectl("keystone", "grant", "revoke", "--help");
    assert.match(help, /^Usage: kubectl keystone grant revoke /);
    assert.match(help, /^ {2}kubectl keystone grant revoke /m);
    assert.doesNotMatch(help, /(?<!kubectl )keystone grant/);
    const { stdout: offered } = await kubectl("__complete", "keystone", "grant", "revoke", "");
    assert.match(offered, /^alice-to-bob$/m);
    assert.equal((await kubectl("keystone", "grant", "list", "--nothing")).code, 2);
  });
});
