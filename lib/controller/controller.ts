import { type Clock, sleep } from "../clock/mod.ts";
import { isApiError } from "../kubernetes/mod.ts";
import type { WorkQueue } from "./work_queue.ts";

/** Result of a successful reconcile. */
export interface Next {
  /**
   * Instant at which to reconcile again without a change, in milliseconds since 1970, at least 10 ms from now;
   * absent: only on the next change.
   */
  wakeAt?: number;
  /** Milliseconds (monotonic) after which to reconcile again, for when the wall clock can't be trusted. */
  afterMs?: number;
  /** True if the run at `wakeAt` goes before all keys that are not urgent. */
  urgent?: boolean;
}

/**
 * Reaction to a failed reconcile:
 *
 * - `terminal`: none until the next change, because a retry can't help;
 * - `waiting`: retry after a known time, such as a server's Retry-After;
 * - `transient`: retry with the queue's exponential backoff.
 */
export type ErrorKind =
  | { readonly kind: "terminal" }
  | { readonly kind: "waiting"; readonly afterMs: number }
  | { readonly kind: "transient" };

/** The longest backoff. */
const LONGEST_WAIT_MS = 60_000;

/** Thrown by a reconcile that only a change can repair; the message says which change. */
export class TerminalError extends Error {
  /** Class name where only text is available, as in logs. */
  override readonly name = "TerminalError";
}

/**
 * Default classification: a {@linkcode TerminalError} is terminal; an `ApiError` with a Retry-After waits for that
 * time, but at most a minute; all others are transient. Without the limit, a proxy or an admission webhook could
 * suspend a key for years. A server's refusal (403, 422, …) is transient too, because its cause (a role, a quota, an
 * admission policy, an old CRD) can change without the object changing.
 */
export function classifyError(error: unknown): ErrorKind {
  if (error instanceof TerminalError) return { kind: "terminal" };
  if (isApiError(error) && error.retryAfterSeconds !== undefined) {
    const afterMs = Number(error.retryAfterSeconds) * 1000;
    return { kind: "waiting", afterMs: afterMs >= 0 ? Math.min(afterMs, LONGEST_WAIT_MS) : 0 };
  }
  return { kind: "transient" };
}

/** A failed reconcile. */
export interface ReconcileFailure<K extends string = string> {
  /** Name of the controller. */
  readonly name: string;
  /** Reconciled key. */
  readonly key: K;
  /** Error that the reconcile threw. */
  readonly error: unknown;
  /** Reaction to the error. */
  readonly errorKind: ErrorKind;
}

/** A finished reconcile, for metrics. */
export interface ReconcileRecord<K extends string = string> {
  /** Name of the controller. */
  readonly name: string;
  /** Reconciled key. */
  readonly key: K;
  /** Duration in milliseconds. */
  readonly durationMs: number;
  /** Outcome; `aborted` is an error after the controller's abort. */
  readonly outcome: "success" | "aborted" | ErrorKind["kind"];
}

/** Options of {@linkcode runController}. */
export interface ControllerOptions<K extends string> {
  /** Name in reports and records. */
  name: string;
  /** Queue of the keys; used by this controller only. */
  queue: WorkQueue<K>;
  /** Maximum number of keys that are reconciled at the same time, at least 1. */
  concurrency: number;
  /**
   * Brings the state of a key to the desired state, from any state. The signal aborts when the controller stops; a
   * reconcile passes it to everything that it waits for.
   */
  reconcile: (key: K, signal: AbortSignal) => Promise<Next>;
  /** Classifies an error (default {@linkcode classifyError}). */
  classify?: (error: unknown) => ErrorKind;
  /** Called for each failed reconcile, except failures caused by stopping the controller. */
  onError: (failure: ReconcileFailure<K>) => void;
  /** Called for each finished reconcile. */
  onReconcile?: (record: ReconcileRecord<K>) => void;
  /** Clock for durations and the time to stop. */
  clock: Clock;
  /** Stops the controller. */
  signal: AbortSignal;
  /** Time for reconciles to end after the abort, in milliseconds (default 10 s). */
  stopTimeoutMs?: number;
}

