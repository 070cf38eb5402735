/**
 * Keys in order of arrival, each at most once, with O(1) add, delete and shift.
 *
 * A `Set` has that order, but a new iterator walks over all deleted elements before the first one. A single
 * persistent iterator keeps its position and includes keys that are added later; because each yielded key is deleted
 * at once, and it is used only if there are keys, it never ends.
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

  /** Adds a key at the end; an existing key keeps its place. */
  add(key: K): void {
    this.#keys.add(key);
  }

  delete(key: K): boolean {
    return this.#keys.delete(key);
  }

  /** Removes and returns the first key. */
  shift(): K | undefined {
    if (this.#keys.size === 0) return undefined;
    const { value } = this.#front.next();
    this.#keys.delete(value!);
    return value;
  }
}
