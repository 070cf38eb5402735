/** Registry of the open connections that act for somebody, so that they end with that right. */

/** Reasons to cut connections. */
export const cutReasons = [
  "AccessClosed",
  "GrantEnded",
  "IdentityChanged",
  "PeopleChanged",
  "RealmGone",
  "Stopping",
] as const;
export type CutReason = (typeof cutReasons)[number];

/** A connection that acts for somebody. */
export interface OpenStream {
  /** Realm that it acts for; empty for a page. */
  readonly realm: string;
  /** StableID of its node. */
  readonly node: string;
  /** Returns the reason to end it now; undefined: it continues. */
  judge(): CutReason | undefined;
  /** Closes both of its sides at once. */
  cut(reason: CutReason): void;
}

export class Streams {
  readonly #byRealm = new Map<string, Set<OpenStream>>();
  readonly #onCut: (reason: CutReason, stream: OpenStream) => void;

  constructor(onCut: (reason: CutReason, stream: OpenStream) => void = () => {}) {
    this.#onCut = onCut;
  }

  /** Adds a stream; returns the function that removes it. */
  add(stream: OpenStream): () => void {
    const { realm } = stream;
    let streams = this.#byRealm.get(realm);
    if (!streams) this.#byRealm.set(realm, streams = new Set());
    streams.add(stream);
    return () => this.#remove(stream);
  }

  /** Realms with open streams. */
  get realms(): string[] {
    return [...this.#byRealm.keys()];
  }

  /** Returns the number of open streams for each realm. */
  counts(): [realm: string, count: number][] {
    return [...this.#byRealm].map(([realm, { size }]) => [realm, size]);
  }

  /** Cuts the streams of these realms that may not continue. Others continue. */
  review(realms: Iterable<string>): void {
    for (const realm of realms) this.#review(this.#byRealm.get(realm) ?? []);
  }

  /** Cuts the streams of a node that may not continue. */
  reviewNode(node: string): void {
    for (const streams of [...this.#byRealm.values()]) {
      this.#review([...streams].filter((stream) => stream.node === node));
    }
  }

  /** Cuts all streams. */
  end(): void {
    for (const streams of [...this.#byRealm.values()]) for (const stream of [...streams]) this.#cut(stream, "Stopping");
  }

  #review(streams: Iterable<OpenStream>): void {
    for (const stream of [...streams]) {
      const reason = reasonOf(stream);
      if (reason !== undefined) this.#cut(stream, reason);
    }
  }

  #cut(stream: OpenStream, reason: CutReason): void {
    this.#remove(stream);
    this.#onCut(reason, stream);
    stream.cut(reason);
  }

  #remove(stream: OpenStream): void {
    const streams = this.#byRealm.get(stream.realm);
    streams?.delete(stream);
    if (streams?.size === 0) this.#byRealm.delete(stream.realm);
  }
}

/** Ends a stream that can't be judged, because nobody knows that it may continue. */
function reasonOf(stream: OpenStream): CutReason | undefined {
  try {
    return stream.judge();
  } catch {
    return "AccessClosed";
  }
}
