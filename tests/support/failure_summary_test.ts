import assert from "node:assert/strict";
import { failureSummary } from "./failure_summary.ts";

const failing = `
import assert from "node:assert/strict";
Deno.test("compares", () => assert.deepEqual({ a: 1 }, { a: 2 }));
Deno.test("in steps", async (t) => {
  await t.step("good", () => {});
  await t.step("long", () => {
    throw new Error(Array.from({ length: 100 }, (_, index) => "line " + index).join("\\n\\n"));
  });
});
Deno.test("wide", () => { throw new Error("w".repeat(9000)); });
Deno.test("ends the file", async () => {
  setTimeout(() => { throw new Error("later"); }, 1);
  await new Promise((resolve) => setTimeout(resolve, 60_000));
});
`;

async function outputOf(source: string): Promise<string> {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${dir}/failing_test.ts`, source);
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "--no-config", "-A", "failing_test.ts"],
      cwd: dir,
      env: { FORCE_COLOR: "1" },
    }).output();
    return [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("failures: each with its message first and the project's own frames, in at most 40 lines", async () => {
  const { errors, names } = failureSummary(await outputOf(failing));
  assert.deepEqual(names.map((name) => name.replace(/ => .*/, "")), [
    "compares",
    "in steps ... long",
    "wide",
    "./failing_test.ts (uncaught error)",
  ]);
  assert.equal(errors.length, names.length);
  for (const [index, error] of errors.entries()) {
    const lines = error.split("\n");
    assert.equal(lines[0], names[index]);
    assert.match(lines[1]!, /^error: /);
    assert.ok(lines.length <= 40 && lines.every((line) => line.length < 600), error);
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(error, /ext:|node_modules|\x1b/);
  }
  const [compares, long] = errors;
  assert.match(compares!, /^\+ {3}a: 1\n- {3}a: 2$/m);
  assert.match(compares!, /\n {4}at file:\/\/\/\S+failing_test\.ts:3:\d+$/);
  assert.match(long!, /^error: Error: line 0\n\nline 1$/m);
  assert.match(long!, /^… \d+ more lines …$/m);
  assert.match(long!, /^line 99$/m);
});

Deno.test("failures: of a run that ended before its tests, the end of its output", async () => {
  const { errors, names } = failureSummary(await outputOf("const x: string = 1;\nDeno.test(x, () => {});\n"));
  assert.deepEqual(names, []);
  assert.match(errors.join(), /TS2322 .*not assignable to type 'string'/);
});
