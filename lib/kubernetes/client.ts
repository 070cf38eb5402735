import { delay, Semaphore } from "es-toolkit/promise";
import { abortable } from "./abortable.ts";
import { type ClientCertificate, type ClientConfig, ConfigError, type Credentials } from "./client_config.ts";
import { boundedText } from "./bounded_text.ts";
import type { NodeTransport } from "./node_transport.ts";
import { parseProxyUrl } from "./proxy_url.ts";
import { AnswerTooLarge, type ApiError, apiErrorFromResponse, ConnectionError } from "./errors.ts";
import type { JSONValue, RequestOptions, RestClient } from "./types.ts";

/** A finished exchange, for metrics. */
export interface RequestRecord {
  /** HTTP method in capitals, such as `GET`. */
  method: string;
  /** Path without the query. */
  path: string;
  /** True if the response is a stream, such as a watch. */
  stream: boolean;
  /** HTTP status code; 0 without a response. */
  code: number;
  /** Time from sending until the whole response was read, for a stream until its headers were. */
  durationMs: number;
  /** Time in the response's Date header, epoch milliseconds in whole seconds; absent without one. */
  serverDate?: number;
}

/** Behavior of a client; its server and user are in the {@linkcode ClientConfig}. */
export interface RestClientOptions {
  /** Name of the program in the server's audit log, such as `keystone-operator/0.1.0`. */
  userAgent: string;
  /**
   * Deadline of a unary call, including the wait for a free place, or of a stream's headers; without the time in which
   * a credential plugin waits for a person. Infinity for none. Default 30 s.
   */
  timeoutMs?: number;
  /** Maximum number of concurrent unary calls; others wait in order. Streams don't count. Default 32. */
  maxInFlight?: number;
  /** Maximum size of a response to a unary call, in bytes. Default 32 MiB, far more than any object has. */
  maxAnswerBytes?: number;
  /**
   * Number of times that a request is sent again after a 429 or 5xx whose `Retry-After` says when, within its deadline,
   * as client-go does (10 times there). Default 0: a work queue knows better what to retry; a command has none.
   */
  retriesWhenBusy?: number;
  /** Called for each exchange with the server; must not throw. */
  onRequest?: (record: RequestRecord) => void;
  /** Called for each warning of a response whose call has no separate `onWarning`; must not throw. */
  onWarning?: (text: string) => void;
}

/** A {@linkcode RestClient} whose connections stay open until it is closed. */
export interface ClosableRestClient extends RestClient, Disposable {
  /** Aborts running calls (they reject with {@linkcode ConnectionError}) and closes all connections. */
  close(): void;
}

/**
 * Creates a client for one API server and user.
 *
 * After a 401 it requests fresh credentials from their source and retries once; else only `retriesWhenBusy` makes it
 * retry. Rejects as described in {@linkcode RestClient}.
 *
 * ```ts
 * import { createRestClient, Kubeconfig } from "./mod.ts";
 *
 * async function version(): Promise<unknown> {
 *   const config = await (await Kubeconfig.load()).clientConfig();
 *   using rest = createRestClient(config, { userAgent: "example/1.0" });
 *   return await rest.performRequest({ method: "GET", path: "/version" });
 * }
 * console.log(typeof version);
 * ```
 */
export function createRestClient(config: ClientConfig, options: RestClientOptions): ClosableRestClient {
  return new HttpRestClient(config, options);
}

class HttpRestClient implements ClosableRestClient {
  readonly defaultNamespace: string;
  readonly #config: ClientConfig;
  readonly #options: RestClientOptions;
  readonly #timeoutMs: number;
  readonly #places: Semaphore;
  readonly #closed = new AbortController();
  #authorities: { pem: string | undefined; readAt: number };
  #connections: { transport: Transport; certificate: ClientCertificate | undefined; authorities: unknown } | undefined;

  constructor(config: ClientConfig, options: RestClientOptions) {
    this.#config = config;
    this.#options = options;
    this.#timeoutMs = options.timeoutMs ?? 30_000;
    this.#places = new Semaphore(options.maxInFlight ?? 32);
    this.#authorities = { pem: config.caCerts, readAt: performance.now() };
    this.defaultNamespace = config.namespace;
  }

