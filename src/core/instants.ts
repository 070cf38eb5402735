/** Instants: epoch milliseconds in here, RFC 3339 in objects. */

/** An instant as Kubernetes writes it: RFC 3339 in UTC, whole seconds. */
export const rfc3339 = (epochMs: number): string => new Date(epochMs).toISOString().replace(/\.\d{3}Z$/, "Z");

/** The earliest of some instants, leaving out those that aren't there. */
export function earliest(...instants: (number | undefined)[]): number | undefined {
  const known = instants.filter((instant) => instant !== undefined);
  return known.length > 0 ? Math.min(...known) : undefined;
}

/** The instant so long from now, on a whole second since that is what can be written down; at once when it is no time. */
export const fromNow = (now: number, ms: number): number => ms === 0 ? now : Math.ceil((now + ms) / 1000) * 1000;
