import type { Clock, Timer } from "../clock/mod.ts";
import { exponentialBackoff, type RandomSource } from "./backoff.ts";
import { InstantHeap } from "./instant_heap.ts";
import { KeyQueueLane } from "./key_queue_lane.ts";

/** What a {@linkcode WorkQueue} is made with. */
export interface WorkQueueOptions {
  /** Says when keys are due. */
  clock: Clock;
  /** Source of the jitter of retries (default `Math.random`). */
  random?: RandomSource;
}

/** How a key is entered. */
export interface AddOptions {
  /** Goes before all keys that are not urgent. For work that is late the moment it is due, such as what ends a grant. */
  urgent?: boolean | undefined;
  /**
   * Goes before the keys that are neither this nor urgent. For a key of which much is done already and that waited for
   * somebody else: in a burst, what was begun comes to its end before more is begun.
   */
  begun?: boolean | undefined;
}

/** The lanes, the first to go first. */
const lanes = { urgent: 0, begun: 1, normal: 2 } as const;
type Priority = typeof lanes[keyof typeof lanes];

const laneOf = ({ urgent, begun }: AddOptions): Priority => lanes[urgent ? "urgent" : begun ? "begun" : "normal"];

/** When a failed key is tried again. */
export interface RetryOptions {
  /** Exactly this many milliseconds from now, as a server's Retry-After asks, instead of the key's backoff. */
  afterMs?: number | undefined;
}

/**
 * A queue of keys to reconcile. It guarantees:
 *
 * - **Never two at once.** A key that was taken isn't given out again before {@linkcode WorkQueue.done}; a key that falls
 *   due meanwhile is given out again after it.
 * - **Nothing lost.** After each `add` the key is taken at least once; after each `addAt` and `retry` at least once at or
 *   before the time asked for. A run at an earlier time takes the place of all those asked for before it was taken, or
 *   before it said with {@linkcode WorkQueue.looked} that it has looked again: reconciling is level-triggered and says
 *   anew when it wants to run next.
 * - **Earliest wins.** A key waits for one instant; a later one never postpones it.
 * - **In order of arrival**, urgent keys first, then those that were begun.
 *
 * Instants of {@linkcode WorkQueue.addAt} are wall-clock times, and the clock is looked at again at least every 30 s, so
 * that a suspended machine or a corrected clock delays a key by no more, and instants beyond the 2³¹−1 ms that a timer
 * can hold work. Delays of {@linkcode WorkQueue.retry} run on the monotonic clock, which corrections don't touch.
 *
 * The queue holds a timer only while someone waits in {@linkcode WorkQueue.take}, so it needs no closing.
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
  /** Keys that were taken, with the lane that `done` has to enter them into; `idle` is none. */
  readonly #taken = new Map<K, Priority | "idle">();
  readonly #takers = new Set<(key: K) => void>();
  /** The one timer, with the monotonic instant it fires at. */
  #timer: { at: number; handle: Timer } | undefined;

  /** Begins empty. Takes the clock that its keys fall due by. */
  constructor(options: WorkQueueOptions) {
    this.#clock = options.clock;
    this.#random = options.random ?? Math.random;
  }

  /** How many keys are due and wait to be taken. */
  get depth(): number {
    this.#collectDue();
    return this.#lanes.reduce((sum, { size }) => sum + size, 0);
  }

  /** Whether an urgent key is due and waits to be taken. */
  get hasUrgent(): boolean {
    this.#collectDue();
    return this.#lanes[lanes.urgent]!.size > 0;
  }

  /** Whether no key is due or taken. */
  get isIdle(): boolean {
    return this.#taken.size === 0 && this.depth === 0;
  }

  /** How many keys wait for an instant or a retry; one that waits for both, or is due already, counts for each. */
  get waiting(): number {
    this.#collectDue();
    return this.#instants.size + this.#retries.size;
  }

  /** How many keys have failed since they last succeeded. */
  get failing(): number {
    return this.#failures.size;
  }

  /** Enters a key to be taken as soon as possible. A key that is already due keeps its place, or moves to an earlier lane. */
  add(key: K, options: AddOptions = {}): void {
    this.#enter(key, laneOf(options));
    this.#serve();
  }

  /**
   * Enters a key to be taken when the wall clock shows `epochMs` (milliseconds since 1970), at once when it is past.
   *
   * @throws {RangeError} when `epochMs` is not a finite number.
   */
  addAt(key: K, epochMs: number, options: Pick<AddOptions, "urgent"> = {}): void {
    if (!Number.isFinite(epochMs)) {
      throw new RangeError(`Key ${key} can't be queued for the instant ${epochMs}: give milliseconds since 1970.`);
    }
    this.#instants.add(key, epochMs, options.urgent ?? false);
    this.#serve();
  }

  /**
   * Enters a key that failed, to be tried again after a delay that doubles with each call since the last
   * {@linkcode WorkQueue.forget}, from 100 ms to 60 s, of which a random half is taken off at most. With `afterMs`, the
   * delay is exactly that and the count of failures stays.
   */
  retry(key: K, options: RetryOptions = {}): void {
    this.#retries.add(key, this.#clock.monotonic() + (options.afterMs ?? this.#nextBackoff(key)));
    this.#serve();
  }

  /** Forgets a key's failures: its next retry comes after the shortest delay. */
  forget(key: K): void {
    this.#failures.delete(key);
  }

  /**
   * Resolves to the next due key once there is one, in the order in which takers came. The caller must call
   * {@linkcode WorkQueue.done} with it. Rejects with the signal's reason when that aborts first.
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
   * Gives a taken key back.
   *
   * @throws {Error} when the key isn't taken, since someone else may have it by then.
   */
  done(key: K): void {
    const state = this.#taken.get(key);
    if (state === undefined) throw new Error(`Key ${key} is not taken: call done once per take.`);
    this.#taken.delete(key);
    if (state !== "idle") this.#enter(key, state);
    this.#serve();
  }

  /**
   * Says that whoever has taken the key has just looked at all that it stands for, and found nothing left to do: what
   * entered it again since it was taken, such as its own writes, needs no further run.
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

  /** Takes out the key that goes first. */
  #shift(): K | undefined {
    return this.#lanes.find(({ size }) => size > 0)?.shift();
  }

  /** Moves keys whose time has come into the lanes. */
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

  /** Gives due keys to takers, and sets the timer if some of them have to wait on. */
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
    // A timer that fires too early only looks again: moving it with each key that goes would cost more.
    if (this.#timer !== undefined && this.#timer.at <= at) return;
    this.#timer?.handle.cancel();
    const handle = this.#clock.setTimer(chunk, () => {
      this.#timer = undefined;
      this.#serve();
    });
    this.#timer = { at, handle };
  }
}

/** The longest sleep before the wall clock is looked at again. */
const MAX_SLEEP_MS = 30_000;
