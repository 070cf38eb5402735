import type { Clock, Timer } from "../clock/mod.ts";
import { exponentialBackoff, type RandomSource } from "./backoff.ts";
import { InstantHeap } from "./instant_heap.ts";
import { KeyQueueLane } from "./key_queue_lane.ts";

/** Options of a {@linkcode WorkQueue}. */
export interface WorkQueueOptions {
  /** Clock for due times. */
  clock: Clock;
  /** Source of the retries' jitter (default `Math.random`). */
  random?: RandomSource;
}

/** Options for adding a key. */
export interface AddOptions {
  /**
   * Goes before all keys that are not urgent. For work that is late as soon as it is due, such as the end of a grant.
   */
  urgent?: boolean | undefined;
  /**
   * Goes before keys that are neither this nor urgent. For a key with most of its work done that waited for somebody
   * else: in a burst, work in progress is finished before more is started.
   */
  begun?: boolean | undefined;
}

/** Lanes, in order of priority. */
const lanes = { urgent: 0, begun: 1, normal: 2 } as const;
type Priority = typeof lanes[keyof typeof lanes];

const laneOf = ({ urgent, begun }: AddOptions): Priority => lanes[urgent ? "urgent" : begun ? "begun" : "normal"];

/** Options for retrying a failed key. */
export interface RetryOptions {
  /** Exact delay in milliseconds, such as a server's Retry-After, instead of the key's backoff. */
  afterMs?: number | undefined;
}

/**
 * A queue of keys to reconcile. It guarantees:
 *
 * - **Never two at once.** A key that was taken isn't given out again before {@linkcode WorkQueue.done}; a key that
 *   falls due in the meantime is given out again after it.
 * - **Nothing lost.** After each `add` the key is taken at least once; after each `addAt` and `retry` at least once
 *   at or before that time. An earlier run replaces all requests made before the key was taken, or before {@linkcode
 *   WorkQueue.looked} was called: reconciling is level-triggered and requests its next run itself.
 * - **Earliest wins.** A key waits for one instant; a later one never postpones it.
 * - **In order of arrival**: first urgent keys, then those already begun.
 *
 * Instants of {@linkcode WorkQueue.addAt} are wall-clock times. The clock is read again at least every 30 s, so that
 * a suspended machine or a corrected clock delays a key by no more, and instants beyond the 2³¹−1 ms of a timer work.
 * Delays of {@linkcode WorkQueue.retry} use the monotonic clock, which corrections don't affect.
 *
 * The queue holds a timer only while {@linkcode WorkQueue.take} waits, so it needs no closing.
 *
 * @example
 * ```ts
 * import { systemClock } from "../clock/mod.ts";
 * import { WorkQueue } from "./mod.ts";
 * import assert from "node:assert/strict";
 *
 * const queue = new WorkQueue({ clock: systemClock });
 * queue.add("guest-bob-home");
 * queue.add("guest-bob-home");
 * queue.add("guest-carol-home", { urgent: true });
 * const key = await queue.take(AbortSignal.timeout(1000));
 * assert.equal(key, "guest-carol-home");
 * queue.done(key);
 * assert.equal(queue.depth, 1);
 * ```
 */
export class WorkQueue<K extends string = string> {
  readonly #clock: Clock;
  readonly #random: RandomSource;
  readonly #lanes: readonly KeyQueueLane<K>[] = Object.values(lanes).map(() => new KeyQueueLane<K>());
  /** Keys by wall-clock instant. */
  readonly #instants = new InstantHeap<K>();
  /** Keys by monotonic instant. */
  readonly #retries = new InstantHeap<K>();
  readonly #failures = new Map<K, number>();
  /** Taken keys, with the lane that `done` adds them to; `idle`: none. */
  readonly #taken = new Map<K, Priority | "idle">();
  readonly #takers = new Set<(key: K) => void>();
  /** The only timer, with the monotonic instant at which it fires. */
  #timer: { at: number; handle: Timer } | undefined;

  /** Creates an empty queue. */
  constructor(options: WorkQueueOptions) {
    this.#clock = options.clock;
    this.#random = options.random ?? Math.random;
  }

  /** Number of keys that are due and not taken. */
  get depth(): number {
    this.#collectDue();
    return this.#lanes.reduce((sum, { size }) => sum + size, 0);
  }

  /** True if an urgent key is due and not taken. */
  get hasUrgent(): boolean {
    this.#collectDue();
    return this.#lanes[lanes.urgent]!.size > 0;
  }

  /** True if no key is due or taken. */
  get isIdle(): boolean {
    return this.#taken.size === 0 && this.depth === 0;
  }

  /** Number of keys that wait for an instant or a retry; a key with both, or already due, counts for each. */
  get waiting(): number {
    this.#collectDue();
    return this.#instants.size + this.#retries.size;
  }

  /** Number of keys that have failed since they last succeeded. */
  get failing(): number {
    return this.#failures.size;
  }

  /** Adds a key, due at once. A key that is already due keeps its place, or moves to an earlier lane. */
  add(key: K, options: AddOptions = {}): void {
    this.#enter(key, laneOf(options));
    this.#serve();
  }

