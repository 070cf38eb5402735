/** Instants: epoch milliseconds in here, RFC 3339 in objects. */

/** The last and the first instant that RFC 3339 can write. */
const last = Date.parse("9999-12-31T23:59:59Z");
const first = Date.parse("0001-01-01T00:00:00Z");

/**
 * An instant as Kubernetes writes it: RFC 3339 in UTC, whole seconds. What can't be written so, such as an end in the year
 * 20000, is written as the last or the first that can, and what is no instant as the first.
 */
export const rfc3339 = (epochMs: number): string =>
  new Date(Number.isNaN(epochMs) ? first : Math.min(last, Math.max(first, epochMs))).toISOString()
    .replace(/\.\d{3}Z$/, "Z");

/** The earliest of some instants, leaving out those that aren't there. */
export function earliest(...instants: (number | undefined)[]): number | undefined {
  const known = instants.filter((instant) => instant !== undefined);
  return known.length > 0 ? Math.min(...known) : undefined;
}

/** The instant so long from now, on a whole second since that is what can be written down; at once when it is no time. */
export const fromNow = (now: number, ms: number): number => ms === 0 ? now : Math.ceil((now + ms) / 1000) * 1000;

/** The earliest of these instants as the one at which a plan is due again, if there is any. */
export function wakeIn(...instants: (number | undefined)[]): { wakeAt?: number } {
  const at = earliest(...instants);
  return at === undefined ? {} : { wakeAt: at };
}
