/** Requests of guests, and their refusals. */
import { ApiError, type RequestOptions, type RestClient } from "../../lib/kubernetes/mod.ts";

/** Sends a request as a dry run; returns the API server's refusal, empty if it is accepted. */
export const refusal = (rest: RestClient, request: RequestOptions): Promise<string> =>
  refusalOf(rest, { ...request, querystring: new URLSearchParams({ dryRun: "All" }) });

/** Sends a request; returns the API server's refusal, empty if it is accepted. */
export async function refusalOf(rest: RestClient, request: RequestOptions): Promise<string> {
  try {
    await rest.performRequest(request);
    return "";
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return error.message;
  }
}

/** Runs a check on all items, eight at a time; returns the failures. */
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
