import type { Clock, Timer } from "./clock.ts";

/** `setTimeout` stores its delay in 32 bits; a longer one would fire at once. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

class SystemTimer implements Timer {
  readonly #dueAt: number;
  readonly #fire: () => void;
  #timeout: ReturnType<typeof setTimeout> | undefined;

  constructor(afterMs: number, fire: () => void) {
    this.#dueAt = performance.now() + afterMs;
    this.#fire = fire;
    this.#arm(afterMs);
  }

  #arm(afterMs: number): void {
    this.#timeout = setTimeout(() => {
      const left = this.#dueAt - performance.now();
      // Only a shortened delay can have this much left; a timeout itself may fire slightly early.
      if (left > 1) this.#arm(left);
      else this.#fire();
    }, Math.min(Math.max(afterMs, 0), LONGEST_TIMEOUT_MS));
  }

  cancel(): void {
    clearTimeout(this.#timeout);
  }
}

/**
 * The computer's clock. A timer may be set for any time ahead (for example a Grant that is valid for a year), beyond
 * the 24.8 days of `setTimeout`.
 *
 * ```ts
 * import { systemClock } from "./mod.ts";
 *
 * const year = 365 * 24 * 3600 * 1000;
 * const timer = systemClock.setTimer(year, () => console.log("a year later"));
 * timer.cancel();
 * ```
 */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer: (afterMs, fire) => new SystemTimer(afterMs, fire),
};