  /**
   * Adds a key, due when the wall clock shows `epochMs` (milliseconds since 1970), at once if that is past.
   *
   * @throws {RangeError} if `epochMs` is not a finite number.
   */
  addAt(key: K, epochMs: number, options: Pick<AddOptions, "urgent"> = {}): void {
    if (!Number.isFinite(epochMs)) {
      throw new RangeError(`Key ${key} can't be queued for the instant ${epochMs}: must be milliseconds since 1970.`);
    }
    this.#instants.add(key, epochMs, options.urgent ?? false);
    this.#serve();
  }

  /**
   * Adds a failed key, due after a delay that doubles with each call since the last {@linkcode WorkQueue.forget},
   * from 100 ms to 60 s, reduced by a random amount of up to half. With `afterMs`, the delay is exactly that and the
   * number of failures is unchanged.
   */
  retry(key: K, options: RetryOptions = {}): void {
    this.#retries.add(key, this.#clock.monotonic() + (options.afterMs ?? this.#nextBackoff(key)));
    this.#serve();
  }

  /** Resets a key's failures: its next retry has the shortest delay. */
  forget(key: K): void {
    this.#failures.delete(key);
  }

  /**
   * Resolves to the next due key, in the order of the calls. The caller must call {@linkcode WorkQueue.done} with it.
   * Rejects with the signal's reason if that aborts first.
   */
  take(signal: AbortSignal): Promise<K> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const taker = (key: K) => {
        signal.removeEventListener("abort", leave);
        resolve(key);
      };
      const leave = () => {
        this.#takers.delete(taker);
        this.#serve();
        reject(signal.reason);
      };
      signal.addEventListener("abort", leave, { once: true });
      this.#takers.add(taker);
      this.#serve();
    });
  }

  /**
   * Returns a taken key.
   *
   * @throws {Error} if the key isn't taken, because another caller may have it by then.
   */
  done(key: K): void {
    const state = this.#taken.get(key);
    if (state === undefined) throw new Error(`Key ${key} is not taken: call done once per take.`);
    this.#taken.delete(key);
    if (state !== "idle") this.#enter(key, state);
    this.#serve();
  }

  /**
   * Notes that the holder of a taken key has just observed its whole state and found nothing to do: requests since it
   * was taken, such as those caused by its own writes, need no further run.
   */
  looked(key: K): void {
    if (this.#taken.has(key)) this.#taken.set(key, "idle");
  }

  #nextBackoff(key: K): number {
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    return exponentialBackoff(failures, 100, 60_000) * (1 - this.#random() / 2);
  }

  #enter(key: K, lane: Priority): void {
    const state = this.#taken.get(key);
    if (state !== undefined) {
      if (state === "idle" || lane < state) this.#taken.set(key, lane);
      return;
    }
    const present = this.#lanes.findIndex((each) => each.has(key));
    if (present !== -1 && present <= lane) return;
    this.#lanes[present]?.delete(key);
    this.#lanes[lane]!.add(key);
  }

  /** Removes and returns the first key. */
  #shift(): K | undefined {
    return this.#lanes.find(({ size }) => size > 0)?.shift();
  }

  /** Moves due keys into the lanes. */
  #collectDue(): void {
    this.#collect(this.#instants, this.#clock.now());
    this.#collect(this.#retries, this.#clock.monotonic());
  }

  #collect(heap: InstantHeap<K>, now: number): void {
    for (let entry = heap.peek(); entry !== undefined && entry.at <= now; entry = heap.peek()) {
      heap.delete(entry.key);
      this.#enter(entry.key, laneOf(entry));
    }
  }

  /** Gives due keys to waiting callers, and sets the timer if some have to wait. */
  #serve(): void {
    if (this.#takers.size > 0) this.#collectDue();
    for (const taker of this.#takers) {
      const key = this.#shift();
      if (key === undefined) break;
      this.#takers.delete(taker);
      this.#instants.delete(key);
      this.#retries.delete(key);
      this.#taken.set(key, "idle");
      taker(key);
    }
    this.#setTimer();
  }

  #setTimer(): void {
    const delay = this.#takers.size === 0 ? Infinity : Math.min(
      (this.#instants.peek()?.at ?? Infinity) - this.#clock.now(),
      (this.#retries.peek()?.at ?? Infinity) - this.#clock.monotonic(),
    );
    if (delay === Infinity) {
      this.#timer?.handle.cancel();
      this.#timer = undefined;
      return;
    }
    const chunk = Math.min(Math.max(delay, 0), MAX_SLEEP_MS);
    const at = this.#clock.monotonic() + chunk;
    // A timer that fires early is harmless: moving it with each removed key would cost more.
    if (this.#timer !== undefined && this.#timer.at <= at) return;
    this.#timer?.handle.cancel();
    const handle = this.#clock.setTimer(chunk, () => {
      this.#timer = undefined;
      this.#serve();
    });
    this.#timer = { at, handle };
  }
}

/** Maximum sleep before the wall clock is read again. */
const MAX_SLEEP_MS = 30_000;
