/** What the operator watches: one store for each kind, holding only the facts that planners need. */
import { Store } from "../../lib/controller/mod.ts";
import type { KubernetesObject } from "../../lib/kubernetes/mod.ts";
import {
  type ConfigMap,
  configMaps,
  type LimitRange,
  limitRanges,
  type Namespace,
  namespaces,
  type ResourceQuota,
  resourceQuotas,
  type ServiceAccount,
  serviceAccounts,
} from "../../lib/kubernetes_apis/core@v1.ts";
import {
  type Grant,
  grants,
  type Realm,
  realms,
  superEntities,
  type SuperEntity,
} from "../api/client/keystone.io@v1alpha1.ts";
import {
  type FlowSchema,
  flowSchemas,
  type PriorityLevelConfiguration,
  priorityLevelConfigurations,
} from "../../lib/kubernetes_apis/flowcontrol.apiserver.k8s.io@v1.ts";
import { networkPolicies, type NetworkPolicy } from "../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import {
  type ClusterRole,
  type ClusterRoleBinding,
  clusterRoleBindings,
  clusterRoles,
  type RoleBinding,
  roleBindings,
} from "../../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import {
  type GrantSpec,
  type GrantStatus,
  guestFinalizer,
  type RealmSpec,
  type RealmStatus,
  type SuperEntitySpec,
  type SuperEntityStatus,
  trustedNodeAnnotation,
} from "../api/mod.ts";
import type {
  BindingFacts,
  ClusterBindingFacts,
  ClusterRoleFacts,
  ConfigMapFacts,
  FlowSchemaFacts,
  GrantFacts,
  GuestWrites,
  IdentityFacts,
  LimitRangeFacts,
  NamespaceFacts,
  PolicyFacts,
  QuotaFacts,
  RealmFacts,
  ServiceAccountFacts,
  SuperEntityFacts,
} from "../core/facts.ts";
import { parseDestination } from "../core/network/destination.ts";
import { longestGuide } from "../core/guest/guide.ts";
import { guideKey, guideName, limitRangeName, quotaName } from "../core/guest/objects.ts";
import {
  accountAnnotation,
  cordonAnnotation,
  guestFlowName,
  guestRole,
  guestWritesAnnotation,
  keystonePrefix,
  managedBy,
  managedByLabel,
  operatorName,
  provisioningClassesAnnotation,
  realmLabel,
  realmOfNamespace,
  systemNamespace,
} from "../core/names.ts";
import { parseGuestWrites } from "../core/storage.ts";
import { canonicalName } from "../core/realm/identity.ts";
import { interned } from "./interned.ts";
import { type Observer, reflect, type Reflecting, type Watching } from "./watching.ts";

export interface Stores {
  grants: Store<GrantFacts, "grantor" | "grantee" | "destination" | "dnsName", Grant>;
  realms: Store<RealmFacts, "identity", Realm>;
  superEntities: Store<SuperEntityFacts, "member", SuperEntity>;
  namespaces: Store<NamespaceFacts | undefined, never, Namespace>;
  quotas: Store<QuotaFacts | undefined, never, ResourceQuota>;
  limitRanges: Store<LimitRangeFacts | undefined, never, LimitRange>;
  serviceAccounts: Store<ServiceAccountFacts | undefined, never, ServiceAccount>;
  bindings: Store<BindingFacts | undefined, never, RoleBinding>;
  guides: Store<ConfigMapFacts | undefined, never, ConfigMap>;
  /** Those in the operator's namespace. */
  identities: Store<IdentityFacts, "realm", ServiceAccount>;
  policies: Store<PolicyFacts | undefined, "namespace", NetworkPolicy>;
  /** Those that let realms approve. */
  clusterRoles: Store<ClusterRoleFacts, never, ClusterRole>;
  clusterBindings: Store<ClusterBindingFacts, never, ClusterRoleBinding>;
  /** The one of guests, and the level that it names. */
  flowSchemas: Store<FlowSchemaFacts, never, FlowSchema>;
  priorityLevels: Store<string, never, PriorityLevelConfiguration>;
}

