import { type Clock, sleep } from "../clock/mod.ts";
import { isApiError } from "../kubernetes/mod.ts";
import type { WorkQueue } from "./work_queue.ts";

/** What a successful reconcile asks for. */
export interface Next {
  /**
   * When to reconcile again although nothing changed, in milliseconds since 1970, though no sooner than 10 ms from now;
   * left out: only on the next change.
   */
  wakeAt?: number;
  /** After how many milliseconds to reconcile again, by the monotonic clock: for when the calendar isn't to be trusted. */
  afterMs?: number;
  /** Whether the run at `wakeAt` goes before all that are not urgent. */
  urgent?: boolean;
}

/**
 * What to do about a failed reconcile:
 *
 * - `terminal`: nothing before the next change, since trying again can't help;
 * - `waiting`: try again after a time that is known, such as a server's Retry-After;
 * - `transient`: try again with the queue's exponential backoff.
 */
export type ErrorKind =
  | { readonly kind: "terminal" }
  | { readonly kind: "waiting"; readonly afterMs: number }
  | { readonly kind: "transient" };

/** As long as the longest pause between two failures. */
const LONGEST_WAIT_MS = 60_000;

/** Thrown by a reconcile that only a change can help; its message says which. */
export class TerminalError extends Error {
  /** Names the class where only text is left, as in logs. */
  override readonly name = "TerminalError";
}

/**
 * The default classification: a {@linkcode TerminalError} is terminal, an `ApiError` with a Retry-After waits as long as
 * that says, but no more than a minute, and all others are transient. Whoever answers for a server, as an admission webhook
 * does, could otherwise put a key to sleep for years. A server's refusal (403, 422, …) is transient too, since what refused it (a
 * role, a quota, an admission policy, an old CRD) can change without the object changing.
 */
export function classifyError(error: unknown): ErrorKind {
  if (error instanceof TerminalError) return { kind: "terminal" };
  if (isApiError(error) && error.retryAfterSeconds !== undefined) {
    const afterMs = Number(error.retryAfterSeconds) * 1000;
    return { kind: "waiting", afterMs: afterMs >= 0 ? Math.min(afterMs, LONGEST_WAIT_MS) : 0 };
  }
  return { kind: "transient" };
}

/** One failed reconcile. */
export interface ReconcileFailure<K extends string = string> {
  /** Name of the controller. */
  readonly name: string;
  /** What was reconciled. */
  readonly key: K;
  /** What the reconcile threw. */
  readonly error: unknown;
  /** What is done about it. */
  readonly errorKind: ErrorKind;
}

/** One reconcile that has ended, for metrics. */
export interface ReconcileRecord<K extends string = string> {
  /** Name of the controller. */
  readonly name: string;
  /** What was reconciled. */
  readonly key: K;
  /** How long it took, in milliseconds. */
  readonly durationMs: number;
  /** How it ended; `aborted` is an error after the controller's abort. */
  readonly outcome: "success" | "aborted" | ErrorKind["kind"];
}

/** What {@linkcode runController} is called with. */
export interface ControllerOptions<K extends string> {
  /** Names the controller in reports and records. */
  name: string;
  /** Where the keys come from; it belongs to this controller alone. */
  queue: WorkQueue<K>;
  /** How many keys are reconciled at the same time, at least 1. */
  concurrency: number;
  /**
   * Brings what a key stands for to its desired state, from whatever state it finds. The signal aborts when the
   * controller is to stop; a reconcile that waits for anything passes it on.
   */
  reconcile: (key: K, signal: AbortSignal) => Promise<Next>;
  /** Says what to do about an error (default {@linkcode classifyError}). */
  classify?: (error: unknown) => ErrorKind;
  /** Told of each failed reconcile. Not of one that failed since the controller is stopping. */
  onError: (failure: ReconcileFailure<K>) => void;
  /** Told of each reconcile that ended. */
  onReconcile?: (record: ReconcileRecord<K>) => void;
  /** Measures durations and the time to stop. */
  clock: Clock;
  /** Stops the controller when it aborts. */
  signal: AbortSignal;
  /** How long reconciles may take to end after the abort, in milliseconds (default 10 s). */
  stopTimeoutMs?: number;
}

/**
 * Takes keys from a queue and reconciles them until the signal aborts. One failing or hanging key holds up no other, as
 * long as fewer than `concurrency` hang.
 *
 * A reconcile that succeeds ends the key's backoff and sets its `wakeAt`; one that fails does what the verdict says.
 *
 * On abort it takes no more keys, waits for the reconciles that run, and resolves. A key whose reconcile failed on the way
 * goes back into the queue.
 *
 * @throws {Error} when reconciles still run `stopTimeoutMs` after the abort; the message names their keys.
 * @throws what `classify`, `onError` or `onReconcile` threw, after stopping as on abort: they must not.
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
 *     console.log(`the guest namespace of ${key} is as it should be`);
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

/** Takes and reconciles keys, one after the other. */
async function work<K extends string>(
  options: ControllerOptions<K>,
  running: Set<K>,
  signal: AbortSignal,
): Promise<void> {
  const { queue } = options;
  while (true) {
    // It rejects only on abort.
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
 * A reconcile that asks for an instant which is past runs again after this long: one that always does, without waiting
 * for anything, would otherwise leave the process no time for its timers and its network.
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

/** Rejects when reconciles run on for too long after the abort; resolves when all have ended. */
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
