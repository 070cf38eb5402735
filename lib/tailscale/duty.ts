import { sleep, systemClock } from "../clock/mod.ts";

/** Work worth a rest, in milliseconds: that of some thousand short lines. */
const shiftMs = 20;

/** A reader's share of the time: after work follows four times as much rest. */
export class Duty {
  #workedMs = 0;

  /** Does the work and takes note of how long it took. */
  work<T>(work: () => T): T {
    const startedAt = performance.now();
    try {
      return work();
    } finally {
      this.#workedMs += performance.now() - startedAt;
    }
  }

  /** Rests when there is something to rest from. Throws the signal's reason. */
  async rest(signal: AbortSignal): Promise<void> {
    if (this.#workedMs < shiftMs) return;
    const restMs = 4 * this.#workedMs;
    this.#workedMs = 0;
    await sleep(systemClock, restMs, signal);
    signal.throwIfAborted();
  }
}
