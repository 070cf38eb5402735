import type { RestClient } from "../../kubernetes/mod.ts";
import { apiPath, documentOf, type Group } from "./groups.ts";
import type { Document } from "./openapi.ts";
import { reduce } from "./reduce.ts";

/**
 * Updates the documents from an API server's `/openapi/v3` (KEP-2896). The custom resource definitions of all groups
 * must be established there; if one is missing it fails and writes nothing.
 */
export async function refresh(rest: RestClient, groups: readonly Group[]): Promise<void> {
  const served: Document[] = [];
  for (const group of groups) {
    const document: unknown = await rest.performRequest({ method: "GET", path: `/openapi/v3/${apiPath(group)}` });
    served.push(document as Document);
  }
  for (const [group, document] of reduce(groups, served)) {
    await Deno.writeTextFile(documentOf(group), `${JSON.stringify(document, null, 1)}\n`);
  }
}
