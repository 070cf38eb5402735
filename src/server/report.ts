/** How the operator fares, for people, Kubernetes and Prometheus: `/healthz`, `/readyz` and `/metrics`. */
import type { ReconcileRecord } from "../../lib/controller/mod.ts";
import { type ApiRequest, Metrics, type Review } from "./metrics.ts";
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

  /** Told of each admission review. */
  readonly reviewed = (review: Review): void => this.metrics.reviewed(review);

  /**
   * Answers one request; never throws. `/healthz` says that the process lives, whatever its surroundings do: to restart
   * it would mend none of that.
   */
  readonly answer = async (request: Request): Promise<Response> => {
    const { pathname } = new URL(request.url);
    const page = this.#pages[pathname];
    if (!page) return text(404, `There is nothing at ${pathname}; ask for /healthz, /readyz or /metrics.`);
    if (request.method !== "GET" && request.method !== "HEAD") {
      return text(405, `${pathname} is only to be read.`, { allow: "GET, HEAD" });
    }
    return await page();
  };

  readonly #pages: Readonly<Record<string, (() => Response | Promise<Response>) | undefined>> = {
    __proto__: null as never,
    "/healthz": () => text(200, "ok"),
    "/readyz": () => text(isReady(this.#stage) ? 200 : 503, sentenceOf(this.#stage)),
    "/metrics": async () => {
      try {
        const { body, type } = await this.metrics.text();
        return new Response(body, { headers: { "content-type": type } });
      } catch (error) {
        return text(500, `The metrics can't be told: ${error instanceof Error ? error.message : error}`);
      }
    },
  };
}

const text = (status: number, sentence: string, headers: Record<string, string> = {}): Response =>
  new Response(`${sentence}\n`, { status, headers: { "content-type": "text/plain; charset=utf-8", ...headers } });
