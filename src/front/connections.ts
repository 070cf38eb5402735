/** Decides which connection has to go when there is no room for another one. */

/** A connection, as far as the choice depends on it. */
export interface OpenConnection {
  /** Address of the client. */
  source: string;
  /** Whether a review has been answered on it. */
  proven: boolean;
  /** Whether a request on it is being read or answered. */
  busy: boolean;
  /** When its present phase began. */
  since: number;
}

/**
 * The connection to close for a new one. Those on which no review was ever answered go first: of the address that has
 * most of them, the oldest. So a stranger who holds connections open loses them to whoever comes next, and the API
 * server, which keeps its connections, loses none. Where all are proven, an idle one of the address with the most.
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
