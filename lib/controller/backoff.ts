/** A source of numbers in [0, 1), such as `Math.random`. */
export type RandomSource = () => number;

/** Returns `firstMs` for attempt 1, doubled with each further attempt, up to `maxMs`. */
export function exponentialBackoff(attempt: number, firstMs: number, maxMs: number): number {
  return Math.min(maxMs, firstMs * 2 ** (attempt - 1));
}
