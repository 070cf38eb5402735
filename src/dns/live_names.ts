/** Keeps names resolved: one query for each name and family, repeated when the TTL of its answer ends. */
import { getLogger } from "@logtape/logtape";
import { isEqual } from "es-toolkit";
import type { Clock } from "../../lib/clock/mod.ts";
import { sortAddresses } from "./canonical_address.ts";
import { type IPFamily, type Lookup, type LookupResult, problemOf } from "./lookup.ts";
import type { NameResolver, Resolution } from "./resolution.ts";
import { defaultTiming, NameRecords, type RecordState, type Timing } from "./name_records.ts";

const families = ["A", "AAAA"] as const satisfies IPFamily[];

const limits = {
  names: 1000,
  addresses: 64,
  lookups: 16,
  /** Maximum number of those that retry failed queries, so that a slow zone doesn't hold up all other names. */
  retries: 8,
} as const;

const logger = getLogger(["keystone", "dns"]);

interface Track {
  readonly name: string;
  readonly records: Readonly<Record<IPFamily, NameRecords>>;
  shown: Resolution | undefined;
  /** Next instant at which the resolution may change. */
  changesAt: number;
}

/** A running query. */
interface Running {
  readonly track: Track;
  readonly family: IPFamily;
  readonly retry: boolean;
  readonly abort: AbortController;
  done: Promise<void>;
}

/** A {@linkcode NameResolver} fed by lookups. */
export class LiveNames implements NameResolver {
  readonly #clock: Clock;
  readonly #lookup: Lookup;
  readonly #timing: Timing;
  readonly #listeners: ((name: string) => void)[] = [];
  readonly #tracks = new Map<string, Track>();
  readonly #running = new Set<Running>();
  /** Wanted names that aren't queried, with the reason. */
  #refused = new Map<string, Resolution>();
  /** Refused names that listeners haven't been notified of. */
  #untold = new Set<string>();
  #woken = false;
  #wake = () => {};

  constructor({ clock, lookup, timing = defaultTiming }: { clock: Clock; lookup: Lookup; timing?: Timing }) {
    this.#clock = clock;
    this.#lookup = lookup;
    this.#timing = timing;
  }

  get(name: string): Resolution | undefined {
    return this.#tracks.get(name)?.shown ?? this.#refused.get(name);
  }

