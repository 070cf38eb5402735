/** Metrics of the front. */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { addProcessMetrics } from "../server/process_metrics.ts";
import type { RequestRefusal } from "./bounded_server.ts";
import type { ReviewRecord } from "./review.ts";

const reviewedKinds: ReadonlySet<string> = new Set([
  ..."CronJob DaemonSet Deployment Job PersistentVolumeClaim Pod ReplicaSet ReplicationController".split(" "),
  ..."Service StatefulSet Grant Realm SuperEntity".split(" "),
]);

export class FrontMetrics {
  readonly registry = new Registry();
  readonly #reviews: Histogram;
  readonly #refusals: Counter;

  constructor({ ready, connections }: { ready: () => boolean; connections: () => number }) {
    const registers = [this.registry];
    const gauge = (name: string, help: string, value: () => number) =>
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(value());
        },
      });
    gauge(
      "keystone_front_ready",
      "1 while the front answers admission reviews, 0 while it does not.",
      () => Number(ready()),
    );
    gauge("keystone_front_connections", "Connections to the admission webhook.", connections);
    this.#refusals = new Counter({
      name: "keystone_front_refusals_total",
      help: "Clients that the admission webhook refused before judging a review: full, slow, memory or malformed.",
      labelNames: ["reason"],
      registers,
    });
    this.#reviews = new Histogram({
      name: "keystone_admission_review_duration_seconds",
      help: "Duration of admission reviews, by kind of object and verdict.",
      labelNames: ["kind", "verdict"],
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 3],
      registers,
    });
    addProcessMetrics(this.registry);
  }

  readonly refused = (reason: RequestRefusal): void => this.#refusals.inc({ reason });

  readonly reviewed = ({ kind, verdict, durationMs }: ReviewRecord): void =>
    // Unknown kinds share a series, so that the number of series is bounded.
    this.#reviews.observe({ kind: reviewedKinds.has(kind) ? kind : "other", verdict }, durationMs / 1000);

  /** Returns the metrics in the Prometheus text format. */
  async text(): Promise<{ body: string; type: string }> {
    return { body: await this.registry.metrics(), type: this.registry.contentType };
  }
}
