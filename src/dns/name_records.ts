/** Answers for one name and family over time, and which of them are valid at an instant. Pure. */
import { sortAddresses } from "./canonical_address.ts";
import type { LookupResult, Missing } from "./lookup.ts";

/** Durations, in milliseconds. */
export interface Timing {
  /** Bounds of a TTL. A missing name has a lower upper bound, so that a name created later is found soon. */
  shortestTtlMs: number;
  longestTtlMs: number;
  longestMissingTtlMs: number;
  /** Minimum time for which addresses outlive the last answer with them; otherwise twice the TTL. */
  shortestHoldMs: number;
  /** Time for which the last answer outlives the first of several failures. */
  graceMs: number;
  /** Pauses between failures: doubled from the first to the last. */
  firstRetryMs: number;
  lastRetryMs: number;
}

/** The operator's timing. */
export const defaultTiming: Timing = {
  shortestTtlMs: 5000,
  longestTtlMs: 3_600_000,
  longestMissingTtlMs: 300_000,
  shortestHoldMs: 60_000,
  graceMs: 300_000,
  firstRetryMs: 5000,
  lastRetryMs: 60_000,
};

/** State at an instant: addresses (those of the last answer first, then by last occurrence), or the reason for none. */
export type RecordState = { addresses: string[] } | { addresses: []; missing: Missing } | {
  addresses: [];
  failure: string;
};

/** Maximum number of remembered addresses; many names answer with a few of many addresses. */
const maxRemembered = 128;

/**
 * Keeps the addresses of a name. An address is valid while the last answer has it, and then until twice the TTL (at
 * least a minute) after its last occurrence. So a name with rotating answers resolves to a stable set, and a
 * connection to an address from an earlier answer isn't cut at once.
 *
 * An answer without addresses is effective at once. A failure is no answer: the last answer stays valid until
 * failures have lasted for the grace.
 */
export class NameRecords {
  readonly #timing: Timing;
  /** End of validity of each address that the last answer doesn't have, by last occurrence, latest first. */
  #until = new Map<string, number>();
  #last: { addresses: ReadonlySet<string>; missing?: Missing } | undefined;
  #failing: { since: number; times: number; why: string } | undefined;
  #dueAt: number;

  constructor(timing: Timing, now: number) {
    this.#timing = timing;
    this.#dueAt = now;
  }

  /** Instant of the next query. */
  get dueAt(): number {
    return this.#dueAt;
  }

  /** Number of consecutive failures. */
  get failures(): number {
    return this.#failing?.times ?? 0;
  }

  /** True once there was an answer or a failure. */
  get asked(): boolean {
    return this.#last !== undefined || this.#failing !== undefined;
  }

  /** Records an answer. */
  answered({ addresses, missing = "NODATA", ttlMs }: LookupResult, now: number): void {
    const { shortestTtlMs, longestTtlMs, longestMissingTtlMs, shortestHoldMs } = this.#timing;
    const none = addresses.length === 0;
    const ttl = Math.max(shortestTtlMs, Math.min(ttlMs, none ? longestMissingTtlMs : longestTtlMs));
    const before = none || this.#graceIsOver(now) ? [] : this.#until;
    this.#dueAt = now + ttl;
    this.#failing = undefined;
    const latest = sortAddresses(new Set(addresses)).slice(0, maxRemembered);
    this.#last = { addresses: new Set(latest), ...(none ? { missing } : {}) };
    const until = now + Math.max(2 * ttl, shortestHoldMs);
    this.#until = new Map(latest.map((address) => [address, until]));
    for (const [address, end] of before) {
      if (this.#until.size >= maxRemembered) break;
      if (end > now && !this.#until.has(address)) this.#until.set(address, end);
    }
  }

  /** Records a failure. */
  failed(why: string, now: number): void {
    const { firstRetryMs, lastRetryMs } = this.#timing;
    const { since, times } = this.#failing ?? { since: now, times: 0 };
    this.#failing = { since, times: times + 1, why };
    this.#dueAt = now + Math.min(lastRetryMs, firstRetryMs * 2 ** times);
  }

  /** Returns the state at an instant not before the last answer or failure. */
  at(now: number): RecordState {
    if (!this.#last || this.#graceIsOver(now)) return { addresses: [], failure: this.#failing?.why ?? "" };
    const { addresses, missing } = this.#last;
    if (missing) return { addresses: [], missing };
    return {
      addresses: [...this.#until].filter(([address, end]) => addresses.has(address) || end > now).map(([a]) => a),
    };
  }

  /** Returns the first instant after `now` at which the state changes without a new answer or failure. */
  changesAt(now: number): number {
    if (!this.#last || this.#graceIsOver(now)) return Infinity;
    const ends = [...this.#until].filter(([address, end]) => end > now && !this.#last?.addresses.has(address));
    return Math.min(this.#graceEnd(), ...ends.map(([, end]) => end));
  }

  #graceEnd(): number {
    return this.#failing ? this.#failing.since + this.#timing.graceMs : Infinity;
  }

  #graceIsOver(now: number): boolean {
    return this.#graceEnd() <= now;
  }
}