/**
 * Takes keys from a queue and reconciles them until the signal aborts. A failing or hanging key doesn't hold up
 * others, as long as fewer than `concurrency` hang.
 *
 * A reconcile that succeeds resets the key's backoff and sets its `wakeAt`; for one that fails the classification
 * decides.
 *
 * On abort it takes no more keys, waits for running reconciles, and resolves. A key whose reconcile failed meanwhile
 * returns to the queue.
 *
 * @throws {Error} if reconciles still run `stopTimeoutMs` after the abort; the message names their keys.
 * @throws any error from `classify`, `onError` or `onReconcile`, after stopping as on abort: they must not throw.
 *
 * @example
 * ```ts
 * import { systemClock } from "../clock/mod.ts";
 * import { runController, WorkQueue } from "./mod.ts";
 *
 * const queue = new WorkQueue<string>({ clock: systemClock });
 * const stop = new AbortController();
 * queue.add("bob-home");
 * await runController({
 *   name: "guest",
 *   queue,
 *   concurrency: 4,
 *   reconcile: async (key, _signal) => {
 *     console.log(`the guest namespace of ${key} is reconciled`);
 *     stop.abort();
 *     return { wakeAt: Date.now() + 3_600_000 };
 *   },
 *   onError: ({ name, key, error }) => console.error(name, key, error),
 *   clock: systemClock,
 *   signal: stop.signal,
 * });
 * ```
 */
export async function runController<K extends string>(options: ControllerOptions<K>): Promise<void> {
  const broken = new AbortController();
  const signal = AbortSignal.any([options.signal, broken.signal]);
  const running = new Set<K>();
  const workers = Array.from(
    { length: options.concurrency },
    () => work(options, running, signal).catch((error) => broken.abort(error)),
  );
  const ended = new AbortController();
  const all = Promise.all(workers).then(() => ended.abort());
  await Promise.race([all, stopTimeout(options, running, signal, ended.signal)]);
  if (broken.signal.aborted) throw broken.signal.reason;
}

/** Takes and reconciles keys one after the other. */
async function work<K extends string>(
  options: ControllerOptions<K>,
  running: Set<K>,
  signal: AbortSignal,
): Promise<void> {
  const { queue } = options;
  while (true) {
    // Rejects only on abort.
    const key = await queue.take(signal).catch(() => undefined);
    if (key === undefined) return;
    running.add(key);
    try {
      if (signal.aborted) queue.add(key);
      else await reconcileOnce(options, key, signal);
    } finally {
      running.delete(key);
      queue.done(key);
    }
  }
}

/**
 * Minimum delay of a `wakeAt` that is past: a reconcile that always returns one, without waiting for anything, would
 * otherwise block the process's timers and network.
 */
const SHORTEST_WAIT_MS = 10;

async function reconcileOnce<K extends string>(
  options: ControllerOptions<K>,
  key: K,
  signal: AbortSignal,
): Promise<void> {
  const { name, queue, clock, reconcile, classify = classifyError, onError, onReconcile } = options;
  const startedAt = clock.monotonic();
  const record = (outcome: ReconcileRecord["outcome"]) =>
    onReconcile?.({ name, key, durationMs: clock.monotonic() - startedAt, outcome });
  try {
    const { wakeAt, afterMs, urgent } = await reconcile(key, signal);
    if (wakeAt !== undefined) queue.addAt(key, Math.max(wakeAt, clock.now() + SHORTEST_WAIT_MS), { urgent });
    if (afterMs !== undefined) queue.retry(key, { afterMs: Math.max(afterMs, SHORTEST_WAIT_MS) });
    queue.forget(key);
  } catch (error) {
    if (signal.aborted) {
      queue.add(key);
      return record("aborted");
    }
    const verdict = classify(error);
    if (verdict.kind === "transient") queue.retry(key);
    else if (verdict.kind === "waiting") queue.retry(key, { afterMs: verdict.afterMs });
    else queue.forget(key);
    onError({ name, key, error, errorKind: verdict });
    return record(verdict.kind);
  }
  record("success");
}

/** Rejects if reconciles run too long after the abort; resolves once all have ended. */
async function stopTimeout<K extends string>(
  { name, clock, stopTimeoutMs = 10_000 }: ControllerOptions<K>,
  running: ReadonlySet<K>,
  signal: AbortSignal,
  ended: AbortSignal,
): Promise<void> {
  if (!signal.aborted) {
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  }
  await sleep(clock, stopTimeoutMs, ended);
  if (ended.aborted) return;
  throw new Error(
    `Controller ${name} did not stop: reconciling ${
      [...running].join(", ")
    } took longer than ${stopTimeoutMs} ms after ` +
      `the abort. Pass the reconcile's signal to everything that it waits for.`,
  );
}
