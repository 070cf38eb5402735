/**
 * `deno task bench compare A B`: lists the figures that became better or worse from result file A to B, beyond the
 * spread. Exits with code 1 if one became worse. Between different machines only ratios and counts are compared.
 */
import { isDeepStrictEqual } from "node:util";
import { plainTable } from "../src/cli/table_layout.ts";
import { type Figures, figuresOf, isPortable, moreIsBetter } from "./figures.ts";
import type { Summary } from "./statistics.ts";

/** The change of one figure. */
export interface FigureChange {
  path: string;
  before: Summary;
  after: Summary;
  verdict: "better" | "worse" | "within the spread" | "one sample" | "another machine";
}

/** Returns the figures that both results have. */
export function figureChanges(a: Figures, b: Figures): FigureChange[] {
  const sameMachine = isDeepStrictEqual(a.machine, b.machine);
  const later = figuresOf(b);
  return [...figuresOf(a)].flatMap(([path, before]) => {
    const after = later.get(path);
    if (after === undefined) return [];
    const judged = sameMachine || isPortable(path);
    return [{ path, before, after, verdict: judged ? verdict(path, before, after) : "another machine" }];
  });
}

/** A change is beyond the spread if the two ranges don't overlap. */
function verdict(path: string, before: Summary, after: Summary): FigureChange["verdict"] {
  const less = after.spread[1] < before.spread[0];
  const more = after.spread[0] > before.spread[1];
  if (!less && !more) return "within the spread";
  // The spread of one sample is unknown; a count has none.
  if (before.samples === 1 && after.samples === 1 && !isPortable(path)) return "one sample";
  return more === moreIsBetter(path) ? "better" : "worse";
}

/** Prints the table; returns whether nothing became worse. */
export async function compare(fileA: string, fileB: string): Promise<boolean> {
  const [a, b] = await Promise.all([fileA, fileB].map(async (file) => JSON.parse(await Deno.readTextFile(file))));
  const found = figureChanges(a, b);
  const text = ({ median, spread }: Summary) => `${median} (${spread.join(" – ")})`;
  const rows = found.map(({ path, before, after, verdict }) => {
    const share = before.median === 0 ? "" : `${Math.round((after.median / before.median - 1) * 100)} %`;
    return [path, text(before), text(after), share, verdict === "within the spread" ? "" : verdict];
  });
  console.log(plainTable(["figure", String(a.commit), String(b.commit), "change", ""], rows));
  const worse = found.filter(({ verdict }) => verdict === "worse").map(({ path }) => path);
  console.log(worse.length === 0 ? "Nothing became worse." : `Worse: ${worse.join(", ")}.`);
  return worse.length === 0;
}