  want(names: ReadonlySet<string>): void {
    for (const [name, track] of this.#tracks) {
      if (!names.has(name)) this.#drop(track);
    }
    const before = this.#refused;
    this.#refused = new Map();
    for (const name of names) {
      if (this.#tracks.has(name)) continue;
      const error = problemOf(name) ?? (this.#tracks.size < limits.names ? undefined : tooMany(name));
      if (error === undefined) this.#track(name);
      else {
        this.#refused.set(name, { addresses: [], error });
        if (before.get(name)?.error !== error) this.#untold.add(name);
      }
    }
    this.#wakeUp();
  }

  onChange(listener: (name: string) => void): void {
    this.#listeners.push(listener);
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#woken = false;
      const now = this.#clock.monotonic();
      this.#showChanges(now);
      this.#startDue(now);
      await this.#pause(this.#nextAt(now) - now, signal);
    }
    for (const { abort } of this.#running) abort.abort(signal.reason);
    await Promise.all([...this.#running].map(({ done }) => done));
  }

  #track(name: string): void {
    const now = this.#clock.monotonic();
    const records = { A: new NameRecords(this.#timing, now), AAAA: new NameRecords(this.#timing, now) };
    this.#tracks.set(name, { name, records, shown: undefined, changesAt: Infinity });
  }

  #drop(track: Track): void {
    this.#tracks.delete(track.name);
    for (const { track: asked, abort } of this.#running) {
      if (asked === track) abort.abort(new Error(`${track.name} is no longer wanted`));
    }
  }

  #showChanges(now: number): void {
    for (const name of this.#untold) {
      this.#untold.delete(name);
      if (this.#refused.has(name)) this.#tell(name);
    }
    for (const track of this.#tracks.values()) {
      if (track.changesAt > now) continue;
      const { A, AAAA } = track.records;
      track.changesAt = Math.min(A.changesAt(now), AAAA.changesAt(now));
      // Otherwise one family's addresses would be reported first and the other's a moment later.
      if (!A.asked || !AAAA.asked) continue;
      const { resolution, leftOut } = resolutionOf(track, now);
      if (isEqual(resolution, track.shown)) continue;
      track.shown = resolution;
      if (leftOut > 0) {
        logger.warn("{name} has more than {max} addresses; {leftOut} are ignored", {
          name: track.name,
          max: limits.addresses,
          leftOut,
        });
      }
      this.#tell(track.name);
    }
  }

  #startDue(now: number): void {
    const due = [...this.#tracks.values()]
      .flatMap((track) => families.map((family) => ({ track, family, at: track.records[family].dueAt })))
      .filter(({ track, family, at }) => at <= now && !this.#isRunning(track, family))
      .sort((a, b) => a.at - b.at);
    let retries = [...this.#running].filter(({ retry }) => retry).length;
    for (const { track, family } of due) {
      if (this.#running.size >= limits.lookups) return;
      const retry = track.records[family].failures > 0;
      if (retry && retries++ >= limits.retries) continue;
      const running: Running = { track, family, retry, abort: new AbortController(), done: Promise.resolve() };
      this.#running.add(running);
      running.done = this.#ask(running);
    }
  }

  /** Runs a query; never rejects. */
  async #ask(running: Running): Promise<void> {
    const { track, family, abort } = running;
    const records = track.records[family];
    let outcome: LookupResult | { why: string };
    try {
      outcome = await this.#lookup(track.name, family, abort.signal);
    } catch (error) {
      outcome = { why: error instanceof Error ? error.message : String(error) };
    }
    this.#running.delete(running);
    this.#wakeUp();
    if (abort.signal.aborted) return;
    const now = this.#clock.monotonic();
    if ("why" in outcome) {
      records.failed(outcome.why, now);
      if (records.failures === 1) {
        logger.warn("{name} ({family}) can't be resolved; known addresses stay for now: {why}", {
          name: track.name,
          family,
          why: outcome.why,
        });
      }
    } else records.answered(outcome, now);
    track.changesAt = now;
  }

  #isRunning(track: Track, family: IPFamily): boolean {
    for (const running of this.#running) {
      if (running.track === track && running.family === family) return true;
    }
    return false;
  }

  /**
   * Returns the next instant with something to do. Queries that are already due wait for a lookup to end, which wakes
   * the loop.
   */
  #nextAt(now: number): number {
    let next = Infinity;
    for (const { changesAt, records } of this.#tracks.values()) {
      next = Math.min(next, changesAt);
      for (const family of families) {
        if (records[family].dueAt > now) next = Math.min(next, records[family].dueAt);
      }
    }
    return next;
  }

  #tell(name: string): void {
    const { addresses, error } = this.get(name)!;
    if (error) logger.info("{error}", { error });
    else logger.debug("{name} resolves to {addresses}", { name, addresses });
    for (const listener of this.#listeners) {
      try {
        listener(name);
      } catch (error) {
        logger.error("a listener for names failed: {error}", { error });
      }
    }
  }

  #wakeUp(): void {
    this.#woken = true;
    this.#wake();
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (this.#woken || signal.aborted) return resolve();
      const end = () => {
        timer?.cancel();
        signal.removeEventListener("abort", end);
        resolve();
      };
      const timer = ms < Infinity ? this.#clock.setTimer(ms, end) : undefined;
      this.#wake = end;
      signal.addEventListener("abort", end, { once: true });
    });
  }
}

const tooMany = (name: string): string =>
  `The DNS name ${name} is not resolved: more than ${limits.names} names are in use.`;

function resolutionOf({ name, records }: Track, now: number): { resolution: Resolution; leftOut: number } {
  const [v4, v6] = [records.A.at(now), records.AAAA.at(now)];
  const found = v4.addresses.length + v6.addresses.length;
  if (found === 0) return { resolution: { addresses: [], error: whyNone(name, [v4, v6]) }, leftOut: 0 };
  // Each family may have half, and what the other one leaves.
  const some4 = v4.addresses.slice(0, Math.max(limits.addresses / 2, limits.addresses - v6.addresses.length));
  const some6 = v6.addresses.slice(0, limits.addresses - some4.length);
  const addresses = [...sortAddresses(some4), ...sortAddresses(some6)];
  return { resolution: { addresses }, leftOut: found - addresses.length };
}

function whyNone(name: string, standings: readonly RecordState[]): string {
  if (standings.some((standing) => "missing" in standing && standing.missing === "NXDOMAIN")) {
    return `The DNS name ${name} does not exist (NXDOMAIN).`;
  }
  const failed = standings.find((standing) => "failure" in standing);
  return failed
    ? `The DNS name ${name} can't be resolved: ${failed.failure}.`
    : `The DNS name ${name} has no address (neither A nor AAAA).`;
}
