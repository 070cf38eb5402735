import type { Clock } from "../../lib/clock/mod.ts";

/** An interruptible wait, for a loop that waits for one thing at a time. */
export class Alarm {
  readonly #clock: Clock;
  #ring = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Ends the current wait, if there is one. */
  ring(): void {
    this.#ring();
  }

  /**
   * Resolves after `ms` milliseconds (`Infinity`: never by itself), when the alarm rings, or when the signal aborts.
   */
  wait(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        timer?.cancel();
        signal.removeEventListener("abort", end);
        resolve();
      };
      const timer = ms === Infinity ? undefined : this.#clock.setTimer(ms, end);
      this.#ring = end;
      signal.addEventListener("abort", end, { once: true });
    });
  }
}
