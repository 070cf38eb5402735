import type { Clock, Timer } from "./clock.ts";

interface Pending {
  readonly dueAt: number;
  readonly order: number;
  readonly fire: () => void;
}

/**
 * Runs everything that is ready: promise callbacks, however long their chain, and one turn of the event loop for
 * streams, whose chunks arrive through it.
 */
function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/**
 * A clock that a test advances explicitly.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { FakeClock } from "./mod.ts";
 *
 * const clock = new FakeClock(Date.UTC(2026, 0, 1));
 * let fired = 0;
 * clock.setTimer(60_000, () => fired++);
 * await clock.advance(59_999);
 * assert.equal(fired, 0);
 * await clock.advance(1);
 * assert.equal(fired, 1);
 * ```
 */
export class FakeClock implements Clock {
  #wall: number;
  #monotonic = 0;
  #order = 0;
  readonly #pending = new Set<Pending>();

  /**
   * Creates a stopped clock, with `monotonic()` at 0.
   *
   * @param startEpochMs initial value of `now()`, in milliseconds since the Unix epoch
   */
  constructor(startEpochMs = Date.UTC(2026, 0, 1)) {
    this.#wall = startEpochMs;
  }

  /** Number of timers that are set and have not fired; a test asserts 0 to show that none is left. */
  get pending(): number {
    return this.#pending.size;
  }

  now(): number {
    return this.#wall;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  setTimer(afterMs: number, fire: () => void): Timer {
    const pending: Pending = { dueAt: this.#monotonic + Math.max(afterMs, 0), order: this.#order++, fire };
    this.#pending.add(pending);
    return { cancel: () => void this.#pending.delete(pending) };
  }

  /**
   * Advances both times by `ms` and fires every timer that falls due, in order of due time (ties in the order in
   * which they were set), each at exactly its own time. Between timers and at the end, everything that became ready
   * runs, so a timer set by a promise callback within the span fires too.
   */
  async advance(ms: number): Promise<void> {
    const end = this.#monotonic + ms;
    await settle();
    for (let next = this.#next(end); next; next = this.#next(end)) {
      this.#moveTo(next.dueAt);
      this.#pending.delete(next);
      next.fire();
      await settle();
    }
    this.#moveTo(end);
  }

  /** Moves the wall clock forward (or back, if negative) as an administrator or NTP would; timers are not affected. */
  step(ms: number): void {
    this.#wall += ms;
  }

  #next(end: number): Pending | undefined {
    let next: Pending | undefined;
    for (const pending of this.#pending) {
      if (pending.dueAt > end) continue;
      if (!next || pending.dueAt < next.dueAt || (pending.dueAt === next.dueAt && pending.order < next.order)) {
        next = pending;
      }
    }
    return next;
  }

  #moveTo(monotonic: number): void {
    this.#wall += monotonic - this.#monotonic;
    this.#monotonic = monotonic;
  }
}
