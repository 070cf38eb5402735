/** What a heap holds for one key. */
export interface Timed<K> {
  readonly key: K;
  /** Instant in milliseconds, on whichever time scale the heap's owner uses. */
  at: number;
  /** Whether the key goes into the urgent lane once its instant has come. */
  urgent: boolean;
}

/**
 * A binary heap of keys by instant, at most one entry per key. It knows each key's place, so that an entry can be moved
 * to an earlier instant or taken out in O(log n), and never holds leftovers of earlier calls.
 */
export class InstantHeap<K> {
  readonly #heap: Timed<K>[] = [];
  readonly #places = new Map<K, number>();

  get size(): number {
    return this.#heap.length;
  }

  /** The entry with the earliest instant. */
  peek(): Readonly<Timed<K>> | undefined {
    return this.#heap[0];
  }

  /** Enters a key. A key that is there keeps the earlier of both instants, and is urgent if either is. */
  add(key: K, at: number, urgent = false): void {
    const place = this.#places.get(key);
    if (place === undefined) {
      this.#heap.push({ key, at, urgent });
      this.#rise(this.#heap.length - 1);
      return;
    }
    const entry = this.#heap[place]!;
    entry.urgent ||= urgent;
    if (at >= entry.at) return;
    entry.at = at;
    this.#rise(place);
  }

  delete(key: K): void {
    const place = this.#places.get(key);
    if (place === undefined) return;
    this.#places.delete(key);
    const last = this.#heap.pop()!;
    if (place === this.#heap.length) return;
    this.#put(last, place);
    this.#sink(place);
    this.#rise(place);
  }

  #rise(place: number): void {
    const entry = this.#heap[place]!;
    while (place > 0) {
      const parentPlace = (place - 1) >> 1;
      const parent = this.#heap[parentPlace]!;
      if (parent.at <= entry.at) break;
      this.#put(parent, place);
      place = parentPlace;
    }
    this.#put(entry, place);
  }

  #sink(place: number): void {
    const entry = this.#heap[place]!;
    while (true) {
      let childPlace = 2 * place + 1;
      let child = this.#heap[childPlace];
      if (child === undefined) break;
      const right = this.#heap[childPlace + 1];
      if (right !== undefined && right.at < child.at) [child, childPlace] = [right, childPlace + 1];
      if (entry.at <= child.at) break;
      this.#put(child, place);
      place = childPlace;
    }
    this.#put(entry, place);
  }

  #put(entry: Timed<K>, place: number): void {
    this.#heap[place] = entry;
    this.#places.set(entry.key, place);
  }
}
