import type { Clock } from "../clock/mod.ts";

/** How far the server's clock may be from this one before the two disagree, in milliseconds. */
export const MAX_SKEW_MS = 2000;

/**
 * What the API server's clock shows, by the Date header of its latest answer and the monotonic time since. A jump of this
 * machine's own clock therefore shows at once, not only with the next answer.
 *
 * The header is cut to whole seconds (RFC 9110, section 6.6.1) and the way here takes time, so a difference of up to
 * {@linkcode MAX_SKEW_MS} means nothing and counts as none.
 *
 * ```ts
 * import { FakeClock } from "../clock/mod.ts";
 * import { ServerTime } from "./mod.ts";
 * import assert from "node:assert/strict";
 *
 * const time = new ServerTime(new FakeClock(1_000_000));
 * assert.equal(time.skewMs(), undefined);
 * time.observe({ serverDate: 999_000 });
 * assert.equal(time.skewMs(), 0);
 * time.observe({ serverDate: 4_599_500 });
 * assert.equal(time.skewMs(), 3_600_000);
 * ```
 */
export class ServerTime {
  readonly #clock: Clock;
  #latest: { serverDate: number; monotonic: number } | undefined;

  /** Takes the clock that is to be held against the server's. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes the date of an answer that has just come; give it to a client as `onRequest`. */
  observe({ serverDate }: { serverDate?: number }): void {
    if (serverDate !== undefined) this.#latest = { serverDate, monotonic: this.#clock.monotonic() };
  }

  /**
   * By how many milliseconds the server's clock is ahead of this one (negative: behind); 0 while they agree, undefined
   * before the first answer.
   */
  skewMs(): number | undefined {
    if (this.#latest === undefined) return undefined;
    const { serverDate, monotonic } = this.#latest;
    // The header lags by half a second on average.
    const server = serverDate + 500 + (this.#clock.monotonic() - monotonic);
    const skew = server - this.#clock.now();
    return Math.abs(skew) <= MAX_SKEW_MS + 500 ? 0 : skew;
  }
}
