/** A function called with each change. It must not throw. */
export type Listener<C> = (change: C) => void;

/**
 * Reports changes to listeners, synchronously and to all in the same order: a change caused by a listener is reported
 * after the current one.
 */
export class ChangeFeed<C> {
  readonly #listeners = new Set<Listener<C>>();
  readonly #pending: C[] = [];
  #telling = false;

  subscribe(listener: Listener<C>): () => void {
    // Wrapped, so that subscribing the same function twice makes two subscriptions.
    const own: Listener<C> = (change) => listener(change);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  push(change: C): void {
    this.#pending.push(change);
  }

  /**
   * Reports all pending changes to all listeners.
   *
   * @throws {AggregateError} if listeners threw, once all others were called.
   */
  flush(): void {
    if (this.#telling) return;
    const errors: unknown[] = [];
    this.#telling = true;
    // The array's iterator includes changes that are added during the loop.
    for (const change of this.#pending) {
      for (const listener of this.#listeners) {
        try {
          listener(change);
        } catch (error) {
          errors.push(error);
        }
      }
    }
    this.#pending.length = 0;
    this.#telling = false;
    if (errors.length > 0) throw new AggregateError(errors, "Listeners threw on changes of a store; they must not.");
  }
}
