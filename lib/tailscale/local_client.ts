import { sleep, systemClock } from "../clock/mod.ts";
import { z } from "zod";
import { linesOf } from "./bounded.ts";
import { type CertificatePair, certificatePairFrom } from "./certificate.ts";
import { Deadline } from "./deadline.ts";
import { dial, type TailnetConnection } from "./dial.ts";
import { type DnsAnswer, dnsAnswerFrom, type DnsType } from "./dns.ts";
import { Duty } from "./duty.ts";
import { explained } from "./error_text.ts";
import { LocalApiError, type LocalApiErrorKind } from "./local_api_error.ts";
import { type Notify, NotifyMask, notifySchema } from "./notify.ts";
import { type PingResult, pingResultSchema, type PingType } from "./ping.ts";
import { maskedPrefs, type Prefs, prefsSchema } from "./prefs.ts";
import { type ServeConfig, serveConfigFrom, type TaggedServeConfig } from "./serve_config.ts";
import { statusSchema, type TailscaleStatus } from "./status.ts";
import { type Call, type LocalResponse, Transport } from "./transport.ts";
import { type WhoIs, whoIsSchema } from "./whois.ts";

/** Socket and limits of a client. */
export interface LocalClientOptions {
  /** Path of the unix socket, such as `/var/run/tailscale/tailscaled.sock`. */
  socket: string;
  /** Deadline of each call in milliseconds; for the bus, until the first response (default 5000). */
  timeoutMs?: number;
  /**
   * Maximum size of a response and of a line of the bus, in bytes (default 64 MiB: some 40,000 nodes with all their
   * fields).
   */
  maxBytes?: number;
}

/** Options of every call. */
export interface LocalCallOptions {
  /** Aborts the call; it rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Deadline of this call in milliseconds (default: the client's). */
  timeoutMs?: number;
}

/** Options of {@linkcode LocalClient.status}. */
export interface StatusOptions extends LocalCallOptions {
  /** True to list the peers (default true). */
  peers?: boolean;
}

/** Options of {@linkcode LocalClient.whois}. */
export interface WhoIsOptions extends LocalCallOptions {
  /**
   * Protocol, if the address is the local end of a proxied connection: a daemon in userspace mode forwards
   * connections from the tailnet as `127.0.0.1:port`, and knows the node behind one by protocol and port.
   */
  protocol?: "tcp" | "udp";
}

/** Options of {@linkcode LocalClient.ping}. */
export interface PingOptions extends LocalCallOptions {
  /** Default `disco`. */
  type?: PingType;
  /** Size of the packet in bytes, to find the path's MTU; with `disco` only (default: the smallest). */
  size?: number;
}

/** Options of {@linkcode LocalClient.queryDns}. */
export interface DnsOptions extends LocalCallOptions {
  /** Default `A`. */
  type?: DnsType;
}

/** Options of {@linkcode LocalClient.setServeConfig}. */
export interface SetServeConfigOptions extends LocalCallOptions {
  /** ETag of the configuration to replace; absent: replaces any. */
  etag?: string;
}

/** Options of {@linkcode LocalClient.certificate}. */
export interface CertificateOptions extends LocalCallOptions {
  /** Minimum remaining validity in milliseconds; a certificate with less is renewed (default: the daemon's choice). */
  minValidityMs?: number;
}

/** Options of {@linkcode LocalClient.watchIpnBus}. */
export interface NotifyOptions {
  /** Ends the watch; the iterator throws the signal's reason. */
  signal: AbortSignal;
  /** Sum of {@linkcode NotifyMask} (default: all of them). `InitialState` is always added. */
  mask?: number;
  /**
   * Maximum silence in milliseconds, after which it throws `Timeout`. An idle daemon sends lines only with
   * `EngineUpdates` in the mask. Default: no limit.
   */
  livenessMs?: number;
}

/** Options of {@linkcode LocalClient.followIpnBus}. */
export interface FollowOptions extends NotifyOptions {
  /** Called with the reason why each connection ended or failed, before the next attempt. */
  onError?: (error: LocalApiError) => void;
}

const everything = Object.values(NotifyMask).reduce((mask, bit) => mask | bit, 0);

/**
 * Maximum pause between attempts. Connecting to a socket without a listener costs nothing; a daemon that refuses or
 * sends invalid data must not be flooded.
 */
const longestPauseMs = (kind: LocalApiErrorKind): number => kind === "NotRunning" || kind === "Timeout" ? 500 : 30_000;
const shortestPauseMs = 50;

/** Deadline of a connection into the tailnet, whose peer may have to be found first. */
const dialTimeoutMs = 10_000;

/** Deadline of a certificate, which an authority issues. */
const certificateTimeoutMs = 120_000;

