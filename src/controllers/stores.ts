/** The operator's caches: one store for each kind, with only the facts that planners need. */
import { Store } from "../../lib/controller/mod.ts";
import type { KubernetesObject, Resource, Stored } from "../../lib/kubernetes/mod.ts";
import type {
  ValidatingWebhook,
  ValidatingWebhookConfiguration,
} from "../../lib/kubernetes_apis/admissionregistration.k8s.io@v1.ts";
import {
  type LimitRange,
  type LimitRangeItem,
  limitRanges,
  type Namespace,
  namespaces,
  type ResourceQuota,
  resourceQuotas,
  type Secret,
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
} from "../../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import { guestFinalizer, trustedNodeAnnotation } from "../api/mod.ts";
import type {
  ClusterBindingFacts,
  ClusterRoleFacts,
  FlowSchemaFacts,
  GrantFacts,
  GuestWrites,
  IdentityFacts,
  NamespaceFacts,
  PolicyFacts,
  RealmFacts,
  SuperEntityFacts,
} from "../core/facts.ts";
import { parseDestination } from "../core/network/destination.ts";
import { accounts } from "../core/guest/objects/accounts.ts";
import { namespace } from "../core/guest/objects/namespace.ts";
import { isOurs } from "../core/guest/objects/ours.ts";
import { policies } from "../core/guest/objects/network_policies.ts";
import {
  type CachedFacts,
  type CachedObject,
  type CacheName,
  type Single,
  type Singles,
  singles,
} from "../core/guest/objects/table.ts";
import {
  guestFlowName,
  guestWritesAnnotation,
  managedBy,
  managedByLabel,
  realmLabel,
  realmOfNamespace,
  systemNamespace,
} from "../core/names.ts";
import { parseGuestWrites } from "../core/database_storage.ts";
import { canonicalName } from "../core/realm/identity.ts";
import type { Certificates } from "../server/admission/serving_certificates.ts";
import { interned } from "../core/interned.ts";
import { certificatesFrom } from "./webhook_secret.ts";
import { reflect, type Reflecting, type StoreReflector, type Watching } from "./watching.ts";

/** Caches of the objects that each guest namespace has one of, by the rows of their kinds. */
export type GuestCaches = { [C in CacheName]: Store<CachedFacts<C> | undefined, never, CachedObject<C>> };

/** The part of a ResourceQuota that reviews read. */
export interface GuestQuota {
  namespace: string;
  quota: Pick<ResourceQuota, "metadata" | "spec" | "status">;
}

/** The items of a LimitRange. */
export interface GuestLimits {
  namespace: string;
  limits: readonly LimitRangeItem[];
}

export interface Stores extends GuestCaches {
  grants: Store<GrantFacts, "grantor" | "grantee" | "destination" | "dnsName", Stored<Grant>>;
  realms: Store<RealmFacts, "identity", Stored<Realm>>;
  superEntities: Store<SuperEntityFacts, "member", Stored<SuperEntity>>;
  namespaces: Store<NamespaceFacts | undefined, never, Namespace>;
  /** Every ResourceQuota and LimitRange of the guest namespaces, for admission reviews. */
  guestQuotas: Store<GuestQuota | undefined, "namespace", ResourceQuota>;
  guestLimits: Store<GuestLimits | undefined, "namespace", LimitRange>;
  /** ServiceAccounts in the operator's namespace. */
  identities: Store<IdentityFacts, "realm", ServiceAccount>;
  policies: Store<PolicyFacts | undefined, "namespace", NetworkPolicy>;
  /** Roles that allow realms to approve. */
  clusterRoles: Store<ClusterRoleFacts, never, Stored<ClusterRole>>;
  clusterBindings: Store<ClusterBindingFacts, never, Stored<ClusterRoleBinding>>;
  /** The guests' FlowSchema with its priority level. */
  flowSchemas: Store<FlowSchemaFacts, never, Stored<FlowSchema>>;
  priorityLevels: Store<string, never, Stored<PriorityLevelConfiguration>>;
  /** Secret and configuration of the admission webhook. */
  certificates: Store<Certificates, never, Secret>;
  webhooks: Store<ValidatingWebhook[], never, ValidatingWebhookConfiguration>;
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
    namespaces: new Store({
      project: (object: Namespace) =>
        realmOfNamespace(object.metadata!.name!) === undefined ? undefined : namespace.project(object),
    }),
    ...guestCaches(),
    guestQuotas: new Store({
      project: (quota: ResourceQuota) => isOfGuests(quota) ? guestQuota(quota) : undefined,
      indexes: { namespace: (quota) => quota ? [quota.namespace] : [] },
    }),
    guestLimits: new Store({
      project: (range: LimitRange): GuestLimits | undefined =>
        isOfGuests(range)
          ? { namespace: range.metadata!.namespace!, limits: interned(range.spec?.limits ?? []) }
          : undefined,
      indexes: { namespace: (range) => range ? [range.namespace] : [] },
    }),
    identities: new Store({ project: accounts.project, indexes: { realm: (account) => realmsOf(account) } }),
    policies: new Store({
      project: (policy: NetworkPolicy) => isOfGuests(policy) ? policies.project(policy) : undefined,
      indexes: { namespace: (policy) => policy ? [policy.namespace] : [] },
    }),
    clusterRoles: new Store({ project: clusterRoleFacts }),
    clusterBindings: new Store({ project: clusterBindingFacts }),
    flowSchemas: new Store({ project: flowSchemaFacts }),
    certificates: new Store({ project: certificatesFrom }),
    webhooks: new Store({ project: ({ webhooks }: ValidatingWebhookConfiguration) => webhooks ?? [] }),
    priorityLevels: new Store({ project: ({ metadata }: Stored<PriorityLevelConfiguration>) => metadata.name }),
  };
}

