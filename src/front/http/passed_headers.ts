/** Headers that pass between a client and the API server. No other one does, whatever its name. */
import type { MessageSide } from "./malformed.ts";

const streamHeaders = [
  "sec-websocket-key",
  "sec-websocket-version",
  "sec-websocket-protocol",
  "sec-websocket-extensions",
  "x-stream-protocol-version",
];
/** Headers about a connection that changes its protocol. */
const upgradeHeaders = {
  request: new Set(streamHeaders),
  response: new Set([...streamHeaders, "sec-websocket-accept", "x-accepted-stream-protocol-versions"]),
};

const passedHeaders = {
  request: new Set([
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "content-encoding",
    "content-language",
    "content-type",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "range",
    "traceparent",
    "user-agent",
  ]),
  response: new Set([
    "accept-ranges",
    "allow",
    "audit-id",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-range",
    "content-type",
    "date",
    "etag",
    "expires",
    "last-modified",
    "retry-after",
    "vary",
    "warning",
  ]),
};

/** Prefixes of further headers: kubectl's own, and those of the API server's priority levels. */
const passedPrefixes = { request: "kubectl-", response: "x-kubernetes-" };

/** Reports whether a header is copied. Names are in lower case. */
export const passes = (name: string, side: MessageSide, isUpgrade: boolean): boolean =>
  passedHeaders[side].has(name) || name.startsWith(passedPrefixes[side]) ||
  (isUpgrade && upgradeHeaders[side].has(name));

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
