import { sleep, systemClock } from "../clock/mod.ts";

/** Milliseconds of work before a rest: that of some thousand short lines. */
const shiftMs = 20;

/** Limits a reader's share of the time: after work it rests four times as long. */
export class Duty {
  #workedMs = 0;

  /** Runs the work and measures it. */
  work<T>(work: () => T): T {
    const startedAt = performance.now();
    try {
      return work();
    } finally {
      this.#workedMs += performance.now() - startedAt;
    }
  }

  /** Rests if there was enough work. Throws the signal's reason. */
  async rest(signal: AbortSignal): Promise<void> {
    if (this.#workedMs < shiftMs) return;
    const restMs = 4 * this.#workedMs;
    this.#workedMs = 0;
    await sleep(systemClock, restMs, signal);
    signal.throwIfAborted();
  }
}
