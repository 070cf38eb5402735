/** Reads the size of the API server's database from the API server's metrics. */
import { LineSplitter, type RestClient } from "../../lib/kubernetes/mod.ts";
import { storageSizeIn, storageSizeMetric } from "../core/database_storage.ts";

/** A page of metrics has a few MiB; in a large cluster it may have some tens. */
const maxBytes = 128 * 2 ** 20;

/** The API server tells no size: it hides its metrics, or its database tells none. */
export class NoStorageSize extends Error {}

/**
 * Resolves to the bytes of the largest database file behind the API server; with several etcd clusters any of them can
 * be the one that is full. The page is read as it comes, up to the lines that are wanted: nothing of it is kept.
 *
 * @throws NoStorageSize when the page has no such line, or is without end
 */
export async function readStorageSize(rest: RestClient, signal: AbortSignal): Promise<number> {
  const page = await rest.performStream({
    method: "GET",
    path: "/metrics",
    // API servers that know it (client_golang 1.24 and newer) answer with that metric alone; others ignore it.
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
