/**
 * Runs the test suites one by one and prints a summary: `deno task test [SUITE…]`.
 *
 * Tests that need a node with real pods run where possible. `KEYSTONE_E2E` decides otherwise: `auto` (default) reports that
 * they were not run and why, `require` fails, `off` skips them.
 */
import { startLab } from "./lab/lab.ts";
import { browserObstacle, imageObstacle, nodeObstacle, prometheusObstacle } from "./lab/node_obstacle.ts";
import { type Suite, suites } from "./suites.ts";
import { failureSummary } from "./support/failure_summary.ts";

/** Reason why no node can run here; undefined if one can. */
const obstacle = Deno.env.get("KEYSTONE_E2E") === "off" ? "KEYSTONE_E2E=off." : nodeObstacle();
/** True if the tests run on a cluster of the user's choice. */
const isChosen = ["KEYSTONE_LAB", "KEYSTONE_LAB_DIR"].some((name) => Deno.env.has(name));
const notRun: string[] = [];
/** Errors of failed tests, and the tests' names, repeated at the end. */
const failures: { errors: string[]; names: string[] } = { errors: [], names: [] };

const root = new URL("..", import.meta.url);
const total = { passed: 0, failed: 0 };

function chosen(names: string[]): Suite[] {
  const unknown = names.find((name) => !suites.some((suite) => suite.name === name));
  if (unknown !== undefined) {
    console.error(`There is no suite ${unknown}. Use one or more of ${suites.map(({ name }) => name).join(", ")}.`);
    Deno.exit(2);
  }
  return suites.filter(({ name }) => names.length === 0 || names.includes(name));
}

/** Runs Deno; returns its output when it ends, which is printed meanwhile. */
async function deno(
  args: string[],
  env: Record<string, string> = {},
): Promise<{ success: boolean; stdout: string; both: string }> {
  const child = new Deno.Command(Deno.execPath(), {
    args,
    cwd: root,
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const texts = { stdout: "", both: "" };
  const copied = async (from: ReadableStream<Uint8Array>, to: typeof Deno.stdout, name: "stdout" | "both") => {
    const decoder = new TextDecoder();
    for await (const chunk of from) {
      for (let at = 0; at < chunk.length;) at += await to.write(chunk.subarray(at));
      const text = decoder.decode(chunk, { stream: true });
      if (name === "stdout") texts.stdout += text;
      texts.both += text;
    }
  };
  await Promise.all([copied(child.stdout, Deno.stdout, "stdout"), copied(child.stderr, Deno.stderr, "both")]);
  return { success: (await child.status).success, ...texts };
}

async function run(suite: Suite, place: string): Promise<void> {
  console.log(`\n— ${suite.name} (${place}): ${suite.what}`);
  if (suite.node && obstacle) {
    notRun.push(`${suite.node === "all" ? suite.name : `part of ${suite.name}`}: ${obstacle}`);
    if (Deno.env.get("KEYSTONE_E2E") === "require") {
      failed(suite, `The suite can't run, and KEYSTONE_E2E is require: ${obstacle}`);
      total.failed++;
    }
    if (suite.node === "all") return;
  }
  // With KEYSTONE_E2E=require each of those tests fails by itself.
  const noImage = suite.image ? imageObstacle() : undefined;
  if (noImage) notRun.push(`part of ${suite.name}: ${noImage}`);
  const noPrometheus = suite.prometheus ? prometheusObstacle() : undefined;
  if (noPrometheus) notRun.push(`part of ${suite.name}: ${noPrometheus}`);
  const noBrowser = suite.browser ? browserObstacle() : undefined;
  if (noBrowser) notRun.push(`${suite.name}: ${noBrowser}`);
  const lab = [...suite.lab, ...(suite.node && !obstacle ? ["node", "dns"] : [])];
  if (lab.length > 0) {
    const built = await deno(["run", "-A", "tests/lab/main.ts", "build", ...lab]);
    if (!built.success) {
      total.failed++;
      return failed(suite, built.both);
    }
  }
  const { alone = [], args } = suite;
  await runPart(
    suite,
    alone.length === 0 ? args : [`--ignore=${alone.join()}`, ...args],
    lab.length === 0 ? {} : { DENO_JOBS: String(labsAtOnce(suite)) },
  );
  if (alone.length === 0) return;
  await using shared = suite.oneLab && !isChosen ? await startLab({ progress: true }) : undefined;
  await runPart(suite, alone, shared ? { KEYSTONE_LAB_DIR: shared.dir } : {});
}

/** Returns how many files with a lab run at a time: not many, because a lab needs about 1 GB. */
const labsAtOnce = ({ mostlyWaits = false }: Suite): number =>
  isChosen ? 1 : Math.min(navigator.hardwareConcurrency + (mostlyWaits ? 1 : 0), 4);

async function runPart(suite: Suite, args: string[], env: Record<string, string>): Promise<void> {
  const { success, stdout, both } = await deno([suite.campaign ? "run" : "test", "--frozen", "-A", ...args], env);
  // deno-lint-ignore no-control-regex
  const plain = stdout.replace(/\x1b\[[0-9;]*m/g, "");
  const summaries = plain.matchAll(suite.campaign ? /(\d+) agreed, (\d+) differ/g : /(\d+) passed.*?\| (\d+) failed/g);
  const [, passed, notPassed] = [...summaries].at(-1)?.map(Number) ?? [0, 0, 0];
  total.passed += passed!;
  // An aborted run (type error, crash) has failed, whatever its counts.
  total.failed += success ? notPassed! : Math.max(1, notPassed!);
  if (!success) failed(suite, both);
}

function failed(suite: Suite, output: string): void {
  const { errors, names } = failureSummary(output);
  failures.errors.push(...errors.map((error) => `— ${suite.name}: ${error}`));
  failures.names.push(
    ...(names.length === 0 ? ["ended before its last test"] : names).map((name) => `${suite.name}: ${name}`),
  );
}

const spanText = (seconds: number): string =>
  seconds < 120 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;

const all = chosen(Deno.args);
for (const [index, suite] of all.entries()) {
  const began = performance.now();
  try {
    await run(suite, `${index + 1} of ${all.length}`);
    console.log(`— ${suite.name}: ended after ${spanText((performance.now() - began) / 1000)}`);
  } catch (error) {
    failures.errors.push(`— ${suite.name} couldn't run: ${(error as Error).message}`);
    failures.names.push(`${suite.name}: couldn't run`);
    total.failed++;
  }
}
for (const what of notRun) console.log(`\nnot run: ${what}`);
for (const what of failures.errors) console.log(`\n${what}`);
if (failures.names.length > 0) console.log(`\nfailed:\n${failures.names.map((name) => `  ${name}`).join("\n")}`);
console.log(`\n${total.passed} passed, ${total.failed} failed`);
Deno.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);
