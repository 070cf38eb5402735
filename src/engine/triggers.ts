/** Triggers: declared beside a loop, they map changes to the keys that they concern. */
import type { WorkQueue } from "../../lib/controller/mod.ts";

/** Something that reports changes, such as a cache. */
export interface ChangeSource<T> {
  subscribe(listener: (change: T) => void): void;
}

/** A source for changes outside the caches. Listeners are called synchronously, in the order of subscription. */
export class Feed<T> implements ChangeSource<T> {
  readonly #listeners = new Set<(change: T) => void>();

  /** Returns a function that ends the subscription. */
  subscribe(listener: (change: T) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  emit(change: T): void {
    for (const listener of this.#listeners) listener(change);
  }
}

/** A key that is due, immediately or later. */
export type KeyRequest = string | {
  key: string;
  /** Delay in milliseconds (monotonic), so that changes that are likely to follow are handled together. */
  afterMs?: number;
  /** Due time, in epoch milliseconds. */
  at?: number;
  /** Goes before keys that nothing has been done for yet. */
  begun?: boolean;
};

/** The queue of a loop, as the loop and its triggers see it. */
export type KeyQueue = Pick<WorkQueue, "add" | "addAt" | "retry" | "looked" | "hasUrgent">;

/** A declared trigger. */
export type Trigger<C> = (context: C, queue: KeyQueue) => void;

/** Makes a trigger that enters the keys that `concerned` returns for each change of a source. */
export const onChange = <C, T>(
  sourceOf: (context: C) => ChangeSource<T>,
  concerned: (change: T, context: C) => Iterable<KeyRequest>,
): Trigger<C> =>
(context, queue) =>
  sourceOf(context).subscribe((change) => {
    for (const wake of concerned(change, context)) enter(queue, wake);
  });

function enter(queue: KeyQueue, wake: KeyRequest): void {
  if (typeof wake === "string") return queue.add(wake);
  const { key, afterMs, at, begun } = wake;
  if (at !== undefined) queue.addAt(key, at);
  else if (afterMs !== undefined) queue.retry(key, { afterMs });
  else queue.add(key, { begun: begun ?? false });
}
