import assert from "node:assert/strict";
import { load } from "js-yaml";
import { parser } from "@prometheus-io/lezer-promql";
import { dashboard, dashboardFile, dataPanels } from "../../deploy/dashboard.ts";
import { withGeneratedPart } from "../../tests/lab/page_part.ts";
import { FrontMetrics } from "../front/front_metrics.ts";
import { frontMetrics, type LabelName, metricLabels, type MetricRow, operatorMetrics } from "./metric_table.ts";
import { metricReference } from "./metric_reference.ts";
import { Metrics } from "./metrics.ts";

const root = new URL("../../", import.meta.url);
const read = (path: string): string => Deno.readTextFileSync(new URL(path, root));
const files = "deploy/chart/files/";

const operator = () =>
  new Metrics({ version: "0", stage: () => ({ is: "syncing" }), ready: () => false, snapshot: () => undefined });
const front = () => new FrontMetrics({ ready: () => true, connections: () => 0 });
const all: Readonly<Record<string, MetricRow>> = { ...operatorMetrics, ...frontMetrics };

/** Returns name, type and HELP of each metric in a page of metrics. */
function described(page: string): Record<string, { help: string; type: string }> {
  const texts = (kind: string) =>
    Object.fromEntries(
      [...page.matchAll(new RegExp(`^# ${kind} (\\S+) (.*)$`, "gm"))].map(([, name, text]) => [name!, text!]),
    );
  const [help, type] = [texts("HELP"), texts("TYPE")];
  return Object.fromEntries(Object.keys(help).sort().map((name) => [name, { help: help[name]!, type: type[name]! }]));
}

Deno.test("metrics of both processes: exactly those of the table", async () => {
  for (const [metrics, table] of [[operator(), operatorMetrics], [front(), frontMetrics]] as const) {
    const expected = Object.fromEntries(
      Object.entries<MetricRow>(table).sort(([a], [b]) => a < b ? -1 : 1)
        .map(([name, { help, type }]) => [name, { help, type }]),
    );
    assert.deepEqual(described((await metrics.text()).body), expected);
  }
});

Deno.test("docs/monitoring.md and the chart's dashboard: as generated (deno task gen)", () => {
  const page = read("docs/monitoring.md");
  for (const [source, part] of metricReference()) assert.equal(withGeneratedPart(page, source, part), page, source);
  assert.equal(read(`${files}dashboard.json`), dashboardFile());
});

Deno.test("metric names: base units, counters end with _total", () => {
  for (const [name, { type }] of Object.entries(all)) {
    assert.equal(name.endsWith("_total"), type === "counter", name);
    assert.doesNotMatch(name, /_(ms|milliseconds|minutes|kb|mb)(_|$)/);
  }
});

Deno.test("labels: each is used, and former ones are no present labels of the metric", () => {
  const used = new Set(Object.values(all).flatMap(({ labels }) => labels));
  assert.deepEqual([...used].sort(), Object.keys(metricLabels).sort());
  for (const [name, { labels, former = {} }] of Object.entries(all)) {
    for (const [old, now] of Object.entries(former)) {
      assert.ok(labels.includes(now) && !labels.includes(old as LabelName), name);
    }
  }
});

Deno.test("reviews of any kind and requests of any name: a bounded number of series", async () => {
  const [metrics, reviewer] = [operator(), front()];
  const series = async ({ text }: { text: () => Promise<{ body: string }> }) =>
    (await text()).body.split("\n").filter((line) => line !== "" && !line.startsWith("#")).length;
  const bombard = (from: number) => {
    for (let index = from; index < from + 1000; index++) {
      reviewer.reviewed({ kind: `Kind${index}`, verdict: "allowed", durationMs: 1 });
      const path = `/api/v1/namespaces/guest-${index}/pods/pod-${index}/eviction`;
      metrics.requested({ method: "POST", path, stream: false, code: 201, durationMs: 1 });
    }
  };
  bombard(0);
  const before = [await series({ text: () => metrics.text() }), await series({ text: () => reviewer.text() })];
  bombard(1000);
  assert.deepEqual(
    [await series({ text: () => metrics.text() }), await series({ text: () => reviewer.text() })],
    before,
  );
});

/** Returns the syntax errors in a PromQL expression, found by Prometheus' own grammar. */
function mistakesIn(expr: string): string[] {
  const found: string[] = [];
  parser.parse(expr).iterate({
    enter: ({ type, from }) => {
      if (type.isError) found.push(`${expr.slice(0, from)} ⟨here⟩ ${expr.slice(from)}`);
    },
  });
  return found;
}

