/** Triggers: each declares, beside its loop, which keys a change concerns. */
import type { WorkQueue } from "../../lib/controller/mod.ts";

/** Something that reports changes, such as a cache. */
export interface ChangeSource<T> {
  subscribe(listener: (change: T) => void): void;
}

/** A source of what isn't in a cache. Listeners are called synchronously, in the order of their subscriptions. */
export class Feed<T> implements ChangeSource<T> {
  readonly #listeners: ((change: T) => void)[] = [];

  subscribe(listener: (change: T) => void): void {
    this.#listeners.push(listener);
  }

  emit(change: T): void {
    for (const listener of this.#listeners) listener(change);
  }
}

/** A key that is due, at once or later. */
export type KeyRequest = string | {
  key: string;
  /** Milliseconds from now, by the monotonic clock: to gather what is likely to follow. */
  afterMs?: number;
  /** Instant, in epoch milliseconds. */
  at?: number;
  /** Goes before keys of which nothing is done yet. */
  begun?: boolean;
};

/** Queue of a loop's keys, as far as the loop and its triggers see it. */
export type KeyQueue = Pick<WorkQueue, "add" | "addAt" | "retry" | "looked" | "hasUrgent">;

/** A declared trigger. */
export type Trigger<C> = (context: C, queue: KeyQueue) => void;

/** Wakes the keys that `concerned` says for each change of a source. */
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
