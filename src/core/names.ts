/** Stable names of the API: labels, annotations, object names. */

/** Field manager of every write, and name of the operator's StatefulSet, ServiceAccount and Lease. */
export const operatorName = "keystone-operator";
/** ServiceAccount of the process that answers admission reviews. */
export const frontName = "keystone-front";
/** Namespace of the operator. */
export const systemNamespace = "keystone-system";

/** Label of objects that Keystone made and may change or delete. */
export const managedByLabel = "app.kubernetes.io/managed-by";
export const managedBy = "keystone";
/** Label with the realm of the object's guests. */
export const realmLabel = "keystone.io/realm";
/** Label with the grant that the object enforces. */
export const grantLabel = "keystone.io/grant";
/** Prefix of Keystone's annotations and labels. */
export const keystonePrefix = "keystone.io/";
/** Set by a person to hand over a namespace that Keystone did not make, or made for another identity. */
export const adoptAnnotation = "keystone.io/adopt";
/** On a guest namespace: record of its grantee, `<Kind>/<name>/<identity>/<StableID>`. */
export const granteeAnnotation = "keystone.io/grantee";
/** On a guest namespace: its trust level, for when its Realm is gone. */
export const trustAnnotation = "keystone.io/trust";
/** On a guest namespace: `Retain` if any of its grants has kept the volumes, else `Delete`. */
export const volumesAnnotation = "keystone.io/volumes";
/**
 * On a guest namespace: the revision of the guards in force there, which is that of the operator that manages it.
 * Without it only the guards of the first revision are in force.
 */
export const guardsAnnotation = "keystone.io/guards";
/** On a guest namespace, for the guards: the highest priority of its pods. */
export const maxPriorityAnnotation = "keystone.io/max-priority";
/**
 * On a guest namespace, for the guards: settings, with comma-separated lists. A missing one means the strictest value.
 */
export const maxGraceAnnotation = "keystone.io/max-termination-grace-seconds";
export const maxHistoryAnnotation = "keystone.io/max-history";
export const runtimeClassesAnnotation = "keystone.io/runtime-classes";
export const runtimeClassRequiredAnnotation = "keystone.io/runtime-class-required";
/** Pairs `class=resource`. */
export const deviceRuntimeClassesAnnotation = "keystone.io/device-runtime-classes";
export const csiDriversAnnotation = "keystone.io/csi-drivers";
export const schedulersAnnotation = "keystone.io/schedulers";
export const reservedTaintsAnnotation = "keystone.io/reserved-taints";
export const podTokensAnnotation = "keystone.io/pod-tokens";
export const alwaysPullAnnotation = "keystone.io/always-pull-images";
export const imageRegistriesAnnotation = "keystone.io/image-registries";
export const loadBalancerClassesAnnotation = "keystone.io/load-balancer-classes";
/**
 * Keys of annotations and labels that are harmless or dangerous here, in the form of deploy/guards/metadata_keys.ts.
 */
export const harmlessKeysAnnotation = "keystone.io/harmless-keys";
export const dangerousKeysAnnotation = "keystone.io/dangerous-keys";
/** Guards that only warn. */
export const warnAnnotation = "keystone.io/guards-warn";
/** On a guest namespace in which any guard only warns. */
export const warnLabel = "keystone.io/guards-warn";
/** On a guest namespace: end of its last grant, RFC 3339. */
export const endedAnnotation = "keystone.io/ended-at";
/**
 * On a guest namespace: its creation by Keystone, by the API server's clock, RFC 3339. A restored one has another's.
 */
export const madeAnnotation = "keystone.io/made-at";
/** On a guest namespace: time since which it is known to be closed and empty, RFC 3339, and its UID. */
export const emptyAnnotation = "keystone.io/empty-since";
/** On a guest namespace that has kept stored data: only a person deletes it. */
export const keptAnnotation = "keystone.io/kept";
/** On a guest namespace that was restored from a backup: its UID, until a grant comes into force. */
export const unopenedAnnotation = "keystone.io/unopened";
/** On a guest namespace whose last grant has ended. */
export const lockedLabel = "keystone.io/locked";
/** On the quota: record of the freeze during a notice. */
export const freezeAnnotation = "keystone.io/cordon-hard";
/** On the quota, for the guards: StorageClasses that provision a volume for each claim, separated by commas. */
export const provisioningClassesAnnotation = "keystone.io/provisioning-classes";

/** On the guests' binding: record of the people for whom an account created now is valid. */
export const accountAnnotation = "keystone.io/account";

/** Name of the guests' ClusterRole, and of the RoleBinding to it in each guest namespace. */
export const guestRole = "keystone-guest";
/** Group that acts for a realm unless the Realm names other subjects. */
export const realmGroup = (realm: string): string => `keystone:realm:${realm}`;

/**
 * Prefix of the ServiceAccounts that `keystone realm kubeconfig` creates for a realm's people. They are in the operator's
 * namespace, out of the guests' reach, and subjects of the guests' binding.
 */
export const realmAccount = (realm: string): string => `realm-${realm}`;
const approvePrefix = "keystone-approve-";
/** Name of the ClusterRole, and of its binding, with which a realm's subjects approve for it. */
export const approverName = (realm: string): string => approvePrefix + realm;
/** Returns the realm of an approver's ClusterRole or binding by its name; undefined for others. */
export const realmOfApprover = (name: string): string | undefined =>
  name.startsWith(approvePrefix) ? name.slice(approvePrefix.length) : undefined;

/** Name of the FlowSchema of guests' requests, and of the PriorityLevelConfiguration whose seats they share. */
export const guestFlowName = "keystone-guests";

/**
 * On the guests' FlowSchema, for the guard `keystone-guest-writes`: `Closed` or `PodsClosed`; other values close
 * nothing.
 */
export const guestWritesAnnotation = "keystone.io/guest-writes";

const guestPrefix = "guest-";

/**
 * Returns the namespace of a realm's guests (specification, Grant Reconciliation Loop, step 3).
 *
 * ```ts
 * import { guestNamespace } from "./names.ts";
 * import { equal } from "node:assert/strict";
 * equal(guestNamespace("bob-home"), "guest-bob-home");
 * ```
 */
export const guestNamespace = (realm: string): string => guestPrefix + realm;

/** Returns the realm of a guest namespace by its name; undefined for other namespaces. */
export function realmOfNamespace(namespace: string): string | undefined {
  return namespace.startsWith(guestPrefix) ? namespace.slice(guestPrefix.length) : undefined;
}

/** Returns the labels of all objects that Keystone makes for a realm. */
export const ownerLabels = (realm: string): Record<string, string> => ({
  [managedByLabel]: managedBy,
  [realmLabel]: realm,
});
