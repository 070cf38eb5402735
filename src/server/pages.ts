/** The pages `/healthz`, `/readyz` and `/metrics` of a process. */

import { Hono } from "hono";

export interface PageSources {
  ready(): { ready: boolean; sentence: string };
  metrics(): Promise<MetricsText>;
}

export interface MetricsText {
  body: string;
  /** Content type. */
  type: string;
}

/** Metrics may take this part of the time in the long run, and this much at once; who asks more often gets the last ones. */
const share = 0.05;
const burstMs = 200;

/**
 * Answers requests; never throws. `/healthz` says that the process lives, whatever its surroundings do: a restart would
 * repair none of that.
 */
export function createPages({ ready, metrics }: PageSources): (request: Request) => Promise<Response> {
  let shown: Promise<MetricsText> | undefined;
  let spentMs = 0;
  let at = performance.now();
  const current = (): Promise<MetricsText> => {
    const now = performance.now();
    spentMs = Math.max(0, spentMs - (now - at) * share);
    at = now;
    if (shown && spentMs > burstMs) return shown;
    shown = metrics();
    shown.finally(() => spentMs += performance.now() - now).catch(() => {});
    return shown;
  };
  const pages: Readonly<Record<string, () => Response | Promise<Response>>> = {
    "/healthz": () => text(200, "ok"),
    "/readyz": () => {
      const { ready: isReady, sentence } = ready();
      return text(isReady ? 200 : 503, sentence);
    },
    "/metrics": async () => {
      const { body, type } = await current();
      return new Response(body, { headers: { "content-type": type } });
    },
  };
  const app = new Hono({ getPath });
  for (const [path, page] of Object.entries(pages)) {
    app.get(path, page).all(() => text(405, `${path} is only to be read.`, { allow: "GET, HEAD" }));
  }
  app.notFound(({ req: { raw } }) =>
    text(404, `There is nothing at ${getPath(raw)}; ask for /healthz, /readyz or /metrics.`)
  );
  app.onError((error) => text(500, `The metrics can't be told: ${error.message}`));
  return async (request) => await app.fetch(request);
}

/** As the client wrote it: nothing is served by another spelling of its path. */
const getPath = (request: Request): string => new URL(request.url).pathname;

const text = (status: number, sentence: string, headers: Record<string, string> = {}): Response =>
  new Response(`${sentence}\n`, { status, headers: { "content-type": "text/plain; charset=utf-8", ...headers } });
