/** The real program on a real terminal (a pty) of several widths, with an API server whose answers are written here. */
import assert from "node:assert/strict";
import { serveAnswers } from "../../tests/fixtures/answered_command.ts";
import { keystoneOnTerminal } from "../../tests/fixtures/keystone_terminal.ts";
import { textWidth } from "./wrapped_text.ts";

const group = "/apis/keystone.io/v1alpha1";
const list = (...items: unknown[]) => ({ metadata: { resourceVersion: "9" }, items });
const meta = (name: string, more = {}) => ({ name, uid: name, resourceVersion: "1", generation: 1, ...more });
const hard = { "limits.cpu": "2", "limits.memory": "4Gi", "requests.cpu": "2", "requests.memory": "4Gi" };
const message =
  "Enforced in namespace guest-bob-home until 2030-07-01T12:00:00Z. Destination example.com opens nothing: " +
  "the name has no address. Correct spec.networkPolicy.allowedDestinations, or create the name.";
const grant = (name: string, grantee: string) => ({
  metadata: meta(name),
  spec: { grantorRealm: "alice-home", granteeRealm: grantee, hard: { cpu: "2", memory: "4Gi" } },
  status: { phase: "Active", message, hard, effectiveUntil: "2030-07-01T12:00:00Z" },
});
const grants = [grant("alice-to-bob-for-the-summer", "bob-home"), grant("trial", "carla-of-the-third-floor")];
const quota = {
  metadata: meta("keystone", { namespace: "guest-bob-home" }),
  spec: { hard },
  status: { hard, used: { "requests.cpu": "400m", "limits.cpu": "2" } },
};
const realm = (name: string) => ({
  metadata: meta(name),
  spec: { identity: `${name}.tailnet-name.ts.net`, connectionType: "tailscale", trustLevel: "partner" },
  status: { connectionState: "Connected", lastSeen: "2026-06-01T11:59:30Z" },
});
const answers = {
  [`${group}/grants`]: list(...grants),
  [`${group}/realms`]: list(realm("bob-home"), realm("carla-of-the-third-floor")),
  [`${group}/superentities`]: list(),
  "/api/v1/resourcequotas": list(quota),
  "/api/v1/namespaces/guest-bob-home/resourcequotas": list(quota),
  "/api/v1/namespaces/guest-bob-home/pods": list(),
  "/api/v1/namespaces/guest-bob-home/limitranges": list(),
};
const words = new Set(
  JSON.stringify(answers).split(/[^\w./:-]+/).filter((word) => word.length > 6),
);

const shown = (command: string, columns: number, env: Record<string, string> = {}): Promise<string[]> =>
  serveAnswers(answers, async (kubeconfig) => {
    const { code, raw } = await keystoneOnTerminal(kubeconfig, command.split(" "), [], { columns, env });
    assert.ok(code === 0 || code === 1, raw);
    return raw.trimEnd().split("\r\n");
  });

for (const columns of [60, 80, 120, 200]) {
  Deno.test({
    name: `a terminal of ${columns} columns: no line is wider and no word is broken, in lists, blocks and explanations`,
    ignore: Deno.build.os !== "linux",
    async fn() {
      for (const command of ["grants", "realms", "grants alice-to-bob-for-the-summer", "explain grant trial"]) {
        const lines = await shown(command, columns);
        const plain = lines.map(stripped);
        for (const line of plain) assert.ok(textWidth(line) <= columns, `${command}: ${line}`);
        // A piece of a word at a line's end, whose rest begins the next line.
        for (const [index, line] of plain.entries()) {
          const [end, start] = [/\S+$/.exec(line)?.[0] ?? "", /^\s*(\S+)/.exec(plain[index + 1] ?? "")?.[1] ?? ""];
          assert.ok(!words.has(end + start) || words.has(end), `${command}: ${end}|${start}`);
        }
        assert.ok(plain.length > 2, plain.join("\n"));
      }
    },
  });
}

// deno-lint-ignore no-control-regex
const stripped = (text: string): string => text.replace(/\x1b\[[0-9;]*m/g, "");

Deno.test({
  name: "NO_COLOR and TERM=dumb on a terminal: no escape code; without them there are some",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const escapes = async (env: Record<string, string>) => (await shown("grants", 80, env)).join("").includes("\x1b");
    assert.deepEqual(
      [await escapes({ NO_COLOR: "" }), await escapes({ NO_COLOR: "1" }), await escapes({ TERM: "dumb" })],
      [true, false, false],
    );
  },
});

Deno.test("a pipe: whole lines, whatever COLUMNS says, and a reader that leaves early ends the command", async () => {
  const root = new URL("../../", import.meta.url).pathname;
  const piped = async (command: string) =>
    await serveAnswers(answers, async (KUBECONFIG) => {
      const { stdout, stderr } = await new Deno.Command("bash", {
        args: [
          "-o",
          "pipefail",
          "-c",
          `${Deno.execPath()} run --quiet --frozen -A --no-check src/cli/main.ts ${command}`,
        ],
        cwd: root,
        env: { KUBECONFIG, COLUMNS: "60" },
      }).output();
      return [new TextDecoder().decode(stdout), new TextDecoder().decode(stderr)] as const;
    });
  const [out] = await piped("grant list | awk -F '  +' 'NR > 1 {print $1, $4, $7}'");
  assert.match(out, /^alice-to-bob-for-the-summer Active in \d+ d\ntrial Active in \d+ d\n$/);
  const [, err] = await piped("grant list -o json | true");
  assert.equal(err, "");
});