  async performRequest(options: RequestOptions): Promise<JSONValue> {
    using deadline = this.#deadline(options);
    const signal = this.#anyOf(options.abortSignal, deadline.signal);
    await this.#place(signal);
    try {
      return await this.#exchange(
        options,
        { signal, deadline, stream: false },
        (response) => this.#json(response, options),
      );
    } finally {
      this.#places.release();
    }
  }

  async performStream(options: RequestOptions): Promise<ReadableStream<Uint8Array>> {
    using deadline = this.#deadline(options);
    const signal = this.#anyOf(options.abortSignal, deadline.signal);
    return await this.#exchange(
      options,
      { signal, deadline, stream: true },
      (response) => Promise.resolve(bodyUntil(signal, response)),
    );
  }

  close(): void {
    this.#closed.abort(new ConnectionError(`The client for ${this.#config.server} was closed.`));
    this.#connections?.transport.close();
    this.#connections = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #deadline(options: RequestOptions): Deadline {
    const timeoutMs = options.timeoutMs ?? this.#timeoutMs;
    return new Deadline(timeoutMs, () => deadlineError(options, timeoutMs));
  }

  #anyOf(...signals: (AbortSignal | undefined)[]): AbortSignal {
    return AbortSignal.any([this.#closed.signal, ...signals.filter((signal) => signal !== undefined)]);
  }

  /** Waits for a free place; one that becomes free after the signal aborted is returned. */
  async #place(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const isFree = this.#places.available > 0;
    const place = this.#places.acquire();
    if (isFree) return await place;
    try {
      await abortable(place, signal);
    } catch (error) {
      place.then(() => this.#places.release());
      throw error;
    }
  }

  /**
   * Sends the request, again after a 401 if there are fresh credentials, if the server's authority was replaced or if
   * it is busy, and reads a 2xx response with `read`.
   */
  async #exchange<R>(
    options: RequestOptions,
    { signal, deadline, stream }: { signal: AbortSignal; deadline: Deadline; stream: boolean },
    read: (response: Response) => Promise<R>,
  ): Promise<R> {
    let [isRenewed, isReread, retries] = [false, false, this.#options.retriesWhenBusy ?? 0];
    let pauseMs = 0;
    for (;;) {
      if (pauseMs > 0) await delay(pauseMs, { signal }).catch(() => signal.throwIfAborted());
      pauseMs = 0;
      const getting = abortable(this.#config.credentials.current(), signal);
      const credentials = await (this.#config.credentials.attended ? deadline.suspend(getting) : getting);
      const startedAt = performance.now();
      let code = 0;
      let serverDate: number | undefined;
      try {
        const response = await this.#fetch(options, credentials, signal);
        code = response.status;
        serverDate = dateOf(response);
        const onWarning = options.onWarning ?? this.#options.onWarning;
        if (onWarning) { for (const text of warningsIn(response)) onWarning(text); }
        if (response.ok) return await read(response);
        const error = apiErrorFromResponse(response, await this.#text(response, options), options);
        if (saysWhen(error) && retries-- > 0) {
          pauseMs = Math.max(error.retryAfterSeconds * 1000, 1);
          continue;
        }
        if (code !== 401 || isRenewed || !(await abortable(this.#config.credentials.renew(credentials), signal))) {
          throw error;
        }
        isRenewed = true;
      } catch (error) {
        // An aborted fetch rejects with its own error; the signal's reason matters instead.
        if (signal.aborted) throw signal.reason;
        if (!(error instanceof TypeError) && !isBodyError(error)) throw error;
        if (isReread || !isUnknownAuthority(error) || !(await this.#readAuthorities())) {
          throw this.#connectionError(options, error);
        }
        isReread = true;
      } finally {
        this.#options.onRequest?.({
          method: options.method,
          path: options.path,
          stream,
          code,
          durationMs: performance.now() - startedAt,
          ...(serverDate === undefined ? {} : { serverDate }),
        });
      }
    }
  }

  async #fetch(options: RequestOptions, credentials: Credentials, signal: AbortSignal): Promise<Response> {
    const headers: [string, string][] = [
      ["accept", options.accept ?? "application/json"],
      // API servers compress responses of more than 128 KiB, which takes more time on both sides, and more memory
      // here, than it saves: for forty objects of 1.3 MB, 30 MB more are resident at a time.
      ["accept-encoding", "identity"],
      ["user-agent", this.#options.userAgent],
      ...(this.#config.headers ?? []).map(([name, value]): [string, string] => [name, value]),
    ];
    if (credentials.authorization) headers.push(["authorization", credentials.authorization]);
    if (options.bodyJson !== undefined) headers.push(["content-type", options.contentType ?? "application/json"]);
    const query = options.querystring?.toString();
    const transport = await this.#transport(credentials.clientCertificate);
    return await transport.fetch(`${this.#config.server}${options.path}${query ? `?${query}` : ""}`, {
      method: options.method,
      headers,
      body: options.bodyJson === undefined ? undefined : JSON.stringify(options.bodyJson),
      signal,
    });
  }

  /** Returns the connections, opened again if the client's certificate or the server's authority is another. */
  async #transport(certificate: ClientCertificate | undefined): Promise<Transport> {
    if (this.#config.readCaCerts && performance.now() - this.#authorities.readAt >= AUTHORITIES_MAX_AGE_MS) {
      await this.#readAuthorities();
    }
    const { server, tlsServerName, insecureSkipTlsVerify } = this.#config;
    const byNode = server.startsWith("https:") && (tlsServerName !== undefined || insecureSkipTlsVerify)
      ? await import("./node_transport.ts")
      : undefined;
    const present = this.#connections;
    const authorities = this.#authorities.pem;
    if (
      present && present.certificate?.certificate === certificate?.certificate &&
      present.certificate?.key === certificate?.key && present.authorities === authorities
    ) return present.transport;
    this.#closed.signal.throwIfAborted();
    const transport = byNode
      ? byNode.nodeTransport(this.#config, authorities, certificate)
      : denoTransport(this.#config, authorities, certificate);
    // Running calls on the old connections continue.
    this.#connections?.transport.close();
    this.#connections = { transport, certificate, authorities };
    return transport;
  }

  /** Returns true if the authorities have changed. While the file can't be read, the last ones stay in use. */
  async #readAuthorities(): Promise<boolean> {
    const before = this.#authorities.pem;
    const pem = await this.#config.readCaCerts?.().catch(() => before) ?? before;
    this.#authorities = { pem, readAt: performance.now() };
    return pem !== before;
  }

  async #json(response: Response, options: RequestOptions): Promise<JSONValue> {
    const text = await this.#text(response, options);
    if (options.accept !== undefined && !options.accept.includes("json")) return text;
    if (text === "") return null;
    try {
      return JSON.parse(text);
    } catch {
      throw new ConnectionError(
        `${options.method} ${this.#config.server}${options.path} was answered with ${response.status} and ${
          response.headers.get("content-type") ?? "no content type"
        } instead of JSON. Is ${this.#config.server} (${this.#config.source}) a Kubernetes API server?`,
      );
    }
  }

  async #text(response: Response, { method, path, maxBytes }: RequestOptions): Promise<string> {
    const most = maxBytes ?? this.#options.maxAnswerBytes ?? MAX_ANSWER_BYTES;
    const text = await boundedText(response, most);
    if (text === undefined) throw new AnswerTooLarge(`The answer to ${method} ${path}`, path, most);
    return text;
  }

  #connectionError(options: RequestOptions, error: Error): ConnectionError {
    // fetch wraps hyper's message, which has the address and the problem, in "fetch failed".
    const cause = error.cause instanceof Error ? error.cause : error;
    return new ConnectionError(
      `${this.#config.server} (${this.#config.source}) didn't respond to ${options.method} ${options.path}: ${
        cause.message.replace(/^error sending request (from \S+ )?for (url )?\S+( \(\S+\))?: /, "")
          .replace(/^\(\S+\): /, "")
      }${hint(cause.message, this.#config)}`,
      { cause: error },
    );
  }
}

const MAX_ANSWER_BYTES = 32 * 2 ** 20;

/** Maximum age of authorities read from a file, as of a token. */
const AUTHORITIES_MAX_AGE_MS = 60_000;

/** A deadline that is paused while a person logs in, whose time isn't the request's. */
class Deadline implements Disposable {
  readonly #abort = new AbortController();
  readonly #reason: () => unknown;
  #leftMs: number;
  #startedAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(timeoutMs: number, reason: () => unknown) {
    this.#leftMs = timeoutMs;
    this.#reason = reason;
    this.#start();
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  async suspend<T>(wait: Promise<T>): Promise<T> {
    clearTimeout(this.#timer);
    this.#leftMs -= performance.now() - this.#startedAt;
    try {
      return await wait;
    } finally {
      this.#start();
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #start(): void {
    this.#startedAt = performance.now();
    // A longer timer would fire at once.
    if (this.#leftMs < 2 ** 31) this.#timer = setTimeout(() => this.#abort.abort(this.#reason()), this.#leftMs);
  }
}

/** The part of a {@linkcode NodeTransport} that both transports have. */
type Transport = NodeTransport;

function denoTransport(
  config: ClientConfig,
  authorities: string | undefined,
  certificate: ClientCertificate | undefined,
): Transport {
  const client = openConnections(config, authorities, certificate);
  return {
    fetch: (url, { method, headers, body, signal }) =>
      fetch(url, {
        method,
        headers: headers.map(([name, value]): [string, string] => [name, value]),
        ...(body === undefined ? {} : { body }),
        // API servers don't redirect; following a redirect could send the token elsewhere.
        redirect: "manual",
        client,
        signal,
      }),
    close: () => client.close(),
  };
}

function openConnections(
  config: ClientConfig,
  authorities: string | undefined,
  certificate: ClientCertificate | undefined,
): Deno.HttpClient {
  const proxy = config.proxyUrl === undefined ? undefined : parseProxyUrl(config.proxyUrl, config.source);
  try {
    return Deno.createHttpClient({
      caCerts: authorities === undefined ? [] : [authorities],
      ...(certificate && { cert: certificate.certificate, key: certificate.key }),
      ...(proxy && { proxy }),
      http1: true,
      // Over HTTP/2, Deno's fetch stalls once the server's 100 streams for each connection are in use (a few watches
      // and a burst of writes suffice), and response bodies can hang (denoland/deno#21749). With HTTP/1.1 each
      // exchange has its own connection; there are at most maxInFlight plus one for each watch.
      http2: false,
    });
  } catch (error) {
    throw new ConfigError(
      `The client certificate or CA of ${config.source} can't be used: ${(error as Error).message}. Check that ` +
        `certificate and key match and are PEM.`,
      { cause: error },
    );
  }
}

/**
 * Returns the body of a response, aborted by the signal. Deno aborts a body by the signal of its fetch only until the
 * Response is garbage-collected; a program that keeps only the body, such as one that reads a stream, would wait
 * forever.
 */
function bodyUntil(signal: AbortSignal, response: Response): ReadableStream<Uint8Array> {
  const reader = (response.body ?? new Blob().stream()).getReader();
  let abort: () => void;
  const ended = () => signal.removeEventListener("abort", abort);
  return new ReadableStream<Uint8Array>({
    start(controller) {
      abort = () => {
        controller.error(signal.reason);
        reader.cancel(signal.reason).catch(() => {});
      };
      signal.addEventListener("abort", abort, { once: true });
      if (signal.aborted) abort();
    },
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (signal.aborted) return;
        if (!done) return controller.enqueue(value);
        ended();
        controller.close();
      } catch (error) {
        ended();
        controller.error(error);
      }
    },
    async cancel(reason) {
      ended();
      await reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
}

/** Returns the texts of the `Warning` headers: `299 - "text"`, separated by commas (RFC 7234, section 5.5). */
function warningsIn(response: Response): string[] {
  const found = (response.headers.get("warning") ?? "").matchAll(/\d{3} \S+ "((?:[^"\\]|\\.)*)"/g);
  return [...found].map(([, text]) => text!.replace(/\\(.)/g, "$1"));
}

function dateOf(response: Response): number | undefined {
  const date = Date.parse(response.headers.get("date") ?? "");
  return Number.isNaN(date) ? undefined : date;
}

/** True if a busy server says when to try again, and did nothing. */
function saysWhen(error: ApiError): error is ApiError & { retryAfterSeconds: number } {
  return (error.code === 429 || error.code >= 500) && error.retryAfterSeconds !== undefined;
}

function deadlineError(options: RequestOptions, timeoutMs: number): DOMException {
  return new DOMException(
    `${options.method} ${options.path} wasn't answered within ${timeoutMs / 1000} s.`,
    "TimeoutError",
  );
}

/** True for the errors of both transports when a connection breaks while the body is read. */
function isBodyError(error: unknown): error is Error {
  return error instanceof Deno.errors.Http || error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.UnexpectedEof || error instanceof Deno.errors.BrokenPipe ||
    error instanceof Error &&
      ["ECONNRESET", "EPIPE", "ERR_STREAM_PREMATURE_CLOSE"].includes((error as { code?: string }).code ?? "");
}

/** True if the server's certificate is of an authority that isn't trusted. */
function isUnknownAuthority({ cause }: Error): boolean {
  return cause instanceof Error && UNKNOWN_AUTHORITY.test(cause.message);
}

const UNKNOWN_AUTHORITY = /UnknownIssuer|BadSignature|self-signed certificate|unable to (?:get|verify)/;

function hint(message: string, { caCerts, readCaCerts }: ClientConfig): string {
  if (UNKNOWN_AUTHORITY.test(message)) {
    return caCerts === undefined && readCaCerts === undefined
      ? ". certificate-authority is not set: set it to the CA of this server, or set DENO_TLS_CA_STORE=system,mozilla in " +
        "the environment to trust this machine's authorities."
      : ". Is certificate-authority the CA of this server?";
  }
  if (/NotValidForName|not valid for name|does not match certificate's/.test(message)) {
    return ". The server's certificate doesn't name this host: use a host name or address that it names, or set " +
      "tls-server-name to such a name.";
  }
  if (/refused/i.test(message)) return ". Is the API server running there?";
  return "";
}
