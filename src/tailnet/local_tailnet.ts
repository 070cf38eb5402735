/** Keeps the state of the tailnet: notifications on the bus trigger polls, and the polled status has the state. */
import { getLogger } from "@logtape/logtape";
import { type Clock, systemClock } from "../../lib/clock/mod.ts";
import {
  type FollowOptions,
  LocalApiError,
  LocalClient,
  type Notify,
  type Prefs,
  type TailscaleStatus,
  type WhoIs,
} from "../../lib/tailscale/mod.ts";
import { Alarm } from "./alarm.ts";
import { CapabilityWatch } from "./capability_watch.ts";
import { isNews, tellsOfPolicy } from "./news.ts";
import { type Ping, type PingApi, Pinger } from "./pinger.ts";
import { addressesIn, isTailnetAddress } from "./peer.ts";
import {
  stateFrom,
  type TailnetChange,
  tailnetChange,
  type TailnetState,
  unreachable,
  withCapabilities,
} from "./tailnet_state.ts";
import type { Tailnet } from "./tailnet.ts";

/** The used part of the LocalAPI. */
export interface LocalApi extends PingApi, Disposable {
  status(options: { signal: AbortSignal; peers?: false }): Promise<TailscaleStatus>;
  prefs(options: { signal: AbortSignal }): Promise<Prefs>;
  whois(address: string, options: { signal: AbortSignal }): Promise<WhoIs>;
  followIpnBus(options: FollowOptions): AsyncIterable<Notify>;
}

/** Maximum response size, enough for some 20,000 nodes, so that a daemon can't fill the operator's memory. */
const maxBytes = 32 * 2 ** 20;

const timing = {
  /** Timeout of a status request and of opening the bus. With the silence, a daemon that hangs is noticed within 5 s. */
  timeoutMs: 2500,
  /** Silence that triggers a poll: the daemon sends every 2 s (`NotifyMask.EngineUpdates`), so a line is late. */
  silenceMs: 2500,
  /** Interval of routine polls, in case a line was lost. */
  consistencyMs: 60_000,
  /** Every nth routine poll queries a watched node's capabilities instead. */
  capabilityTurn: 5,
  /** Delay of the first poll if the bus neither sends a line nor fails. */
  startMs: 1000,
  /** Delays before an unreachable or hanging daemon is polled again, and one that refuses or sends invalid data. */
  retryMs: 1000,
  refusedRetryMs: 10_000,
  /** Pause after a poll, which gathers bursts: four times the poll's duration, within these bounds. */
  shortestRestMs: 100,
  longestRestMs: 1000,
} as const;

const logger = getLogger(["keystone", "tailnet"]);

/** A {@linkcode Tailnet} fed by one tailscaled. */
export class LocalTailnet implements Tailnet {
  readonly #socket: string;
  readonly #clock: Clock;
  readonly #connect: (options: { timeoutMs: number; maxBytes: number }) => LocalApi;
  readonly #isAddress: (text: string) => boolean;
  readonly #alarm: Alarm;
  readonly #capabilities: CapabilityWatch;
  readonly #pings = new Pinger();
  readonly #listeners: ((change: TailnetChange) => void)[] = [];
  readonly #first = Promise.withResolvers<void>();
  #state: TailnetState;
  #controlURL: string | undefined;
  /** Present while running. */
  #client: LocalApi | undefined;
  /** Monotonic times: next poll; earliest poll; instant at which the bus has been silent for too long. */
  #dueAt = 0;
  /** True if only the time triggers the next poll; number of such polls. */
  #routine = false;
  #routines = 0;
  #notBefore = 0;
  #silentAt = Infinity;
  #lastLineAt = -Infinity;
  /** Consecutive polls of an unreachable or hanging daemon. */
  #missed = 0;

