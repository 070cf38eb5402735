import assert from "node:assert/strict";
import { load } from "js-yaml";
import { parser } from "@prometheus-io/lezer-promql";
import type { Registry } from "prom-client";
import { FrontMetrics } from "../front/front_metrics.ts";
import { Metrics } from "./metrics.ts";

const docs = new URL("../../docs/monitoring.md", import.meta.url);

const registries = () => [
  new Metrics({ version: "0", stage: () => ({ is: "syncing" }), ready: () => false, snapshot: () => undefined })
    .registry,
  new FrontMetrics({ ready: () => true, connections: () => 0 }).registry,
];

/** Name, labels and help of each metric, as table rows of docs/monitoring.md. */
const rows = async (): Promise<string[]> => (await Promise.all(registries().map(rowsOf))).flat();

async function rowsOf(registry: Registry): Promise<string[]> {
  const described = await registry.getMetricsAsJSON();
  return described.map(({ name, help }) => {
    const { labelNames } = registry.getSingleMetric(name) as unknown as { labelNames: string[] };
    return `| \`${name}\` | ${labelNames.map((label) => `\`${label}\``).join(", ")} | ${help} |`;
  });
}

Deno.test("docs/monitoring.md: lists each metric with its labels and help", async () => {
  const listed = (await Deno.readTextFile(docs)).split("\n").filter((line) => /^\| `(keystone|process)_/.test(line));
  assert.deepEqual(listed, await rows());
});

Deno.test("metric names: base units, counters end with _total", async () => {
  const described = await Promise.all(registries().map((registry) => registry.getMetricsAsJSON()));
  for (const { name, type } of described.flat()) {
    assert.equal(name.endsWith("_total"), String(type) === "counter", name);
    assert.doesNotMatch(name, /_(ms|milliseconds|minutes|kb|mb)(_|$)/);
  }
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

/** Names of metrics in PromQL, without the suffixes of histograms. */
const namesIn = (text: string): Set<string> =>
  new Set([...text.matchAll(/\b((?:keystone|process)_[a-z_]+?)(?:_bucket|_sum|_count)?\b/g)].map(([, name]) => name!));

Deno.test("dashboard and alerts: use only existing metrics and labels", async () => {
  const all = registries();
  const described = await Promise.all(all.map((registry) => registry.getMetricsAsJSON()));
  const exported = new Set(described.flat().map(({ name }) => name));
  const labelsOf = (name: string): readonly string[] =>
    all.flatMap((registry) => registry.getSingleMetric(name) ?? [])
      .flatMap((metric) => (metric as unknown as { labelNames: string[] }).labelNames);
  const files = new URL("../../deploy/chart/files/", import.meta.url);
  const alerts = load(await Deno.readTextFile(new URL("alerts.yaml", files))) as {
    groups: { rules: { alert: string; expr: string; annotations: { runbook: string } }[] }[];
  };
  const dashboard = JSON.parse(await Deno.readTextFile(new URL("dashboard.json", files))) as {
    panels: { title: string; targets: { expr: string }[] }[];
  };
  const rules = alerts.groups.flatMap(({ rules }) => rules);
  const asked = [
    ...rules.map(({ alert, expr }) => ({ by: alert, expr })),
    ...dashboard.panels.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ by: title, expr }))),
  ];
  assert.ok(asked.length > 30);
  for (const { by, expr } of asked) {
    assert.deepEqual(mistakesIn(expr), [], by);
    const names = namesIn(expr);
    assert.ok(names.size > 0, `${by}: ${expr}`);
    for (const name of names) assert.ok(exported.has(name), `${by} asks for ${name}`);
    // Grouping by a label that a metric doesn't have has no effect.
    for (const [, labels] of expr.matchAll(/\bby \(([^)]*)\)/g)) {
      for (const label of labels!.split(",").map((label) => label.trim()).filter((label) => label !== "le")) {
        const known = [...names].some((name) => labelsOf(name).includes(label));
        assert.ok(known, `${by} asks by ${label}: ${expr}`);
      }
    }
  }
  const runbooks = await Deno.readTextFile(new URL("../../docs/alerts.md", import.meta.url));
  for (const { alert, annotations } of rules) {
    assert.equal(annotations.runbook, `docs/alerts.md#${alert.toLowerCase()}`);
    assert.ok(runbooks.includes(`\n## ${alert}\n`), `docs/alerts.md has no ${alert}`);
  }
});
