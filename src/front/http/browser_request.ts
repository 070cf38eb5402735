/** Requests of web pages: a browser sends them with the access of its node, whatever page asks for them. */
import type { ClientHead } from "./client_head.ts";

/**
 * Returns a sentence if a page of another site, or a page at all, asks for the API server. Browsers send `Origin` with
 * every WebSocket and every writing request, also over plain HTTP, and no command-line client does. Their reading
 * requests without it can't read the answer, as long as the header `Host` is checked.
 */
export function refusedOrigin({ headers }: Pick<ClientHead, "headers">): string | undefined {
  const site = headers.get("sec-fetch-site")?.toLowerCase() ?? "none";
  if (headers.has("origin")) return "The header origin is set, but web pages can't use the API server.";
  if (site === "none" || site === "same-origin") return undefined;
  return "The header sec-fetch-site must be none or same-origin: web pages of other sites can't use the API server.";
}
