/** A proxy between an operator and its tailscaled, on its own unix socket, which injects faults. */
import { sleep, systemClock } from "../../lib/clock/mod.ts";
import { TextLineStream } from "../lab/lines.ts";
import { isHeartbeat } from "../../lib/tailscale/mod.ts";
import { type BusFault, type FaultTrigger, isBusFault, isLocalApiFault, type LocalApiFault } from "./fault.ts";

/** Time without a listener on the socket, as while tailscaled restarts. */
const gapMs = 1200;
/** Time for which a bus is silent or withholds changes: longer than the operator waits for a heartbeat. */
const silenceMs = 6000;
/** Larger than any response or line that an operator accepts. */
const tooLong = 33 * 2 ** 20;

const head = (length?: number, status = "200 OK") =>
  `HTTP/1.1 ${status}\r\nTailscale-Version: 1\r\nContent-Type: application/json\r\nConnection: close\r\n` +
  (length === undefined ? "\r\n" : `Content-Length: ${length}\r\n\r\n`);

/** One connection of the operator, which sends one request on each. */
class Near implements Disposable {
  readonly #connection: Deno.UnixConn;

  constructor(connection: Deno.UnixConn) {
    this.#connection = connection;
  }

  async asked(): Promise<{ method: string; path: string }> {
    const chunk = new Uint8Array(65_536);
    let text = "";
    while (!text.includes("\r\n\r\n")) {
      const length = await this.#connection.read(chunk);
      if (length === null) throw new Error("the operator closed the connection");
      text += new TextDecoder().decode(chunk.subarray(0, length));
    }
    // A request through a proxy has the whole URL.
    const [method, url] = text.split(" ", 2);
    const { pathname, search } = new URL(url!, "http://local-tailscaled.sock");
    return { method: method!, path: pathname + search };
  }

  async write(text: string): Promise<void> {
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length;) at += await this.#connection.write(bytes.subarray(at));
  }

  /** Waits until the operator closes the connection. */
  async gone(): Promise<void> {
    const chunk = new Uint8Array(1024);
    while (await this.#connection.read(chunk).catch(() => null) !== null);
  }

  [Symbol.dispose](): void {
    try {
      this.#connection.close();
    } catch { /* It was closed before. */ }
  }
}

export class LocalApiProxy implements AsyncDisposable {
  readonly #dir: string;
  readonly #trigger: FaultTrigger;
  readonly #tailscaled: Deno.HttpClient;
  readonly #ended = new AbortController();
  readonly #nears = new Set<Near>();
  readonly #works = new Set<Promise<void>>();
  /** The first response to each request. */
  readonly #first = new Map<string, string>();
  #listener: Deno.UnixListener;

  private constructor(dir: string, target: string, trigger: FaultTrigger) {
    this.#dir = dir;
    this.#trigger = trigger;
    this.#tailscaled = Deno.createHttpClient({ proxy: { transport: "unix", path: target } });
    this.#listener = this.#listen();
  }

  /** Listens in front of the tailscaled with the socket `target`. */
  static async listen(target: string, trigger: FaultTrigger): Promise<LocalApiProxy> {
    return new LocalApiProxy(await Deno.makeTempDir({ prefix: "keystone-faults-" }), target, trigger);
  }

