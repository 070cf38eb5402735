/** Number of concurrent requests, the client's limit: more would wait there while their deadlines run. */
export const inFlight = 32;

/** Does the work on all items, with limited concurrency. */
export async function withConcurrency<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const left = items.values();
  await Promise.all(Array.from({ length: inFlight }, async () => {
    for (const item of left) await work(item);
  }));
}
