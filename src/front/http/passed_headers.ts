/** Headers that pass between a client and the API server. No other one does, whatever its name. */
import type { MessageSide } from "./malformed.ts";

const requestHeaders =
  /^(accept(-.+)?|content-(?!length$).+|user-agent|if-.+|range|kubectl-.+|traceparent|sec-websocket-.+|x-stream-protocol-version)$/;

const responseHeaders =
  /^(accept-ranges|allow|audit-id|cache-control|content-(?!length$|security-policy).+|date|etag|expires|last-modified|retry-after|vary|warning|x-kubernetes-.+|sec-websocket-.+|x-stream-protocol-version|x-accepted-stream-protocol-versions)$/;

const passedHeaders = { request: requestHeaders, response: responseHeaders };

/** Headers about a connection that changes its protocol. */
const upgradeHeaders = /^(sec-websocket-.+|x-stream-protocol-version)$/;

/** Reports whether a header is copied. Names are in lower case. */
export const passes = (name: string, side: MessageSide, isUpgrade: boolean): boolean =>
  passedHeaders[side].test(name) && (isUpgrade || !upgradeHeaders.test(name));

/** Headers that proxies write themselves; without them a request would mean something else. */
const ownHeaders: ReadonlySet<string> = new Set([
  "host",
  "authorization",
  "content-length",
  "transfer-encoding",
  "expect",
]);

/**
 * Reports whether `Connection` may name a header as one that ends at this server. A header that passes, or that the
 * server writes itself, may not be named: a proxy between would remove it, or remove what was added for the next one.
 */
export const mayBeNamed = (name: string): boolean => !passes(name, "request", true) && !ownHeaders.has(name);

/** Headers that are lists by their specification, so that several lines mean the same as one. */
const listHeaders: ReadonlySet<string> = new Set([
  "accept",
  "accept-charset",
  "accept-encoding",
  "accept-language",
  "cache-control",
  "connection",
  "cookie",
  "forwarded",
  "if-match",
  "if-none-match",
  "pragma",
  "sec-websocket-extensions",
  "sec-websocket-protocol",
  "te",
  "tracestate",
  "trailer",
  "via",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-stream-protocol-version",
]);

/** Reports whether a request may have several lines of this name. */
export const mayRepeat = (name: string): boolean => listHeaders.has(name);

/**
 * Header that clients send in a line for each value, which is how older API servers and kubelets read it
 * (`kubectl exec` by SPDY).
 */
export const streamProtocolHeader = "x-stream-protocol-version";
