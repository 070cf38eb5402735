/**
 * `deno task bench`: measures how fast grants are enforced, relative to the API server's maximum, on a lab with a real
 * control plane. `--only wide,deep` runs some parts, `--rounds N` sets the rounds of each, `--quick` runs all parts
 * with one round.
 *
 * A whole run is kept in `bench/results/<date>-<commit>.json` and written into the documentation. `--keep` does the
 * same for some parts, merged with those kept before for this commit. `--output FILE` writes elsewhere.
 *
 * `deno task bench compare A B` lists the figures that became better or worse; `deno task bench report` writes the
 * newest result into the documentation.
 */
import { parseArgs } from "node:util";
import { compare } from "./compare.ts";
import { parts } from "./parts.ts";
import { writeReport } from "./bench_report.ts";
import { run } from "./bench_run.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  args: Deno.args.filter((arg) => arg !== "--"),
  options: {
    only: { type: "string", default: Object.keys(parts).join(",") },
    rounds: { type: "string" },
    quick: { type: "boolean", default: false },
    output: { type: "string" },
    keep: { type: "boolean", default: false },
  },
});

function fail(message: string): never {
  console.error(message);
  Deno.exit(2);
}

const [verb, ...files] = positionals;
if (verb === "compare") {
  if (files.length !== 2) fail("Usage: deno task bench compare FILE FILE");
  Deno.exit(await compare(files[0]!, files[1]!) ? 0 : 1);
}
if (verb === "report") {
  await writeReport();
  Deno.exit(0);
}
if (verb !== undefined) fail(`"${verb}" is not a command; must be \`compare\`, \`report\`, or none for a run.`);

const rounds = Number(values.rounds ?? (values.quick ? 1 : 5));
if (!Number.isInteger(rounds) || rounds < 1) fail(`--rounds is "${values.rounds}"; must be an integer of at least 1.`);
const names = values.only.split(",");
const unknown = names.find((name) => !(name in parts));
if (unknown !== undefined) fail(`"${unknown}" is not a part; must be one of: ${Object.keys(parts).join(", ")}.`);

const keep = values.keep || Object.keys(parts).every((name) => names.includes(name)) && rounds >= 5;
const failed = await run({ names, rounds, ...(values.output === undefined ? {} : { output: values.output }), keep });
if (keep) await writeReport();
Deno.exit(failed ? 1 : 0);
