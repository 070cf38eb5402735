/** The page: who lends what to whom, for people who would rather look. It only shows; nothing can be changed by it. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { Hono } from "hono";
import type { Clock } from "../../../lib/clock/mod.ts";
import { type PageCaller, pageView, type PageWorld } from "../../core/page/page_view.ts";
import { LiveViews } from "./live_views.ts";
import { liveScript } from "./live_script.ts";
import { PageDocument, PageMain, type PagePaths } from "./page_document.tsx";
import { pageStyle } from "./page_style.ts";

export interface PageOptions {
  world: () => PageWorld;
  /** Calls the listener after changes of the world, until the returned function is called. */
  subscribe: (listener: () => void) => () => void;
  clock: Clock;
}

/**
 * Answers a request of somebody on the tailnet. Requests under other names, or by other sites, must be refused before. The
 * body of a stream of events has no end; cancel it.
 */
export type Page = (request: Request, caller: PageCaller) => Promise<Response>;

/**
 * Headers of every answer. Nothing comes from elsewhere, nothing is inline, and no other site can frame the page, read it
 * or keep it.
 */
const guards: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-frame-options": "DENY",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "interest-cohort=()",
};

const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="6" ` +
  `fill="#2f6fb3"/><path d="M11 7v18M22 7l-9 9 9 9" fill="none" stroke="#fff" stroke-width="3"/></svg>`;

const versioned = (name: string, text: string): string => {
  const hash = bytesToHex(sha256(utf8ToBytes(text))).slice(0, 12);
  return name.replace(".", `.${hash}.`);
};

/** Parts that are the same for everybody. */
const parts = [
  { path: versioned("/style.css", pageStyle), type: "text/css; charset=utf-8", text: pageStyle },
  { path: versioned("/live.js", liveScript), type: "text/javascript; charset=utf-8", text: liveScript },
  { path: versioned("/icon.svg", icon), type: "image/svg+xml", text: icon },
] as const;

/** Makes the page. */
export function createPage({ world, subscribe, clock }: PageOptions): Page {
  const live = new LiveViews({
    clock,
    subscribe,
    render: ({ caller, only }) => String(PageMain({ view: pageView(caller, world(), only) })),
  });
  const app = new Hono<{ Bindings: { caller: PageCaller } }>();
  app.use(async (context, next) => {
    await next();
    for (const [name, value] of Object.entries(guards)) context.res.headers.set(name, value);
  });
  for (const { path, type, text } of parts) {
    app.get(
      path,
      () =>
        new Response(text, { headers: { "content-type": type, "cache-control": "private, max-age=86400, immutable" } }),
    );
  }
  const shown = (caller: PageCaller, only?: string): Response => {
    const view = pageView(caller, world(), only);
    const paths: PagePaths = {
      style: parts[0].path,
      script: parts[1].path,
      icon: parts[2].path,
      events: `/events${only === undefined ? "" : `/${encodeURIComponent(only)}`}`,
    };
    return new Response(`<!doctype html>${PageDocument({ view, paths })}`, {
      status: view.kind === "stranger" ? 403 : view.only !== undefined && view.realms.length === 0 ? 404 : 200,
      headers: { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" },
    });
  };
  const events = (caller: PageCaller, only?: string): Response => {
    const { kind } = pageView(caller, { ...world(), grants: [] }, only);
    if (kind === "stranger") return text(403, "There is nothing for you to see.");
    const body = live.stream({ caller, ...(only === undefined ? {} : { only }) });
    if (!body) return text(503, "Too many pages are open. Try again in a minute.", { "retry-after": "60" });
    return new Response(body, { headers: { "content-type": "text/event-stream", "cache-control": "no-store" } });
  };
  app.get("/", ({ env }) => shown(env.caller));
  app.get("/realm/:name", ({ env, req }) => shown(env.caller, req.param("name")));
  app.get("/events", ({ env }) => events(env.caller));
  app.get("/events/:name", ({ env, req }) => events(env.caller, req.param("name")));
  app.all(
    "*",
    ({ req }) =>
      req.method === "GET" || req.method === "HEAD"
        ? text(404, "There is no such page. Begin at /.")
        : text(405, "The page only shows; its methods are GET and HEAD.", { allow: "GET, HEAD" }),
  );
  // The reason may have names in it.
  app.onError(() => text(500, "The page can't be shown. See the log of keystone-front."));
  return async (request, caller) => await app.fetch(request, { caller });
}

const text = (status: number, sentence: string, headers: Record<string, string> = {}): Response =>
  new Response(`${sentence}\n`, {
    status,
    headers: { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store", ...headers },
  });
