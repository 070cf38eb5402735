/** Registers the metrics of a table. */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { LabelName, MetricRow, MetricTable } from "./metric_table.ts";

/** Value of each label of a metric, except former ones, which are added. */
export type LabelsOf<Row extends MetricRow> = Readonly<Record<Row["labels"][number], string>>;

/** One series of a gauge. */
export type MetricSample<Row extends MetricRow = MetricRow> = [labels: LabelsOf<Row>, value: number];

type OfType<Table extends MetricTable, Type extends MetricRow["type"]> = {
  [Name in keyof Table & string]: Table[Name]["type"] extends Type ? Name : never;
}[keyof Table & string];

/** The metrics of one process: exactly those of its table. */
export class MetricSet<Table extends MetricTable> {
  readonly registry = new Registry();
  readonly #table: Table;

  constructor(table: Table) {
    this.#table = table;
  }

  /** Adds a gauge whose series are collected at each scrape. */
  gauge<Name extends OfType<Table, "gauge">>(name: Name, samples: () => Iterable<MetricSample<Table[Name]>>): void {
    const { help, former, labelNames } = this.#row(name);
    new Gauge({
      name,
      help,
      labelNames,
      registers: [this.registry],
      collect() {
        this.reset();
        // Without labels, prom-client creates the series itself.
        for (const [labels, value] of samples()) this.set(withFormer(labels, former), value);
      },
    });
  }

  /** Adds a counter; returns the function that increases it. */
  counter<Name extends OfType<Table, "counter">>(name: Name): (labels: LabelsOf<Table[Name]>, by?: number) => void {
    const { help, former, labelNames } = this.#row(name);
    const counter = new Counter({ name, help, labelNames, registers: [this.registry] });
    return (labels, by = 1) => counter.inc(withFormer(labels, former), by);
  }

  /** Adds a histogram; returns the function that adds a duration to it. */
  histogram<Name extends OfType<Table, "histogram">>(
    name: Name,
  ): (labels: LabelsOf<Table[Name]>, durationMs: number) => void {
    const { help, former, labelNames, buckets } = this.#row(name);
    const histogram = new Histogram({ name, help, labelNames, buckets: [...buckets!], registers: [this.registry] });
    return (labels, durationMs) => histogram.observe(withFormer(labels, former), durationMs / 1000);
  }

  /** Returns the metrics in the Prometheus text format. */
  async text(): Promise<{ body: string; type: string }> {
    return { body: await this.registry.metrics(), type: this.registry.contentType };
  }

  #row(name: string): MetricRow & { former: Record<string, LabelName>; labelNames: string[] } {
    const row = this.#table[name]!;
    const former = { ...row.former };
    return { ...row, former, labelNames: [...row.labels, ...Object.keys(former)] };
  }
}

type Labels = Readonly<Record<string, string>>;

function withFormer(labels: Labels, former: Readonly<Record<string, LabelName>>): Labels {
  const added: Record<string, string> = { ...labels };
  for (const [old, now] of Object.entries(former)) added[old] = labels[now]!;
  return added;
}
