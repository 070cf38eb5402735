import { delay } from "es-toolkit";
import type { z } from "zod";
import { linesOf, textOf } from "./bounded.ts";
import { Deadline } from "./deadline.ts";
import { explained } from "./explain.ts";
import { LocalApiError, type LocalApiErrorKind } from "./local_api_error.ts";
import { type Notify, NotifyMask, notifySchema } from "./notify.ts";
import { type PingResult, pingResultSchema, type PingType } from "./ping.ts";
import { type Prefs, prefsSchema } from "./prefs.ts";
import { type Status, statusSchema } from "./status.ts";
import { type WhoIs, whoIsSchema } from "./whois.ts";

/** Where the daemon is and how long to wait for it. */
export interface LocalClientOptions {
  /** Path of the unix socket, such as `/var/run/tailscale/tailscaled.sock`. */
  socket: string;
  /** Deadline of each call in milliseconds, of the bus until it answers (default 5000). */
  timeoutMs?: number;
}

/** What every call takes. */
export interface CallOptions {
  /** Ends the call early; it rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Deadline of this call in milliseconds (default: the client's). */
  timeoutMs?: number;
}

/** What {@linkcode LocalClient.status} takes. */
export interface StatusOptions extends CallOptions {
  /** Whether to list the peers (default true). */
  peers?: boolean;
}

/** What {@linkcode LocalClient.whois} takes. */
export interface WhoIsOptions extends CallOptions {
  /**
   * Says that the address is the local end of a proxied connection: a daemon in userspace mode hands on connections
   * from the tailnet as `127.0.0.1:port`, and knows by protocol and port who is behind one.
   */
  protocol?: "tcp" | "udp";
}

/** What {@linkcode LocalClient.ping} takes. */
export interface PingOptions extends CallOptions {
  /** Default `disco`. */
  type?: PingType;
}

/** What {@linkcode LocalClient.watchIpnBus} takes. */
export interface WatchOptions {
  /** Ends the watch; the iterator throws the signal's reason. */
  signal: AbortSignal;
  /** Sum of {@linkcode NotifyMask} (default: all of them). `InitialState` is always added. */
  mask?: number;
  /**
   * Throws `Timeout` when there was no line for that many milliseconds. Only with `EngineUpdates` in the mask are lines
   * to be expected from a daemon that has nothing to tell. Default: waits for ever.
   */
  livenessMs?: number;
}

/** What {@linkcode LocalClient.followIpnBus} takes. */
export interface FollowOptions extends WatchOptions {
  /** Told why each connection ended or didn't come about, before the next try. */
  onError?: (error: LocalApiError) => void;
}

const everything = Object.values(NotifyMask).reduce((mask, bit) => mask | bit, 0);

/** Asking a socket that nobody listens on costs nothing; a daemon that refuses or talks nonsense may not be pressed. */
const longestPauseMs: Record<LocalApiErrorKind, number> = {
  NotRunning: 500,
  Timeout: 500,
  AccessDenied: 30_000,
  NotFound: 30_000,
  Protocol: 30_000,
};
const shortestPauseMs = 50;

/**
 * A tailscaled, over its LocalAPI on a unix socket. Nothing is opened until the first call. Each call throws
 * {@linkcode LocalApiError} or the reason of its own signal, and nothing else.
 *
 * Deno needs `--allow-net=unix:SOCKET,local-tailscaled.sock:80 --allow-read=SOCKET --allow-write=SOCKET`.
 * Source: package `ipn/localapi` of the Go module tailscale.com; tested with 1.98 and 1.101.
 */
export class LocalClient implements Disposable {
  readonly #socket: string;
  readonly #timeoutMs: number;
  #opened: Deno.HttpClient | undefined;

  /** Takes where the daemon listens. Whether one does shows with the first call. */
  constructor({ socket, timeoutMs = 5000 }: LocalClientOptions) {
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
  }

  /** Closes the connections; calls under way fail. */
  [Symbol.dispose](): void {
    this.#opened?.close();
  }

