import type { Clock } from "../clock/mod.ts";

/** Maximum difference between the server's clock and this one before they count as disagreeing, in milliseconds. */
export const MAX_SKEW_MS = 2000;

/**
 * The API server's clock, from the Date header of its latest response and the monotonic time since. So a jump of this
 * machine's clock is visible at once, not only with the next response.
 *
 * The header has whole seconds (RFC 9110, section 6.6.1), and was written at some moment between the request and the
 * end of its response. Only a difference of more than {@linkcode MAX_SKEW_MS} that is certain despite both counts: a
 * slow network or a busy process never looks like a wrong clock.
 *
 * ```ts
 * import { FakeClock } from "../clock/mod.ts";
 * import { ServerTime } from "./mod.ts";
 * import assert from "node:assert/strict";
 *
 * const time = new ServerTime(new FakeClock(1_000_000));
 * assert.equal(time.skewMs(), undefined);
 * time.observe({ serverDate: 999_000, durationMs: 10 });
 * assert.equal(time.skewMs(), 0);
 * time.observe({ serverDate: 4_599_000, durationMs: 1000 });
 * assert.equal(time.skewMs(), 3_600_000);
 * ```
 */
export class ServerTime {
  readonly #clock: Clock;
  #latest: { serverDate: number; sent: number; received: number } | undefined;

  /** Takes the clock that is compared with the server's. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Records the date of a response just received, and its duration; pass it to a client as `onRequest`. */
  observe({ serverDate, durationMs }: { serverDate?: number; durationMs: number }): void {
    if (serverDate === undefined) return;
    const received = this.#clock.monotonic();
    this.#latest = { serverDate, sent: received - durationMs, received };
  }

  /**
   * Returns the milliseconds by which the server's clock is ahead of this one (negative: behind), in the middle of
   * the possible range; 0 while they may agree, undefined before the first response.
   */
  skewMs(): number | undefined {
    if (this.#latest === undefined) return undefined;
    const { serverDate, sent, received } = this.#latest;
    const ahead = serverDate + this.#clock.monotonic() - this.#clock.now();
    const [least, most] = [ahead - received, ahead - sent + 1000];
    return least <= MAX_SKEW_MS && most >= -MAX_SKEW_MS ? 0 : (least + most) / 2;
  }
}
