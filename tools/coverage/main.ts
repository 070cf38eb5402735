/**
 * `deno task coverage`: runs the unit tests and the simulation with coverage, prints it by folder, and fails below the
 * limits. The report is in coverage/, as lcov.info, too.
 *
 *     deno task coverage                  all
 *     deno task coverage --missed src/core  also the lines below a folder that no test reaches
 *     deno task coverage --keep           reads the last run again
 */
import { parseArgs } from "node:util";
import { belowLimits, type CoverageLimit, coverageOf, parseLcov, ranges } from "./lcov.ts";

const root = new URL("../../", import.meta.url).pathname;
const folder = `${root}coverage`;
const limits: readonly CoverageLimit[] = [{ folder: "src/core", percent: 95 }, { folder: "", percent: 85 }];

const { values: { keep = false, missed } } = parseArgs({
  args: Deno.args.filter((arg) => arg !== "--"),
  options: { keep: { type: "boolean" }, missed: { type: "string" } },
});

async function deno(args: string[], env: Record<string, string> = {}): Promise<void> {
  const command = new Deno.Command(Deno.execPath(), { args, env, cwd: root, stdin: "null" });
  if (!(await command.spawn().status).success) throw new Error(`deno ${args.slice(0, 2).join(" ")} failed.`);
}

/** Each run has its own folder of profiles, because a run empties the folder that it is given. */
const runs = { unit: ["lib", "src", "deploy"], simulation: ["tests/simulation"] };
if (!keep) {
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  const test = ["test", "--quiet", "--frozen", "-A", "--no-check", "--parallel", "--coverage-raw-data-only"];
  for (const [name, paths] of Object.entries(runs)) {
    await deno([...test, `--coverage=${folder}/${name}`, ...paths], { KEYSTONE_SCHEDULES: "200" });
  }
}
await deno([
  "coverage",
  "--quiet",
  "--lcov",
  `--output=${folder}/lcov.info`,
  // Without generated clients, their generators and tests.
  "--include=/(lib|src|deploy)/",
  "--exclude=@[^/]*\\.ts$|/generate/|_test\\.ts$|_bench\\.ts$",
  ...Object.keys(runs).map((name) => `${folder}/${name}`),
]);

const files = parseLcov(await Deno.readTextFile(`${folder}/lcov.info`), root);
const folders = [...new Set(files.map(({ path }) => path.split("/").slice(0, 2).join("/")))];
console.log("\nfolder                 lines  branches");
for (const each of [...folders, ""]) {
  const { lines, branches } = coverageOf(files, each);
  console.log(`${(each || "all").padEnd(20)} ${lines.toFixed(1).padStart(6)} % ${branches.toFixed(1).padStart(6)} %`);
}
if (missed !== undefined) {
  for (const file of files.filter(({ path, missed: lines }) => path.startsWith(missed) && lines.length > 0)) {
    console.log(`${file.path}: ${ranges(file.missed)}`);
  }
}
const failures = belowLimits(files, limits);
for (const failure of failures) console.error(failure);
if (failures.length > 0) Deno.exit(1);
