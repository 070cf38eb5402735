/** WhoIs of new connections, with a bound on the questions that are expensive for tailscaled. */
import { type Clock, sleep } from "../../../lib/clock/mod.ts";
import { LocalApiError, type WhoIs } from "../../../lib/tailscale/mod.ts";
import { identityFrom, type TailnetIdentity } from "../../core/people/tailnet_identity.ts";
import { isTailnetAddress } from "../../tailnet/peer.ts";
import { Turns } from "./turns.ts";

/** The used part of the LocalAPI. */
export interface WhoIsApi {
  whois(address: string, options: { protocol?: "tcp"; timeoutMs: number }): Promise<WhoIs>;
}

/** Kind of a refusal, for metrics. */
export type GateReason = "LocalProcess" | "Busy" | "NotTailnet" | "NoIdentity" | "TailscaledUnavailable";

/** A connection whose node is unknown. */
export interface GateRefusal {
  /** Sentence with the remedy. */
  refused: string;
  reason: GateReason;
}

const bounds = {
  /** Deadline of a question. */
  askMs: 2000,
  /** Connections that wait for a question. */
  waiting: 512,
  /** Questions about tailnet addresses at a time. These never wait inside tailscaled. */
  direct: 8,
  /** Misses in a row, and the time after which one more is allowed. */
  misses: 2,
  missEveryMs: 20_000,
  /** Pause before a question while a miss is recent, in which a connection that hangs up costs nothing. */
  shortestPauseMs: 50,
  longestPauseMs: 250,
} as const;

/**
 * Asks tailscaled once for each new connection which node has opened it.
 *
 * In userspace mode tailscaled forwards connections as `127.0.0.1:port`. About one that isn't its own, of a process of
 * this machine or of a node that has just hung up, it thinks for 180 ms with its lock held. So questions about loopback
 * go one at a time, and misses are counted: two in a row, then one in 20 s. Until then every other connection from
 * loopback is refused, because nothing tells it apart. So connections that tailscaled's user has not opened are refused
 * without a question, and count for nothing. Questions with an answer, also about nodes that act for nobody, cost a
 * millisecond and aren't limited.
 */
export class WhoIsGate {
  readonly #client: WhoIsApi;
  readonly #clock: Clock;
  readonly #isFromDaemon: (port: number, signal: AbortSignal) => Promise<boolean>;
  readonly #isAddress: (text: string) => boolean;
  readonly #random: () => number;
  readonly #loopback: Turns;
  readonly #direct: Turns;
  /** Monotonic time at which no miss counts any more. */
  #missesUntil = 0;

  /**
   * @param isFromDaemon reports whether tailscaled may have opened a connection from a port of 127.0.0.1; default: always
   * @param isAddress reports whether a node can have an address; default: the ranges of all tailnets
   */
  constructor({
    client,
    clock,
    isFromDaemon = () => Promise.resolve(true),
    isAddress = isTailnetAddress,
    random = Math.random,
  }: {
    client: WhoIsApi;
    clock: Clock;
    isFromDaemon?: ((port: number, signal: AbortSignal) => Promise<boolean>) | undefined;
    isAddress?: (text: string) => boolean;
    random?: () => number;
  }) {
    this.#client = client;
    this.#clock = clock;
    this.#isFromDaemon = isFromDaemon;
    this.#isAddress = isAddress;
    this.#random = random;
    this.#loopback = new Turns(1, bounds.waiting);
    this.#direct = new Turns(bounds.direct, bounds.waiting);
  }

