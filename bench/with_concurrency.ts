/** As many as the client has places for: more would wait there, and their deadlines run. */
export const inFlight = 32;

/** Does the work on each item, so many at a time. */
export async function withConcurrency<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const left = items.values();
  await Promise.all(Array.from({ length: inFlight }, async () => {
    for (const item of left) await work(item);
  }));
}
