/** Requests of guests, and what is said against them. */
import { ApiError, type RequestOptions, type RestClient } from "../../lib/kubernetes/mod.ts";

/** What the API server says against a request, as a dry run; nothing when it goes through. */
export const refusal = (rest: RestClient, request: RequestOptions): Promise<string> =>
  refusalOf(rest, { ...request, querystring: new URLSearchParams({ dryRun: "All" }) });

/** What the API server says against a request that is meant; nothing when it went through. */
export async function refusalOf(rest: RestClient, request: RequestOptions): Promise<string> {
  try {
    await rest.performRequest(request);
    return "";
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return error.message;
  }
}

/** Tries all, eight at a time; returns what was wrong. */
export async function inBatches<T>(
  items: readonly T[],
  run: (item: T) => Promise<string | undefined>,
): Promise<string[]> {
  const wrong: string[] = [];
  const queue = [...items];
  await Promise.all(Array.from({ length: 8 }, async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      const said = await run(item);
      if (said !== undefined) wrong.push(said);
    }
  }));
  return wrong;
}
