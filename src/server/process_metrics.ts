import { Gauge, type Registry } from "prom-client";

/** Adds metrics of this process. prom-client's default metrics read values that Deno doesn't have. */
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
  gauge("process_resident_memory_bytes", "Resident memory of this process.", () => Deno.memoryUsage().rss);
  gauge(
    "process_heap_bytes",
    "JavaScript heap in use by this process.",
    () => Deno.memoryUsage().heapUsed,
  );
  gauge("process_start_time_seconds", "Start time of this process, in seconds since 1970.", () => startedAt);
}
