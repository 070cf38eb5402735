/** The pages `/healthz`, `/readyz` and `/metrics` of a process. */

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
  const pages: Readonly<Record<string, (() => Response | Promise<Response>) | undefined>> = {
    __proto__: null as never,
    "/healthz": () => text(200, "ok"),
    "/readyz": () => {
      const { ready: isReady, sentence } = ready();
      return text(isReady ? 200 : 503, sentence);
    },
    "/metrics": async () => {
      try {
        const { body, type } = await current();
        return new Response(body, { headers: { "content-type": type } });
      } catch (error) {
        return text(500, `The metrics can't be told: ${error instanceof Error ? error.message : error}`);
      }
    },
  };
  return async (request) => {
    const { pathname } = new URL(request.url);
    const page = pages[pathname];
    if (!page) return text(404, `There is nothing at ${pathname}; ask for /healthz, /readyz or /metrics.`);
    if (request.method !== "GET" && request.method !== "HEAD") {
      return text(405, `${pathname} is only to be read.`, { allow: "GET, HEAD" });
    }
    return await page();
  };
}

const text = (status: number, sentence: string, headers: Record<string, string> = {}): Response =>
  new Response(`${sentence}\n`, { status, headers: { "content-type": "text/plain; charset=utf-8", ...headers } });
