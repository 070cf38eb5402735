import assert from "node:assert/strict";
import { FakeClock } from "../clock/mod.ts";
import type { RunCommand } from "./client_config.ts";
import { TokenFile } from "./credentials.ts";
import { type ExecConfig, ExecCredentials } from "./exec_credentials.ts";

function tokenFile(clock: FakeClock, read: () => string) {
  return new TokenFile({
    path: "/run/token",
    source: 'user "sa" of /c',
    clock,
    readTextFile: () => Promise.resolve().then(read),
  });
}

Deno.test("token file: read again after a minute", async () => {
  const clock = new FakeClock();
  let reads = 0;
  const source = tokenFile(clock, () => `token-${++reads}\n`);
  const token = async () => (await source.current()).authorization;
  assert.equal(await token(), "Bearer token-1");
  await clock.advance(59_999);
  assert.equal(await token(), "Bearer token-1");
  await clock.advance(1);
  assert.equal(await token(), "Bearer token-2");
});

Deno.test("token file: token was refused: read again at once, retried only if it changed", async () => {
  let content = "old";
  const source = tokenFile(new FakeClock(), () => content);
  const refused = await source.current();
  assert.equal(await source.renew(refused), false);
  content = "new";
  assert.equal(await source.renew(refused), true);
  assert.equal((await source.current()).authorization, "Bearer new");
});

Deno.test("token file is removed: the last token stays in use", async () => {
  const clock = new FakeClock();
  let gone = false;
  const source = tokenFile(clock, () => {
    if (gone) throw new Deno.errors.NotFound("gone");
    return "kept";
  });
  await source.current();
  gone = true;
  await clock.advance(120_000);
  assert.equal((await source.current()).authorization, "Bearer kept");
});

