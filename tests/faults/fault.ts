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

/** What becomes of one request to tailscaled. */
export const localApiFaults = [
  "localapi-refused",
  "localapi-closed",
  "localapi-half-answer",
  "localapi-500",
  "localapi-garbage",
  "localapi-oversized",
  "localapi-silent",
  /** The answer is that to the first such request. */
  "localapi-stale",
] as const;
export type LocalApiFault = typeof localApiFaults[number];

/** What becomes of a line of tailscaled's bus. */
export const busFaults = [
  /** The bus ends in the middle of it. */
  "bus-eof-mid-line",
  /** The bus ends in its place. */
  "bus-eof",
  /** From it on nothing comes at all, until the bus ends. */
  "bus-silent",
  /** It comes twice. */
  "bus-duplicate",
  /** It and what tells of changes after it are withheld, until the bus ends; signs of life come. */
  "bus-hidden",
  "bus-garbage",
  "bus-oversized",
] as const;
export type BusFault = typeof busFaults[number];

/** What becomes of the process that writes, or of what it writes to, at that write. */
export const processFaults = [
  /** SIGSTOP, until another has led for a while. Its write goes on after that, if it still wants it to. */
  "stopped",
  /** The same, and its write, which was on the wire, is carried out while another leads. */
  "stopped-on-wire",
  /** The same, and the answer to its write waits until it goes on. */
  "stopped-after",
  /** SIGKILL. Nobody takes its Lease away: that has to run out. */
  "sigkill-before",
  "sigkill-after",
  /** Nothing reaches the API server or comes from it, until another has led for a while. */
  "partitioned",
  "etcd-killed",
  "apiserver-killed",
  "controller-manager-killed",
] as const;
export type ProcessFault = typeof processFaults[number];

export type FaultKind = RequestFault | WatchFault | LocalApiFault | BusFault | ProcessFault;

const among = <Kind extends FaultKind>(kinds: readonly Kind[]) => (kind: FaultKind | undefined): kind is Kind =>
  (kinds as readonly (FaultKind | undefined)[]).includes(kind);

export const isRequestFault = among(requestFaults);
export const isWatchFault = among(watchFaults);
export const isLocalApiFault = among(localApiFaults);
export const isBusFault = among(busFaults);
export const isProcessFault = among(processFaults);

/** One thing that goes wrong, the `nth` time that this is asked for (`patch.grants.status:one`) or watched (`event.grants`). */
export interface InjectedFault {
  kind: FaultKind;
  at: string;
  nth: number;
}

/** Counts what is asked and watched in a plan, and says when something goes wrong. */
export class FaultTrigger {
  readonly #faults: InjectedFault[];
  readonly #seen = new Map<string, number>();
  /** Those that have come about. */
  readonly fired: InjectedFault[] = [];

  constructor(
    /** All of the plan, whether they have come about or not. */ readonly planned: readonly InjectedFault[],
  ) {
    this.#faults = [...planned];
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
