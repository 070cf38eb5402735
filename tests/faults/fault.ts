/** Faults between an operator and the API server, and their triggers. */

/** Faults of one request. With those named `after` the API server performs the request first. */
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

/** Faults of a watch when it should deliver a change. */
export const watchFaults = [
  /** The connection ends in the middle of the line. */
  "eof",
  /** An ERROR event with code 410 replaces it. */
  "gone",
  /** The change is delivered twice. */
  "duplicate",
  /** From this change on only bookmarks are delivered, until the watch ends. */
  "bookmarks",
  /** From this change on nothing is delivered, until the connection breaks. */
  "half-open",
  /** This and all later changes are withheld, until a 410: the new list shows only their result. */
  "hidden",
  /** A 410 replaces it, and the next list shows the state before it. */
  "stale-list",
] as const;
export type WatchFault = typeof watchFaults[number];

/** Faults of one request to tailscaled. */
export const localApiFaults = [
  "localapi-refused",
  "localapi-closed",
  "localapi-half-answer",
  "localapi-500",
  "localapi-garbage",
  "localapi-oversized",
  "localapi-silent",
  /** The response is that to the first such request. */
  "localapi-stale",
] as const;
export type LocalApiFault = typeof localApiFaults[number];

/** Faults of a line on tailscaled's bus. */
export const busFaults = [
  /** The bus ends in the middle of the line. */
  "bus-eof-mid-line",
  /** The bus ends instead of the line. */
  "bus-eof",
  /** From this line on nothing is delivered, until the bus ends. */
  "bus-silent",
  /** The line is delivered twice. */
  "bus-duplicate",
  /** This line and later changes are withheld, until the bus ends; heartbeats are delivered. */
  "bus-hidden",
  "bus-garbage",
  "bus-oversized",
] as const;
export type BusFault = typeof busFaults[number];

/** Faults of the writing process, or of its API server, at a write. */
export const processFaults = [
  /**
   * SIGSTOP, until another replica has led for a while. Then the process resumes, with the write if it still wants it.
   */
  "stopped",
  /** The same, but the write is already on the wire, and is performed while another replica leads. */
  "stopped-on-wire",
  /** The same, but the write is performed, and its response waits until the process resumes. */
  "stopped-after",
  /** SIGKILL. The process doesn't release its Lease, which has to expire. */
  "sigkill-before",
  "sigkill-after",
  /** Nothing reaches the API server or comes from it, until another replica has led for a while. */
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

/** One fault, at the `nth` occurrence of a request (`patch.grants.status:one`) or a watched change (`event.grants`). */
export interface InjectedFault {
  kind: FaultKind;
  at: string;
  nth: number;
}

/** Counts the requests and watched changes of a plan, and triggers its faults. */
export class FaultTrigger {
  readonly #faults: InjectedFault[];
  readonly #seen = new Map<string, number>();
  /** The faults that have occurred. */
  readonly fired: InjectedFault[] = [];

  constructor(
    /** All faults of the plan, whether they have occurred or not. */ readonly planned: readonly InjectedFault[],
  ) {
    this.#faults = [...planned];
  }

  /** Returns the fault at this occurrence, if any. */
  at(name: string): FaultKind | undefined {
    const nth = (this.#seen.get(name) ?? 0) + 1;
    this.#seen.set(name, nth);
    const index = this.#faults.findIndex((fault) => fault.at === name && fault.nth === nth);
    if (index < 0) return undefined;
    const [fault] = this.#faults.splice(index, 1);
    this.fired.push(fault!);
    return fault!.kind;
  }

  /** Number of occurrences, by name. */
  get counts(): ReadonlyMap<string, number> {
    return this.#seen;
  }
}
