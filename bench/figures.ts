/** Access to results: the figures, and their better direction. */
import type { Summary } from "./statistics.ts";

/** A result file, or a part of one. */
export type Figures = { [name: string]: unknown };

/** Returns the figure at a path such as `efficiency.wide`; undefined if it was not measured. */
export function figureAt(result: Figures, path: string): Summary | undefined {
  const found = path.split(".").reduce<unknown>((part, name) => (part as Figures | undefined)?.[name], result);
  return isSummary(found) ? found : undefined;
}

/** Returns all figures by path. */
export function figuresOf(result: Figures, prefix = ""): Map<string, Summary> {
  return new Map(
    Object.entries(result).flatMap(([name, part]) => {
      const own: [string, Summary][] = isSummary(part) ? [[prefix + name, part]] : [];
      return typeof part === "object" && part !== null && !Array.isArray(part)
        ? [...own, ...figuresOf(part as Figures, `${prefix}${name}.`)]
        : own;
    }),
  );
}

const isSummary = (part: unknown): part is Summary =>
  typeof part === "object" && part !== null && "median" in part && "spread" in part;

/** Reports whether higher is better. */
export const moreIsBetter = (path: string): boolean => /^(ceiling|efficiency)\b|\bgrantsPerSecond$/.test(path);

/** Reports whether the figure is comparable between machines: a ratio or a count. */
export const isPortable = (path: string): boolean =>
  /^(efficiency|writesPerGrant|readsPerGrant|steadyState|webhook\.ratio|tailnet\.added\.ratio)\b|^restart\.(writes|reads)$|^beside\.\w+\.ratio\b|^beside\..*\b(writesPerGrant|readsPerGrant|writes|reads)$/
    .test(path);

/**
 * Returns the memory for 10,000 more grants, from the difference of two numbers of grants; undefined until both were
 * measured.
 */
export function memorySlope(result: Figures): Summary | undefined {
  const [few, many] = [figureAt(result, "rss.100"), figureAt(result, "rss.10000")];
  if (!few || !many) return undefined;
  const slope = (less: number, more: number) => Math.round((more - less) / 9_900 * 10_000);
  return {
    median: slope(few.median, many.median),
    spread: [slope(few.spread[1], many.spread[0]), slope(few.spread[0], many.spread[1])],
    samples: Math.min(few.samples, many.samples),
  };
}
