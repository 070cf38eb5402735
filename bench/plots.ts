/** The figures as pictures. */
import * as vega from "vega";
import { compile, type TopLevelSpec } from "vega-lite";
import { figureAt, type Figures } from "./figures.ts";
import type { Distribution } from "./statistics.ts";

/** SVG files by name. */
export async function plots(result: Figures): Promise<Map<string, string>> {
  const specs = {
    latency: latency(result),
    scale: scale(result),
    efficiency: efficiency(result),
    processor: processor(result),
    writes: writes(result),
  };
  return new Map(
    await Promise.all(
      Object.entries(specs).map(async ([name, spec]): Promise<[string, string]> => {
        const view = new vega.View(vega.parse(compile({ ...look, ...spec }).spec), { renderer: "none" });
        return [`${name}.svg`, `${await view.toSVG()}\n`];
      }),
    ),
  );
}

const look = { config: { background: "white", view: { stroke: null }, axis: { titleFontWeight: "normal" as const } } };

/** Which share of the grants was enforced after how long. */
function latency(result: Figures): TopLevelSpec {
  const names = { idle: "alone", burst: "1,000 at once", expiry: "end of 50 at once" };
  const values = Object.entries(names).flatMap(([name, what]) => {
    const { quantiles = [] } = (figureAt(result, `latency.${name}`) ?? {}) as Partial<Distribution>;
    return quantiles.map((ms, index) => ({ what, ms: Math.max(ms, 1), share: index * 5 }));
  });
  return {
    width: 480,
    height: 240,
    data: { values },
    mark: { type: "line", interpolate: "monotone" },
    encoding: {
      x: { field: "ms", type: "quantitative", scale: { type: "log" }, title: "milliseconds until it holds" },
      y: { field: "share", type: "quantitative", title: "% of the grants" },
      color: { field: "what", type: "nominal", title: "grants" },
    },
  };
}

/** Time and memory against the number of grants. */
function scale(result: Figures): TopLevelSpec {
  const shapes: [string, string, number][] = [
    ["100", "100 to each realm", 100],
    ["1000", "100 to each realm", 1000],
    ["10000", "100 to each realm", 10_000],
    ["wide", "one to each realm", 1000],
    ["wide10k", "one to each realm", 10_000],
  ];
  const values = [["scale", "seconds until all are enforced"], ["rss", "memory, MB"]].flatMap(([key, panel]) =>
    shapes.flatMap(([name, shape, grants]) => {
      const figure = figureAt(result, `${key}.${name}`);
      return figure ? [{ panel, shape, grants, value: figure.median }] : [];
    })
  );
  return {
    data: { values },
    facet: { field: "panel", type: "nominal", title: null, sort: "descending" },
    resolve: { scale: { y: "independent" } },
    spec: {
      width: 240,
      height: 220,
      mark: { type: "line", point: true },
      encoding: {
        x: { field: "grants", type: "quantitative", scale: { type: "log" }, title: "grants" },
        y: { field: "value", type: "quantitative", title: null },
        color: { field: "shape", type: "nominal", title: "grants" },
      },
    },
  };
}

/** The operator's speed as a share of the bare loop's. */
function efficiency(result: Figures): TopLevelSpec {
  const shapes: [string, string, number][] = [
    ["wide", "1,000 × 1", 0.8],
    ["deep", "100 × 100", 0.8],
    ["wide10k", "10,000 × 1", 0.65],
  ];
  const values = shapes.flatMap(([name, shape, target]) => {
    const figure = figureAt(result, `efficiency.${name}`);
    return figure ? [{ shape, target, value: figure.median, least: figure.spread[0], most: figure.spread[1] }] : [];
  });
  const x = { field: "shape", type: "nominal", sort: null, title: "realms × grants", axis: { labelAngle: 0 } } as const;
  return {
    width: 320,
    height: 240,
    data: { values },
    encoding: { x },
    layer: [
      {
        mark: { type: "bar", size: 48 },
        encoding: {
          y: { field: "value", type: "quantitative", title: "bare loop ÷ operator", scale: { domain: [0, 1] } },
        },
      },
      { mark: "rule", encoding: { y: { field: "least", type: "quantitative" }, y2: { field: "most" } } },
      {
        mark: { type: "tick", color: "firebrick", thickness: 2, size: 64 },
        encoding: { y: { field: "target", type: "quantitative" } },
      },
    ],
  };
}

/** What each process takes of the processor until all is enforced. */
function processor(result: Figures): TopLevelSpec {
  const shapes = { wide: "1,000 realms × 1 grant", deep: "100 realms × 100 grants" };
  const programs = { bare: "bare loop", operator: "operator" };
  const processes = {
    itself: "itself",
    apiserver: "API server",
    etcd: "etcd",
    controllerManager: "controller-manager",
  };
  const values = Object.entries(shapes).flatMap(([shape, panel]) =>
    Object.entries(programs).flatMap(([program, name]) =>
      Object.entries(processes).flatMap(([process, label], order) => {
        const figure = figureAt(result, `processor.${shape}.${program}.${process}`);
        return figure ? [{ panel, program: name, process: label, order, seconds: figure.median }] : [];
      })
    )
  );
  return {
    data: { values },
    facet: { field: "panel", type: "nominal", title: null, sort: Object.values(shapes) },
    columns: 1,
    resolve: { scale: { x: "independent" } },
    spec: {
      width: 420,
      height: { step: 28 },
      mark: "bar",
      encoding: {
        x: { field: "seconds", type: "quantitative", title: "seconds of processor time" },
        y: { field: "program", type: "nominal", title: null, sort: Object.values(programs) },
        color: { field: "process", type: "nominal", title: null, sort: Object.values(processes) },
        order: { field: "order", type: "quantitative" },
      },
    },
  };
}

/** What a new grant to a new realm makes the operator write. */
function writes(result: Figures): TopLevelSpec {
  const { requests = {} } = (result.writesPerGrant ?? {}) as { requests?: Record<string, number> };
  const grants = Number((result.scale as Record<string, { grants: number }> | undefined)?.wide?.grants ?? 1);
  const values = Object.entries(requests)
    .filter(([what]) => !/ leases|^(watch|get|list) /.test(what))
    .map(([what, count]) => ({ what, count: count / grants }));
  return {
    width: 320,
    height: { step: 22 },
    data: { values },
    mark: "bar",
    encoding: {
      x: { field: "count", type: "quantitative", title: "writes for each grant" },
      y: { field: "what", type: "nominal", sort: "-x", title: null },
    },
  };
}
