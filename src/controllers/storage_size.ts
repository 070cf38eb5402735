/** Reads the size of the API server's database from its metrics. */
import { LineSplitter, type RestClient } from "../../lib/kubernetes/mod.ts";
import { storageSizeIn, storageSizeMetric } from "../core/database_storage.ts";

/** A page of metrics has a few MiB, in a large cluster some tens. */
const maxBytes = 128 * 2 ** 20;

/** The API server doesn't report the size: it hides its metrics, or its database has none. */
export class NoStorageSize extends Error {}

/**
 * Resolves to the size in bytes of the largest database file behind the API server: with several etcd clusters, any
 * of them can be full. The page is read as a stream until the wanted lines; none of it is kept.
 *
 * @throws NoStorageSize if the page has no such line or is too long
 */
export async function readStorageSize(rest: RestClient, signal: AbortSignal): Promise<number> {
  const page = await rest.performStream({
    method: "GET",
    path: "/metrics",
    // API servers with client_golang 1.24 or newer respond with that metric only; others ignore the parameter.
    querystring: new URLSearchParams({ "name[]": storageSizeMetric }),
    accept: "text/plain",
    abortSignal: signal,
  });
  const lines = new LineSplitter();
  const sizes: number[] = [];
  let bytes = 0;
  for await (const chunk of page) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) break;
    const found = lines.push(chunk).flatMap((line) => storageSizeIn(line) ?? []);
    sizes.push(...found);
  }
  if (sizes.length === 0) throw new NoStorageSize(`The API server's metrics have no ${storageSizeMetric}.`);
  return Math.max(...sizes);
}
