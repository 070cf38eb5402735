import { sleep, systemClock } from "../clock/mod.ts";
import { z } from "zod";
import { linesOf } from "./bounded.ts";
import { type CertificatePair, certificatePairFrom } from "./certificate.ts";
import { Deadline } from "./deadline.ts";
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

/** Where the daemon is and how long to wait for it. */
export interface LocalClientOptions {
  /** Path of the unix socket, such as `/var/run/tailscale/tailscaled.sock`. */
  socket: string;
  /** Deadline of each call in milliseconds, of the bus until it answers (default 5000). */
  timeoutMs?: number;
  /** Longest answer and longest line of the bus, in bytes (default 64 MiB: some 40,000 nodes with all their fields). */
  maxBytes?: number;
}

/** What every call takes. */
export interface LocalCallOptions {
  /** Ends the call early; it rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Deadline of this call in milliseconds (default: the client's). */
  timeoutMs?: number;
}

/** What {@linkcode LocalClient.status} takes. */
export interface StatusOptions extends LocalCallOptions {
  /** Whether to list the peers (default true). */
  peers?: boolean;
}

/** What {@linkcode LocalClient.whois} takes. */
export interface WhoIsOptions extends LocalCallOptions {
  /**
   * Says that the address is the local end of a proxied connection: a daemon in userspace mode hands on connections
   * from the tailnet as `127.0.0.1:port`, and knows by protocol and port who is behind one.
   */
  protocol?: "tcp" | "udp";
}

/** What {@linkcode LocalClient.ping} takes. */
export interface PingOptions extends LocalCallOptions {
  /** Default `disco`. */
  type?: PingType;
  /** Size of the packet in bytes, to find the path's MTU; with `disco` only (default: the smallest). */
  size?: number;
}

/** What {@linkcode LocalClient.queryDns} takes. */
export interface DnsOptions extends LocalCallOptions {
  /** Default `A`. */
  type?: DnsType;
}

/** What {@linkcode LocalClient.setServeConfig} takes. */
export interface SetServeConfigOptions extends LocalCallOptions {
  /** Changes only what was read with this ETag; without it whatever is there is replaced. */
  etag?: string;
}

/** What {@linkcode LocalClient.certificate} takes. */
export interface CertificateOptions extends LocalCallOptions {
  /** Renews one that would end sooner than in so many milliseconds (default: the daemon's own choice). */
  minValidityMs?: number;
}

/** What {@linkcode LocalClient.watchIpnBus} takes. */
export interface NotifyOptions {
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
export interface FollowOptions extends NotifyOptions {
  /** Told why each connection ended or didn't come about, before the next try. */
  onError?: (error: LocalApiError) => void;
}

const everything = Object.values(NotifyMask).reduce((mask, bit) => mask | bit, 0);

/** Asking a socket that nobody listens on costs nothing; a daemon that refuses or talks nonsense may not be pressed. */
const longestPauseMs = (kind: LocalApiErrorKind): number => kind === "NotRunning" || kind === "Timeout" ? 500 : 30_000;
const shortestPauseMs = 50;

/** A certificate is asked for at an authority, which takes its time. */
const certificateTimeoutMs = 120_000;

/**
 * A tailscaled, over its LocalAPI on a unix socket. Nothing is opened until the first call. Each call throws
 * {@linkcode LocalApiError} or the reason of its own signal, and nothing else.
 *
 * Deno needs `--allow-net=unix:SOCKET,local-tailscaled.sock:80 --allow-read=SOCKET --allow-write=SOCKET`.
 * Source: packages `ipn/localapi` and `client/local` of the Go module tailscale.com; tested with 1.98 and 1.101.
 */
export class LocalClient implements Disposable {
  readonly #socket: string;
  readonly #timeoutMs: number;
  readonly #transport: Transport;

  /** Takes where the daemon listens. Whether one does shows with the first call. */
  constructor({ socket, timeoutMs = 5000, maxBytes = 64 * 2 ** 20 }: LocalClientOptions) {
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
    this.#transport = new Transport({ socket, maxBytes });
  }

  /** Closes the connections; calls under way fail. */
  [Symbol.dispose](): void {
    this.#transport[Symbol.dispose]();
  }

