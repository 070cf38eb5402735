import { Semaphore } from "es-toolkit/promise";
import { abortable } from "./abortable.ts";
import { type ClientCertificate, type ClientConfig, ConfigError, type Credentials } from "./client_config.ts";
import { boundedText } from "./bounded_text.ts";
import { AnswerTooLarge, apiErrorFromResponse, ConnectionError } from "./errors.ts";
import type { JSONValue, RequestOptions, RestClient } from "./types.ts";

/** One finished exchange, for metrics. */
export interface RequestRecord {
  /** HTTP method in capitals, such as `GET`. */
  method: string;
  /** Path without the query. */
  path: string;
  /** Whether the answer is a stream, such as a watch. */
  stream: boolean;
  /** HTTP status code; 0 when no answer came. */
  code: number;
  /** From sending until the whole answer was read, for a stream until its headers were. */
  durationMs: number;
  /** The server's own time in the answer's Date header, epoch milliseconds, cut to whole seconds; absent without one. */
  serverDate?: number;
}

/** How a client behaves; what it talks to is in its {@linkcode ClientConfig}. */
export interface RestClientOptions {
  /** Names the program in the server's audit log, such as `keystone-operator/0.1.0`. */
  userAgent: string;
  /** Deadline of a unary call, waiting for a free place included; of a stream's headers. Default 30 s. */
  timeoutMs?: number;
  /** Unary calls at the same time; the others wait in order. Streams don't count. Default 32. */
  maxInFlight?: number;
  /** Size up to which an answer to a unary call is read, in bytes. Default 32 MiB: no object comes near. */
  maxAnswerBytes?: number;
  /** Told of every exchange with the server; must not throw. */
  onRequest?: (record: RequestRecord) => void;
}

/** A {@linkcode RestClient} that holds connections until it is closed. */
export interface ClosableRestClient extends RestClient, Disposable {
  /** Ends what is under way (it rejects with {@linkcode ConnectionError}) and closes all connections. */
  close(): void;
}