  get socket(): string {
    return `${this.#dir}/tailscaled.sock`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    this.#close();
    await Promise.all(this.#works);
    this.#tailscaled.close();
    await Deno.remove(this.#dir, { recursive: true });
  }

  #listen(): Deno.UnixListener {
    const listener = Deno.listen({ transport: "unix", path: this.socket });
    this.#begin(async () => {
      for await (const connection of listener) {
        const near = new Near(connection);
        this.#nears.add(near);
        this.#begin(async () => {
          try {
            await this.#serve(near);
          } finally {
            this.#nears.delete(near);
            near[Symbol.dispose]();
          }
        });
      }
    });
    return listener;
  }

  /** Ignores errors of a connection: they are the purpose of this proxy. */
  #begin(work: () => Promise<void>): void {
    const running: Promise<void> = work().catch(() => {}).finally(() => this.#works.delete(running));
    this.#works.add(running);
  }

  /** Stops listening and closes all connections. */
  #close(): void {
    try {
      this.#listener.close();
    } catch { /* It is closed for a while already. */ }
    for (const near of this.#nears) near[Symbol.dispose]();
  }

  async #serve(near: Near): Promise<void> {
    const { method, path } = await near.asked();
    const endpoint = /^\/localapi\/v0\/([^/?]+)/.exec(path)?.[1];
    const fault = this.#trigger.at(`localapi.${endpoint}`);
    if (endpoint === "watch-ipn-bus" && !isLocalApiFault(fault)) return await this.#bus(near, path);
    await this.#answer(near, method, path, isLocalApiFault(fault) ? fault : undefined);
  }

  #ask(method: string, path: string): Promise<Response> {
    const url = `http://local-tailscaled.sock${path}`;
    return fetch(url, { method, client: this.#tailscaled, signal: this.#ended.signal });
  }

  async #answer(near: Near, method: string, path: string, fault: LocalApiFault | undefined): Promise<void> {
    const give = (text: string, status?: string) =>
      near.write(head(new TextEncoder().encode(text).length, status) + text);
    switch (fault) {
      case "localapi-refused":
        this.#close();
        await sleep(systemClock, gapMs, this.#ended.signal);
        if (!this.#ended.signal.aborted) this.#listener = this.#listen();
        return;
      case "localapi-closed":
        return;
      case "localapi-500":
        return await give("internal error", "500 Internal Server Error");
      case "localapi-garbage":
        return await give("<html>hello</html>\n");
      case "localapi-silent":
        return await near.gone();
      case "localapi-oversized":
        return await give(JSON.stringify({ BackendState: "Running", Extra: "x".repeat(tooLong) }));
    }
    const answer = await this.#ask(method, path);
    const text = await answer.text();
    const first = this.#first.get(path) ?? text;
    this.#first.set(path, first);
    const status = `${answer.status} ${answer.statusText || "Answer"}`;
    if (fault === "localapi-stale") return await give(first, status);
    if (fault === undefined) return await give(text, status);
    await near.write(head(new TextEncoder().encode(text).length, status) + text.slice(0, text.length / 2));
  }

  async #bus(near: Near, path: string): Promise<void> {
    const hungUp = new AbortController();
    const gone = near.gone().then(() => hungUp.abort());
    const answer = await this.#ask("GET", path);
    const lines = answer.body!.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream()).getReader();
    const stop = () => void lines.cancel().catch(() => {});
    hungUp.signal.addEventListener("abort", stop);
    let hidesUntil: number | undefined;
    try {
      await near.write(head());
      while (true) {
        const { done, value } = await lines.read();
        if (done || performance.now() > (hidesUntil ?? Infinity)) return;
        const lives = isHeartbeat(JSON.parse(value));
        if (hidesUntil !== undefined && !lives) continue;
        const fault = this.#trigger.at(lives ? "bus.heartbeat" : "bus.news");
        if (fault === "bus-hidden") hidesUntil = performance.now() + silenceMs;
        else if (!isBusFault(fault) || await this.#breakBus(fault, near, value)) await near.write(`${value}\n`);
        else return;
      }
    } finally {
      stop();
      near[Symbol.dispose]();
      await gone;
    }
  }

  /** Returns true if the bus goes on after the fault, with the line itself. */
  async #breakBus(fault: Exclude<BusFault, "bus-hidden">, near: Near, line: string): Promise<boolean> {
    switch (fault) {
      case "bus-eof":
        return false;
      case "bus-eof-mid-line":
        await near.write(line.slice(0, line.length / 2));
        return false;
      case "bus-silent":
        await sleep(systemClock, silenceMs, this.#ended.signal);
        return false;
      case "bus-oversized":
        await near.write(`${JSON.stringify({ Version: "x".repeat(tooLong) })}\n`);
        return false;
      case "bus-garbage":
        await near.write("hello\n");
        return true;
      case "bus-duplicate":
        await near.write(`${line}\n`);
        return true;
    }
  }
}
