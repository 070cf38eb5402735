/** Chooses the connection to close if there is no room for another one. */

/** The fields of a connection that the choice depends on. */
export interface OpenConnection {
  /** Address of the client. */
  source: string;
  /** True if a review has been answered on it. */
  proven: boolean;
  /** True while a request on it is being read or answered. */
  busy: boolean;
  /** Start of its current phase. */
  since: number;
}

/**
 * Returns the connection to close for a new one. Connections without an answered review go first: of the address with
 * most of them, the oldest. So a stranger who holds connections open loses them to the next client, and the API
 * server keeps its own. If all have had an answer, an idle one of the address with the most is closed.
 */
export function connectionToClose<T extends OpenConnection>(seats: Iterable<T>): T | undefined {
  const all = [...seats];
  const unproven = all.filter(({ proven }) => !proven);
  const candidates = unproven.length > 0 ? unproven : all;
  const counts = new Map<string, number>();
  for (const { source } of candidates) counts.set(source, (counts.get(source) ?? 0) + 1);
  let chosen: T | undefined;
  for (const seat of candidates) {
    if (!chosen) {
      chosen = seat;
      continue;
    }
    const order = counts.get(seat.source)! - counts.get(chosen.source)! || Number(chosen.busy && seat.proven) -
        Number(seat.busy && seat.proven) ||
      chosen.since - seat.since;
    if (order > 0) chosen = seat;
  }
  return chosen;
}
