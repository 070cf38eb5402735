import type { Clock } from "../../lib/clock/mod.ts";

/** Waits for a promise, but at most `ms` milliseconds; rejects with the signal's reason if that aborts first. */
export async function withinTime(
  wanted: Promise<unknown>,
  ms: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = clock.setTimer(ms, late.resolve);
  const stop = () => late.resolve();
  signal.addEventListener("abort", stop, { once: true });
  try {
    await Promise.race([wanted.catch(() => late.promise), late.promise]);
  } finally {
    timer.cancel();
    signal.removeEventListener("abort", stop);
  }
  signal.throwIfAborted();
}
