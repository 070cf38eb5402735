/** The names that others rely on: labels, annotations, object names. They don't change. */

/** Field manager of every write, and name of the operator's Deployment, ServiceAccount and Lease. */
export const operatorName = "keystone-operator";
/** ServiceAccount of the process that answers admission reviews. */
export const frontName = "keystone-front";
/** Namespace that the operator lives in. */
export const systemNamespace = "keystone-system";
/** User name of the operator's ServiceAccount. */
export const operatorUser = `system:serviceaccount:${systemNamespace}:${operatorName}`;

/** Says that Keystone made the object and may change or delete it. */
export const managedByLabel = "app.kubernetes.io/managed-by";
export const managedBy = "keystone";
/** Names the realm whose guests the object is about. */
export const realmLabel = "keystone.io/realm";
/** Names the grant that the object enforces. */
export const grantLabel = "keystone.io/grant";
/** What the annotations and labels of Keystone begin with. */
export const keystonePrefix = "keystone.io/";
/** Set by a person on a namespace that Keystone did not make, or made for another identity, to hand it over. */
export const adoptAnnotation = "keystone.io/adopt";
/** Says for whom a guest namespace was made: `<Kind>/<name>/<identity>/<StableID>`. */
export const granteeAnnotation = "keystone.io/grantee";
/** On a guest namespace: the trust level by which it stands, for when its Realm is gone. */
export const trustAnnotation = "keystone.io/trust";
/** On a guest namespace: some grant of it wanted the volumes kept. */
export const volumesAnnotation = "keystone.io/volumes";
/**
 * On a guest namespace: the revision of the guards that hold there, which is that of the operator that looks after it. Without
 * it only the first ones do.
 */
export const guardsAnnotation = "keystone.io/guards";
/** On a guest namespace: the highest priority that its pods may have, for the guards. */
export const maxPriorityAnnotation = "keystone.io/max-priority";
/** On a guest namespace, for the guards: settings, lists with commas. What isn't there is as strict as can be. */
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
/** Keys of annotations and labels that are harmless here, or not: as in deploy/guards/metadata_keys.ts. */
export const harmlessKeysAnnotation = "keystone.io/harmless-keys";
export const dangerousKeysAnnotation = "keystone.io/dangerous-keys";
/** The guards that only warn. */
export const warnAnnotation = "keystone.io/guards-warn";
/** On a guest namespace in which some guard only warns. */
export const warnLabel = "keystone.io/guards-warn";
/** On a guest namespace: when its last grant ended, RFC 3339. */
export const endedAnnotation = "keystone.io/ended-at";
/** On a guest namespace: when Keystone made it, by the API server's clock, RFC 3339. A restored one has that of another. */
export const madeAnnotation = "keystone.io/made-at";
/** On a guest namespace: since when it is known to be closed and empty, RFC 3339, and its UID. */
export const emptyAnnotation = "keystone.io/empty-since";
/** On a guest namespace: it has kept something that was stored, and goes only by a person's word. */
export const keptAnnotation = "keystone.io/kept";
/** On a guest namespace whose last grant has ended. */
export const lockedLabel = "keystone.io/locked";
/** On the quota: what may still be used while a part of it is on notice, taken once. */
export const freezeAnnotation = "keystone.io/cordon-hard";
/** On the quota, for the guards: StorageClasses that make a volume for each claim, separated by commas. */
export const provisioningClassesAnnotation = "keystone.io/provisioning-classes";

/** On the guests' binding: for whom an account stands that is made now. */
export const accountAnnotation = "keystone.io/account";

/** The ClusterRole of guests, and the RoleBinding to it in each guest namespace. */
export const guestRole = "keystone-guest";
/** The group that acts for a realm unless the Realm names others. */
export const realmGroup = (realm: string): string => `keystone:realm:${realm}`;

/**
 * What the names of the ServiceAccounts in the operator's namespace begin with that `keystone kubeconfig` gives to a
 * realm's people: out of the guests' reach, and subjects of their binding.
 */
export const realmAccount = (realm: string): string => `realm-${realm}`;
const approvePrefix = "keystone-approve-";
/** Name of the ClusterRole, and of its binding, with which a realm's subjects approve for it. */
export const approverName = (realm: string): string => approvePrefix + realm;
/** The realm whose approver a ClusterRole or its binding is by name; undefined for others. */
export const realmOfApprover = (name: string): string | undefined =>
  name.startsWith(approvePrefix) ? name.slice(approvePrefix.length) : undefined;

/** Name of the FlowSchema of guests' requests, and of the PriorityLevelConfiguration whose seats they share. */
export const guestFlowName = "keystone-guests";

/** On the FlowSchema of guests, for the guard `keystone-guest-writes`: `Closed` or `PodsClosed`; all else closes nothing. */
export const guestWritesAnnotation = "keystone.io/guest-writes";

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
