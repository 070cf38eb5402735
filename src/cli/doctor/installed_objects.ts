/** Reads the objects that Keystone installs, and compares them with the shipped ones. */
import {
  isApiError,
  type KubernetesObject,
  type Resource,
  ResourceApi,
  type RestClient,
} from "../../../lib/kubernetes/mod.ts";
import { differencesOf, type FieldDifference, isAddition } from "./object_difference.ts";
import type { ShippedObject } from "./shipped_manifests.ts";

/** A shipped object and its state in the cluster. */
export interface InstalledObject {
  shipped: ShippedObject;
  /** The object in the cluster; undefined if it is missing. */
  live: ShippedObject | undefined;
  differences: FieldDifference[];
}

/** Plurals that are not the kind with an s. */
const plurals: Readonly<Record<string, string>> = {
  ValidatingAdmissionPolicy: "validatingadmissionpolicies",
};

const pluralOf = (kind: string): string => plurals[kind] ?? `${kind.toLowerCase()}s`;

/** Returns the resource of a shipped object. */
export function apiResourceOf({ apiVersion, kind, metadata }: ShippedObject): Resource<ShippedObject> {
  const [version, group = ""] = apiVersion.split("/").reverse() as [string, string?];
  return { group, version, kind, plural: pluralOf(kind), namespaced: metadata.namespace !== undefined };
}

/** Returns the object's name for kubectl: `clusterrole.rbac.authorization.k8s.io/keystone-guest`. */
export function kubectlName(manifest: ShippedObject): string {
  const { group } = apiResourceOf(manifest);
  const place = manifest.metadata.namespace === undefined ? "" : `-n ${manifest.metadata.namespace} `;
  return `${place}${pluralOf(manifest.kind)}${group === "" ? "" : `.${group}`} ${manifest.metadata.name}`;
}

/** Returns the object's name for people. */
export const installedName = ({ kind, metadata }: ShippedObject): string =>
  `${kind} ${metadata.namespace === undefined ? "" : `${metadata.namespace}/`}${metadata.name}`;

/** Returns the calls on a shipped object. */
const apiOf = (rest: RestClient, manifest: ShippedObject): ResourceApi<ShippedObject> =>
  new ResourceApi(rest, apiResourceOf(manifest), manifest.metadata.namespace);

/**
 * Reads the object and compares it with the shipped one. Where they differ, the API server is asked for the shipped
 * object as it would store it: a later Kubernetes may add its own fields.
 *
 * @throws ApiError if the user may not read it
 */
export async function readInstalled(rest: RestClient, shipped: ShippedObject): Promise<InstalledObject> {
  try {
    const live = await apiOf(rest, shipped).get(shipped.metadata.name);
    const differences = differencesOf(contentOf(shipped), contentOf(live));
    if (!differences.some(isAddition)) return { shipped, live, differences };
    const stored = await asStored(rest, shipped, live);
    return {
      shipped,
      live,
      differences: stored === undefined ? differences : differencesOf(contentOf(stored), contentOf(live)),
    };
  } catch (error) {
    if (!isApiError(error, 404)) throw error;
    return { shipped, live: undefined, differences: [] };
  }
}

/** Returns an object without what the cluster or its owner adds. */
function contentOf(
  { apiVersion: _, kind: _kind, metadata: _metadata, status: _status, ...content }: ShippedObject,
): object {
  return content;
}

/** Returns the shipped object as the API server would store it in place of the live one; undefined if it refuses. */
async function asStored(
  rest: RestClient,
  shipped: ShippedObject,
  live: KubernetesObject,
): Promise<ShippedObject | undefined> {
  const { group, version, plural } = apiResourceOf(shipped);
  const { name, namespace } = shipped.metadata;
  const place = namespace === undefined ? "" : `/namespaces/${namespace}`;
  try {
    const stored = await rest.performRequest({
      method: "PUT",
      path: `${group === "" ? "/api" : `/apis/${group}`}/${version}${place}/${plural}/${name}`,
      querystring: new URLSearchParams({ dryRun: "All" }),
      bodyJson: { ...shipped, metadata: { ...live.metadata, name } },
    });
    return stored as unknown as ShippedObject;
  } catch (error) {
    if (!isApiError(error)) throw error;
    return undefined;
  }
}
