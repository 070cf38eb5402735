/** How the operator fares, for people, Kubernetes and Prometheus: `/healthz`, `/readyz` and `/metrics`. */
import type { ReconcileRecord } from "../../lib/controller/mod.ts";
import { type ApiRequest, Metrics } from "./metrics.ts";
import { createPages } from "./pages.ts";
import { isReady, type OperatorStage, sentenceOf } from "./operator_stage.ts";
import type { Snapshot, StatusListener } from "./snapshot.ts";

export class HealthServer implements StatusListener {
  readonly metrics: Metrics;
  #stage: OperatorStage = { is: "starting", message: "nothing has been asked yet." };
  #view: Snapshot | undefined;

  constructor({ version }: { version: string }) {
    this.metrics = new Metrics({ version, stage: () => this.#stage, snapshot: () => this.#view });
  }

  stage(stage: OperatorStage): void {
    // Once it stops, what it still learns on the way makes it ready no more.
    if (this.#stage.is !== "stopping") this.#stage = stage;
  }

  snapshot(view: Snapshot): void {
    this.#view = view;
  }

  reconciled(record: ReconcileRecord): void {
    this.metrics.reconciled(record);
  }

  /** Told of each exchange with the API server. */
  observe(request: ApiRequest): void {
    this.metrics.requested(request);
  }

  /** Answers one request; never throws. */
  readonly answer = createPages({
    ready: () => ({ ready: isReady(this.#stage), sentence: sentenceOf(this.#stage) }),
    metrics: () => this.metrics.text(),
  });
}
