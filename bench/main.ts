/**
 * `deno task bench`: how fast grants are enforced, beside what the API server allows, on a lab with a real control plane.
 * `--only wide,deep` runs some parts, `--rounds N` more or fewer of each, `--quick` all with one round for a look. A whole
 * run writes `bench/results/<date>-<commit>.json`, any other only with `--output FILE`. `deno task bench compare A B` says
 * what has become better or worse, `deno task bench report` writes the newest result into the documentation.
 */
import { parseArgs } from "node:util";
import { merge } from "es-toolkit/object";
import { Estimate } from "../tests/lab/progress.ts";
import { compare } from "./compare.ts";
import { type Figures, parts } from "./parts.ts";
import { writeReport } from "./report.ts";
import { runFacts } from "./run_facts.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  args: Deno.args.filter((arg) => arg !== "--"),
  options: {
    only: { type: "string", default: Object.keys(parts).join(",") },
    rounds: { type: "string" },
    quick: { type: "boolean", default: false },
    output: { type: "string" },
  },
});

function fail(message: string): never {
  console.error(message);
  Deno.exit(2);
}

const [verb, ...files] = positionals;
if (verb === "compare") {
  if (files.length !== 2) fail("Write: deno task bench compare FILE FILE");
  Deno.exit(await compare(files[0]!, files[1]!) ? 0 : 1);
}
if (verb === "report") {
  await writeReport();
  Deno.exit(0);
}
if (verb !== undefined) fail(`There is no ${verb}; it is \`compare\` or \`report\`, or nothing for a run.`);

const rounds = Number(values.rounds ?? (values.quick ? 1 : 5));
if (!Number.isInteger(rounds) || rounds < 1) fail(`--rounds is "${values.rounds}"; write a whole number from 1 on.`);
const names = values.only.split(",");
const unknown = names.find((name) => !(name in parts));
if (unknown !== undefined) fail(`There is no part ${unknown}; choose from ${Object.keys(parts).join(", ")}.`);

const costs = new Map(names.map((name) => {
  const { first, each } = parts[name]!.seconds;
  return [name, first + each * rounds];
}));
const estimate = new Estimate([...costs.values()].reduce((sum, cost) => sum + cost, 0));
const say = (text: string) => console.error(`bench: ${text} (${estimate})`);

const facts = await runFacts();
let figures: Figures = {};
for (const name of names) {
  say(name);
  figures = merge(figures, await parts[name]!.run({ rounds, say: (text) => say(`${name}: ${text}`) }));
  estimate.add(costs.get(name)!);
}

const text = `${JSON.stringify({ ...facts, rounds, ...figures }, null, 2)}\n`;
const whole = Object.keys(parts).every((name) => names.includes(name)) && rounds >= 5;
const file = values.output ??
  (whole ? new URL(`results/${facts.date.slice(0, 10)}-${facts.commit}.json`, import.meta.url).pathname : undefined);
if (file !== undefined) await Deno.writeTextFile(file, text);
console.log(text);
