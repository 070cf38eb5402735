/**
 * `deno task bench`: measures how fast grants are enforced, relative to the API server's maximum, on a lab with a real
 * control plane. `--only wide,deep` runs some parts, `--rounds N` sets the rounds of each, `--quick` runs all parts
 * with one round.
 *
 * `--peer BINARY` measures another operator that does the same job in turns with this one, instead of the parts;
 * `--peer-args` are its arguments, separated by spaces.
 *
 * A whole run is kept in `bench/results/<date>-<commit>.json` and written into the documentation. `--keep` does the
 * same for some parts, merged with those kept before for this commit. `--output FILE` writes elsewhere.
 *
 * `deno task bench compare A B` lists the figures that became better or worse; `deno task bench report` writes the
 * newest result into the documentation.
 */
import { parseArgs } from "node:util";
import { partsBeside } from "./beside.ts";
import { compare } from "./compare.ts";
import { parts } from "./parts.ts";
import { writeReport } from "./bench_report.ts";
import { run } from "./bench_run.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  args: Deno.args.filter((arg) => arg !== "--"),
  options: {
    only: { type: "string" },
    rounds: { type: "string" },
    quick: { type: "boolean", default: false },
    peer: { type: "string" },
    "peer-args": { type: "string", default: "" },
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
if (values.peer !== undefined && !await Deno.stat(values.peer).then(({ isFile }) => isFile, () => false)) {
  fail(`--peer is "${values.peer}", which is no file; must be the path of an operator's program.`);
}
const known = values.peer === undefined
  ? parts
  : partsBeside({ binary: values.peer, args: values["peer-args"].split(" ").filter((arg) => arg !== "") });
const names = values.only?.split(",") ?? Object.keys(known);
const unknown = names.find((name) => !(name in known));
if (unknown !== undefined) {
  fail(
    `"${unknown}" is not a part${values.peer === undefined ? "" : " with --peer"}; must be one of: ${
      Object.keys(known).join(", ")
    }.`,
  );
}

const isWhole = values.peer === undefined && Object.keys(parts).every((name) => names.includes(name)) && rounds >= 5;
const keep = values.keep || isWhole;
const failed = await run({
  parts: Object.fromEntries(names.map((name) => [name, known[name]!])),
  rounds,
  ...(values.output === undefined ? {} : { output: values.output }),
  keep,
});
if (keep) await writeReport();
Deno.exit(failed ? 1 : 0);
