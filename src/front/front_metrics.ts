/** Metrics of the front. */
import { MetricSet } from "../server/metric_set.ts";
import { frontMetrics } from "../server/metric_table.ts";
import { addProcessMetrics } from "../server/process_metrics.ts";
import { version } from "../version.ts";
import type { RequestRefusal } from "./bounded_server.ts";
import type { ReviewRecord } from "./review.ts";

const reviewedKinds: ReadonlySet<string> = new Set([
  ..."CronJob DaemonSet Deployment Job PersistentVolumeClaim Pod ReplicaSet ReplicationController".split(" "),
  ..."Service StatefulSet Grant Realm SuperEntity".split(" "),
]);

const refusals: readonly RequestRefusal[] = ["full", "slow", "memory", "malformed"];

export class FrontMetrics {
  readonly #set = new MetricSet(frontMetrics);
  readonly #review = this.#set.histogram("keystone_admission_review_duration_seconds");
  readonly #refusal = this.#set.counter("keystone_front_refusals_total");

  constructor({ ready, connections }: { ready: () => boolean; connections: () => number }) {
    this.#set.gauge("keystone_front_ready", () => [[{}, Number(ready())]]);
    this.#set.gauge("keystone_front_connections", () => [[{}, connections()]]);
    addProcessMetrics(this.#set, { version, component: "front" });
    for (const reason of refusals) this.#refusal({ reason }, 0);
  }

  readonly refused = (reason: RequestRefusal): void => this.#refusal({ reason });

  readonly reviewed = ({ kind, verdict, durationMs }: ReviewRecord): void =>
    // Unknown kinds share a series, so that the number of series is bounded.
    this.#review({ kind: reviewedKinds.has(kind) ? kind : "other", verdict }, durationMs);

  /** Returns the metrics in the Prometheus text format. */
  text(): Promise<{ body: string; type: string }> {
    return this.#set.text();
  }
}
