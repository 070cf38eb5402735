/** What the operator watches: one store for each kind, holding only the facts that planners need. */
import type { Clock } from "../../lib/clock/mod.ts";
import { Reflector, Store } from "../../lib/controller/mod.ts";
import { ResourceApi, type RestClient } from "../../lib/kubernetes/mod.ts";
import type { KubernetesObject, Resource } from "../../lib/kubernetes/mod.ts";
import { type Namespace, namespaces, type ResourceQuota, resourceQuotas } from "../../lib/kubernetes_apis/core@v1.ts";
import { type Grant, grants, type Realm, realms } from "../../lib/kubernetes_apis/keystone.io@v1alpha1.ts";
import { networkPolicies, type NetworkPolicy } from "../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import {
  type GrantSpec,
  type GrantStatus,
  guestFinalizer,
  type RealmSpec,
  type RealmStatus,
  trustedNodeAnnotation,
} from "../api/mod.ts";
import type { GrantFacts, NamespaceFacts, PolicyFacts, QuotaFacts, RealmFacts } from "../core/facts.ts";
import { parseDestination } from "../core/guest/destinations.ts";
import { quotaName } from "../core/guest/objects.ts";
import { adoptAnnotation, managedBy, managedByLabel, realmOfNamespace } from "../core/names.ts";
import { canonicalName } from "../core/realm/identity.ts";

export interface Stores {
  grants: Store<GrantFacts, "grantee" | "destination", Grant>;
  realms: Store<RealmFacts, "identity", Realm>;
  namespaces: Store<NamespaceFacts | undefined, never, Namespace>;
  quotas: Store<QuotaFacts, "namespace", ResourceQuota>;
  policies: Store<PolicyFacts, "namespace", NetworkPolicy>;
}

export function createStores(): Stores {
  return {
    grants: new Store({
      project: grantFacts,
      indexes: { grantee: ({ spec }) => [spec.granteeRealm], destination: destinationRealms },
    }),
    realms: new Store({ project: realmFacts, indexes: { identity: ({ spec }) => [canonicalName(spec.identity)] } }),
    namespaces: new Store({ project: namespaceFacts }),
    quotas: new Store({ project: quotaFacts, indexes: { namespace: ({ namespace }) => [namespace] } }),
    policies: new Store({ project: policyFacts, indexes: { namespace: ({ namespace }) => [namespace] } }),
  };
}

/** Guest namespaces are ours by label; a namespace of that name that isn't is a conflict, so all are watched. */
const ours = `${managedByLabel}=${managedBy}`;

/** A reflector, whatever it reflects. */
export type Observer = Pick<Reflector<KubernetesObject, unknown>, "run" | "synced">;

/** One reflector for each store. */
export function createReflectors(
  rest: RestClient,
  stores: Stores,
  { clock, onError, onRecover }: {
    clock: Clock;
    onError: (kind: string, error: unknown) => void;
    onRecover: (kind: string) => void;
  },
): Observer[] {
  const reflect = <T extends KubernetesObject, P, I extends string>(
    resource: Resource<T>,
    store: Store<P, I, T>,
    labelSelector?: string,
  ): Observer =>
    new Reflector({
      api: new ResourceApi(rest, resource),
      store,
      ...(labelSelector ? { selector: { labelSelector } } : {}),
      clock,
      onError: (error: unknown) => onError(resource.plural, error),
      onRecover: () => onRecover(resource.plural),
    });
  return [
    reflect(grants, stores.grants),
    reflect(realms, stores.realms),
    reflect(namespaces, stores.namespaces),
    reflect(resourceQuotas, stores.quotas, ours),
    reflect(networkPolicies, stores.policies, ours),
  ];
}

// The CRDs' schemas guarantee the shapes of spec and status: what the server stores has passed them.
function grantFacts({ metadata, spec, status }: Grant): GrantFacts {
  return {
    name: metadata!.name!,
    uid: metadata!.uid!,
    generation: metadata!.generation ?? 0,
    createdAt: Date.parse(metadata!.creationTimestamp ?? ""),
    deleting: metadata!.deletionTimestamp !== undefined,
    finalized: metadata!.finalizers?.includes(guestFinalizer) ?? false,
    spec: spec as GrantSpec,
    status: (status ?? {}) as GrantStatus,
  };
}

function destinationRealms({ spec }: GrantFacts): string[] {
  const destinations = (spec.networkPolicy?.allowedDestinations ?? []).map(parseDestination);
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
    deleting: metadata!.deletionTimestamp !== undefined,
    ...(trustedNode ? { trustedNode } : {}),
    spec: spec as RealmSpec,
    status: (status ?? {}) as RealmStatus,
  };
}

function namespaceFacts({ metadata }: Namespace): NamespaceFacts | undefined {
  if (realmOfNamespace(metadata!.name!) === undefined) return undefined;
  const adopt = metadata!.annotations?.[adoptAnnotation];
  return {
    name: metadata!.name!,
    uid: metadata!.uid!,
    labels: metadata!.labels ?? {},
    ...(adopt ? { adopt } : {}),
    deleting: metadata!.deletionTimestamp !== undefined,
  };
}

const texts = (quantities: Record<string, string | number> | undefined): Record<string, string> =>
  Object.fromEntries(Object.entries(quantities ?? {}).map(([key, value]) => [key, String(value)]));

function quotaFacts({ metadata, spec, status }: ResourceQuota): QuotaFacts {
  return {
    namespace: metadata!.namespace!,
    name: metadata!.name!,
    uid: metadata!.uid!,
    labels: metadata!.labels ?? {},
    asked: texts(spec?.hard),
    scoped: (spec?.scopes?.length ?? 0) > 0 || spec?.scopeSelector !== undefined,
    enforced: texts(status?.hard),
    used: texts(status?.used),
  };
}

const policyFacts = ({ metadata, spec }: NetworkPolicy): PolicyFacts => ({
  namespace: metadata!.namespace!,
  name: metadata!.name!,
  uid: metadata!.uid!,
  labels: metadata!.labels ?? {},
  spec: spec ?? { podSelector: {} },
});

/** Key of the one quota of a guest namespace. */
export const quotaKeyIn = (namespace: string): string => `${namespace}/${quotaName}`;
