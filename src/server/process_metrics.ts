import { Gauge, type Registry } from "prom-client";

/** Adds what there is to know of this process. Not prom-client's own metrics: those read what Deno doesn't have. */
export function addProcessMetrics(registry: Registry): void {
  const startedAt = Date.now() / 1000;
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(value());
      },
    });
  gauge("process_resident_memory_bytes", "Memory of this process.", () => Deno.memoryUsage().rss);
  gauge(
    "process_heap_bytes",
    "JavaScript heap of this process that is in use.",
    () => Deno.memoryUsage().heapUsed,
  );
  gauge("process_start_time_seconds", "When this process began, in seconds since 1970.", () => startedAt);
}
