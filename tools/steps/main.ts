/**
 * Runs the steps that must be green and names those that were not.
 *
 *     deno task ok                    all steps; the tests come last, and only after green ones
 *     deno task ok --except tests     all others, as the forge's CI runs them beside the tests
 *     deno task ok --only lint,words  some
 *     deno task check                 the fast lane: no lab, less than a minute
 */
import { parseArgs } from "node:util";
import { chosenSteps, type TreeCheck } from "./steps.ts";

const root = new URL("../../", import.meta.url);
const list = { type: "string" as const };
const { values: { fast = false, only, except } } = parseArgs({
  args: Deno.args.filter((arg) => arg !== "--"),
  options: { fast: { type: "boolean" }, only: list, except: list },
});

function command({ args }: TreeCheck, output: "inherit" | "piped"): Deno.Command {
  const options = { cwd: root, stdin: "null", stdout: output, stderr: output } as const;
  if (!args.some((arg) => arg.includes("*"))) return new Deno.Command(Deno.execPath(), { ...options, args: [...args] });
  // The shell expands patterns.
  return new Deno.Command("sh", { ...options, args: ["-c", `exec "$0" ${args.join(" ")}`, Deno.execPath()] });
}

/** Runs a step, then prints its output at once, because others run beside it. */
async function run(step: TreeCheck): Promise<boolean> {
  const began = performance.now();
  const { success, stdout, stderr } = await command(step, "piped").output();
  const seconds = Math.round((performance.now() - began) / 1000);
  console.log(`— ${step.name}: ${success ? "ok" : "FAILED"} (${seconds} s)`);
  if (!success) {
    console.log(`deno ${step.args.join(" ")}`);
    for (const output of [stdout, stderr]) await Deno.stdout.write(output);
  }
  return success;
}

function chosen(): TreeCheck[] {
  try {
    return chosenSteps({
      fast,
      ...(only === undefined ? {} : { only: only.split(",") }),
      ...(except === undefined ? {} : { except: except.split(",") }),
    });
  } catch (error) {
    console.error((error as Error).message);
    Deno.exit(2);
  }
}

const steps = chosen();
const failed: string[] = [];
const waiting = steps.filter(({ name }) => name !== "tests");
const lanes = Array.from({ length: Math.max(1, Math.min(3, navigator.hardwareConcurrency)) }, async () => {
  for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
    if (!await run(step)) failed.push(step.name);
  }
});
await Promise.all(lanes);
if (failed.length > 0) {
  console.error(`\nnot ok: ${failed.join(", ")}`);
  Deno.exit(1);
}
const tests = steps.find(({ name }) => name === "tests");
// Their last line counts them, and stays the last one.
if (tests && !(await command(tests, "inherit").spawn().status).success) Deno.exit(1);
