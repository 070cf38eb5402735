import type { MetricSet } from "./metric_set.ts";
import type { processMetrics } from "./metric_table.ts";

/** Adds metrics of this process. prom-client's default metrics read values that Deno doesn't have. */
export function addProcessMetrics(
  set: MetricSet<typeof processMetrics>,
  build: { version: string; component: "operator" | "front" },
): void {
  const startedAt = Date.now() / 1000;
  set.gauge("keystone_build_info", () => [[build, 1]]);
  set.gauge("process_resident_memory_bytes", () => [[{}, Deno.memoryUsage().rss]]);
  set.gauge("process_heap_bytes", () => [[{}, Deno.memoryUsage().heapUsed]]);
  set.gauge("process_start_time_seconds", () => [[{}, startedAt]]);
}
