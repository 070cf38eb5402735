import type { Clock, Timer } from "./clock.ts";

interface Pending {
  readonly dueAt: number;
  readonly order: number;
  readonly fire: () => void;
}

/**
 * Lets everything that is ready to run do so: promise callbacks however long their chain, and one turn of the event
 * loop for streams, whose chunks arrive through it.
 */
function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/**
 * A clock that stands still until a test moves it.
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
   * Stands still, with `monotonic()` at 0.
   *
   * @param startEpochMs what `now()` says at first, in milliseconds since the Unix epoch
   */
  constructor(startEpochMs = Date.UTC(2026, 0, 1)) {
    this.#wall = startEpochMs;
  }

  /** How many timers are set and have not fired: a test asserts 0 to show that nothing was left behind. */
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
   * Moves both times ahead by `ms`, firing every timer that falls due on the way in the order of its due time (those
   * due together in the order they were set), each at exactly its own time. Between timers and at the end, everything
   * that became ready runs, so a timer set by a promise callback within the span fires too.
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

  /** Sets the wall clock ahead (or back, when negative) as an administrator or NTP would; no timer notices. */
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