export function createStores(): Stores {
  return {
    grants: new Store({
      project: grantFacts,
      indexes: {
        grantor: ({ spec }) => [spec.grantorRealm],
        grantee: ({ spec }) => [spec.granteeRealm],
        destination: destinationRealms,
        dnsName: dnsNamesOf,
      },
    }),
    realms: new Store({ project: realmFacts, indexes: { identity: ({ spec }) => [canonicalName(spec.identity)] } }),
    superEntities: new Store({
      project: superEntityFacts,
      indexes: { member: ({ spec }) => spec.members.map(({ realm }) => realm) },
    }),
    namespaces: new Store({ project: namespaceFacts }),
    quotas: new Store({ project: ofGuests(quotaFacts) }),
    limitRanges: new Store({ project: ofGuests(limitRangeFacts) }),
    serviceAccounts: new Store({ project: ofGuests(serviceAccountFacts) }),
    bindings: new Store({ project: ofGuests(bindingFacts) }),
    guides: new Store({ project: ofGuests(configMapFacts) }),
    identities: new Store({ project: identityFacts, indexes: { realm: (account) => realmsOf(account) } }),
    policies: new Store({
      project: (policy: NetworkPolicy) => isOfGuests(policy) ? policyFacts(policy) : undefined,
      indexes: { namespace: (policy) => policy ? [policy.namespace] : [] },
    }),
    clusterRoles: new Store({ project: clusterRoleFacts }),
    clusterBindings: new Store({ project: clusterBindingFacts }),
    flowSchemas: new Store({ project: flowSchemaFacts }),
    priorityLevels: new Store({ project: ({ metadata }: PriorityLevelConfiguration) => metadata!.name! }),
  };
}

/**
 * Whether Keystone has made an object: by its label, or, should somebody have taken that off while no operator was
 * looking, since Keystone owns fields of it.
 */
const isOurs = ({ metadata }: KubernetesObject): boolean =>
  metadata?.labels?.[managedByLabel] === managedBy ||
  (metadata?.managedFields ?? []).some(({ manager, subresource }) => manager === operatorName && !subresource);

const isOfGuests = ({ metadata }: KubernetesObject): boolean =>
  realmOfNamespace(metadata?.namespace ?? "") !== undefined;

/** The realm for whose people Keystone has made an account; none for others of that namespace. */
export const realmsOf = ({ labels }: IdentityFacts): string[] => {
  const realm = labels[realmLabel];
  return labels[managedByLabel] === managedBy && realm !== undefined ? [realm] : [];
};

/** Keeps nothing of what is elsewhere, or not ours. */
const ofGuests = <T extends KubernetesObject, P>(project: (object: T) => P) => (object: T): P | undefined =>
  isOfGuests(object) && isOurs(object) ? project(object) : undefined;

/** The reflectors of what grants are enforced by: nothing is done before all of them know their objects. */
export function createReflectors(watching: Watching, stores: Stores): Observer[] {
  // By name where there is one: then the right to read reaches no further (RBAC resourceNames).
  const labelled: Reflecting = { selector: { labelSelector: `${managedByLabel}=${managedBy}` } };
  return [
    reflect(watching, grants, stores.grants),
    reflect(watching, realms, stores.realms),
    reflect(watching, superEntities, stores.superEntities),
    reflect(watching, namespaces, stores.namespaces),
    reflect(watching, resourceQuotas, stores.quotas, named(quotaName)),
    reflect(watching, limitRanges, stores.limitRanges, named(limitRangeName)),
    reflect(watching, serviceAccounts, stores.serviceAccounts, named("default")),
    reflect(watching, roleBindings, stores.bindings, named(guestRole)),
    reflect(watching, configMaps, stores.guides, named(guideName)),
    reflect(watching, networkPolicies, stores.policies),
    reflect(watching, serviceAccounts, stores.identities, { namespace: systemNamespace }),
    reflect(watching, clusterRoles, stores.clusterRoles, labelled),
    reflect(watching, clusterRoleBindings, stores.clusterBindings, labelled),
  ];
}

/** The reflectors of what answers to admission reviews depend on. */
export const createAdmissionReflectors = (watching: Watching, stores: Stores): Observer[] => [
  reflect(watching, grants, stores.grants),
  reflect(watching, realms, stores.realms),
  reflect(watching, superEntities, stores.superEntities),
  reflect(watching, resourceQuotas, stores.quotas, named(quotaName)),
  reflect(watching, limitRanges, stores.limitRanges, named(limitRangeName)),
];

/** The reflectors of what guests' requests are kept within bounds by; a cluster may be without, or not let it be read. */
export const createFlowReflectors = (watching: Watching, stores: Stores): Observer[] => [
  reflect(watching, flowSchemas, stores.flowSchemas, named(guestFlowName)),
  reflect(watching, priorityLevelConfigurations, stores.priorityLevels, named(guestFlowName)),
];