  constructor(
    { socket, clock, connect, isAddress = isTailnetAddress }: {
      socket: string;
      clock: Clock;
      connect: (options: { timeoutMs: number; maxBytes: number }) => LocalApi;
      isAddress?: (text: string) => boolean;
    },
  ) {
    this.#socket = socket;
    this.#clock = clock;
    this.#connect = connect;
    this.#isAddress = isAddress;
    this.#alarm = new Alarm(clock);
    this.#capabilities = new CapabilityWatch({
      clock,
      onChange: () => this.#show(withCapabilities(this.#state, this.#capabilities.known)),
    });
    const message = `tailscaled at ${socket} has not been queried yet; wait a moment`;
    this.#state = { kind: "unavailable", reason: "Starting", message };
  }

  get state(): TailnetState {
    return this.#state;
  }

  onChange(listener: (change: TailnetChange) => void): void {
    this.#listeners.push(listener);
  }

  ready(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = () => reject(signal.reason);
      if (signal.aborted) return stop();
      signal.addEventListener("abort", stop, { once: true });
      this.#first.promise.then(() => {
        signal.removeEventListener("abort", stop);
        resolve();
      });
    });
  }

  watch(names: ReadonlySet<string>): void {
    this.#capabilities.watch(names);
  }

  ping(address: string, signal: AbortSignal): Promise<Ping> {
    if (this.#client) return this.#pings.ping(this.#client, address, signal);
    return Promise.resolve({
      kind: "unknown",
      message: `tailscaled at ${this.#socket} can't be queried: the operator is starting or stopping`,
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    using client = this.#connect({ timeoutMs: timing.timeoutMs, maxBytes });
    this.#client = client;
    this.#dueAt = this.#clock.monotonic() + timing.startMs;
    try {
      await Promise.all([
        this.#followBus(client, signal),
        this.#lookWhenDue(client, signal),
        this.#capabilities.run((address, signal) => client.whois(address, { signal }), signal),
      ]);
    } finally {
      this.#client = undefined;
    }
  }

  async #followBus(client: LocalApi, signal: AbortSignal): Promise<void> {
    const onError = (error: LocalApiError) => {
      logger.debug("lost the bus: {message}", { message: error.message });
      this.#lookNow();
    };
    try {
      for await (const notify of client.followIpnBus({ signal, onError })) this.#heard(notify);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  #heard(notify: Notify): void {
    this.#lastLineAt = this.#clock.monotonic();
    // Silence is suspicious only for a daemon that sends counters.
    if (notify.Engine) this.#silentAt = this.#lastLineAt + timing.silenceMs;
    this.#alarm.ring();
    if (notify.Prefs) this.#controlURL = controlURLOf(notify.Prefs);
    if (tellsOfPolicy(notify)) this.#capabilities.policyMayHaveChanged();
    if (isNews(notify)) this.#lookNow();
  }

  #lookNow(): void {
    this.#dueAt = Math.min(this.#dueAt, this.#clock.monotonic());
    this.#routine = false;
    this.#alarm.ring();
  }

  async #lookWhenDue(client: LocalApi, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const dueAt = Math.max(Math.min(this.#dueAt, this.#silentAt), this.#notBefore);
      const waitMs = dueAt - this.#clock.monotonic();
      if (waitMs > 0) await this.#alarm.wait(waitMs, signal);
      else await this.#look(client, signal);
    }
  }

  async #look(client: LocalApi, signal: AbortSignal): Promise<void> {
    const startedAt = this.#clock.monotonic();
    const routine = this.#routine && startedAt < this.#silentAt;
    // Set before polling, so that a notification during the poll triggers another one.
    this.#dueAt = startedAt + timing.consistencyMs;
    this.#routine = true;
    if (routine && ++this.#routines % timing.capabilityTurn === 0 && this.#capabilities.askOne()) return;
    // One silence triggers one poll; a poll for another reason doesn't end the wait for the next line.
    if (startedAt >= this.#silentAt) this.#silentAt = Infinity;
    try {
      const status = await client.status({ signal });
      this.#missed = 0;
      this.#showStatus(status);
      if (this.#controlURL === undefined && status.BackendState === "Running") {
        await this.#learnControlURL(client, signal);
        this.#showStatus(status);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof LocalApiError)) throw error;
      this.#failed(error, startedAt);
    }
    const now = this.#clock.monotonic();
    const restMs = Math.min(Math.max(4 * (now - startedAt), timing.shortestRestMs), timing.longestRestMs);
    this.#notBefore = now + restMs;
  }

  #showStatus(status: TailscaleStatus): void {
    const { known: capabilities } = this.#capabilities;
    const beside = { controlURL: this.#controlURL, capabilities, isAddress: this.#isAddress };
    this.#show(stateFrom(status, this.#socket, beside));
  }

  /** Reads the control server's URL from the preferences if the bus can't be opened; otherwise the bus reports it. */
  async #learnControlURL(client: LocalApi, signal: AbortSignal): Promise<void> {
    try {
      this.#controlURL = controlURLOf(await client.prefs({ signal }));
    } catch (error) {
      if (!signal.aborted && !(error instanceof LocalApiError)) throw error;
    }
  }

  #failed(error: LocalApiError, startedAt: number): void {
    const gone = error.kind === "NotRunning" || error.kind === "Timeout";
    this.#missed = gone ? this.#missed + 1 : 0;
    const retryMs = gone ? timing.retryMs : timing.refusedRetryMs;
    this.#dueAt = Math.min(this.#dueAt, this.#clock.monotonic() + retryMs);
    this.#routine = false;
    // A daemon that sent a line in the meantime is busy, not gone: one slow response proves nothing.
    if (error.kind === "Timeout" && this.#missed === 1 && this.#lastLineAt > startedAt) return;
    this.#show(unreachable(error));
  }

  #show(state: TailnetState): void {
    this.#capabilities.observe(state);
    const change = tailnetChange(this.#state, state);
    if (change.all || change.names.size > 0) {
      this.#state = state;
      for (const listener of this.#listeners) {
        try {
          listener(change);
        } catch (error) {
          logger.error("a listener for the tailnet failed: {error}", { error });
        }
      }
    }
    this.#first.resolve();
  }
}

const defaultControlURL = "https://controlplane.tailscale.com";

/** Returns the control server's URL; a daemon without one uses Tailscale's. */
const controlURLOf = ({ ControlURL }: Prefs): string => ControlURL || defaultControlURL;

/**
 * Makes the tailnet of the tailscaled behind `socket` (a path, TS_SOCKET). It sends no request before `run`.
 *
 * @param options.ranges CIDRs of nodes' addresses, if the control server has other ranges than usual
 */
export function createTailnet(
  { socket, clock = systemClock, ranges }: { socket: string; clock?: Clock; ranges?: readonly string[] },
): Tailnet {
  const connect = (options: { timeoutMs: number; maxBytes: number }) => new LocalClient({ socket, ...options });
  return new LocalTailnet({ socket, clock, connect, ...(ranges ? { isAddress: addressesIn(ranges) } : {}) });
}
