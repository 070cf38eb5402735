/** The kinds that effects write, with their resources and caches. */
import type { RestClient } from "../../lib/kubernetes/mod.ts";
import { validatingWebhookConfigurations } from "../../lib/kubernetes_apis/admissionregistration.k8s.io@v1.ts";
import {
  namespaces,
  persistentVolumeClaims,
  pods,
  secrets,
  serviceAccounts,
  services,
} from "../../lib/kubernetes_apis/core@v1.ts";
import { flowSchemas } from "../../lib/kubernetes_apis/flowcontrol.apiserver.k8s.io@v1.ts";
import { grants, realms, superEntities } from "../api/client/keystone.io@v1alpha1.ts";
import { networkPolicies } from "../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import { clusterRoleBindings, clusterRoles } from "../../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import { guestFinalizer } from "../api/mod.ts";
import type { Kind } from "../core/effects.ts";
import { singles } from "../core/guest/objects/table.ts";
import { operatorName, systemNamespace } from "../core/names.ts";
import { type AnsweredCache, ApiExecutor, type KindRow } from "../engine/execute.ts";
import type { Context } from "./context.ts";
import type { GuestCaches } from "./stores.ts";

/** Returns each kind with the cache that takes responses. */
export function kindClients({ stores, pods: watches }: Pick<Context, "stores" | "pods">): Record<Kind, KindRow> {
  return {
    ...guestKinds(stores),
    ClusterRole: { resource: clusterRoles, cache: () => stores.clusterRoles },
    ClusterRoleBinding: { resource: clusterRoleBindings, cache: () => stores.clusterBindings },
    FlowSchema: { resource: flowSchemas, cache: () => stores.flowSchemas },
    Grant: { resource: grants, cache: () => stores.grants },
    Namespace: { resource: namespaces, cache: () => stores.namespaces, ending: () => {} },
    NetworkPolicy: { resource: networkPolicies, cache: () => stores.policies },
    PersistentVolumeClaim: { resource: persistentVolumeClaims },
    Pod: {
      resource: pods,
      ending: ({ namespace, uid }) => watches.ending(namespace!, uid),
      waits: ({ namespace, uid }, budget) => watches.waits(namespace!, uid, budget),
    },
    Realm: { resource: realms, cache: () => stores.realms },
    Secret: { resource: secrets, cache: () => stores.certificates },
    Service: { resource: services },
    ServiceAccount: {
      resource: serviceAccounts,
      cache: (namespace, name) =>
        namespace === systemNamespace ? stores.identities : single(stores, "ServiceAccount", name),
    },
    SuperEntity: { resource: superEntities, cache: () => stores.superEntities },
    ValidatingWebhookConfiguration: { resource: validatingWebhookConfigurations, cache: () => stores.webhooks },
  };
}

/** Kinds with one object in each guest namespace: those in effects, and those that only a row has. */
const guestKinds = (
  stores: GuestCaches,
): Record<"ConfigMap" | "LimitRange" | "ResourceQuota" | "RoleBinding", KindRow> =>
  Object.fromEntries(
    singles.map(([, { resource }]) => [
      resource.kind,
      { resource, cache: (_: unknown, name: string) => single(stores, resource.kind, name) },
    ]),
  ) as unknown as ReturnType<typeof guestKinds>;

/** Returns the cache of the object of this kind and name; several rows may have the same kind. */
function single(stores: GuestCaches, kind: string, name: string): AnsweredCache | undefined {
  const found = singles.find(([, row]) => row.resource.kind === kind && row.name === name);
  return found && stores[found[1].cache];
}

/** Makes an operator's executor, with a fenced client. */
export const executorOf = (
  rest: RestClient,
  context: Pick<Context, "stores" | "pods" | "events" | "pings">,
): ApiExecutor =>
  new ApiExecutor({
    rest,
    fieldManager: operatorName,
    finalizer: guestFinalizer,
    kinds: kindClients(context),
    events: context.events,
    ping: ({ realm, ...target }) => context.pings.ask(realm, target),
  });
