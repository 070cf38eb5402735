// deno-lint-ignore-file no-control-regex
/** The line about what takes long: the real program, against an API server that answers when it was seen. */
import assert from "node:assert/strict";
import { serveAnswers, type WrittenAnswers } from "../../../tests/fixtures/answered_command.ts";
import {
  assertWithin,
  keystoneOnTerminal,
  type Seen,
  terminalKeys,
} from "../../../tests/fixtures/keystone_terminal.ts";
import { writtenSink } from "./busy_client.ts";

const ignore = Deno.build.os !== "linux";
const group = "/apis/keystone.io/v1alpha1";
const list = (...items: unknown[]) => ({ metadata: { resourceVersion: "9" }, items });
const grant = {
  metadata: { name: "alice-to-bob", uid: "g", resourceVersion: "1", generation: 1 },
  spec: { grantorRealm: "alice-home", granteeRealm: "bob-home", hard: { cpu: "2" } },
  status: { phase: "Active", message: "Enforced.", hard: { "requests.cpu": "2" } },
};

/** Returns answers of which one waits for `seen`. */
function slowly(path: string, answer: unknown, seen: Promise<void>, others: WrittenAnswers = {}): WrittenAnswers {
  return {
    ...others,
    [path]: async () => {
      await seen;
      return answer instanceof Response ? answer.clone() : Response.json(answer);
    },
  };
}

/** Lists the grants on a terminal; the server answers once the output matches. */
function listOnTerminal(until: RegExp, env: Record<string, string> = {}, columns = 60): Promise<Seen> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const others = {
    [`${group}/realms`]: list(),
    [`${group}/superentities`]: list(),
    "/api/v1/resourcequotas": list(),
    "/api/v1/pods": list(),
  };
  return serveAnswers(
    slowly(`${group}/grants`, list(grant), promise, others),
    (kubeconfig) =>
      keystoneOnTerminal(kubeconfig, ["grant", "list"], [], {
        columns,
        env,
        onOutput: (raw) => until.test(raw) && resolve(),
      }).finally(resolve),
  );
}

Deno.test({
  name: "a request of more than 2 s on a terminal: a line says which and for how long, changes in place, and goes away",
  ignore,
  async fn() {
    for (const [env, columns] of [[{}, 60], [{ NO_COLOR: "1" }, 200]] as const) {
      const seen = await listOnTerminal(
        /reading grants, 2 s[\s\S]*\x1b\[1A\r[\s\S]*reading grants, [23] s/,
        env,
        columns,
      );
      assert.equal(seen.code, 0, seen.text);
      assert.match(seen.raw, /[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] http:\/\/127\.0\.0\.1:\d+: reading grants, 2 s/);
      assert.doesNotMatch(seen.raw, /reading grants, [01] s/);
      assert.match(seen.lines.join("\n"), /^GRANT .*\nalice-to-bob/m);
      assert.doesNotMatch(seen.lines.join("\n"), /reading/);
      assert.ok(seen.raw.lastIndexOf("\x1b[?25h") > seen.raw.lastIndexOf("\x1b[?25l"), "the cursor is shown again");
      assertWithin(seen, columns);
    }
  },
});

Deno.test({
  name: "Ctrl-C while the line is shown: it goes away, the cursor is back, and the command ends as interrupted",
  ignore,
  async fn() {
    const held = Promise.withResolvers<void>();
    const seen = await serveAnswers(
      slowly(`${group}/grants`, list(grant), held.promise),
      (kubeconfig) =>
        keystoneOnTerminal(kubeconfig, ["grant", "list"], [[/reading grants, 2 s/, terminalKeys.interrupt]])
          .finally(held.resolve),
    );
    assert.equal(seen.code, 130);
    assert.equal(seen.lines.join("").trim(), "");
    assert.ok(seen.raw.endsWith("\x1b[?25h"), JSON.stringify(seen.raw.slice(-20)));
  },
});

Deno.test({
  name: "a terminal without cursor movements: the wait is said in a line, once",
  ignore,
  async fn() {
    const { code, raw } = await listOnTerminal(/Still working/, { TERM: "dumb" });
    assert.equal(code, 0);
    assert.doesNotMatch(raw, /\x1b/);
    assert.equal(
      [...raw.matchAll(/Still working \(2 s\): http:\/\/127\.0\.0\.1:\d+: reading grants\.\r\n/g)].length,
      1,
    );
  },
});

/** Runs doctor off a terminal. The server answers about the operator once standard error has something. */
async function doctorOffTerminal(): Promise<{ out: string; err: string }> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const lease = "/apis/coordination.k8s.io/v1/namespaces/keystone-system/leases/keystone-operator";
  const missing = Response.json({ kind: "Status", reason: "NotFound", code: 404 }, { status: 404 });
  return await serveAnswers(
    slowly(lease, missing, promise, { "/version": { gitVersion: "v1.34.0" } }),
    async (KUBECONFIG) => {
      const child = new Deno.Command(Deno.execPath(), {
        args: ["run", "--quiet", "--frozen", "-A", "--no-check", "src/cli/main.ts", "doctor", "-o", "json"],
        cwd: new URL("../../../", import.meta.url).pathname,
        env: { KUBECONFIG },
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
      const out = new Response(child.stdout).text();
      let err = "";
      for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
        err += text;
        resolve();
      }
      await child.status;
      return { out: await out, err };
    },
  );
}

Deno.test("doctor in a pipe: what it checks is on standard error after 2 s, without drawing", async () => {
  const slow = await doctorOffTerminal();
  assert.match(slow.err, /^Still working \(2 s\): checking the operator(, [^\n]+)?\.\n$/);
  assert.ok(JSON.parse(slow.out).checks.length > 0);
});

Deno.test("a long wait off a terminal: is said at 2 s and 10 s, then ever less often, at least once in a minute", () => {
  const lines: string[] = [];
  const sink = writtenSink((line) => lines.push(line));
  for (let ms = 2000; ms <= 200_000; ms += 120) sink.show("reading pods", ms);
  assert.deepEqual(lines.map((line) => Number(/\((\d+) s\)/.exec(line)![1])), [2, 10, 30, 90, 150]);
  // Between the requests of one wait, and while credentials are asked for, a drawn line goes away.
  sink.clear();
  sink.show("reading pods", 200_100);
  assert.equal(lines.length, 5);
  sink.begin();
  sink.show("reading nodes", 2000);
  assert.equal(lines.at(-1), "Still working (2 s): reading nodes.");
});
