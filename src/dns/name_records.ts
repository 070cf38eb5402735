/** What DNS said about one name and family over time, and what of it still counts. Pure. */
import { sortAddresses } from "./canonical_address.ts";
import type { LookupResult, Missing } from "./lookup.ts";

/** How long things last, in milliseconds. */
export interface Timing {
  /** Bounds of a TTL; that of a missing name has an upper bound of its own, so that a name made later is soon found. */
  shortestTtlMs: number;
  longestTtlMs: number;
  longestMissingTtlMs: number;
  /** How long addresses outlive the answer that had them, at least; else twice its TTL. */
  shortestHoldMs: number;
  /** How long the last answer outlives the first of a row of failures. */
  graceMs: number;
  /** Pauses between failures: doubled from the first to the last. */
  firstRetryMs: number;
  lastRetryMs: number;
}

/** What the operator goes by. */
export const defaultTiming: Timing = {
  shortestTtlMs: 5000,
  longestTtlMs: 3_600_000,
  longestMissingTtlMs: 300_000,
  shortestHoldMs: 60_000,
  graceMs: 300_000,
  firstRetryMs: 5000,
  lastRetryMs: 60_000,
};

/** What counts at a moment: addresses, those of the last answer first and then the latest seen; or why there are none. */
export type RecordState = { addresses: string[] } | { addresses: []; missing: Missing } | {
  addresses: [];
  failure: string;
};

/** Many names answer with a few of many addresses. More than this aren't remembered. */
const maxRemembered = 128;

/**
 * An address counts while the last answer has it, and after that until twice the TTL (or a minute, if that is longer)
 * has passed since it was last seen. So a name whose answers rotate stands for a set that doesn't change with every
 * answer, and a connection that was opened on the word of an earlier answer isn't cut at once.
 *
 * An answer without addresses counts at once. A failure is no answer: the last one stands until failures have lasted
 * for the grace, and then nothing does.
 */
export class NameRecords {
  readonly #timing: Timing;
  /** Addresses by the moment until which they count when the last answer doesn't have them, latest seen first. */
  #until = new Map<string, number>();
  #last: { addresses: ReadonlySet<string>; missing?: Missing } | undefined;
  #failing: { since: number; times: number; why: string } | undefined;
  #dueAt: number;

  constructor(timing: Timing, now: number) {
    this.#timing = timing;
    this.#dueAt = now;
  }

  /** When to ask (again). */
  get dueAt(): number {
    return this.#dueAt;
  }

  /** How many times in a row asking failed. */
  get failures(): number {
    return this.#failing?.times ?? 0;
  }

  /** Whether anything is known, be it a failure. */
  get asked(): boolean {
    return this.#last !== undefined || this.#failing !== undefined;
  }

  /** Takes in an answer. */
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

  /** Takes in that there was no answer. */
  failed(why: string, now: number): void {
    const { firstRetryMs, lastRetryMs } = this.#timing;
    const { since, times } = this.#failing ?? { since: now, times: 0 };
    this.#failing = { since, times: times + 1, why };
    this.#dueAt = now + Math.min(lastRetryMs, firstRetryMs * 2 ** times);
  }

  /** What counts at a moment that is not before the last answer or failure. */
  at(now: number): RecordState {
    if (!this.#last || this.#graceIsOver(now)) return { addresses: [], failure: this.#failing?.why ?? "" };
    const { addresses, missing } = this.#last;
    if (missing) return { addresses: [], missing };
    return {
      addresses: [...this.#until].filter(([address, end]) => addresses.has(address) || end > now).map(([a]) => a),
    };
  }

  /** The first moment after `now` at which something else counts if neither an answer nor a failure comes. */
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
