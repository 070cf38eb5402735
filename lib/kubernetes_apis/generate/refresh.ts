import type { RestClient } from "../../kubernetes/mod.ts";
import { apiPath, groups } from "./groups.ts";
import type { Document } from "./openapi.ts";
import { folder } from "./paths.ts";
import { reduce } from "./reduce.ts";

/**
 * Writes the documents anew from what an API server serves at `/openapi/v3` (KEP-2896). The custom resource definitions
 * of all groups must be established there; without one of them it fails and writes nothing.
 */
export async function refresh(rest: RestClient): Promise<void> {
  const served: Document[] = [];
  for (const group of groups) {
    const document: unknown = await rest.performRequest({ method: "GET", path: `/openapi/v3/${apiPath(group)}` });
    served.push(document as Document);
  }
  for (const [file, document] of reduce(served)) {
    await Deno.writeTextFile(new URL(`openapi/${file}.json`, folder), `${JSON.stringify(document, null, 1)}\n`);
  }
}