/**
 * A client for one API server, as one user.
 *
 * A 401 makes it ask the credentials' source for fresh ones and try once more; nothing else is tried again. Rejects as
 * {@linkcode RestClient} says.
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
  #connections: { http: Deno.HttpClient; certificate: ClientCertificate | undefined } | undefined;

  constructor(config: ClientConfig, options: RestClientOptions) {
    this.#config = config;
    this.#options = options;
    this.#timeoutMs = options.timeoutMs ?? 30_000;
    this.#places = new Semaphore(options.maxInFlight ?? 32);
    this.defaultNamespace = config.namespace;
  }

  async performRequest(options: RequestOptions): Promise<JSONValue> {
    const timeoutMs = options.timeoutMs ?? this.#timeoutMs;
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(deadlineError(options, timeoutMs)), timeoutMs);
    const signal = this.#anyOf(options.abortSignal, timeout.signal);
    try {
      await this.#place(signal);
      try {
        return await this.#exchange(options, signal, false, (response) => this.#json(response, options));
      } finally {
        this.#places.release();
      }
    } finally {
      clearTimeout(timer);
    }
  }

  async performStream(options: RequestOptions): Promise<ReadableStream<Uint8Array>> {
    const timeoutMs = options.timeoutMs ?? this.#timeoutMs;
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(deadlineError(options, timeoutMs)), timeoutMs);
    try {
      const signal = this.#anyOf(options.abortSignal, timeout.signal);
      return await this.#exchange(
        options,
        signal,
        true,
        (response) => Promise.resolve(bodyUntil(signal, response)),
      );
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#closed.abort(new ConnectionError(`The client for ${this.#config.server} was closed.`));
    this.#connections?.http.close();
    this.#connections = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #anyOf(...signals: (AbortSignal | undefined)[]): AbortSignal {
    return AbortSignal.any([this.#closed.signal, ...signals.filter((signal) => signal !== undefined)]);
  }

  /** Takes a place among those in flight; one that comes free after the signal fired is given back. */
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

  /** Sends the request, once more after a 401 if there are fresh credentials, and reads a 2xx answer with `read`. */
  async #exchange<R>(
    options: RequestOptions,
    signal: AbortSignal,
    stream: boolean,
    read: (response: Response) => Promise<R>,
  ): Promise<R> {
    for (let attempt = 1;; attempt++) {
      const credentials = await abortable(this.#config.credentials.current(), signal);
      const startedAt = performance.now();
      let code = 0;
      let serverDate: number | undefined;
      try {
        const response = await this.#fetch(options, credentials, signal);
        code = response.status;
        serverDate = dateOf(response);
        if (response.ok) return await read(response);
        const error = apiErrorFromResponse(response, await this.#text(response, options), options);
        if (code !== 401 || attempt > 1 || !(await abortable(this.#config.credentials.renew(credentials), signal))) {
          throw error;
        }
      } catch (error) {
        // An aborted fetch rejects with an error of its own; what counts is who aborted it and why.
        if (signal.aborted) throw signal.reason;
        throw error instanceof TypeError || isBodyError(error) ? this.#connectionError(options, error) : error;
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

  #fetch(options: RequestOptions, credentials: Credentials, signal: AbortSignal): Promise<Response> {
    const headers = new Headers({
      "accept": options.accept ?? "application/json",
      // Packed, as API servers send what is longer than 128 KiB otherwise, an answer costs both sides more time, and this
      // one more memory, than what it spares is worth: of forty objects of 1.3 MB 30 MB more are resident at a time.
      "accept-encoding": "identity",
      "user-agent": this.#options.userAgent,
    });
    for (const [name, value] of this.#config.headers ?? []) headers.append(name, value);
    if (credentials.authorization) headers.set("authorization", credentials.authorization);
    if (options.bodyJson !== undefined) headers.set("content-type", options.contentType ?? "application/json");
    const query = options.querystring?.toString();
    return fetch(`${this.#config.server}${options.path}${query ? `?${query}` : ""}`, {
      method: options.method,
      headers,
      ...(options.bodyJson === undefined ? {} : { body: JSON.stringify(options.bodyJson) }),
      // An API server doesn't redirect; following one could carry the token elsewhere.
      redirect: "manual",
      client: this.#http(credentials.clientCertificate),
      signal,
    });
  }

  /** The connections, made anew when a plugin has given another client certificate. */
  #http(certificate: ClientCertificate | undefined): Deno.HttpClient {
    const present = this.#connections;
    if (
      present && present.certificate?.certificate === certificate?.certificate &&
      present.certificate?.key === certificate?.key
    ) return present.http;
    this.#connections = { http: openConnections(this.#config, certificate), certificate };
    // What is under way on the old connections goes on to its end.
    present?.http.close();
    return this.#connections.http;
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
        } in place of JSON. Is ${this.#config.server} (${this.#config.source}) a Kubernetes API server?`,
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
    // fetch wraps hyper's words, which name the address and what is wrong with it, in "fetch failed".
    const cause = error.cause instanceof Error ? error.cause : error;
    return new ConnectionError(
      `${this.#config.server} (${this.#config.source}) gave no answer to ${options.method} ${options.path}: ${
        cause.message.replace(/^error sending request (from \S+ )?for (url )?\S+( \(\S+\))?: /, "")
          .replace(/^\(\S+\): /, "")
      }${hint(cause.message)}`,
      { cause: error },
    );
  }
}

const MAX_ANSWER_BYTES = 32 * 2 ** 20;

function openConnections(config: ClientConfig, certificate: ClientCertificate | undefined): Deno.HttpClient {
  const proxy = config.proxyUrl === undefined ? undefined : proxyFrom(config.proxyUrl, config.source);
  try {
    return Deno.createHttpClient({
      caCerts: config.caCerts === undefined ? [] : [config.caCerts],
      ...(certificate && { cert: certificate.certificate, key: certificate.key }),
      ...(proxy && { proxy }),
      http1: true,
      // Over HTTP/2 Deno's fetch stalls once the server's 100 streams per connection are in use (a few watches and a
      // burst of writes do it) and response bodies can hang (denoland/deno#21749). With HTTP/1.1 each exchange has a
      // connection of its own; there are at most maxInFlight and one per watch.
      http2: false,
    });
  } catch (error) {
    throw new ConfigError(
      `The client certificate or CA of ${config.source} can't be used: ${(error as Error).message}. Check that ` +
        `certificate and key belong together and are PEM.`,
      { cause: error },
    );
  }
}

function proxyFrom(proxyUrl: string, source: string): Deno.Proxy {
  const url = URL.parse(proxyUrl);
  const transport = url && { "http:": "http", "https:": "https", "socks5:": "socks5" }[url.protocol];
  if (!url || !transport) {
    throw new ConfigError(
      `The proxy-url of ${source} isn't an http, https or socks5 URL. Correct it: kubectl config set-cluster NAME ` +
        `--proxy-url=http://HOST:PORT`,
    );
  }
  const basicAuth = url.username
    ? { username: decodeURIComponent(url.username), password: decodeURIComponent(url.password) }
    : undefined;
  url.username = url.password = "";
  return { transport: transport as "http" | "https" | "socks5", url: url.href, ...(basicAuth && { basicAuth }) };
}

/**
 * The body of a response, ended by the signal. Deno ends a body by the signal of its fetch only as long as the Response
 * isn't garbage-collected; a program that keeps the body alone, as one does that reads a stream, would wait forever.
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

function dateOf(response: Response): number | undefined {
  const date = Date.parse(response.headers.get("date") ?? "");
  return Number.isNaN(date) ? undefined : date;
}

function deadlineError(options: RequestOptions, timeoutMs: number): DOMException {
  return new DOMException(
    `${options.method} ${options.path} wasn't answered within ${timeoutMs / 1000} s.`,
    "TimeoutError",
  );
}

/** A connection that breaks while the body is read shows as one of Deno's own errors. */
function isBodyError(error: unknown): error is Error {
  return error instanceof Deno.errors.Http || error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.UnexpectedEof || error instanceof Deno.errors.BrokenPipe;
}

function hint(message: string): string {
  if (/UnknownIssuer|BadSignature/.test(message)) return ". Is certificate-authority the CA of this server?";
  if (/NotValidForName/.test(message)) {
    return ". The server's certificate doesn't name this host: use a host name or address that it names.";
  }
  if (/refused/i.test(message)) return ". Is the API server running there?";
  return "";
}
