/** A proxy between one operator and the API server, which injects faults. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { sleep, systemClock } from "../../lib/clock/mod.ts";
import { TextLineStream } from "../lab/lines.ts";
import {
  type FaultTrigger,
  isProcessFault,
  isRequestFault,
  isWatchFault,
  type ProcessFault,
  type RequestFault,
  type WatchFault,
} from "./fault.ts";
import { isLease, isWrite, markPrefix, requestName } from "./request_name.ts";
import type { Upstream } from "./upstream.ts";

export interface ProxyOptions {
  upstream: Upstream;
  trigger: FaultTrigger;
  /** Distinguishes the names of this plan's objects from those of others. */
  mark: string;
  /** Called when the operator is to be killed; after that the proxy passes nothing of it. */
  onKill: () => void;
  /** Applies a process fault at this write, and decides about the write. */
  onProcessFault?: (fault: ProcessFault, write: HeldWrite) => Promise<void>;
}

/** A write that has arrived, and the possible actions on it. */
export interface HeldWrite {
  /** Has the API server perform it; the user agent can mark it as late. */
  pass(userAgent?: string): Promise<ProxyResponse>;
  give(answer: ProxyResponse): void;
  /** True if the operator no longer waits for the response. */
  readonly isGivenUp: boolean;
  /** Resolves when the operator no longer waits for the response. */
  givenUp(): Promise<void>;
}

/** Duration of a watch's silence: long enough for the withheld changes to be missed. */
const silenceMs = 700;

/** A response of the API server, or one that replaces it. */
export interface ProxyResponse {
  status: number;
  headers: Record<string, string>;
  body: string;
}

export class Proxy implements AsyncDisposable {
  readonly #options: ProxyOptions;
  readonly #server: Server;
  /** Collections that an operator watches all the time, each with whether its watch is open. */
  readonly #watched = new Map<string, boolean>();
  readonly #ended = new AbortController();
  /** Versions at which the next list of a path is served. */
  readonly #stale = new Map<string, string>();
  #underWay = 0;
  /** Resolves when the connection works again. */
  #whole: Promise<void> = Promise.resolve();
  /** Number of requests, without watches. */
  requests = 0;
  /** Time of the last write's request or response, by `performance.now()`, without those of the Lease. */
  lastWrite = 0;