  /**
   * Returns the identity behind a connection, or why it has none. Rejects only with the signal's reason.
   *
   * @param address remote end of the connection: `127.0.0.1:port`, `100.64.0.2:port` or `[fd7a:…]:port`
   * @param signal aborts when the connection closes, so that a closed one is not asked about
   */
  async ask(address: string, signal: AbortSignal): Promise<TailnetIdentity | GateRefusal> {
    const ip = hostOf(address);
    if (ip === "127.0.0.1") return await this.#askAboutLoopback(address, signal);
    if (ip === undefined || !this.#isAddress(ip)) return elsewhere;
    using turn = await this.#direct.take(signal);
    // Without the port: with it tailscaled would think about an address that no node has.
    return turn ? await this.#identityOf(ip, {}, signal) ?? gone : busy;
  }

  async #askAboutLoopback(address: string, signal: AbortSignal): Promise<TailnetIdentity | GateRefusal> {
    const isFromDaemon = await this.#isFromDaemon(Number(address.slice(address.lastIndexOf(":") + 1)), signal);
    signal.throwIfAborted();
    if (!isFromDaemon) return local;
    let paused = false;
    while (true) {
      if (this.#isClosed()) return closed;
      if (this.#countedMs > 0 && !paused) {
        await this.#pause(signal);
        paused = true;
      }
      using turn = await this.#loopback.take(signal);
      if (!turn) return busy;
      // A miss while it waited: pause now.
      if (this.#countedMs > 0 && !paused) continue;
      if (this.#isClosed()) return closed;
      const found = await this.#identityOf(address, { protocol: "tcp" }, signal);
      if (found) return found;
      this.#missesUntil = this.#clock.monotonic() + this.#countedMs + bounds.missEveryMs;
      return local;
    }
  }

  /** Pauses for a random time, so that a node can't hang up at the very moment of the question. */
  async #pause(signal: AbortSignal): Promise<void> {
    const { shortestPauseMs, longestPauseMs } = bounds;
    await sleep(this.#clock, shortestPauseMs + this.#random() * (longestPauseMs - shortestPauseMs), signal);
    signal.throwIfAborted();
  }

  /** Returns the node of an address; undefined if there is none. */
  async #identityOf(
    address: string,
    options: { protocol?: "tcp" },
    signal: AbortSignal,
  ): Promise<TailnetIdentity | GateRefusal | undefined> {
    try {
      // Not ended by the signal: tailscaled goes on thinking, and a miss counts.
      const identity = identityFrom(await this.#client.whois(address, { ...options, timeoutMs: bounds.askMs }));
      signal.throwIfAborted();
      return identity.stableId === "" || identity.addresses.length === 0 ? noIdentity : identity;
    } catch (error) {
      if (!(error instanceof LocalApiError)) throw error;
      if (error.kind === "NotFound") return undefined;
      return { refused: `The connection's node is unknown: ${error.message}.`, reason: "TailscaledUnavailable" };
    }
  }

  /** Time for which misses count: {@linkcode bounds.missEveryMs} for each. */
  get #countedMs(): number {
    return Math.max(0, this.#missesUntil - this.#clock.monotonic());
  }

  #isClosed(): boolean {
    return this.#countedMs > (bounds.misses - 1) * bounds.missEveryMs;
  }
}

const local: GateRefusal = {
  refused:
    "tailscaled has not forwarded this connection: it comes from a process of this machine, or its node has hung " +
    "up. Connect to the node's name in the tailnet.",
  reason: "LocalProcess",
};
const closed: GateRefusal = {
  refused: "Processes of this machine connect too often, so connections that tailscaled may have forwarded are not " +
    "checked for up to 20 s. Try again, and find the process that connects to this port of 127.0.0.1.",
  reason: "Busy",
};
const busy: GateRefusal = { refused: "Too many connections wait for their check. Try again.", reason: "Busy" };
const elsewhere: GateRefusal = {
  refused: "The connection does not come from the tailnet. Connect to the node's name in the tailnet.",
  reason: "NotTailnet",
};
const gone: GateRefusal = { refused: "No node of the tailnet has this address. Connect again.", reason: "NotTailnet" };
const noIdentity: GateRefusal = {
  refused: "tailscaled reports no StableID or no address for this node. Log the node in to the tailnet again.",
  reason: "NoIdentity",
};

/** Returns the address of `ip:port` or `[ip]:port`; undefined for other texts. */
function hostOf(text: string): string | undefined {
  const [, v6, v4] = /^(?:\[([0-9a-f:]+)\]|([0-9.]+)):[1-9][0-9]{0,4}$/.exec(text) ?? [];
  return v6 ?? v4;
}