  /** Made with the first call, so that a missing permission fails calls as all else does, and not the constructor. */
  get #http(): Deno.HttpClient {
    return this.#opened ??= Deno.createHttpClient({ proxy: { transport: "unix", path: this.#socket } });
  }

  /** This node and, unless told otherwise, its peers. Answers in every state of the daemon. */
  status({ peers = true, ...options }: StatusOptions = {}): Promise<Status> {
    return this.#call("GET", "status", peers ? {} : { peers: "false" }, statusSchema, options);
  }

  /**
   * The node and user behind an address.
   *
   * @param address `ip`, `ip:port` (`[ip]:port` for IPv6) or `nodekey:…`
   * @throws {LocalApiError} `NotFound` when it belongs to no node of the tailnet
   */
  whois(address: string, { protocol, ...options }: WhoIsOptions = {}): Promise<WhoIs> {
    const query = { addr: address, ...(protocol && { proto: protocol }) };
    return this.#call("GET", "whois", query, whoIsSchema, options);
  }

  /**
   * Sends one ping to a node's tailnet address and waits for the answer. That there is no such peer is told in the
   * result's `Err`.
   *
   * @throws {LocalApiError} `Timeout` also when the daemon is well but the peer doesn't answer
   */
  ping(ip: string, { type = "disco", ...options }: PingOptions = {}): Promise<PingResult> {
    return this.#call("POST", "ping", { ip, type }, pingResultSchema, options);
  }

  /** The daemon's settings. */
  prefs(options: CallOptions = {}): Promise<Prefs> {
    return this.#call("GET", "prefs", {}, prefsSchema, options);
  }

  /**
   * What changes, over one connection that is opened with the first `next()`; the first line tells the current state.
   * Returns when the daemon ends it. A daemon drops lines for a reader that is slow, so lines are occasions to look,
   * not a ledger.
   */
  async *watchIpnBus({ signal, mask = everything, livenessMs }: WatchOptions): AsyncGenerator<Notify, void, void> {
    const query = { mask: String(mask | NotifyMask.InitialState) };
    using deadline = new Deadline(this.#timeoutMs, signal);
    let limitMs = this.#timeoutMs;
    try {
      const body = await this.#send("GET", "watch-ipn-bus", query, deadline.signal);
      for await (const line of linesOf(body)) {
        // More lines may have come already than have been taken.
        signal.throwIfAborted();
        deadline.postpone();
        yield notifySchema.parse(JSON.parse(line));
        limitMs = livenessMs ?? 0;
        deadline.postpone(livenessMs);
      }
    } catch (error) {
      throw this.#failure("GET watch-ipn-bus", error, deadline, limitMs, signal);
    }
  }

  /**
   * {@linkcode LocalClient.watchIpnBus} over as many connections as it takes: a daemon that restarts, or that isn't
   * there yet, is found again within half a second, pauses growing and jittered. The first line of each connection is
   * the one with a `SessionID`. Only the signal ends it.
   */
  async *followIpnBus({ onError, ...options }: FollowOptions): AsyncGenerator<Notify, never, void> {
    for (let attempt = 0;; attempt++) {
      let error: LocalApiError;
      try {
        for await (const notify of this.watchIpnBus(options)) {
          attempt = 0;
          yield notify;
        }
        error = explained(this.#socket, "GET watch-ipn-bus", new LocalApiError("NotRunning", "it ended the bus"));
      } catch (caught) {
        if (!(caught instanceof LocalApiError)) throw caught;
        error = caught;
      }
      onError?.(error);
      const longest = Math.min(shortestPauseMs * 2 ** Math.min(attempt, 20), longestPauseMs[error.kind]);
      // delay rejects with an error of its own, callers expect the signal's reason.
      await delay(longest * (0.5 + Math.random() / 2), options).catch(() => options.signal.throwIfAborted());
    }
  }

  async #call<T>(
    method: "GET" | "POST",
    endpoint: string,
    query: Record<string, string>,
    schema: z.ZodType<T>,
    { signal, timeoutMs = this.#timeoutMs }: CallOptions,
  ): Promise<T> {
    using deadline = new Deadline(timeoutMs, signal);
    try {
      const text = await textOf(await this.#send(method, endpoint, query, deadline.signal));
      return schema.parse(JSON.parse(text));
    } catch (error) {
      throw this.#failure(`${method} ${endpoint}`, error, deadline, timeoutMs, signal);
    }
  }

  async #send(
    method: "GET" | "POST",
    endpoint: string,
    query: Record<string, string>,
    signal: AbortSignal,
  ): Promise<ReadableStream<Uint8Array>> {
    // The daemon answers only under this host name, a guard against DNS rebinding.
    const url = `http://local-tailscaled.sock/localapi/v0/${endpoint}?${new URLSearchParams(query)}`;
    const response = await fetch(url, { method, client: this.#http, signal, redirect: "manual" });
    const body = response.body ?? new Blob([]).stream();
    if (response.ok) return body;
    const kind = response.status === 403 ? "AccessDenied" : response.status === 404 ? "NotFound" : "Protocol";
    throw new LocalApiError(kind, `it answered ${response.status}: ${(await textOf(body)).trim().slice(0, 500)}`);
  }

  #failure(
    what: string,
    error: unknown,
    deadline: Deadline,
    limitMs: number,
    signal: AbortSignal | undefined,
  ): unknown {
    if (signal?.aborted) return signal.reason;
    const cause = deadline.passed ? new LocalApiError("Timeout", `no answer within ${limitMs} ms`) : error;
    return explained(this.#socket, what, cause);
  }
}
