/** The names that others rely on: labels, annotations, object names. They don't change. */

/** Field manager of every write, and name of the operator's Deployment, ServiceAccount and Lease. */
export const operatorName = "keystone-operator";
/** Namespace that the operator lives in. */
export const systemNamespace = "keystone-system";

/** Says that Keystone made the object and may change or delete it. */
export const managedByLabel = "app.kubernetes.io/managed-by";
export const managedBy = "keystone";
/** Names the realm whose guests the object is about. */
export const realmLabel = "keystone.io/realm";
/** Names the grant that the object enforces. */
export const grantLabel = "keystone.io/grant";
/** Set by a person on a namespace that Keystone did not make, with the realm's name, to hand it over. */
export const adoptAnnotation = "keystone.io/adopt";

const guestPrefix = "guest-";

/**
 * The namespace dedicated to a realm's guests (specification, Grant Reconciliation Loop, step 3).
 *
 * ```ts
 * import { guestNamespace } from "./names.ts";
 * import { equal } from "node:assert/strict";
 * equal(guestNamespace("bob-home"), "guest-bob-home");
 * ```
 */
export const guestNamespace = (realm: string): string => guestPrefix + realm;

/** The realm that a namespace is dedicated to by its name, or undefined when it is no guest namespace. */
export function realmOfNamespace(namespace: string): string | undefined {
  return namespace.startsWith(guestPrefix) ? namespace.slice(guestPrefix.length) : undefined;
}

/** The labels of everything that Keystone makes for a realm. */
export const ownerLabels = (realm: string): Record<string, string> => ({
  [managedByLabel]: managedBy,
  [realmLabel]: realm,
});
