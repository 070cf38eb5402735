/** The pages `/healthz`, `/readyz` and `/metrics`. */

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

/**
 * Fraction of the time that metrics may take in the long run, and milliseconds at once; beyond that, the last ones
 * are repeated.
 */
const share = 0.05;
const burstMs = 200;

/**
 * Makes a handler of requests that never throws. `/healthz` depends only on this process, because a restart would
 * repair nothing else.
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
    app.get(path, page).all(() => text(405, `The method must be GET or HEAD for ${path}.`, { allow: "GET, HEAD" }));
  }
  app.notFound(({ req: { raw } }) => text(404, `There is no page ${getPath(raw)}; use /healthz, /readyz or /metrics.`));
  app.onError((error) => text(500, `The metrics can't be collected: ${error.message}`));
  return async (request) => await app.fetch(request);
}

/** Returns the path as the client wrote it, so that other spellings of a path are not served. */
const getPath = (request: Request): string => new URL(request.url).pathname;

const text = (status: number, sentence: string, headers: Record<string, string> = {}): Response =>
  new Response(`${sentence}\n`, { status, headers: { "content-type": "text/plain; charset=utf-8", ...headers } });