/** Writes that are open to guests, as the cluster says. */
export const guestWritesIn = ({ flowSchemas }: Stores): GuestWrites =>
  flowSchemas.get(guestFlowName)?.guestWrites ?? "Open";

const named = (name: string): Reflecting => ({ selector: { fieldSelector: `metadata.name=${name}` } });

/** What Grants and SuperEntities have in common: the operator holds both by its finalizer until they have ended. */
const finalizable = ({ metadata }: KubernetesObject) => ({
  name: metadata!.name!,
  uid: metadata!.uid!,
  generation: metadata!.generation ?? 0,
  createdAt: Date.parse(metadata!.creationTimestamp ?? ""),
  ...(metadata!.deletionTimestamp ? { deletingSince: Date.parse(metadata!.deletionTimestamp) } : {}),
  finalized: metadata!.finalizers?.includes(guestFinalizer) ?? false,
  otherFinalizers: (metadata!.finalizers ?? []).filter((finalizer) => finalizer !== guestFinalizer),
  resourceVersion: metadata!.resourceVersion ?? "",
});

// The CRDs' schemas guarantee the shapes of spec and status: what the server stores has passed them.
function grantFacts({ metadata, spec, status }: Grant): GrantFacts {
  return {
    ...finalizable({ metadata }),
    spec: { ...spec, hard: interned(spec.hard) } as GrantSpec,
    status: {
      ...status,
      ...(status?.hard ? { hard: interned(status.hard) } : {}),
      ...(status?.conditions ? { conditions: status.conditions.map(interned) } : {}),
    } as GrantStatus,
  };
}

/** What the terms allow, and what was taken out of them and is open until its notice is over. */
const destinationsOf = ({ spec, status }: GrantFacts) =>
  [
    ...spec.networkPolicy?.allowedDestinations ?? [],
    ...(status.reductions ?? []).flatMap(({ allowedDestinations = [] }) => allowedDestinations),
    // While the clocks disagree no notice is dated: only what is shown tells what is still open.
    ...(status.resolvedDestinations ?? []).map(({ destination }) => destination),
  ].map(parseDestination);

function destinationRealms(grant: GrantFacts): string[] {
  const destinations = destinationsOf(grant);
  return destinations.flatMap((destination) =>
    "to" in destination && "realm" in destination.to ? destination.to.realm : []
  );
}

function realmFacts({ metadata, spec, status }: Realm): RealmFacts {
  const trustedNode = metadata!.annotations?.[trustedNodeAnnotation];
  return {
    name: metadata!.name!,
    uid: metadata!.uid!,
    generation: metadata!.generation ?? 0,
    createdAt: Date.parse(metadata!.creationTimestamp ?? ""),
    deleting: metadata!.deletionTimestamp !== undefined,
    ...(trustedNode ? { trustedNode } : {}),
    spec: spec as RealmSpec,
    status: (status ?? {}) as RealmStatus,
  };
}

function superEntityFacts({ metadata, spec, status }: SuperEntity): SuperEntityFacts {
  return {
    ...finalizable({ metadata }),
    spec: spec as SuperEntitySpec,
    status: (status ?? {}) as SuperEntityStatus,
  };
}

const ownersOf = ({ metadata }: Pick<ClusterRole, "metadata">): string[] =>
  (metadata!.ownerReferences ?? []).map(({ uid }) => uid);

const clusterRoleFacts = (role: ClusterRole): ClusterRoleFacts => ({
  name: role.metadata!.name!,
  uid: role.metadata!.uid!,
  labels: role.metadata!.labels ?? {},
  owners: ownersOf(role),
  rules: role.rules ?? [],
});

const flowSchemaFacts = ({ metadata, spec }: FlowSchema): FlowSchemaFacts => ({
  uid: metadata!.uid!,
  labels: metadata!.labels ?? {},
  spec,
  guestWrites: parseGuestWrites(metadata!.annotations?.[guestWritesAnnotation]),
});

const clusterBindingFacts = (binding: ClusterRoleBinding): ClusterBindingFacts => ({
  name: binding.metadata!.name!,
  uid: binding.metadata!.uid!,
  labels: binding.metadata!.labels ?? {},
  owners: ownersOf(binding),
  subjects: subjectFacts(binding),
});