Deno.test("token file is missing or empty: error with a remedy", async () => {
  const missing = tokenFile(new FakeClock(), () => {
    throw new Deno.errors.NotFound("no such file");
  });
  await assert.rejects(missing.current(), /\/run\/token of user "sa" of \/c can't be read \(no such file\). Correct/);
  await assert.rejects(tokenFile(new FakeClock(), () => "\n").current(), /\/run\/token of user "sa" of \/c is empty/);
});

const EXEC: ExecConfig = {
  apiVersion: "client.authentication.k8s.io/v1",
  command: "cloud-login",
  args: ["--token"],
  env: [{ name: "CLOUD", value: "here" }],
  installHint: "Install cloud-login with apt.",
};

/** Output of a plugin. */
function credential(status: unknown, apiVersion = EXEC.apiVersion): string {
  return JSON.stringify({ kind: "ExecCredential", apiVersion, status });
}

/** A plugin run by `run`, which receives its invocation. */
function plugin(
  exec: Partial<ExecConfig>,
  run: (...call: Parameters<RunCommand>) => string | { code: number; stdout: string; stderr: string },
  options: { clock?: FakeClock; isInteractive?: boolean } = {},
) {
  return new ExecCredentials({
    exec: { ...EXEC, ...exec },
    cluster: { server: "https://h", config: { audience: "x" } },
    source: 'user "cloud" of /c',
    clock: options.clock,
    isInteractive: () => options.isInteractive ?? false,
    runCommand: (...call) =>
      Promise.resolve().then(() => run(...call)).then((output) =>
        typeof output === "string" ? { code: 0, stdout: output, stderr: "" } : output
      ),
  });
}

for (const apiVersion of ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"]) {
  Deno.test(`plugin of ${apiVersion}: run with its arguments and the permitted information`, async () => {
    const calls: Parameters<RunCommand>[] = [];
    const source = plugin({ apiVersion, provideClusterInfo: true }, (...call) => {
      calls.push(call);
      return credential({ token: "t" }, apiVersion);
    });
    assert.deepEqual(await source.current(), { authorization: "Bearer t", clientCertificate: undefined });
    const [command, { args, env, stdin }] = calls[0]!;
    assert.deepEqual([command, args, stdin, env.CLOUD], ["cloud-login", ["--token"], "null", "here"]);
    assert.deepEqual(JSON.parse(env.KUBERNETES_EXEC_INFO!), {
      kind: "ExecCredential",
      apiVersion,
      spec: { interactive: false, cluster: { server: "https://h", config: { audience: "x" } } },
    });
  });
}

Deno.test("plugin without provideClusterInfo: doesn't get the cluster", async () => {
  let info = "";
  const source = plugin({}, (_, { env }) => {
    info = env.KUBERNETES_EXEC_INFO!;
    return credential({ token: "t" });
  });
  await source.current();
  assert.deepEqual(JSON.parse(info).spec, { interactive: false });
});

Deno.test("plugin: credentials are kept until they expire; concurrent calls share one run", async () => {
  const clock = new FakeClock(Date.UTC(2026, 0, 1));
  let runs = 0;
  const source = plugin({}, () => {
    runs++;
    return credential({ token: `t${runs}`, expirationTimestamp: new Date(clock.now() + 60_000).toISOString() });
  }, { clock });
  const [a, b] = await Promise.all([source.current(), source.current()]);
  assert.equal(a, b);
  await clock.advance(59_999);
  await source.current();
  assert.equal(runs, 1);
  await clock.advance(1);
  assert.equal((await source.current()).authorization, "Bearer t2");
});

Deno.test("plugin: credentials were refused to several requests: fetched again once", async () => {
  let runs = 0;
  const source = plugin({}, () => credential({ token: `t${++runs}` }));
  const refused = await source.current();
  assert.equal(await source.renew(refused), true);
  await source.current();
  assert.equal(await source.renew(refused), true);
  assert.equal((await source.current()).authorization, "Bearer t2");
  assert.equal(runs, 2);
});

Deno.test("plugin returns a client certificate: used", async () => {
  const source = plugin({}, () => credential({ clientCertificateData: "CERT", clientKeyData: "KEY" }));
  assert.deepEqual(await source.current(), {
    authorization: undefined,
    clientCertificate: { certificate: "CERT", key: "KEY" },
  });
});

Deno.test("plugin returns null fields: as if they were absent, the credentials never expire", async () => {
  const clock = new FakeClock(Date.UTC(2026, 0, 1));
  let runs = 0;
  const source = plugin(
    { args: null, env: null, installHint: null, provideClusterInfo: null, interactiveMode: null },
    () => {
      runs++;
      return credential({ token: "t", expirationTimestamp: null, clientCertificateData: null, clientKeyData: null });
    },
    { clock },
  );
  await source.current();
  await clock.advance(10 ** 9);
  assert.deepEqual([(await source.current()).authorization, runs], ["Bearer t", 1]);
});

Deno.test("plugin is attended: its standard error is the terminal's, and it isn't stopped", async () => {
  const calls: Parameters<RunCommand>[1][] = [];
  for (const attended of [true, false]) {
    const source = new ExecCredentials({
      exec: { ...EXEC, interactiveMode: "Never" },
      cluster: { server: "https://h" },
      source: 'user "cloud" of /c',
      attended,
      runCommand: (_, options) => {
        calls.push(options);
        return Promise.resolve({ code: 7, stdout: "", stderr: attended ? "" : "not logged in" });
      },
    });
    assert.equal(source.attended, attended);
    await assert.rejects(
      source.current(),
      attended ? /ended with code 7\. Run it/ : /ended with code 7: not logged in/,
    );
  }
  assert.deepEqual(calls.map(({ stderr }) => stderr), ["inherit", "piped"]);
});

Deno.test("plugin takes a minute: stopped if nobody attends it", async () => {
  for (const attended of [true, false]) {
    const clock = new FakeClock();
    const started = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    const source = new ExecCredentials({
      exec: { ...EXEC, interactiveMode: "Never" },
      cluster: { server: "https://h" },
      source: 'user "cloud" of /c',
      clock,
      attended,
      runCommand: async (_, { signal }) => {
        signal.addEventListener("abort", () => ended.resolve());
        started.resolve();
        await ended.promise;
        return { code: 0, stdout: credential({ token: "t" }), stderr: "" };
      },
    });
    const current = source.current().then(({ authorization }) => authorization, (error: Error) => error.message);
    await started.promise;
    await clock.advance(60_000);
    ended.resolve();
    assert.match(String(await current), attended ? /^Bearer t$/ : /ran for more than 60 s/);
  }
});

Deno.test("plugin is interactive: gets standard input if it is a terminal", async () => {
  const stdin = async (interactiveMode: ExecConfig["interactiveMode"], isInteractive: boolean) => {
    let seen = "";
    await plugin({ interactiveMode }, (_, options) => {
      seen = options.stdin;
      return credential({ token: "t" });
    }, { isInteractive }).current();
    return seen;
  };
  assert.equal(await stdin("Never", true), "null");
  assert.equal(await stdin("IfAvailable", true), "inherit");
  assert.equal(await stdin(undefined, false), "null");
  assert.equal(await stdin("Always", true), "inherit");
  await assert.rejects(stdin("Always", false), /interactiveMode: Always.*isn't a terminal/);
});

for (
  const { name, output, says } of [
    {
      name: "isn't there",
      output: new Deno.errors.NotFound("No such file"),
      says: ["cloud-login", 'user "cloud" of /c', "isn't installed", "Install cloud-login with apt."],
    },
    {
      name: "may not be run by Deno",
      output: new Deno.errors.NotCapable("Requires run access"),
      says: ["--allow-run=cloud-login"],
    },
    {
      name: "fails",
      output: { code: 3, stdout: "", stderr: "warning\nnot logged in\n" },
      says: ["ended with code 3", "not logged in", "Run it by hand to see more: cloud-login --token"],
    },
    { name: "prints no JSON", output: "secret stuff", says: ["didn't print JSON"] },
    { name: "prints another kind", output: '{"kind":"Pod","apiVersion":"v1"}', says: ["v1 Pod"] },
    {
      name: "prints another version",
      output: credential({ token: "t" }, "client.authentication.k8s.io/v1beta1"),
      says: ["v1beta1 ExecCredential"],
    },
    {
      name: "returns a token with half a certificate",
      output: credential({ token: "t", clientKeyData: "KEY" }),
      says: ["only one of clientCertificateData and clientKeyData"],
    },
    { name: "returns nothing", output: credential({}), says: ["neither a token nor clientCertificateData"] },
    { name: "returns no status", output: credential(undefined), says: ["neither a token nor clientCertificateData"] },
    {
      name: "returns half a certificate",
      output: credential({ clientCertificateData: "CERT" }),
      says: ["only one of clientCertificateData and clientKeyData"],
    },
    {
      name: "returns an invalid time",
      output: credential({ token: "t", expirationTimestamp: "soon" }),
      says: ['"soon" is not an RFC 3339 time'],
    },
  ]
) {
  Deno.test(`plugin ${name}: error with a remedy`, async () => {
    const source = plugin({}, () => {
      if (output instanceof Error) throw output;
      return output;
    });
    const error = await source.current().then(() => assert.fail("accepted"), (error: Error) => error);
    for (const part of says) assert.ok(error.message.includes(part), `${error.message}\ndoesn't say\n${part}`);
    assert.ok(!error.message.includes("secret"), "a plugin's output may be secret");
  });
}
