/**
 * Runs the steps that must be green, one after the other, and says which were not.
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

async function run({ name, args }: TreeCheck): Promise<boolean> {
  console.log(`\n— ${name}: deno ${args.join(" ")}`);
  const began = performance.now();
  const globs = args.filter((arg) => arg.includes("*"));
  const command = globs.length === 0
    ? new Deno.Command(Deno.execPath(), { args: [...args], cwd: root, stdin: "null" })
    // The shell expands them.
    : new Deno.Command("sh", {
      args: ["-c", `exec "$0" ${args.join(" ")}`, Deno.execPath()],
      cwd: root,
      stdin: "null",
    });
  const { success } = await command.spawn().status;
  // The tests' own last line counts them, and stays the last one.
  if (name !== "tests") {
    console.log(`${name}: ${success ? "ok" : "failed"} (${Math.round((performance.now() - began) / 1000)} s)`);
  }
  return success;
}

const failed: string[] = [];
for (
  const step of chosenSteps({
    fast,
    ...(only === undefined ? {} : { only: only.split(",") }),
    ...(except === undefined ? {} : { except: except.split(",") }),
  })
) {
  // A lab takes minutes, and what failed before it fails again.
  if (step.name === "tests" && failed.length > 0) break;
  if (!await run(step)) failed.push(step.name);
}
if (failed.length > 0) {
  if (failed[0] !== "tests") console.error(`\nnot ok: ${failed.join(", ")}`);
  Deno.exit(1);
}
