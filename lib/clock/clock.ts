/** A timer set by {@linkcode Clock.setTimer}. */
export interface Timer {
  /** Prevents the timer from firing; no effect if it has fired or was canceled. */
  cancel(): void;
}

/**
 * Source of time, so that tests can pass a {@linkcode FakeClock}.
 *
 * Has two times for different purposes: `now()` is the wall clock, which may jump in either direction when the
 * computer's clock is set; `monotonic()` only measures durations.
 */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Milliseconds since a fixed moment; never decreases, and isn't affected by setting the wall clock. */
  monotonic(): number;
  /**
   * Calls `fire` once, after `afterMs` milliseconds of monotonic time; zero or less: as soon as the current work
   * yields, never synchronously.
   */
  setTimer(afterMs: number, fire: () => void): Timer;
}
