/** How the operator fares, for people, Kubernetes and Prometheus: `/healthz`, `/readyz` and `/metrics`. */
import type { ReconcileRecord } from "../../lib/controller/mod.ts";
import { type ApiRequest, Metrics } from "./metrics.ts";
import { createPages } from "./pages.ts";
import { isReady, sentenceOf, type Stage } from "./stage.ts";
import type { Audience, View } from "./view.ts";

export class Report implements Audience {
  readonly metrics: Metrics;
  #stage: Stage = { is: "starting", message: "nothing has been asked yet." };
  #view: View | undefined;

  constructor({ version }: { version: string }) {
    this.metrics = new Metrics({ version, stage: () => this.#stage, view: () => this.#view });
  }

  stage(stage: Stage): void {
    // Once it stops, what it still learns on the way makes it ready no more.
    if (this.#stage.is !== "stopping") this.#stage = stage;
  }

  view(view: View): void {
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
