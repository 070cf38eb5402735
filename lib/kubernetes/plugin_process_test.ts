/** Credential plugins as real programs, on a real terminal (`script` of util-linux makes one). */
import assert from "node:assert/strict";
import { join } from "node:path";

/** A program that prints its credentials, as the command does before its first request. */
const program = (attended: boolean) => `
import { Kubeconfig } from ${JSON.stringify(new URL("mod.ts", import.meta.url).href)};
for (const [signal, number] of [["SIGTERM", 15], ["SIGHUP", 1]]) Deno.addSignalListener(signal, () => Deno.exit(128 + number));
const kubeconfig = await Kubeconfig.load({ paths: Deno.args${attended ? ", attended: true" : ", attended: false"} });
try {
  console.log("got", (await (await kubeconfig.clientConfig()).credentials.current()).authorization);
} catch (error) {
  console.log(error.message);
}
`;

const login = `#!/bin/sh
echo $$ > "$1/pid"
echo "To sign in, enter the code of https://login.example" >&2
read code || code=none
echo "{\\"kind\\":\\"ExecCredential\\",\\"apiVersion\\":\\"client.authentication.k8s.io/v1\\",\\"status\\":{\\"token\\":\\"for-$code-$FROM\\",\\"expirationTimestamp\\":null}}"
`;

async function setUp(exec: Record<string, unknown>, script = login) {
  const dir = await Deno.makeTempDir({ prefix: "plugin-" });
  await Deno.mkdir(join(dir, "config"));
  await Deno.writeTextFile(join(dir, "config/login.sh"), script, { mode: 0o700 });
  const user = {
    exec: {
      apiVersion: "client.authentication.k8s.io/v1",
      command: "./login.sh",
      args: [dir],
      env: [{ name: "FROM", value: "here" }],
      installHint: null,
      provideClusterInfo: null,
      ...exec,
    },
  };
  await Deno.writeTextFile(
    join(dir, "config/kubeconfig"),
    JSON.stringify({
      "current-context": "c",
      clusters: [{ name: "k", cluster: { server: "https://127.0.0.1:1" } }],
      users: [{ name: "u", user }],
      contexts: [{ name: "c", context: { cluster: "k", user: "u" } }],
    }),
  );
  for (const attended of [true, false]) {
    await Deno.writeTextFile(join(dir, `${attended ? "attended" : "alone"}.ts`), program(attended));
  }
  // A relative path of the kubeconfig: the plugin is beside it, not on the PATH.
  const command = (name: string) => ["run", "-A", "--no-check", "--config", configPath, join(dir, name), "kubeconfig"];
  return { dir, cwd: join(dir, "config"), command, [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }) };
}

const configPath = new URL("../../deno.json", import.meta.url).pathname;

/** Reads until the text is there. */
async function readUntil(reader: ReadableStreamDefaultReader<string>, wanted: string | undefined): Promise<string> {
  let text = "";
  while (wanted === undefined || !text.includes(wanted)) {
    const { done, value } = await reader.read();
    if (done) break;
    text += value;
  }
  return text;
}

/** Starts a command on a new terminal. */
function onTerminal(args: readonly string[], cwd: string) {
  const line = [Deno.execPath(), ...args].map((arg) => `'${arg}'`).join(" ");
  const child = new Deno.Command("script", {
    args: ["-qec", line, "/dev/null"],
    cwd,
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const writer = child.stdin.getWriter();
  return {
    reader: child.stdout.pipeThrough(new TextDecoderStream()).getReader(),
    type: (text: string) => writer.write(new TextEncoder().encode(text)),
    async end() {
      await writer.close().catch(() => {});
      await child.status;
    },
  };
}

Deno.test({
  name: "plugin on a terminal: its prompt is shown at once, and it reads the answer",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using at = await setUp({ interactiveMode: "IfAvailable" });
    const terminal = onTerminal(at.command("attended.ts"), at.cwd);
    await readUntil(terminal.reader, "enter the code of https://login.example");
    await terminal.type("1234\n");
    assert.match(await readUntil(terminal.reader, undefined), /got Bearer for-1234-here/);
    await terminal.end();
  },
});

Deno.test({
  name: "plugin that waits for a person: ends with the program",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using at = await setUp({ interactiveMode: "Never" }, login.replace("read code", "exec sleep 60"));
    const child = new Deno.Command(Deno.execPath(), {
      args: at.command("attended.ts"),
      cwd: at.cwd,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const reader = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
    await readUntil(reader, "To sign in");
    const pid = Number(await Deno.readTextFile(join(at.dir, "pid")));
    child.kill("SIGTERM");
    assert.equal((await child.status).code, 143);
    // Its end closes the pipe.
    await readUntil(reader, undefined);
    await assert.rejects(Deno.stat(`/proc/${pid}/cwd`));
  },
});

for (
  const { name, mode, exec = {}, script = login, says } of [
    { name: "without a terminal, IfAvailable: gets no input", mode: "IfAvailable", says: /got Bearer for-none-here/ },
    { name: "without a terminal, Always: refused", mode: "Always", says: /login\.sh of user "u".*isn't a terminal/ },
    {
      name: "fails without a person: named, with its words",
      mode: "Never",
      script: "#!/bin/sh\necho not logged in >&2\nexit 3\n",
      says: /\/config\/login\.sh of user "u".*ended with code 3: not logged in/,
    },
    {
      name: "isn't there: named, with its hint",
      mode: "Never",
      exec: { command: "no-such-login", installHint: "brew install it" },
      says: /no-such-login of user "u".*isn't installed.*brew install it/,
    },
  ] as { name: string; mode: string; exec?: Record<string, unknown>; script?: string; says: RegExp }[]
) {
  Deno.test({
    name: `plugin ${name}`,
    ignore: Deno.build.os === "windows",
    async fn() {
      await using at = await setUp({ interactiveMode: mode, ...exec }, script);
      const { stdout } = await new Deno.Command(Deno.execPath(), {
        args: at.command("alone.ts"),
        cwd: at.cwd,
        stdin: "null",
        stdout: "piped",
        stderr: "inherit",
      }).output();
      assert.match(new TextDecoder().decode(stdout), says);
    },
  });
}
