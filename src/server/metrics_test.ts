import assert from "node:assert/strict";
import { Metrics } from "./metrics.ts";

const docs = new URL("../../docs/monitoring.md", import.meta.url);

/** Name, labels and help of each metric, as a row of the table in docs/monitoring.md. */
async function rows(): Promise<string[]> {
  const { registry } = new Metrics({ version: "0", stage: () => ({ is: "syncing" }), view: () => undefined });
  const described = await registry.getMetricsAsJSON();
  return described.map(({ name, help }) => {
    const { labelNames } = registry.getSingleMetric(name) as unknown as { labelNames: string[] };
    return `| \`${name}\` | ${labelNames.map((label) => `\`${label}\``).join(", ")} | ${help} |`;
  });
}

Deno.test("docs/monitoring.md lists each metric as it is", async () => {
  const listed = (await Deno.readTextFile(docs)).split("\n").filter((line) => /^\| `(keystone|process)_/.test(line));
  assert.deepEqual(listed, await rows());
});

Deno.test("metrics are named as Prometheus wants: base units, counters end with _total", async () => {
  const { registry } = new Metrics({ version: "0", stage: () => ({ is: "syncing" }), view: () => undefined });
  for (const { name, type } of await registry.getMetricsAsJSON()) {
    assert.equal(name.endsWith("_total"), String(type) === "counter", name);
    assert.doesNotMatch(name, /_(ms|milliseconds|minutes|kb|mb)(_|$)/);
  }
});
