/** Health and metrics of the operator: `/healthz`, `/readyz` and `/metrics`. */
import type { ReconcileRecord } from "../../lib/controller/mod.ts";
import { type ApiRequest, Metrics } from "./metrics.ts";
import { createPages } from "./pages.ts";
import { isReady, type OperatorStage, sentenceOf } from "./operator_stage.ts";
import type { Snapshot, StatusListener } from "./snapshot.ts";

export class HealthServer implements StatusListener {
  readonly metrics: Metrics;
  #stage: OperatorStage = { is: "starting", message: "the operator has just started." };
  #view: Snapshot | undefined;

  constructor({ version }: { version: string }) {
    this.metrics = new Metrics({
      version,
      stage: () => this.#stage,
      ready: () => isReady(this.#stage, this.#view?.circumstances?.()),
      snapshot: () => this.#view,
    });
  }

  stage(stage: OperatorStage): void {
    // Once it stops, later stages don't make it ready again.
    if (this.#stage.is !== "stopping") this.#stage = stage;
  }

  snapshot(view: Snapshot): void {
    this.#view = view;
    this.metrics.expect(Object.keys(view.queues));
  }

  reconciled(record: ReconcileRecord): void {
    this.metrics.reconciled(record);
  }

  /** Counts an exchange with the API server. */
  observe(request: ApiRequest): void {
    this.metrics.requested(request);
  }

  /** Answers one request; never throws. */
  readonly answer = createPages({
    ready: () => {
      const circumstances = this.#view?.circumstances?.();
      return { ready: isReady(this.#stage, circumstances), sentence: sentenceOf(this.#stage, circumstances) };
    },
    metrics: () => this.metrics.text(),
  });
}
