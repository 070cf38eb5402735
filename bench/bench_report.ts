/**
 * `deno task bench report`: writes the figures of the newest result file into `docs/performance.md`, and the plots
 * beside it. A test checks that they are up to date.
 */
import { besideRows } from "./beside_rows.ts";
import { figureAt, type Figures } from "./figures.ts";
import { pictures, plots } from "./plots.ts";
import type { runFacts } from "./run_facts.ts";
import { type Row, tailnetRows, targetRows } from "./targets.ts";

const at = (path: string) => new URL(`../${path}`, import.meta.url);
const page = "docs/performance.md";
const [begin, end] = ["<!-- figures: `deno task bench report` writes them -->", "<!-- end of the figures -->"];

/** Returns the generated documentation files by path, from the newest result. */
export async function benchReport(): Promise<Map<string, string>> {
  const result = await newest();
  const overTailnet = await newest("tailnet");
  const beside = await newest("beside");
  const before = await Deno.readTextFile(at(page));
  const [first, last] = [before.indexOf(begin), before.indexOf(end)];
  if (first < 0 || last < first) throw new Error(`${page} has no place for figures, between "${begin}" and "${end}".`);
  const figures = [
    ...(result ? [table(result, targetRows), ...links, writes(result)] : ["No run is kept yet."]),
    ...(overTailnet ? ["### Over the tailnet", table(overTailnet, tailnetRows)] : []),
    ...(beside ? ["### Beside another operator", table(beside, besideRows)] : []),
  ];
  const text = [before.slice(0, first) + begin, ...figures, before.slice(last)].join("\n\n");
  const drawn = result ? [...plots(result)] : [];
  return new Map([[page, text], ...drawn.map(([name, svg]): [string, string] => [`docs/performance/${name}`, svg])]);
}

const links = Object.entries(pictures).map(([file, what]) => `![${what}](performance/${file})`);

/** Returns the files that differ from the newest result. */
export async function outdated(): Promise<string[]> {
  const out: string[] = [];
  for (const [path, text] of await benchReport()) {
    const present = await Deno.readTextFile(at(path)).catch(() => undefined);
    if (present !== text) out.push(path);
  }
  return out;
}

/** Returns the newest kept result that has the part `part`; undefined if there is none. */
export async function newest(part = "efficiency"): Promise<Figures | undefined> {
  const results: (Figures & { date: string })[] = [];
  for await (const { name } of Deno.readDir(at("bench/results"))) {
    if (/^\d{4}-\d\d-\d\d-[0-9a-f]+\.json$/.test(name)) {
      const result = JSON.parse(await Deno.readTextFile(at(`bench/results/${name}`)));
      if (part in result) results.push(result);
    }
  }
  return results.sort((a, b) => a.date < b.date ? -1 : 1).at(-1);
}

/** The metadata of a result. */
type Head = Awaited<ReturnType<typeof runFacts>>;

function table(result: Figures, rows: readonly Row[]): string {
  const { date, commit, machine, versions } = result as unknown as Head;
  // Earlier results don't have it.
  const load = machine.load ?? 0;
  return [
    `Commit ${commit}, ${date.slice(0, 10)}; ${machine.cpus} cores (${machine.processor}), ${machine.memoryGB} GB; ` +
    `Kubernetes ${versions.kubernetes}, Deno ${versions.deno}.` +
    (load > machine.cpus / 2
      ? ` **Other work ran beside it**: ${load} processes wanted a processor when the run began, so times are upper bounds.`
      : ""),
    "",
    "| | median | spread | samples | target | |",
    "|---|---|---|---|---|---|",
    ...rows.map((row) => line(result, row)),
  ].join("\n");
}

function line(result: Figures, { path, what, unit, target }: Row): string {
  const figure = figureAt(result, path);
  if (!figure) return `| ${what} | not run | | | ${wanted(target)} | |`;
  const { median, spread: [least, most], samples } = figure;
  const amount = unit === "" ? String(median) : `${median} ${unit}`;
  return `| ${what} | ${amount} | ${least} – ${most} | ${samples} | ${wanted(target)} | ${reached(median, target)} |`;
}

/** Returns the writes for a new grant to a new realm, by kind of request. */
function writes(result: Figures): string {
  const { requests = {} } = (result.writesPerGrant ?? {}) as { requests?: Record<string, number> };
  const grants = Number((result.scale as Record<string, { grants: number }> | undefined)?.wide?.grants ?? 1);
  const rows = Object.entries(requests)
    .filter(([what]) => !/ leases|^(watch|get|list) /.test(what))
    .map(([what, count]): [string, number] => [what, count / grants])
    .sort(([a, most], [b, count]) => count - most || (a < b ? -1 : 1));
  return [
    "Writes for a new grant to a new realm:",
    "",
    "| request | for each grant |",
    "|---|---|",
    ...rows.map(([what, count]) => `| ${what} | ${count} |`),
  ].join("\n");
}

function wanted(target: Row["target"]): string {
  if (target === undefined) return "";
  return "atLeast" in target ? `≥ ${target.atLeast}` : `≤ ${target.atMost}`;
}

function reached(median: number, target: Row["target"]): string {
  if (target === undefined) return "";
  return ("atLeast" in target ? median >= target.atLeast : median <= target.atMost) ? "reached" : "**not reached**";
}

/** Writes the files. */
export async function writeReport(): Promise<void> {
  await Deno.mkdir(at("docs/performance"), { recursive: true });
  for (const [path, text] of await benchReport()) await Deno.writeTextFile(at(path), text);
}
