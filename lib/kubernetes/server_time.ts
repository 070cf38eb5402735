import type { Clock } from "../clock/mod.ts";

/** How far the server's clock may be from this one before the two disagree, in milliseconds. */
export const MAX_SKEW_MS = 2000;

/**
 * What the API server's clock shows, by the Date header of its latest answer and the monotonic time since. A jump of this
 * machine's own clock therefore shows at once, not only with the next answer.
 *
 * The header is cut to whole seconds (RFC 9110, section 6.6.1), and it was written at some moment between the request
 * and the end of its answer. Only a difference of more than {@linkcode MAX_SKEW_MS} that is certain in spite of both
 * counts as one: a slow network or a busy process never looks like a wrong clock.
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

  /** Takes the clock that is to be held against the server's. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes the date of an answer that has just come, and how long it took; give it to a client as `onRequest`. */
  observe({ serverDate, durationMs }: { serverDate?: number; durationMs: number }): void {
    if (serverDate === undefined) return;
    const received = this.#clock.monotonic();
    this.#latest = { serverDate, sent: received - durationMs, received };
  }

  /**
   * By how many milliseconds the server's clock is ahead of this one (negative: behind), in the middle of what is
   * possible; 0 while they may agree, undefined before the first answer.
   */
  skewMs(): number | undefined {
    if (this.#latest === undefined) return undefined;
    const { serverDate, sent, received } = this.#latest;
    const ahead = serverDate + this.#clock.monotonic() - this.#clock.now();
    const [least, most] = [ahead - received, ahead - sent + 1000];
    return least <= MAX_SKEW_MS && most >= -MAX_SKEW_MS ? 0 : (least + most) / 2;
  }
}
