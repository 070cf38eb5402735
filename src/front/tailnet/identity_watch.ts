/** Keeps the identities of open connections current. */
import { isEqual } from "es-toolkit";
import { getLogger } from "@logtape/logtape";
import type { Clock } from "../../../lib/clock/mod.ts";
import { type FollowOptions, LocalApiError, type Notify, NotifyMask, type WhoIs } from "../../../lib/tailscale/mod.ts";
import { identityFrom, isSameLogin, type TailnetIdentity } from "../../core/people/tailnet_identity.ts";
import { Alarm } from "../../tailnet/alarm.ts";
import { isNews, tellsOfPolicy } from "../../tailnet/news.ts";

/** The used part of the LocalAPI. */
export interface IdentityApi {
  whois(address: string, options: { signal: AbortSignal; timeoutMs: number }): Promise<WhoIs>;
  followIpnBus(options: FollowOptions): AsyncIterable<Notify>;
}

/**
 * Called when an identity has changed. With an identity: its name, tags or capabilities differ, so decide again for whom
 * it acts. With undefined: it is no longer that login of that node, or can't be confirmed, so end its connections.
 */
export type IdentityListener = (stableId: string, identity: TailnetIdentity | undefined) => void;

const timing = {
  /** Interval of rounds without a cause: newer daemons don't report a withdrawn capability. */
  everyMs: 10_000,
  /** Pause between rounds; or as long as the last round took, if that is longer. */
  restMs: 100,
  /** Deadline of a question. */
  askMs: 2000,
  /** Pause after a question that failed. */
  retryMs: 1000,
  /** Time for which an identity counts without an answer. */
  unconfirmedMs: 15_000,
} as const;

/** Without a line every 2 s: a daemon that hangs is noticed by the rounds. */
const quietMask = NotifyMask.PeerChanges | NotifyMask.PeerPatches;

const logger = getLogger(["keystone", "tailnet"]);

interface Watched {
  identity: TailnetIdentity;
  connections: number;
  /** Monotonic time of the last answer. */
  confirmedAt: number;
}

/**
 * Asks tailscaled again about nodes with open connections: when the bus reports a change, and every 10 s. Without open
 * connections it asks nothing. {@linkcode run} has to run.
 */
export class IdentityWatch {
  readonly #client: IdentityApi;
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  readonly #listeners: IdentityListener[] = [];
  readonly #watched = new Map<string, Watched>();
  /** Monotonic time of the next round, and before which none begins. */
  #dueAt = Infinity;
  #notBefore = 0;

  constructor({ client, clock }: { client: IdentityApi; clock: Clock }) {
    this.#client = client;
    this.#clock = clock;
    this.#alarm = new Alarm(clock);
  }

  onChange(listener: IdentityListener): void {
    this.#listeners.push(listener);
  }

  /**
   * Watches the identity of a new connection until the result is disposed. If the node has changed since its earlier
   * connections opened, the listeners are called before this returns.
   */
  add(identity: TailnetIdentity): Disposable {
    const earlier = this.#watched.get(identity.stableId);
    if (earlier) this.#learn(identity.stableId, earlier, identity);
    const watched = this.#watched.get(identity.stableId) ?? this.#begin(identity);
    watched.connections++;
    let isOpen = true;
    return {
      [Symbol.dispose]: () => {
        if (!isOpen) return;
        isOpen = false;
        watched.connections--;
        if (watched.connections === 0) this.#forget(identity.stableId, watched);
      },
    };
  }

  #begin(identity: TailnetIdentity): Watched {
    const watched = { identity, connections: 0, confirmedAt: this.#clock.monotonic() };
    this.#watched.set(identity.stableId, watched);
    // The node may have changed since it was asked about.
    this.#askSoon();
    return watched;
  }

  /** Follows the bus and asks until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#followBus(signal), this.#askWhenDue(signal)]);
  }

  async #followBus(signal: AbortSignal): Promise<void> {
    // A daemon that was away may have another login or policy.
    const onError = () => this.#askSoon();
    try {
      for await (const notify of this.#client.followIpnBus({ signal, onError, mask: quietMask })) {
        if (isNews(notify) || tellsOfPolicy(notify)) this.#askSoon();
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  #askSoon(): void {
    this.#dueAt = this.#clock.monotonic();
    this.#alarm.ring();
  }

  async #askWhenDue(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const dueAt = this.#watched.size === 0 ? Infinity : Math.max(this.#dueAt, this.#notBefore);
      const waitMs = dueAt - this.#clock.monotonic();
      if (waitMs > 0) await this.#alarm.wait(waitMs, signal);
      else await this.#round(signal);
    }
  }

  async #round(signal: AbortSignal): Promise<void> {
    const startedAt = this.#clock.monotonic();
    // Set before the questions, so that a line during the round causes another one.
    this.#dueAt = startedAt + timing.everyMs;
    let failed = false;
    for (const [stableId, watched] of [...this.#watched]) {
      if (signal.aborted) return;
      // A hanging daemon costs one deadline a round.
      if (!failed) failed = !await this.#ask(stableId, watched, signal);
      if (this.#clock.monotonic() - watched.confirmedAt >= timing.unconfirmedMs) this.#end(stableId, watched);
    }
    const now = this.#clock.monotonic();
    this.#notBefore = now + (failed ? timing.retryMs : Math.max(timing.restMs, now - startedAt));
    if (failed) this.#dueAt = Math.min(this.#dueAt, this.#notBefore);
  }

  /** Asks about one node; returns false if the daemon doesn't answer. */
  async #ask(stableId: string, watched: Watched, signal: AbortSignal): Promise<boolean> {
    try {
      const whois = await this.#client.whois(watched.identity.addresses[0]!, { signal, timeoutMs: timing.askMs });
      watched.confirmedAt = this.#clock.monotonic();
      this.#learn(stableId, watched, identityFrom(whois));
    } catch (error) {
      if (signal.aborted) return true;
      if (!(error instanceof LocalApiError)) throw error;
      if (error.kind === "NotFound") this.#end(stableId, watched);
      else {
        logger.debug("can't confirm an identity: {message}", { message: error.message });
        return false;
      }
    }
    return true;
  }

  #learn(stableId: string, watched: Watched, identity: TailnetIdentity): void {
    const { identity: before } = watched;
    if (!isSameLogin(before, identity)) this.#end(stableId, watched);
    else if (!isEqual(before, identity)) {
      watched.identity = identity;
      this.#tell(stableId, identity);
    }
  }

  /** Ends an identity: its connections are over, and later ones are watched as another. */
  #end(stableId: string, watched: Watched): void {
    if (this.#forget(stableId, watched)) this.#tell(stableId, undefined);
  }

  /** Returns false if another login of the node is watched by now. */
  #forget(stableId: string, watched: Watched): boolean {
    return this.#watched.get(stableId) === watched && this.#watched.delete(stableId);
  }

  #tell(stableId: string, identity: TailnetIdentity | undefined): void {
    for (const listener of this.#listeners) listener(stableId, identity);
  }
}
