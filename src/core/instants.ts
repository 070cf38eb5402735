/** Instants: epoch milliseconds in code, RFC 3339 in objects. */

// Range of RFC 3339.
const last = Date.parse("9999-12-31T23:59:59Z");
const first = Date.parse("0001-01-01T00:00:00Z");

/**
 * Formats an instant as Kubernetes does: RFC 3339 in UTC, whole seconds. Instants outside the range of RFC 3339, such
 * as the year 20000, become the last or first one in it; NaN becomes the first.
 */
export const rfc3339 = (epochMs: number): string =>
  `${new Date(Number.isNaN(epochMs) ? first : Math.min(last, Math.max(first, epochMs))).toISOString().slice(0, 19)}Z`;

/** Returns the earliest of the instants that are defined. */
export function earliest(...instants: (number | undefined)[]): number | undefined {
  const known = instants.filter((instant) => instant !== undefined);
  return known.length > 0 ? Math.min(...known) : undefined;
}

/** Returns the instant `ms` from now, rounded up to a whole second because objects record no fractions; `now` if 0. */
export const fromNow = (now: number, ms: number): number => ms === 0 ? now : Math.ceil((now + ms) / 1000) * 1000;

/** Returns the earliest of the instants as the time of the next plan, if any is defined. */
export function wakeIn(...instants: (number | undefined)[]): { wakeAt?: number } {
  const at = earliest(...instants);
  return at === undefined ? {} : { wakeAt: at };
}
