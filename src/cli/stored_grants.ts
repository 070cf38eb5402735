/** Grants of the input as the API server would store them, which it says in a dry run. */
import { isApiError, type RestClient } from "../../lib/kubernetes/mod.ts";
import type { Grant } from "../api/client/keystone.io@v1alpha1.ts";
import { no, usageError } from "./exit.ts";
import { type Manifest, placeOf } from "./manifests.ts";

export interface StoredGrant {
  name: string;
  /** With the API server's defaults; as in the input if it wasn't asked. */
  spec: unknown;
  /** Place in the input, for messages. */
  place: string;
  /** Reason why the API server didn't check it; absent if it did. */
  unchecked?: string;
}

/** Creates or replaces the grant in a dry run. Rejects with the API server's words if it refuses the grant. */
export async function storedGrant(rest: RestClient, manifest: Manifest): Promise<StoredGrant> {
  const place = placeOf(manifest);
  const name = manifest.metadata?.name;
  if (!name) throw usageError(`${place}: metadata.name of the Grant is not set. Add it.`);
  const path = `/apis/${manifest.apiVersion}/grants`;
  const one = `${path}/${encodeURIComponent(name)}`;
  const querystring = new URLSearchParams({ dryRun: "All", fieldValidation: "Strict" });
  try {
    const present = await rest.performRequest({ method: "GET", path: one }).catch((error) => {
      if (!isApiError(error, 404)) throw error;
      return undefined;
    }) as unknown as Grant | undefined;
    const answer = await rest.performRequest(
      present === undefined
        ? { method: "POST", path, querystring, bodyJson: manifest as never }
        : { method: "PUT", path: one, querystring, bodyJson: replaced(present, manifest) as never },
    ) as unknown as Grant;
    return { name, spec: answer.spec, place };
  } catch (error) {
    // The rights of the caller; a refusal by a policy or webhook is an answer about the grant.
    if (isApiError(error, 403) && / cannot \w+ resource /.test(error.message)) {
      return { name, spec: manifest.spec, place, unchecked: error.message };
    }
    if (isApiError(error, 400) || isApiError(error, 403) || isApiError(error, 404) || isApiError(error, 422)) {
      throw no(`${place}, Grant ${name}: ${error.message}`);
    }
    throw error;
  }
}

/** Returns the present grant with what the input sets. */
function replaced(present: Grant, manifest: Manifest): Grant {
  const { metadata, spec } = manifest as unknown as Grant;
  return {
    ...present,
    metadata: {
      ...present.metadata,
      labels: { ...present.metadata?.labels, ...metadata?.labels },
      annotations: { ...present.metadata?.annotations, ...metadata?.annotations },
    },
    spec,
  };
}
