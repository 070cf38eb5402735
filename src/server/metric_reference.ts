/** Tables of docs/monitoring.md, from the table of metrics. */
import { frontMetrics, metricLabels, type MetricRow, type MetricTable, operatorMetrics } from "./metric_table.ts";

const source = "src/server/metric_table.ts";
const code = (text: string): string => `\`${text}\``;
const markdownTable = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |\n`).join("");

/** Returns the generated parts of the page, by the source that the page names. */
export const metricReference = (): ReadonlyMap<string, string> =>
  new Map([
    [`${source}, the operator's`, metricsTable(operatorMetrics)],
    [`${source}, the front's`, metricsTable(frontMetrics)],
    [`${source}, labels`, labelsTable()],
    [`${source}, former labels`, formerTable()],
  ]);

const metricsTable = (metrics: MetricTable): string =>
  markdownTable(
    ["metric", "labels", "meaning"],
    Object.entries(metrics).map(([name, { labels, help }]) => [code(name), labels.map(code).join(", "), help]),
  );

const labelsTable = (): string =>
  markdownTable(
    ["label", "meaning", "at most"],
    Object.entries(metricLabels).map(([name, { meaning, bound }]) => [code(name), meaning, bound]),
  );

function formerTable(): string {
  const rows = Object.entries<MetricRow>({ ...operatorMetrics, ...frontMetrics }).flatMap(([name, { former = {} }]) =>
    Object.entries(former).map(([old, now]) => [code(name), code(old), code(now)])
  );
  return markdownTable(["metric", "former label", "label"], rows);
}
