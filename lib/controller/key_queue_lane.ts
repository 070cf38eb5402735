/**
 * Keys in the order they came, each at most once, with O(1) add, delete and shift.
 *
 * A `Set` has that order, but taking its first element through a fresh iterator walks over all that were deleted before
 * it. One living iterator stays where it is and meets keys that are added later; since all it yields is deleted at once,
 * and it is asked only when there are keys, it never comes to its end.
 */
export class KeyQueueLane<K> {
  readonly #keys = new Set<K>();
  readonly #front = this.#keys.values();

  get size(): number {
    return this.#keys.size;
  }

  has(key: K): boolean {
    return this.#keys.has(key);
  }

  /** Enters a key at the end; one that is there keeps its place. */
  add(key: K): void {
    this.#keys.add(key);
  }

  delete(key: K): boolean {
    return this.#keys.delete(key);
  }

  /** Takes the first key out. */
  shift(): K | undefined {
    if (this.#keys.size === 0) return undefined;
    const { value } = this.#front.next();
    this.#keys.delete(value!);
    return value;
  }
}
