import assert from "node:assert/strict";
import { keystone } from "../../tests/fixtures/keystone_command.ts";
import { apiErrorFromStatus, ConnectionError } from "../../lib/kubernetes/errors.ts";
import { cliReference } from "./cli_reference.ts";
import { exitOf } from "./exit.ts";
import type { Io } from "./io.ts";
import { inLine, printable, printableJson, Session } from "./session.ts";
import { bar, relative, useText, useWithBar } from "./grant_summary.ts";

Deno.test("--help without a cluster: lists each verb once, and each has examples", async () => {
  const { code, out } = await keystone(undefined, ["--help"]);
  assert.equal(code, 0);
  const verbs = [...out.slice(out.indexOf("Lend:")).matchAll(/^ {2}((?:(?:grant|realm|superentity) )?[a-z-]+) /gm)]
    .map(([, path]) => path!);
  assert.ok(verbs.length > 15, out);
  assert.equal(new Set(verbs).size, verbs.length);
  for (const path of verbs) {
    const said = await keystone(undefined, [...path.split(" "), "--help"]);
    assert.equal(said.code, 0, path);
    assert.match(said.out, /Examples:\n {2}\S/, path);
    assert.ok(said.out.includes(`Usage: keystone ${path} `), said.out);
  }
});

Deno.test("--help at any width: no line is longer than it", async () => {
  for (const width of [60, 80, 120]) {
    const { out } = await keystone(undefined, ["--help"], { width });
    const long = out.split("\n").filter((line) => line.length > width);
    assert.deepEqual(long, []);
  }
});

Deno.test("help and reference: have no earlier names, except in one line", async () => {
  const { out } = await keystone(undefined, ["--help"]);
  const earlier = /^Earlier names go on working: (.*?)\.$/m.exec(out)![1]!.split(", ");
  assert.deepEqual(earlier.toSorted(), earlier);
  assert.equal(earlier.length, 8);
  for (const name of earlier) {
    assert.doesNotMatch(out, new RegExp(`^ {2}${name} `, "m"));
    assert.doesNotMatch(cliReference(), new RegExp(`keystone ${name}\\b`));
    assert.match(
      (await keystone(undefined, [name, "--help"])).out,
      new RegExp(`^keystone ${name} is now keystone \\w+ \\w`),
    );
  }
});

Deno.test("use is shown as a bar of ten characters", () => {
  assert.equal(bar("0", "4"), "··········");
  assert.equal(bar("1m", "4"), "█·········");
  assert.equal(bar("2", "4"), "█████·····");
  assert.equal(bar("9", "4"), "██████████");
  assert.equal(bar("0", "0"), "··········");
  assert.equal(useWithBar(undefined), "-");
  assert.equal(useWithBar({ key: "requests.cpu", used: "500m", granted: "1" }), "█████····· 500m of 1");
  const limits = { key: "limits.cpu", used: "2", granted: "2", side: "limits" } as const;
  assert.equal(useWithBar(limits), "██████████ 2 of 2 limits");
  assert.equal(useText(limits), "2 of 2 limits");
});

const now = Date.parse("2026-06-01T12:00:00Z");
const instants: [string | undefined, string][] = [
  [undefined, "when revoked"],
  ["2026-06-01T12:00:30Z", "in 30 s"],
  ["2026-06-01T11:00:00Z", "60 min ago"],
  ["2026-06-02T00:00:00Z", "in 12 h"],
  ["2026-07-01T12:00:00Z", "in 30 d"],
  ["never", "never"],
];
for (const [instant, expected] of instants) {
  Deno.test(`instant ${instant}: shown as ${expected}`, () => assert.equal(relative(instant, now), expected));
}

Deno.test("no terminal: no colors; control characters: never printed", () => {
  const flags = { output: "text" as const, color: true };
  const io = (terminal: boolean, env: Record<string, string> = {}) =>
    ({ terminal, env: (name: string) => env[name] }) as unknown as Io;
  const green = (...args: Parameters<typeof io>) => new Session(io(...args), flags).colours.green("x");
  assert.equal(green(true), "\x1b[32mx\x1b[39m");
  for (const plain of [green(false), green(true, { NO_COLOR: "1" }), green(true, { TERM: "dumb" })]) {
    assert.equal(plain, "x");
  }
  assert.equal(
    printable("\x1b[32mx\x1b[39m\n\x1b]0;t\x07\x1b[2J\r\x9b"),
    "\x1b[32mx\x1b[39m\n\ufffd]0;t\ufffd\ufffd[2J\ufffd\ufffd",
  );
  assert.equal(printable("\x1b[8mhidden\x1b[40m \u202etxet"), "\ufffd[8mhidden\ufffd[40m \ufffdtxet");
});

Deno.test("a guest's text has line ends and colors: it is printed in one line without them", () => {
  assert.equal(inLine("no\n\x1b[32m✓\x1b[39m quota: fine\r\n"), "no ⏎ \ufffd[32m✓\ufffd[39m quota: fine");
});

Deno.test("JSON has control characters: they are escaped, and it parses to the same value", () => {
  const value = { message: "\x1b]0;t\x07 \x9b2J \u202etxet" };
  const text = printableJson(value);
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
  assert.deepEqual(JSON.parse(text), value);
});

Deno.test("each kind of error: has its exit code and a remedy", () => {
  const of = (code: number, message: string, path = "/apis/keystone.io/v1alpha1/grants/x") =>
    exitOf(apiErrorFromStatus({ kind: "Status", code, message, reason: "" } as never, { method: "GET", path }));
  assert.equal(of(403, "no").code, 3);
  assert.match(of(401, "Unauthorized").message, /keystone realm kubeconfig REALM/);
  assert.equal(of(404, 'grants.keystone.io "x" not found').code, 1);
  assert.match(of(404, "the server could not find the requested resource").message, /kubectl apply -f crds/);
  assert.equal(exitOf(new ConnectionError("gone.")).code, 4);
  assert.equal(exitOf(new DOMException("late", "TimeoutError")).code, 4);
  assert.deepEqual(exitOf(new Error("what")), { code: 1, message: "what" });
  assert.deepEqual(exitOf("what"), { code: 1, message: "what" });
});

Deno.test("deno task keystone: starts with the permissions of its task", async () => {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "keystone", "--version"],
    cwd: new URL("../../", import.meta.url),
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  assert.match(new TextDecoder().decode(stdout), /^\d+\.\d+\.\d+/);
});