const guestCaches = (): GuestCaches =>
  Object.fromEntries(
    singles.map((
      [, row],
    ) => [row.cache, new Store({ project: ofGuests(row.project as (object: KubernetesObject) => unknown) })]),
  ) as unknown as GuestCaches;

/** Returns the objects that a guest namespace has one of, by the keys of their kinds. */
export const singlesIn = (caches: GuestCaches, namespace: string): Singles =>
  Object.fromEntries(singles.map(([key, { cache, name }]) => [key, caches[cache].get(keyIn(namespace, name))]));

/** Watches the objects of one name, so that the permission to read can be limited to it (RBAC resourceNames). */
const reflectSingle = (watching: Watching, caches: GuestCaches, { resource, cache, name }: Single): StoreReflector =>
  reflect(watching, resource as Resource<KubernetesObject>, caches[cache] as unknown as Store<unknown>, named(name));

const isOfGuests = ({ metadata }: KubernetesObject): boolean =>
  realmOfNamespace(metadata?.namespace ?? "") !== undefined;

/** Returns the realm that Keystone made this account for; nothing for other accounts of the namespace. */
export const realmsOf = ({ labels }: IdentityFacts): string[] => {
  const realm = labels[realmLabel];
  return labels[managedByLabel] === managedBy && realm !== undefined ? [realm] : [];
};

const guestQuota = ({ metadata, spec, status }: ResourceQuota): GuestQuota => {
  const { name, namespace } = metadata!;
  return {
    namespace: namespace!,
    quota: {
      metadata: { name: name! },
      spec: interned(spec ?? {}),
      status: { hard: interned(status?.hard ?? {}), used: status?.used ?? {} },
    },
  };
};

/** Projects only Keystone's objects in guest namespaces. */
const ofGuests = <T extends KubernetesObject, P>(project: (object: T) => P) => (object: T): P | undefined =>
  isOfGuests(object) && isOurs(object) ? project(object) : undefined;

/** Reflectors of the objects that enforcement depends on: nothing is reconciled before all of them have synced. */
export function createReflectors(watching: Watching, stores: Stores): StoreReflector[] {
  const labelled: Reflecting = { selector: { labelSelector: `${managedByLabel}=${managedBy}` } };
  return [
    reflect(watching, grants, stores.grants),
    reflect(watching, realms, stores.realms),
    reflect(watching, superEntities, stores.superEntities),
    reflect(watching, namespaces, stores.namespaces),
    ...singles.map(([, row]) => reflectSingle(watching, stores, row)),
    reflect(watching, networkPolicies, stores.policies),
    reflect(watching, serviceAccounts, stores.identities, { namespace: systemNamespace }),
    reflect(watching, clusterRoles, stores.clusterRoles, labelled),
    reflect(watching, clusterRoleBindings, stores.clusterBindings, labelled),
  ];
}

/** Reflectors of the objects that admission reviews depend on. */
export const createAdmissionReflectors = (watching: Watching, stores: Stores): StoreReflector[] => [
  reflect(watching, grants, stores.grants),
  reflect(watching, realms, stores.realms),
  reflect(watching, superEntities, stores.superEntities),
  reflect(watching, resourceQuotas, stores.guestQuotas),
  reflect(watching, limitRanges, stores.guestLimits),
];

/** Reflectors of the objects that the access of guests from the tailnet depends on, beside those of reviews. */
export const createAccessReflectors = (watching: Watching, stores: Stores): StoreReflector[] =>
  singles.filter(([, { cache }]) => cache === "bindings").map(([, row]) => reflectSingle(watching, stores, row));

/** Reflectors of the flow control of guests' requests; a cluster may not have it, or the operator may not read it. */
export const createFlowReflectors = (watching: Watching, stores: Stores): StoreReflector[] => [
  reflect(watching, flowSchemas, stores.flowSchemas, named(guestFlowName)),
  reflect(watching, priorityLevelConfigurations, stores.priorityLevels, named(guestFlowName)),
];

/** Returns guests' write access, as the cluster's FlowSchema sets it. */
export const guestWritesIn = ({ flowSchemas }: Stores): GuestWrites =>
  flowSchemas.get(guestFlowName)?.guestWrites ?? "Open";

