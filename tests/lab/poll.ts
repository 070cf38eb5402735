/** Sentences that {@link poll} waits for now. */
export const waits: Set<string> = new Set();

/**
 * Calls `check` repeatedly until it returns `true`. A string is the reason to go on waiting, and becomes part of the
 * error; an exception from `check` ends the wait at once. `what` is a sentence that becomes true, e.g. "the quota has a
 * status".
 */
export async function poll(
  what: string,
  check: () => Promise<true | string> | true | string,
  options: { withinMs: number; everyMs?: number },
): Promise<void> {
  const { withinMs, everyMs = 50 } = options;
  const deadline = performance.now() + withinMs;
  waits.add(what);
  try {
    while (true) {
      const answer = await check();
      if (answer === true) return;
      if (performance.now() > deadline) {
        throw new Error(`Timed out after ${withinMs / 1000} s: ${what}. Last result: ${answer}`);
      }
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  } finally {
    waits.delete(what);
  }
}