function namespaceFacts({ metadata, status }: Namespace): NamespaceFacts | undefined {
  if (realmOfNamespace(metadata!.name!) === undefined) return undefined;
  const annotations = Object.entries(metadata!.annotations ?? {}).filter(([key]) => key.startsWith(keystonePrefix));
  return {
    name: metadata!.name!,
    uid: metadata!.uid!,
    createdAt: Date.parse(metadata!.creationTimestamp ?? ""),
    labels: metadata!.labels ?? {},
    annotations: Object.fromEntries(annotations),
    deleting: metadata!.deletionTimestamp !== undefined,
    ...(metadata!.deletionTimestamp ? heldBy(status?.conditions) : {}),
  };
}

/** Source: the conditions of pkg/controller/namespace/deletion/status_condition_utils.go. */
function heldBy(conditions: NonNullable<Namespace["status"]>["conditions"]): { held?: string } {
  const held = (conditions ?? []).filter(({ type, status }) =>
    status === "True" && (type === "NamespaceFinalizersRemaining" || type === "NamespaceDeletionContentFailure")
  ).map(({ message }) => message ?? "").filter(Boolean);
  return held.length > 0 ? { held: held.join("; ") } : {};
}

const texts = (quantities: Record<string, string | number> | undefined): Record<string, string> =>
  interned(Object.fromEntries(Object.entries(quantities ?? {}).map(([key, value]) => [key, String(value)])));

const common = ({ metadata }: KubernetesObject) => ({
  namespace: metadata!.namespace!,
  name: metadata!.name!,
  uid: metadata!.uid!,
  labels: interned(metadata!.labels ?? {}),
});

function quotaFacts(quota: ResourceQuota): QuotaFacts {
  const { metadata, spec, status } = quota;
  const { [cordonAnnotation]: cordon, [provisioningClassesAnnotation]: provisioningClasses } = metadata!.annotations ??
    {};
  return {
    ...common(quota),
    ...(cordon === undefined ? {} : { cordon }),
    ...(provisioningClasses === undefined ? {} : { provisioningClasses }),
    asked: texts(spec?.hard),
    scoped: (spec?.scopes?.length ?? 0) > 0 || spec?.scopeSelector !== undefined,
    enforced: texts(status?.hard),
    used: texts(status?.used),
  };
}

const limitRangeFacts = (range: LimitRange): LimitRangeFacts => ({
  ...common(range),
  limits: interned(range.spec?.limits ?? []),
});

const serviceAccountFacts = (account: ServiceAccount): ServiceAccountFacts => ({
  ...common(account),
  automount: account.automountServiceAccountToken,
});

const identityFacts = (account: ServiceAccount): IdentityFacts => ({
  ...common(account),
  createdAt: Date.parse(account.metadata!.creationTimestamp ?? ""),
  deleting: account.metadata!.deletionTimestamp !== undefined,
});

const subjectFacts = ({ subjects = [] }: Pick<RoleBinding, "subjects">) =>
  subjects.map(({ kind, name, namespace }) => ({ kind, name, ...(namespace === undefined ? {} : { namespace }) }));

function bindingFacts(binding: RoleBinding): BindingFacts {
  const account = binding.metadata!.annotations?.[accountAnnotation];
  return {
    ...common(binding),
    roleRef: interned({ kind: binding.roleRef.kind, name: binding.roleRef.name }),
    subjects: subjectFacts(binding),
    ...(account === undefined ? {} : { account }),
  };
}

/** Only what Keystone writes there: what else guests put into it, or for it, is not kept in memory. */
const configMapFacts = (map: ConfigMap): ConfigMapFacts => {
  const text = map.data?.[guideKey] ?? "";
  return {
    ...common(map),
    data: { [guideKey]: text.length > longestGuide ? "" : text },
    ...(map.immutable ? { immutable: true } : {}),
  };
};

const policyFacts = (policy: NetworkPolicy): PolicyFacts => ({
  ...common(policy),
  spec: interned(policy.spec ?? { podSelector: {} }),
  ours: isOurs(policy),
});

/** Key of an object of a guest namespace. */
export const keyIn = (namespace: string, name: string): string => `${namespace}/${name}`;

/** DNS names that the destinations of a grant ask for. */
export function dnsNamesOf(grant: GrantFacts): string[] {
  const destinations = destinationsOf(grant);
  return destinations.flatMap((destination) =>
    "to" in destination && "dns" in destination.to ? destination.to.dns : []
  );
}
