/** Metrics of the front. */
import { MetricSet } from "../server/metric_set.ts";
import { frontMetrics } from "../server/metric_table.ts";
import { addProcessMetrics } from "../server/process_metrics.ts";
import { version } from "../version.ts";
import type { RequestRefusal } from "./bounded_server.ts";
import type { ReviewRecord } from "./review.ts";
import { type CutReason, cutReasons } from "./tailnet/streams.ts";
import { type TailnetRefusal, tailnetRefusals } from "./tailnet/server_parts.ts";

const reviewedKinds: ReadonlySet<string> = new Set([
  ..."CronJob DaemonSet Deployment Job PersistentVolumeClaim Pod ReplicaSet ReplicationController".split(" "),
  ..."Service StatefulSet Grant Realm SuperEntity".split(" "),
]);

const refusals: readonly RequestRefusal[] = ["full", "slow", "memory", "malformed"];

export class FrontMetrics {
  readonly #set = new MetricSet(frontMetrics);
  readonly #review = this.#set.histogram("keystone_admission_review_duration_seconds");
  readonly #refusal = this.#set.counter("keystone_front_refusals_total");

  readonly #tailnetRequest = this.#set.counter("keystone_tailnet_requests_total");
  readonly #tailnetCut = this.#set.counter("keystone_tailnet_cut_total");
  readonly #tailnetRefusal = this.#set.counter("keystone_tailnet_refused_total");

  constructor(
    { ready, connections, tailnet = () => [] }: {
      ready: () => boolean;
      connections: () => number;
      /** Connections from the tailnet by realm. */
      tailnet?: () => Iterable<[realm: string, count: number]>;
    },
  ) {
    this.#set.gauge("keystone_front_ready", () => [[{}, Number(ready())]]);
    this.#set.gauge("keystone_front_connections", () => [[{}, connections()]]);
    this.#set.gauge(
      "keystone_tailnet_connections",
      () => [...tailnet()].map(([realm, count]) => [{ realm }, count] as [{ realm: string }, number]),
    );
    for (const reason of cutReasons) this.#tailnetCut({ reason }, 0);
    for (const reason of tailnetRefusals) this.#tailnetRefusal({ reason }, 0);
    addProcessMetrics(this.#set, { version, component: "front" });
    for (const reason of refusals) this.#refusal({ reason }, 0);
  }

  readonly refused = (reason: RequestRefusal): void => this.#refusal({ reason });

  readonly tailnetAnswered = (realm: string, status: number): void =>
    this.#tailnetRequest({ realm, code: String(status) });

  readonly tailnetCut = (reason: CutReason): void => this.#tailnetCut({ reason });

  readonly tailnetRefused = (reason: TailnetRefusal): void => this.#tailnetRefusal({ reason });

  readonly reviewed = ({ kind, verdict, durationMs }: ReviewRecord): void =>
    // Unknown kinds share a series, so that the number of series is bounded.
    this.#review({ kind: reviewedKinds.has(kind) ? kind : "other", verdict }, durationMs);

  /** Returns the metrics in the Prometheus text format. */
  text(): Promise<{ body: string; type: string }> {
    return this.#set.text();
  }
}