/**
 * A client of a tailscaled, over its LocalAPI on a unix socket. Connects with the first call. Each call throws
 * {@linkcode LocalApiError} or the reason of its own signal, and nothing else.
 *
 * Deno needs `--allow-net=unix:SOCKET,local-tailscaled.sock:80 --allow-read=SOCKET --allow-write=SOCKET`.
 * Source: packages `ipn/localapi` and `client/local` of the Go module tailscale.com; tested with 1.98 and 1.101.
 */
export class LocalClient implements Disposable {
  readonly #socket: string;
  readonly #timeoutMs: number;
  readonly #transport: Transport;

  /** Creates a client. A missing daemon is noticed with the first call. */
  constructor({ socket, timeoutMs = 5000, maxBytes = 64 * 2 ** 20 }: LocalClientOptions) {
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
    this.#transport = new Transport({ socket, maxBytes });
  }

  /** Closes the connections; running calls fail. */
  [Symbol.dispose](): void {
    this.#transport[Symbol.dispose]();
  }

  /** Returns this node and, by default, its peers. Works in every state of the daemon. */
  status({ peers = true, ...options }: StatusOptions = {}): Promise<TailscaleStatus> {
    const call: Call = { method: "GET", endpoint: "status", ...(peers ? {} : { query: { peers: "false" } }) };
    return this.#call(call, jsonOf(statusSchema), options);
  }

  /**
   * Returns the node and user behind an address.
   *
   * @param address `ip`, `ip:port` (`[ip]:port` for IPv6) or `nodekey:…`
   * @throws {LocalApiError} `NotFound` if it belongs to no node of the tailnet
   */
  whois(address: string, { protocol, ...options }: WhoIsOptions = {}): Promise<WhoIs> {
    const query = { addr: address, ...(protocol && { proto: protocol }) };
    return this.#call({ method: "GET", endpoint: "whois", query }, jsonOf(whoIsSchema), options);
  }

  /**
   * Sends one ping to a node's tailnet address and waits for the answer. If there is no such peer, the result has
   * `Err`.
   *
   * @throws {LocalApiError} `Timeout` also if the daemon works but the peer doesn't answer
   */
  ping(ip: string, { type = "disco", size, ...options }: PingOptions = {}): Promise<PingResult> {
    const query = { ip, type, ...(size === undefined ? {} : { size: String(size) }) };
    return this.#call({ method: "POST", endpoint: "ping", query }, jsonOf(pingResultSchema), options);
  }

  /** Returns the daemon's settings. */
  prefs(options: LocalCallOptions = {}): Promise<Prefs> {
    return this.#call({ method: "GET", endpoint: "prefs" }, jsonOf(prefsSchema), options);
  }

  /**
   * Changes only the given settings and returns all of them. The daemon silently ignores unknown fields.
   *
   * @throws {LocalApiError} `AccessDenied` unless the daemon takes this user for root or its operator; `Refused` with
   * its reason if the change isn't allowed
   */
  patchPrefs(changes: Partial<Prefs>, options: LocalCallOptions = {}): Promise<Prefs> {
    const call: Call = { method: "PATCH", endpoint: "prefs", body: maskedPrefs(changes) };
    return this.#call(call, jsonOf(prefsSchema), options);
  }