Deno.test("PromQL with a mistake: found", () => {
  assert.deepEqual(mistakesIn("max by (grant) (keystone_grant_ready) == 0"), []);
  assert.notDeepEqual(mistakesIn("max by grant (keystone_grant_ready) == 0"), []);
  assert.notDeepEqual(mistakesIn("rate(keystone_api_requests_total[10m) > 1"), []);
});

const { groups } = load(read(`${files}alerts.yaml`)) as {
  groups: {
    rules: {
      alert: string;
      expr: string;
      for?: string;
      labels: Record<string, string>;
      annotations: Record<string, string>;
    }[];
  }[];
};
const rules = groups.flatMap(({ rules }) => rules);

/** Names of metrics in PromQL, without the suffixes of histograms. */
const namesIn = (text: string): Set<string> =>
  new Set([...text.matchAll(/\b((?:keystone|process)_[a-z_]+?)(?:_bucket|_sum|_count)?\b/g)].map(([, name]) => name!));

Deno.test("dashboard and alerts: use only existing metrics and labels", () => {
  const asked = [
    ...rules.map(({ alert, expr }) => ({ by: alert, expr })),
    ...dataPanels().flatMap(({ title, targets }) => targets.map(({ expr }) => ({ by: title!, expr }))),
  ];
  assert.ok(asked.length > 40);
  for (const { by, expr } of asked) {
    assert.deepEqual(mistakesIn(expr), [], by);
    const names = namesIn(expr);
    assert.ok(names.size > 0, `${by}: ${expr}`);
    for (const name of names) assert.ok(name in all, `${by} asks for ${name}`);
    // Grouping or joining by a label that a metric doesn't have has no effect. Prometheus itself adds job and instance.
    for (const [, labels] of expr.matchAll(/\b(?:by|on|group_left) \(([^)]*)\)/g)) {
      for (const label of labels!.split(",").map((label) => label.trim())) {
        const known = /^(le|job|instance)$/.test(label) ||
          [...names].some((name) => all[name]!.labels.includes(label as LabelName));
        assert.ok(known, `${by} asks by ${label}: ${expr}`);
      }
    }
  }
});

Deno.test("alerts: each has a severity, a time, a sentence, and the address of its section in docs/alerts.md", () => {
  const sections = [...read("docs/alerts.md").matchAll(/^## (.*)$/gm)].map(([, title]) => title!);
  assert.deepEqual(sections.sort(), rules.map(({ alert }) => alert).sort());
  for (const { alert, for: time, labels, annotations } of rules) {
    assert.match(labels.severity!, /^(critical|warning|info)$/, alert);
    assert.match(time ?? "", /^\d+[mh]$/, alert);
    assert.match(annotations.summary!, /^[A-Z].*[^.]\.$/, alert);
    // Anchors of Markdown headings are in lower case.
    assert.match(annotations.runbook_url!, new RegExp(`^https://.*/docs/alerts\\.md#${alert.toLowerCase()}$`));
  }
});

Deno.test("dashboard: each panel has a title, a sentence, a unit and legends; two queries of a table merge", () => {
  const panels = dataPanels();
  assert.equal(new Set(panels.map(({ title }) => title)).size, panels.length);
  for (const { title, description, fieldConfig, targets, type, transformations = [], options = {} } of panels) {
    assert.match(description ?? "", /^[A-Z].*\.$/, title);
    assert.ok(fieldConfig?.defaults.unit, title);
    assert.ok(targets.length > 0, title);
    assert.ok(targets.every(({ legendFormat }) => legendFormat !== ""), title);
    // The labels of a legend are those that the query keeps.
    for (const { legendFormat, expr } of targets) {
      for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
        assert.ok(expr.includes(label!), `${title}: ${label}`);
      }
    }
    if (/timeseries|state-timeline/.test(type)) {
      assert.equal((options.legend as { showLegend?: boolean }).showLegend, true, title);
    }
    if (type === "table") assert.equal(transformations.some(({ id }) => id === "merge"), targets.length > 1, title);
  }
  const places = dashboard().panels!.map(({ gridPos }) => gridPos!);
  for (const [index, a] of places.entries()) {
    assert.ok(a.x + a.w <= 24);
    const overlaps = places.slice(0, index).some((b) =>
      a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h
    );
    assert.ok(!overlaps, `${index}`);
  }
});
