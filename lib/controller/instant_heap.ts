/** Entry of a heap for one key. */
export interface Timed<K> {
  readonly key: K;
  /** Instant in milliseconds, on the time scale of the heap's owner. */
  at: number;
  /** True if the key goes into the urgent lane at its instant. */
  urgent: boolean;
}

/**
 * A binary heap of keys by instant, with at most one entry for each key. It tracks each key's position, so an entry
 * can be moved to an earlier instant or removed in O(log n), and no stale entries remain.
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

  /** Adds a key. An existing key keeps the earlier instant, and is urgent if either is. */
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
