/** The figures as charts. */
import { type Bar, barChart, lineChart } from "./bench_chart.ts";
import { figureAt, type Figures } from "./figures.ts";
import type { Distribution } from "./statistics.ts";

/** The charts' alternative texts, by file. */
export const pictures = {
  "efficiency.svg": "Efficiency: the bare loop's time divided by the operator's, and the targets",
  "processor.svg": "Processor time by process, with the bare loop and with the operator",
  "latency.svg": "Time until a grant is enforced, alone and in a burst of 1,000, and until its end is enforced",
  "scale.svg": "Time and memory against the number of grants, both axes logarithmic",
};

/** Returns SVG files by name. */
export const plots = (result: Figures): Map<string, string> =>
  new Map([
    ["efficiency.svg", efficiency(result)],
    ["processor.svg", processor(result)],
    ["latency.svg", latency(result)],
    ["scale.svg", scale(result)],
  ]);

/** Percentage of grants that were enforced, over time. */
function latency(result: Figures): string {
  const names = { idle: "alone", burst: "1,000 at once", expiry: "end of 50 at once" };
  const lines = Object.entries(names).map(([path, name]) => {
    const { quantiles = [] } = (figureAt(result, `latency.${path}`) ?? {}) as Partial<Distribution>;
    return { name, points: quantiles.map((ms, index): [number, number] => [Math.max(ms, 1), index * 5]) };
  });
  return lineChart({
    alt: pictures["latency.svg"],
    legend: "grants",
    x: "milliseconds until enforced",
    panels: [{ title: "% of the grants", y: "linear", lines }],
  });
}

/** Time and memory over the number of grants. On logarithmic axes, a time in proportion to it has the slope 1. */
function scale(result: Figures): string {
  const shapes: [name: string, path: string, grants: number][] = [
    ["100 to each realm", "100", 100],
    ["100 to each realm", "1000", 1000],
    ["100 to each realm", "10000", 10_000],
    ["one to each realm", "wide", 1000],
    ["one to each realm", "wide10k", 10_000],
  ];
  const lines = (key: string) =>
    [...Map.groupBy(shapes, ([name]) => name)].map(([name, group]) => ({
      name,
      points: group.flatMap(([, path, grants]): [number, number][] => {
        const figure = figureAt(result, `${key}.${path}`);
        return figure ? [[grants, figure.median]] : [];
      }),
    }));
  return lineChart({
    alt: pictures["scale.svg"],
    legend: "grants",
    x: "grants",
    points: true,
    panels: [
      { title: "seconds until all are enforced", y: "log", lines: lines("scale") },
      { title: "memory, MB", y: "log", lines: lines("rss") },
    ],
  });
}

/** The operator's speed relative to the bare loop's, and the targets. */
function efficiency(result: Figures): string {
  const shapes: [path: string, name: string, target: number][] = [
    ["wide", "1,000 × 1", 0.8],
    ["deep", "100 × 100", 0.8],
    ["wide10k", "10,000 × 1", 0.65],
  ];
  const bars = shapes.flatMap(([path, name, target]): Bar[] => {
    const figure = figureAt(result, `efficiency.${path}`);
    return figure ? [{ name, target, parts: [{ value: figure.median }], spread: figure.spread }] : [];
  });
  const x = "bare loop ÷ operator, for realms × grants; red: target";
  const title = "Speed of the operator relative to the bare loop";
  return barChart({ alt: pictures["efficiency.svg"], x, panels: [{ title, bars }] });
}

/** Processor time of each process until everything is enforced. */
function processor(result: Figures): string {
  const shapes = { wide: "1,000 realms × 1 grant", deep: "100 realms × 100 grants" };
  const programs = { bare: "bare loop", operator: "operator" };
  const processes = {
    itself: "itself",
    apiserver: "API server",
    etcd: "etcd",
    controllerManager: "controller-manager",
  };
  const panels = Object.entries(shapes).map(([shape, title]) => ({
    title,
    bars: Object.entries(programs).map(([program, name]) => ({
      name,
      parts: Object.entries(processes).flatMap(([process, name]) => {
        const figure = figureAt(result, `processor.${shape}.${program}.${process}`);
        return figure ? [{ name, value: figure.median }] : [];
      }),
    })),
  }));
  return barChart({ alt: pictures["processor.svg"], x: "seconds of processor time", panels });
}
