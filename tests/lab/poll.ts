/**
 * Asks `check` again and again until it answers `true`. A string is the reason why not yet, and ends up in the error;
 * an exception thrown by `check` ends the wait at once.
 */
export async function poll(
  what: string,
  check: () => Promise<true | string> | true | string,
  options: { withinMs: number; everyMs?: number },
): Promise<void> {
  const { withinMs, everyMs = 50 } = options;
  const deadline = performance.now() + withinMs;
  while (true) {
    const answer = await check();
    if (answer === true) return;
    if (performance.now() > deadline) throw new Error(`${what} is not so after ${withinMs / 1000} s: ${answer}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
