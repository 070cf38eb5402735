/** Passes a request to the page's handler and writes its response, also an endless one. */
import type { ClientHead } from "../http/client_head.ts";
import { framed, framedEnd } from "../http/body_reader.ts";
import { latin1Bytes } from "../http/head_reader.ts";
import type { ByteStream } from "./byte_stream.ts";
import type { Caller } from "../../core/people/caller.ts";
import type { PageHandler } from "./server_parts.ts";

/** Headers that a page may read. */
const readHeaders = ["host", "sec-fetch-site", "sec-fetch-mode", "accept"];

export interface PageSide {
  client: ByteStream;
  /** True if the next request has arrived already. */
  hasMore: boolean;
  isSecure: boolean;
  /** True if the connection ends with the response. */
  isLast: boolean;
  /** Closes the connection and aborts the signal. */
  close(): void;
  signal: AbortSignal;
}

/** Answers a request without a body. Returns false if the connection ends. */
export async function answerPage(
  page: PageHandler,
  head: ClientHead,
  caller: Caller,
  { client, hasMore, isSecure, isLast, close, signal }: PageSide,
): Promise<boolean> {
  const query = head.query === "" ? "" : `?${head.query}`;
  const url = `${isSecure ? "https" : "http"}://${head.headers.get("host")}${head.path}${query}`;
  const headers = readHeaders.flatMap((name): [string, string][] => {
    const value = head.headers.get(name);
    return value === undefined ? [] : [[name, value]];
  });
  const response = await page(new Request(url, { method: head.method, headers, signal }), caller);
  const hasBody = response.body !== null && head.method !== "HEAD" && response.status !== 204 &&
    response.status !== 304;
  const chunked = { kind: "chunked" } as const;
  const lines = [
    `HTTP/1.1 ${response.status} ${response.statusText}`,
    ...[...response.headers].filter(([name]) => !hopByHop.has(name)).map(([name, value]) => `${name}: ${value}`),
    ...(isLast ? ["connection: close"] : []),
    ...(hasBody
      ? ["transfer-encoding: chunked"]
      : response.status === 204 || response.status === 304
      ? []
      : ["content-length: 0"]),
  ];
  await client.write(latin1Bytes(`${lines.join("\r\n")}\r\n\r\n`));
  if (!hasBody) {
    await response.body?.cancel();
    return !isLast;
  }
  const reader = response.body.getReader();
  const stop = () => void reader.cancel().catch(() => {});
  signal.addEventListener("abort", stop, { once: true });
  // A client that goes ends an endless response.
  let isDone = false;
  if (!hasMore) client.ahead().then((isThere) => !isThere && !isDone && close());
  try {
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      for (const bytes of framed(piece.value, chunked)) await client.write(bytes);
    }
    if (signal.aborted || client.closed) return false;
    for (const bytes of framedEnd(chunked)) await client.write(bytes);
    return !isLast;
  } finally {
    isDone = true;
    signal.removeEventListener("abort", stop);
    stop();
  }
}

const hopByHop: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "transfer-encoding",
  "upgrade",
]);
