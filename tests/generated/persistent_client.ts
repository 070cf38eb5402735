/** A client that sends a request again if its connection was lost. */
import {
  type ClosableRestClient,
  ConnectionError,
  type RequestOptions,
  type RestClient,
} from "../../lib/kubernetes/mod.ts";

/** Number of times that a request is sent. A server that is gone for good fails all of them. */
const mostTries = 3;
const pauseMs = 500;

/**
 * Returns a client that tries again what ends the same if it is done twice: all but POST. A busy API server closes
 * connections, and such a case would not be tried to its end.
 */
export function persistent(rest: ClosableRestClient): ClosableRestClient {
  const performRequest: RestClient["performRequest"] = async (options: RequestOptions) => {
    for (let count = 1;; count++) {
      try {
        return await rest.performRequest(options);
      } catch (error) {
        if (!(error instanceof ConnectionError) || options.method === "POST" || count === mostTries) throw error;
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  };
  return {
    defaultNamespace: rest.defaultNamespace,
    performRequest,
    performStream: (options) => rest.performStream(options),
    close: () => rest.close(),
    [Symbol.dispose]: () => rest[Symbol.dispose](),
  };
}