  /**
   * Queries the daemon's DNS, like programs on its machine with `--accept-dns`.
   *
   * @param name absolute, with or without the trailing dot
   * @throws {LocalApiError} `AccessDenied` unless the daemon takes this user for root or its operator
   */
  queryDns(name: string, { type = "A", ...options }: DnsOptions = {}): Promise<DnsAnswer> {
    return this.#call(
      { method: "GET", endpoint: "dns-query", query: { name, type } },
      ({ text }) => dnsAnswerFrom(JSON.parse(text)),
      options,
    );
  }

  /** Returns the daemon's serve configuration. */
  serveConfig(options: LocalCallOptions = {}): Promise<TaggedServeConfig> {
    return this.#call(
      { method: "GET", endpoint: "serve-config" },
      ({ text, headers }) => serveConfigFrom(text, headers.get("etag")),
      options,
    );
  }

  /**
   * Replaces the daemon's serve configuration: pass the changed result of {@linkcode LocalClient.serveConfig} with
   * its `etag`.
   *
   * @throws {LocalApiError} `Conflict` if it has changed since it was read
   */
  async setServeConfig(config: ServeConfig, { etag, ...options }: SetServeConfigOptions = {}): Promise<void> {
    const call: Call = { method: "POST", endpoint: "serve-config", body: config };
    if (etag !== undefined) call.headers = { "If-Match": etag };
    await this.#call(call, () => undefined, options);
  }

  /** Returns the names that the daemon can have certificates for; none if the tailnet has no HTTPS. */
  async certDomains(options: LocalCallOptions = {}): Promise<string[]> {
    const domains = jsonOf(z.array(z.string()).nullable());
    return await this.#call({ method: "GET", endpoint: "cert-domains" }, domains, options) ?? [];
  }

  /**
   * Returns a certificate for one of {@linkcode LocalClient.certDomains}, from the daemon's store if there is a valid
   * one, otherwise from Let's Encrypt. Its default deadline is 2 minutes.
   *
   * @throws {LocalApiError} `Refused` with the daemon's reason
   */
  certificate(domain: string, { minValidityMs, ...options }: CertificateOptions = {}): Promise<CertificatePair> {
    const query = { type: "pair", ...(minValidityMs === undefined ? {} : { min_validity: `${minValidityMs}ms` }) };
    return this.#call(
      { method: "GET", endpoint: `cert/${encodeURIComponent(domain)}`, query },
      ({ text }) => certificatePairFrom(text),
      { timeoutMs: certificateTimeoutMs, ...options },
    );
  }

  /**
   * Opens a TCP connection to a node of the tailnet, also where the operating system has no route to it. Its default
   * deadline is 10 s; the signal also ends an open connection. The daemon ends both directions as soon as one ends.
   *
   * @param host MagicDNS name or tailnet address
   * @throws {LocalApiError} `NotFound` if the host isn't in the tailnet; `Refused` with the daemon's reason if the node
   * can't be reached or doesn't accept the connection
   */
  dial(host: string, port: number, { signal, timeoutMs = dialTimeoutMs }: LocalCallOptions = {}): Promise<
    TailnetConnection
  > {
    return dial(host, port, {
      socket: this.#socket,
      signal,
      timeoutMs,
      failure: (call, error, deadline) => this.#transport.failure(call, error, deadline, timeoutMs, signal),
    });
  }

  /**
   * Yields changes, over one connection that is opened with the first `next()`; the first line has the current state.
   * Returns when the daemon ends it. A daemon drops lines for a slow reader, so use lines as triggers to poll, not as
   * a complete log. A daemon that floods is read so slowly that this process has four fifths of its time for other
   * work.
   */
  async *watchIpnBus({ signal, mask = everything, livenessMs }: NotifyOptions): AsyncGenerator<Notify, void, void> {
    const query = { mask: String(mask | NotifyMask.InitialState) };
    const call: Call = { method: "GET", endpoint: "watch-ipn-bus", query };
    const duty = new Duty();
    using deadline = new Deadline(this.#timeoutMs, signal);
    let limitMs = this.#timeoutMs;
    try {
      const { body } = await this.#transport.open(call, deadline.signal);
      for await (const line of linesOf(body)) {
        // More lines may have arrived than have been read.
        signal.throwIfAborted();
        deadline.postpone();
        yield duty.work(() => notifySchema.parse(JSON.parse(line)));
        await duty.rest(signal);
        limitMs = livenessMs ?? 0;
        deadline.postpone(livenessMs);
      }
    } catch (error) {
      throw this.#transport.failure(call, error, deadline, limitMs, signal);
    }
  }

  /**
   * Yields the lines of {@linkcode LocalClient.watchIpnBus} across connections: after a daemon restarts or starts, it
   * is found within half a second, with growing and jittered pauses. The first line of each connection is the one
   * with a `SessionID`. Only the signal ends it.
   */
  async *followIpnBus({ onError, ...options }: FollowOptions): AsyncGenerator<Notify, never, void> {
    for (let attempt = 0;; attempt++) {
      let error: LocalApiError;
      try {
        for await (const notify of this.watchIpnBus(options)) {
          attempt = 0;
          yield notify;
        }
        error = explained(this.#socket, "GET watch-ipn-bus", new LocalApiError("NotRunning", "it closed the bus"));
      } catch (caught) {
        if (!(caught instanceof LocalApiError)) throw caught;
        error = caught;
      }
      onError?.(error);
      const longest = Math.min(shortestPauseMs * 2 ** Math.min(attempt, 20), longestPauseMs(error.kind));
      await sleep(systemClock, longest * (0.5 + Math.random() / 2), options.signal);
      options.signal.throwIfAborted();
    }
  }

  #call<T>(
    call: Call,
    read: (answer: LocalResponse) => T,
    { signal, timeoutMs = this.#timeoutMs }: LocalCallOptions,
  ): Promise<T> {
    return this.#transport.call(call, read, { signal, timeoutMs });
  }
}

function jsonOf<T>(schema: z.ZodType<T>): (answer: LocalResponse) => T {
  return ({ text }) => schema.parse(JSON.parse(text));
}
