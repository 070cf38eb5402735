/** Requests to the unix socket, with deadlines and error messages. */
import { type BoundedBody, textOf } from "./bounded.ts";
import { Deadline } from "./deadline.ts";
import { explained } from "./error_text.ts";
import { LocalApiError, type LocalApiErrorKind } from "./local_api_error.ts";

/** A request of the LocalAPI. */
export interface Call {
  method: "GET" | "POST" | "PATCH";
  /** Path below `/localapi/v0/`, already escaped. */
  endpoint: string;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  /** Sent as JSON. */
  body?: unknown;
}

/** A complete response. */
export interface LocalResponse {
  text: string;
  headers: Headers;
}

/** Header that only tailscaled sets, on every response. */
export const signature = "Tailscale-Version";

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

  /** Closes the connections; running calls fail. */
  [Symbol.dispose](): void {
    this.#opened?.close();
  }

  /** Created with the first call, so that a missing permission fails a call, not the constructor. */
  get #http(): Deno.HttpClient {
    return this.#opened ??= Deno.createHttpClient({ proxy: { transport: "unix", path: this.#socket } });
  }

  /** Returns the result of `read` for the response. Throws {@linkcode LocalApiError} or the signal's reason. */
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

  /** Sends the request; resolves once a successful response begins. */
  async open(
    { method, endpoint, query = {}, headers = {}, body }: Call,
    signal: AbortSignal,
  ): Promise<{ body: BoundedBody; headers: Headers }> {
    // The daemon responds only to this host name, as a guard against DNS rebinding.
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
    throw errorOf(response, text);
  }

  /** Returns the error to throw for a failure of {@linkcode open} or of reading its response. */
  failure(
    { method, endpoint }: Call,
    error: unknown,
    deadline: Pick<Deadline, "passed">,
    limitMs: number,
    signal: AbortSignal | undefined,
  ): unknown {
    if (signal?.aborted) return signal.reason;
    const cause = deadline.passed ? new LocalApiError("Timeout", `no response within ${limitMs} ms`) : error;
    return explained(this.#socket, `${method} ${endpoint}`, cause);
  }
}

/**
 * Yields the chunks of a body until the signal aborts. Deno aborts a body by the signal of its fetch only until the
 * Response is garbage-collected; a program that keeps only the body, such as one that reads a stream, would wait
 * forever.
 */
async function* chunksOf(
  body: ReadableStream<Uint8Array<ArrayBuffer>> | null,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  if (!body) return;
  const reader = body.getReader();
  // Ends the current read, without waiting for the other side.
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

/** Returns the error of a response that isn't the wanted one. */
export function errorOf(response: Pick<Response, "status" | "headers">, text: string): LocalApiError {
  const { status, headers } = response;
  if (status < 300 && !headers.has(signature)) {
    return new LocalApiError("Protocol", `it answered without the header ${signature} that tailscaled sends`);
  }
  return new LocalApiError(kindOf(response, text), `it answered ${status}: ${saidIn(text).slice(0, 500)}`);
}

function kindOf({ status, headers }: Pick<Response, "status" | "headers">, text: string): LocalApiErrorKind {
  // It refuses a wrong host name or user before it sets the header.
  if (status === 401 || status === 403) return "AccessDenied";
  if (!headers.has(signature) || status < 400) return "Protocol";
  // Go's message for a path without a handler.
  if (status === 404 && text.trim() === "404 page not found") return "Unsupported";
  return kinds[status] ?? "Refused";
}

/** Returns the daemon's message, which is in JSON for some endpoints only. */
function saidIn(text: string): string {
  try {
    const { error, Error } = JSON.parse(text);
    return String(error ?? Error ?? text).trim();
  } catch {
    return text.trim();
  }
}
