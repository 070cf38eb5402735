/** Statuses that were decided and can't be written, as when somebody's webhook refuses them, or etcd is full. */

/** A projection of an object with a status. */
interface WithStatus<S> {
  name: string;
  uid: string;
  status: S;
}

/**
 * Remembers what was decided until it is written. By a status of ours it is known when a revocation ends, or whose node is
 * trusted no more: what is closed by that must not wait for a write. Another process decides anew.
 */
export class Unwritten<S> {
  readonly #byName = new Map<string, { uid: string; status: S }>();

  /** The object with the status that was decided last, written or not. */
  decided<T extends WithStatus<S>>(object: T): T {
    const known = this.#byName.get(object.name);
    return known?.uid === object.uid ? { ...object, status: known.status } : object;
  }

  /** Remembers a status that could not be written. */
  keep({ name, uid }: Pick<WithStatus<S>, "name" | "uid">, status: S): void {
    this.#byName.set(name, { uid, status });
  }

  /**
   * Forgets one that is written or gone; without a name all, because another operator may have led. Returns whether it had
   * been remembered: who looked meanwhile saw that, and not what is written.
   */
  forget(name?: string): boolean {
    if (name !== undefined) return this.#byName.delete(name);
    this.#byName.clear();
    return false;
  }
}