  /** This node and, unless told otherwise, its peers. Answers in every state of the daemon. */
  status({ peers = true, ...options }: StatusOptions = {}): Promise<TailscaleStatus> {
    const call: Call = { method: "GET", endpoint: "status", ...(peers ? {} : { query: { peers: "false" } }) };
    return this.#call(call, jsonOf(statusSchema), options);
  }

  /**
   * The node and user behind an address.
   *
   * @param address `ip`, `ip:port` (`[ip]:port` for IPv6) or `nodekey:…`
   * @throws {LocalApiError} `NotFound` when it belongs to no node of the tailnet
   */
  whois(address: string, { protocol, ...options }: WhoIsOptions = {}): Promise<WhoIs> {
    const query = { addr: address, ...(protocol && { proto: protocol }) };
    return this.#call({ method: "GET", endpoint: "whois", query }, jsonOf(whoIsSchema), options);
  }

  /**
   * Sends one ping to a node's tailnet address and waits for the answer. That there is no such peer is told in the
   * result's `Err`.
   *
   * @throws {LocalApiError} `Timeout` also when the daemon is well but the peer doesn't answer
   */
  ping(ip: string, { type = "disco", size, ...options }: PingOptions = {}): Promise<PingResult> {
    const query = { ip, type, ...(size === undefined ? {} : { size: String(size) }) };
    return this.#call({ method: "POST", endpoint: "ping", query }, jsonOf(pingResultSchema), options);
  }

  /** The daemon's settings. */
  prefs(options: LocalCallOptions = {}): Promise<Prefs> {
    return this.#call({ method: "GET", endpoint: "prefs" }, jsonOf(prefsSchema), options);
  }

  /**
   * Changes settings, those that are named and no others, and returns all of them as they are then. A field that the
   * daemon doesn't know it silently leaves out.
   *
   * @throws {LocalApiError} `AccessDenied` unless the daemon takes this user for root or its operator; `Refused` with
   * its reason when the change isn't allowed
   */
  patchPrefs(changes: Partial<Prefs>, options: LocalCallOptions = {}): Promise<Prefs> {
    const call: Call = { method: "PATCH", endpoint: "prefs", body: maskedPrefs(changes) };
    return this.#call(call, jsonOf(prefsSchema), options);
  }

  /**
   * Asks the daemon's own DNS, as programs on its machine would with `--accept-dns`.
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

  /** What the daemon serves on the tailnet. */
  serveConfig(options: LocalCallOptions = {}): Promise<TaggedServeConfig> {
    return this.#call(
      { method: "GET", endpoint: "serve-config" },
      ({ text, headers }) => serveConfigFrom(text, headers.get("etag")),
      options,
    );
  }

  /**
   * Replaces what the daemon serves: write back what {@linkcode LocalClient.serveConfig} read, with the changes in it
   * and its `etag`.
   *
   * @throws {LocalApiError} `Conflict` when it isn't any more what was read
   */
  async setServeConfig(config: ServeConfig, { etag, ...options }: SetServeConfigOptions = {}): Promise<void> {
    const call: Call = { method: "POST", endpoint: "serve-config", body: config };
    if (etag !== undefined) call.headers = { "If-Match": etag };
    await this.#call(call, () => undefined, options);
  }

  /** The names that the daemon can have certificates for; none when the tailnet has no HTTPS. */
  async certDomains(options: LocalCallOptions = {}): Promise<string[]> {
    const domains = jsonOf(z.array(z.string()).nullable());
    return await this.#call({ method: "GET", endpoint: "cert-domains" }, domains, options) ?? [];
  }

  /**
   * A certificate for one of {@linkcode LocalClient.certDomains}, from the daemon's store if there is a good one, else
   * from Let's Encrypt. Its deadline is 2 minutes unless told otherwise.
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
   * What changes, over one connection that is opened with the first `next()`; the first line tells the current state.
   * Returns when the daemon ends it. A daemon drops lines for a reader that is slow, so lines are occasions to look,
   * not a ledger; and a daemon that floods is read so slowly that this process has four fifths of its time for other work.
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
        // More lines may have come already than have been taken.
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
