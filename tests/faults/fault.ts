/** What can go wrong between an operator and the API server, and when. */

/** What becomes of one request. Those `after` a commit let the API server carry it out first. */
export const requestFaults = [
  "closed",
  "answer-lost",
  "half-answer",
  "409",
  "429",
  "500",
  "500-after",
  "503",
  "timeout",
  "timeout-after",
  "killed-before",
  "killed-after",
] as const;
export type RequestFault = typeof requestFaults[number];

/** What becomes of a watch when it should bring a change. */
export const watchFaults = [
  /** The connection ends in the middle of the line. */
  "eof",
  /** An ERROR event says 410 in its place. */
  "gone",
  /** It comes twice. */
  "duplicate",
  /** From it on nothing comes but bookmarks, until the watch ends. */
  "bookmarks",
  /** From it on nothing comes at all, until the connection breaks. */
  "half-open",
  /** It and all that follow are withheld, until a 410: a new list shows only what has come of them. */
  "hidden",
  /** A 410 takes its place, and the list after that shows all as it was before it. */
  "stale-list",
] as const;
export type WatchFault = typeof watchFaults[number];

export type FaultKind = RequestFault | WatchFault;

export const isRequestFault = (kind: FaultKind): kind is RequestFault =>
  (requestFaults as readonly string[]).includes(kind);

/** One thing that goes wrong, the `nth` time that this is asked for (`patch.grants.status:one`) or watched (`event.grants`). */
export interface Fault {
  kind: FaultKind;
  at: string;
  nth: number;
}

/** Counts what is asked and watched in a plan, and says when something goes wrong. */
export class Trigger {
  readonly #faults: Fault[];
  readonly #seen = new Map<string, number>();
  /** Those that have come about. */
  readonly fired: Fault[] = [];

  constructor(faults: readonly Fault[]) {
    this.#faults = [...faults];
  }

  /** What goes wrong this time, if anything. */
  at(name: string): FaultKind | undefined {
    const nth = (this.#seen.get(name) ?? 0) + 1;
    this.#seen.set(name, nth);
    const index = this.#faults.findIndex((fault) => fault.at === name && fault.nth === nth);
    if (index < 0) return undefined;
    const [fault] = this.#faults.splice(index, 1);
    this.fired.push(fault!);
    return fault!.kind;
  }

  /** How often each was asked for or watched. */
  get counts(): ReadonlyMap<string, number> {
    return this.#seen;
  }
}
