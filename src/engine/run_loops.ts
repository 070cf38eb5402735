/** Runs loops: connects their triggers, and reconciles their keys while the operator leads. */
import type { Clock } from "../../lib/clock/mod.ts";
import { type ReconcileFailure, type ReconcileRecord, runController, WorkQueue } from "../../lib/controller/mod.ts";
import type { Loop } from "./loop.ts";
import { traced } from "./traced.ts";
import type { KeyQueue } from "./triggers.ts";

/** Queues by their loops' names. */
export type Queues = Readonly<Record<string, WorkQueue>>;

/** Makes a queue for each loop. */
export const createQueues = (loops: readonly Loop<never>[], clock: Clock): Queues =>
  Object.fromEntries(loops.map(({ name }) => [name, new WorkQueue({ clock })]));

/** Connects each loop's triggers with its queue: from then on each change triggers only the keys that it concerns. */
export function connect<C>(loops: readonly Loop<C>[], context: C, queueOf: (name: string) => KeyQueue): void {
  for (const { name, triggers } of loops) {
    for (const trigger of triggers) trigger(context, queueOf(name));
  }
}

/** Enters all keys, because keys that were under way when the Lease was lost are in no queue. */
export function enterAll<C>(loops: readonly Loop<C>[], context: C, queueOf: (name: string) => KeyQueue): void {
  for (const { name, keys } of loops) {
    const queue = queueOf(name);
    for (const key of keys(context)) queue.add(key);
  }
}

/** Callbacks and environment of running loops. */
export interface LoopsOptions {
  onError: (failure: ReconcileFailure & { keyName: string }) => void;
  onReconcile: (record: ReconcileRecord) => void;
  clock: Clock;
  signal: AbortSignal;
}

/** Reconciles the keys of all loops until the signal aborts. */
export async function runLoops<C>(
  loops: readonly Loop<C>[],
  context: C,
  queues: Queues,
  { onError, onReconcile, clock, signal }: LoopsOptions,
): Promise<void> {
  await Promise.all(loops.map(({ name, keyName, concurrency, reconcile }) => {
    const queue = queues[name]!;
    return runController({
      name,
      queue,
      concurrency,
      reconcile: (key, signal) =>
        traced(`reconcile ${name}`, { [keyName]: key }, () => reconcile(key, { context, queue, signal })),
      onError: (failure) => onError({ ...failure, keyName }),
      onReconcile,
      clock,
      signal,
    });
  }));
}
