/** What is called with each change. It must not throw. */
export type Listener<C> = (change: C) => void;

/**
 * Tells changes to listeners, synchronously and to all in the same order: a change that a listener causes is told after
 * the one that is being told.
 */
export class ChangeFeed<C> {
  readonly #listeners = new Set<Listener<C>>();
  readonly #pending: C[] = [];
  #telling = false;

  subscribe(listener: Listener<C>): () => void {
    // Wrapped, so that the same function subscribed twice is two subscriptions.
    const own: Listener<C> = (change) => listener(change);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  push(change: C): void {
    this.#pending.push(change);
  }

  /**
   * Tells all pending changes to all listeners.
   *
   * @throws {AggregateError} when listeners threw, after all the others were told.
   */
  flush(): void {
    if (this.#telling) return;
    const errors: unknown[] = [];
    this.#telling = true;
    // The array's iterator also meets what is pushed meanwhile.
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