  private constructor(
    options: ProxyOptions,
    /** A kubeconfig file with the proxy as API server. */ readonly kubeconfig: string,
  ) {
    this.#options = options;
    this.#server = createServer((request, response) => {
      // Aborted responses are the purpose of this proxy.
      response.on("error", () => {});
      // On a reused connection, fetch by itself resends a request whose connection was closed before a response.
      response.setHeader("connection", "close");
      this.#serve(request, response).catch(() => request.socket.destroy());
    });
  }

  static async listen(options: ProxyOptions): Promise<Proxy> {
    const proxy = new Proxy(options, await Deno.makeTempFile({ prefix: "keystone-faults-" }));
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    const { port } = proxy.#server.address() as { port: number };
    await Deno.writeTextFile(proxy.kubeconfig, kubeconfigOf(`http://127.0.0.1:${port}`));
    return proxy;
  }

  /** True if no request is pending and all watches are open. */
  get idle(): boolean {
    return this.#underWay === 0 && this.#watched.values().every((isOpen) => isOpen);
  }

  /** Passes nothing in either direction until the returned function is called. */
  cutOff(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#whole = promise;
    return resolve;
  }

  /** Ends all connections and accepts no more, as if the operator had ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort();
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
    await Deno.remove(this.kubeconfig);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, "http://proxy");
    const name = requestName(request.method!, url, this.#options.mark);
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = chunks.length === 0 ? undefined : new Blob(chunks as Uint8Array<ArrayBuffer>[]);
    await this.#whole;
    if (request.socket.destroyed) return;
    const fault = this.#options.trigger.at(name);
    const wrong = isRequestFault(fault) ? fault : undefined;
    const isWatch = name.startsWith("watch.");
    if (isWatch) this.#follow(url, false);
    if (isWatch && wrong === undefined) return await this.#watch(request, response, url);
    const counts = isWrite(name) && !isLease(name);
    // Namespaces of earlier plans are read until they are gone, and the database's size is read periodically.
    if (!isWatch && !name.includes(markPrefix) && !["get.metrics", "get.livez"].includes(name)) this.requests++;
    this.#underWay++;
    if (counts) this.lastWrite = performance.now();
    const pass = (userAgent?: string) => this.#pass(request, url, body, userAgent);
    try {
      if (isProcessFault(fault)) await this.#options.onProcessFault!(fault, held(request, response, pass));
      else await this.#answer(wrong, request, response, pass);
    } finally {
      this.#underWay--;
      if (counts) this.lastWrite = performance.now();
    }
  }

  #follow(url: URL, isOpen: boolean): void {
    // Pods are watched only while some have to go, and the Lease while another operator holds it.
    if (/\/(pods|leases)$/.test(url.pathname)) return;
    this.#watched.set(`${url.pathname} ${url.searchParams.get("fieldSelector")}`, isOpen);
  }

  /** Returns the API server's response. */
  async #pass(request: IncomingMessage, url: URL, body: Blob | undefined, userAgent?: string): Promise<ProxyResponse> {
    const stale = request.method === "GET" ? this.#stale.get(url.pathname) : undefined;
    if (stale !== undefined) {
      this.#stale.delete(url.pathname);
      url.searchParams.set("resourceVersion", stale);
      url.searchParams.set("resourceVersionMatch", "Exact");
    }
    const answer = await this.#send(request, url, body, userAgent);
    const text = await answer.text();
    const kept = ["content-type", "date", "retry-after"].flatMap((key) => {
      const value = answer.headers.get(key);
      return value === null ? [] : [[key, value]];
    });
    return { status: answer.status, headers: Object.fromEntries(kept), body: text };
  }

  #send(request: IncomingMessage, url: URL, body?: Blob, userAgent?: string): Promise<Response> {
    const headers = new Headers();
    for (const key of ["accept", "content-type", "user-agent"]) {
      const value = request.headers[key];
      if (typeof value === "string") headers.set(key, value);
    }
    if (userAgent !== undefined) headers.set("user-agent", userAgent);
    return this.#options.upstream.send(url.pathname + url.search, {
      method: request.method!,
      headers,
      ...(body && { body }),
      signal: this.#ended.signal,
    });
  }

  async #answer(
    fault: RequestFault | undefined,
    request: IncomingMessage,
    response: ServerResponse,
    pass: () => Promise<ProxyResponse>,
  ): Promise<void> {
    const give = (answer: ProxyResponse) => answerWith(response, answer);
    const kill = () => {
      request.socket.destroy();
      this[Symbol.asyncDispose]();
      this.#options.onKill();
    };
    switch (fault) {
      case undefined:
        return give(await pass());
      case "closed":
        return void request.socket.destroy();
      case "answer-lost":
        await pass();
        return void request.socket.destroy();
      case "half-answer": {
        const { status, headers, body } = await pass();
        response.writeHead(status, { ...headers, "content-length": String(new TextEncoder().encode(body).length) });
        response.write(body.slice(0, body.length / 2), () => request.socket.destroy());
        return;
      }
      case "409":
        return give(refusal(409, "Conflict", "the object has been modified"));
      case "429":
        return give(refusal(429, "TooManyRequests", "too many requests", { "retry-after": "1" }));
      case "500":
        return give(refusal(500, "InternalError", "an error on the server"));
      case "500-after":
        await pass();
        return give(refusal(500, "InternalError", "an error on the server"));
      case "503":
        return give(refusal(503, "ServiceUnavailable", "the server is currently unable to handle the request"));
      case "timeout":
        return await gaveUp(request);
      case "timeout-after":
        await pass();
        return await gaveUp(request);
      case "killed-before":
        return kill();
      case "killed-after":
        await pass();
        return kill();
    }
  }

  async #watch(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const answer = await this.#send(request, url);
    const { status } = answer;
    const type = answer.headers.get("content-type") ?? "application/json";
    if (!answer.ok) return void response.writeHead(status, { "content-type": type }).end(await answer.text());
    response.writeHead(status, { "content-type": type });
    response.flushHeaders();
    this.#follow(url, true);
    const lines = answer.body!.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream()).getReader();
    const closed = gaveUp(request).then(() => lines.cancel().catch(() => {}));
    try {
      const watch = { request, response, url, version: url.searchParams.get("resourceVersion") ?? "" };
      while (true) {
        const { done, value } = await lines.read();
        if (done) break;
        await this.#whole;
        const { type, object } = JSON.parse(value);
        const mine = type !== "BOOKMARK" && value.includes(this.#options.mark);
        const resource = requestName("GET", url, this.#options.mark).replace(/^watch/, "event");
        const fault = mine ? this.#options.trigger.at(resource) : undefined;
        if (isWatchFault(fault)) {
          await this.#break(fault, watch, value);
          if (fault !== "duplicate") return;
        }
        response.write(value + "\n");
        watch.version = object.metadata?.resourceVersion ?? watch.version;
      }
      response.end();
    } finally {
      this.#follow(url, false);
      await lines.cancel().catch(() => {});
      if (this.#ended.signal.aborted) await closed;
    }
  }

  async #break(
    fault: WatchFault,
    { request, response, url, version }: {
      request: IncomingMessage;
      response: ServerResponse;
      url: URL;
      /** The latest version that was delivered. */
      version: string;
    },
    line: string,
  ): Promise<void> {
    const expired = () => {
      const { body } = refusal(410, "Expired", "too old resource version");
      response.end(JSON.stringify({ type: "ERROR", object: JSON.parse(body) }) + "\n");
    };
    switch (fault) {
      case "eof":
        response.write(line.slice(0, line.length / 2), () => request.socket.destroy());
        return;
      case "gone":
        return expired();
      case "duplicate":
        return void response.write(line + "\n");
      case "bookmarks": {
        const { object: { apiVersion, kind } } = JSON.parse(line);
        const object = { apiVersion, kind, metadata: { resourceVersion: version } };
        for (let each = 0; each < 3; each++) {
          response.write(JSON.stringify({ type: "BOOKMARK", object }) + "\n");
          await sleep(systemClock, silenceMs / 3, this.#ended.signal);
        }
        return void response.end();
      }
      case "half-open":
        await sleep(systemClock, silenceMs, this.#ended.signal);
        return void request.socket.destroy();
      case "hidden":
        await sleep(systemClock, silenceMs, this.#ended.signal);
        return expired();
      case "stale-list":
        this.#stale.set(url.pathname, version);
        return expired();
    }
  }
}

const kubeconfigOf = (server: string): string =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "faults", cluster: { server } }],
    users: [{ name: "operator", user: {} }],
    contexts: [{ name: "faults", context: { cluster: "faults", user: "operator" } }],
    "current-context": "faults",
  });

const answerWith = (response: ServerResponse, { status, headers, body }: ProxyResponse): void =>
  void response.writeHead(status, headers).end(body);

const held = (request: IncomingMessage, response: ServerResponse, pass: HeldWrite["pass"]): HeldWrite => ({
  pass,
  give: (answer) => answerWith(response, answer),
  get isGivenUp() {
    return request.socket.destroyed;
  },
  givenUp: () => gaveUp(request),
});

/** Waits for the end of the connection, whatever its cause; `once` would throw an error as its cause. */
async function gaveUp({ socket }: IncomingMessage): Promise<void> {
  if (!socket.destroyed) await new Promise((resolve) => socket.once("close", resolve));
}

/** Returns an error response as the API server formats it. */
function refusal(code: number, reason: string, message: string, headers: Record<string, string> = {}): ProxyResponse {
  const status = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason, code };
  return { status: code, headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(status) };
}
