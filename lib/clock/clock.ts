/** A timer that was set by {@linkcode Clock.setTimer}. */
export interface Timer {
  /** Keeps it from firing; does nothing when it has fired or was cancelled before. */
  cancel(): void;
}

/**
 * Where code gets its time from, so that tests can hand in a {@linkcode FakeClock}.
 *
 * Two times, because they answer different questions: `now()` is what the calendar says and may jump in either
 * direction when somebody sets the computer's clock; `monotonic()` only ever measures how long something took.
 */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Milliseconds since some fixed moment; never runs backwards, isn't moved by setting the wall clock. */
  monotonic(): number;
  /**
   * Calls `fire` once, `afterMs` milliseconds of monotonic time from now; zero or less means as soon as the current
   * work yields, never synchronously.
   */
  setTimer(afterMs: number, fire: () => void): Timer;
}
