/** Requests to the unix socket, each within a deadline and with failures explained. */
import { type BoundedBody, textOf } from "./bounded.ts";
import { Deadline } from "./deadline.ts";
import { explained } from "./error_text.ts";
import { LocalApiError, type LocalApiErrorKind } from "./local_api_error.ts";

/** One request of the LocalAPI. */
export interface Call {
  method: "GET" | "POST" | "PATCH";
  /** What stands behind `/localapi/v0/`, already escaped. */
  endpoint: string;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  /** Sent as JSON. */
  body?: unknown;
}

/** A whole answer. */
export interface LocalResponse {
  text: string;
  headers: Headers;
}

/** The header that tailscaled, and nobody else, puts on whatever it answers. */
const signature = "Tailscale-Version";

const kinds: Record<number, LocalApiErrorKind> = {
  404: "NotFound",
  412: "Conflict",
  501: "Unsupported",
};

export class Transport implements Disposable {
  readonly #socket: string;
  readonly #maxBytes: number;
  #opened: Deno.HttpClient | undefined;

  constructor({ socket, maxBytes }: { socket: string; maxBytes: number }) {
    this.#socket = socket;
    this.#maxBytes = maxBytes;
  }

  /** Closes the connections; calls under way fail. */
  [Symbol.dispose](): void {
    this.#opened?.close();
  }

  /** Made with the first call, so that a missing permission fails calls as all else does, and not a constructor. */
  get #http(): Deno.HttpClient {
    return this.#opened ??= Deno.createHttpClient({ proxy: { transport: "unix", path: this.#socket } });
  }

  /** What `read` makes of the answer. Throws {@linkcode LocalApiError} or the reason of the signal. */
  async call<T>(
    call: Call,
    read: (answer: LocalResponse) => T,
    { signal, timeoutMs }: { signal?: AbortSignal | undefined; timeoutMs: number },
  ): Promise<T> {
    using deadline = new Deadline(timeoutMs, signal);
    try {
      const { body, headers } = await this.open(call, deadline.signal);
      return read({ text: await textOf(body), headers });
    } catch (error) {
      throw this.failure(call, error, deadline, timeoutMs, signal);
    }
  }

  /** Sends the request; resolves when the answer begins, if that is a good one. */
  async open(
    { method, endpoint, query = {}, headers = {}, body }: Call,
    signal: AbortSignal,
  ): Promise<{ body: BoundedBody; headers: Headers }> {
    // The daemon answers only under this host name, a guard against DNS rebinding.
    const url = `http://local-tailscaled.sock/localapi/v0/${endpoint}?${new URLSearchParams(query)}`;
    const response = await fetch(url, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      client: this.#http,
      signal,
      redirect: "manual",
    });
    const answer = { bytes: chunksOf(response.body, signal), maxBytes: this.#maxBytes };
    if (response.ok && response.headers.has(signature)) return { body: answer, headers: response.headers };
    const text = await textOf(answer);
    if (response.ok) {
      throw new LocalApiError("Protocol", `it answered without the header ${signature} that tailscaled sends`);
    }
    throw new LocalApiError(kindOf(response, text), `it answered ${response.status}: ${saidIn(text).slice(0, 500)}`);
  }

  /** What to throw for an error of {@linkcode open} or of reading what it gave. */
  failure(
    { method, endpoint }: Call,
    error: unknown,
    deadline: Deadline,
    limitMs: number,
    signal: AbortSignal | undefined,
  ): unknown {
    if (signal?.aborted) return signal.reason;
    const cause = deadline.passed ? new LocalApiError("Timeout", `no answer within ${limitMs} ms`) : error;
    return explained(this.#socket, `${method} ${endpoint}`, cause);
  }
}

/**
 * The chunks of a body, until the signal aborts. Deno ends a body by the signal of its fetch only as long as the Response
 * isn't garbage-collected; who keeps the body alone, as one does who reads a stream, would wait for ever.
 */
async function* chunksOf(
  body: ReadableStream<Uint8Array<ArrayBuffer>> | null,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  if (!body) return;
  const reader = body.getReader();
  // Ends a read that is under way; whether the other side takes note is not waited for.
  const stop = () => void reader.cancel().catch(() => {});
  signal.addEventListener("abort", stop, { once: true });
  try {
    while (true) {
      signal.throwIfAborted();
      const { done, value } = await reader.read();
      signal.throwIfAborted();
      if (done) return;
      yield value;
    }
  } finally {
    signal.removeEventListener("abort", stop);
    stop();
  }
}

function kindOf({ status, headers }: Response, text: string): LocalApiErrorKind {
  // It refuses a wrong host name or a wrong user before it signs.
  if (status === 401 || status === 403) return "AccessDenied";
  if (!headers.has(signature) || status < 400) return "Protocol";
  // Go's own words for a path that no handler is registered for.
  if (status === 404 && text.trim() === "404 page not found") return "Unsupported";
  return kinds[status] ?? "Refused";
}

/** The daemon puts its words into JSON in some places and in others not. */
function saidIn(text: string): string {
  try {
    const { error, Error } = JSON.parse(text);
    return String(error ?? Error ?? text).trim();
  } catch {
    return text.trim();
  }
}