const named = (name: string): Reflecting => ({ selector: { fieldSelector: `metadata.name=${name}` } });

/** Fields that Grants and SuperEntities share: the operator holds both by a finalizer until they have ended. */
const finalizable = (metadata: Stored["metadata"]) => ({
  name: metadata.name,
  uid: metadata.uid,
  generation: metadata.generation ?? 0,
  createdAt: Date.parse(metadata.creationTimestamp ?? ""),
  ...(metadata.deletionTimestamp ? { deletingSince: Date.parse(metadata.deletionTimestamp) } : {}),
  finalized: metadata.finalizers?.includes(guestFinalizer) ?? false,
  otherFinalizers: (metadata.finalizers ?? []).filter((finalizer) => finalizer !== guestFinalizer),
  resourceVersion: metadata.resourceVersion ?? "",
});

// The CRDs' schemas guarantee the shapes of spec and status for everything the server stores.
function grantFacts({ metadata, spec, status }: Stored<Grant>): GrantFacts {
  return {
    ...finalizable(metadata),
    spec: { ...spec, hard: interned(spec.hard) },
    status: {
      ...status,
      ...(status?.hard ? { hard: interned(status.hard) } : {}),
      ...(status?.conditions ? { conditions: status.conditions.map(interned) } : {}),
    },
  };
}

/** Returns the destinations in the terms, and removed ones that stay open until their notice ends. */
function destinationsOf(grant: GrantFacts): readonly ReturnType<typeof parseDestination>[] {
  const known = destinations.get(grant);
  if (known) return known;
  const { spec, status } = grant;
  const all = [
    ...spec.networkPolicy?.allowedDestinations ?? [],
    ...(status.reductions ?? []).flatMap(({ allowedDestinations = [] }) => allowedDestinations),
    // While the clocks disagree no notice is dated: only the status shows the destinations that are still open.
    ...(status.resolvedDestinations ?? []).map(({ destination }) => destination),
  ].map(parseDestination);
  destinations.set(grant, all);
  return all;
}

/** Cache: each index reads them. */
const destinations = new WeakMap<GrantFacts, readonly ReturnType<typeof parseDestination>[]>();

function destinationRealms(grant: GrantFacts): string[] {
  const destinations = destinationsOf(grant);
  return destinations.flatMap((destination) =>
    "to" in destination && "realm" in destination.to ? destination.to.realm : []
  );
}

function realmFacts({ metadata, spec, status }: Stored<Realm>): RealmFacts {
  const trustedNode = metadata.annotations?.[trustedNodeAnnotation];
  return {
    name: metadata.name,
    uid: metadata.uid,
    generation: metadata.generation ?? 0,
    createdAt: Date.parse(metadata.creationTimestamp ?? ""),
    deleting: metadata.deletionTimestamp !== undefined,
    ...(trustedNode ? { trustedNode } : {}),
    spec,
    status: status ?? {},
  };
}

function superEntityFacts({ metadata, spec, status }: Stored<SuperEntity>): SuperEntityFacts {
  return {
    ...finalizable(metadata),
    spec,
    status: status ?? {},
  };
}

const ownersOf = ({ metadata }: Stored<ClusterRole | ClusterRoleBinding>): string[] =>
  (metadata.ownerReferences ?? []).map(({ uid }) => uid);

const clusterRoleFacts = (role: Stored<ClusterRole>): ClusterRoleFacts => ({
  name: role.metadata.name,
  uid: role.metadata.uid,
  labels: role.metadata.labels ?? {},
  owners: ownersOf(role),
  rules: role.rules ?? [],
});

const flowSchemaFacts = ({ metadata, spec }: Stored<FlowSchema>): FlowSchemaFacts => ({
  uid: metadata.uid,
  labels: metadata.labels ?? {},
  spec,
  guestWrites: parseGuestWrites(metadata.annotations?.[guestWritesAnnotation]),
});

const clusterBindingFacts = (binding: Stored<ClusterRoleBinding>): ClusterBindingFacts => ({
  name: binding.metadata.name,
  uid: binding.metadata.uid,
  labels: binding.metadata.labels ?? {},
  owners: ownersOf(binding),
  subjects: subjectFacts(binding),
});

const subjectFacts = ({ subjects = [] }: Pick<ClusterRoleBinding, "subjects">) =>
  subjects.map(({ kind, name, namespace }) => ({ kind, name, ...(namespace === undefined ? {} : { namespace }) }));

/** Returns the key of a namespaced object. */
export const keyIn = (namespace: string, name: string): string => `${namespace}/${name}`;

/** Returns the DNS names among a grant's destinations. */
export function dnsNamesOf(grant: GrantFacts): string[] {
  const destinations = destinationsOf(grant);
  return destinations.flatMap((destination) =>
    "to" in destination && "dns" in destination.to ? destination.to.dns : []
  );
}
