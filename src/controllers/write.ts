/** Carries out the writes of guest plans, and hands each answer to the store so that the next look sees it. */
import type { Store } from "../../lib/controller/mod.ts";
import { isApiError, type KubernetesObject, type Resource, ResourceApi } from "../../lib/kubernetes/mod.ts";
import {
  configMaps,
  limitRanges,
  type Namespace,
  namespaces,
  persistentVolumeClaims,
  pods,
  resourceQuotas,
  serviceAccounts,
  services,
} from "../../lib/kubernetes_apis/core@v1.ts";
import { networkPolicies } from "../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import { roleBindings } from "../../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import type { GuestObject, Target, Write } from "../core/guest/writes.ts";
import {
  adoptAnnotation,
  emptyAnnotation,
  endedAnnotation,
  lockedLabel,
  madeAnnotation,
  operatorName,
} from "../core/names.ts";
import type { EventFact } from "../core/facts.ts";
import type { Context } from "./context.ts";
import { record } from "./record.ts";

export async function perform(context: Context, write: Write, signal: AbortSignal): Promise<void> {
  if ("apply" in write) {
    await applyObject(context, write.apply, signal);
    if (write.event) record(context, regarding(context, write.apply), [write.event]);
  } else if ("adopt" in write) await adopt(context, write.adopt, write.uid, signal);
  else if ("internalize" in write) {
    await internalize(context, write.internalize, signal);
    record(context, { apiVersion: "v1", kind: "Service", ...write.internalize }, [madeInternal]);
  } else if ("remove" in write) {
    await remove(context, write.remove, write.graceSeconds, signal);
    if (write.told) record(context, write.told.regarding, [write.told.event]);
  } else if ("evict" in write) await evict(context, write.evict, write.graceSeconds, signal);
  else await removeVolumes(context, write.removeVolumes.namespace, signal);
}

/** Forced: these objects are ours by their namespace, whoever has touched a field meanwhile. */
const options = (signal: AbortSignal) => ({ fieldManager: operatorName, force: true, signal });

async function applyObject(context: Context, object: GuestObject, signal: AbortSignal): Promise<void> {
  const { rest, stores } = context;
  const applyTo = async <T extends KubernetesObject, P, I extends string>(
    resource: Resource<T>,
    store: Store<P, I, T>,
    desired: T,
  ) => store.observe(await new ResourceApi(rest, resource).apply(desired, options(signal)));
  switch (object.kind) {
    case "Namespace": {
      const known = stores.namespaces.get(object.metadata!.name!);
      const api = new ResourceApi(rest, namespaces);
      // Created, not applied, when it isn't there: an apply would take over one that somebody else has just made.
      // Applied to the very one that was seen when it is.
      stores.namespaces.observe(
        known
          ? await api.apply({ ...object, metadata: { ...object.metadata, uid: known.uid } }, options(signal))
          : await api.create(object, { fieldManager: operatorName, signal }),
      );
      return;
    }
    case "ResourceQuota":
      return await applyTo(resourceQuotas, stores.quotas, object);
    case "LimitRange":
      return await applyTo(limitRanges, stores.limitRanges, object);
    case "ServiceAccount":
      return await applyTo(serviceAccounts, stores.serviceAccounts, object);
    case "NetworkPolicy":
      return await applyTo(networkPolicies, stores.policies, object);
    case "RoleBinding":
      return await applyTo(roleBindings, stores.bindings, object);
    case "ConfigMap":
      return await applyTo(configMaps, stores.guides, object);
  }
}

function regarding({ stores }: Context, { apiVersion, kind, metadata }: GuestObject) {
  const name = metadata!.name!;
  const uid = stores.namespaces.get(name)?.uid ?? "";
  return { apiVersion: apiVersion!, kind: kind!, name, uid };
}

/** A merge patch, since it has to take off what others have written: a word to adopt, which was good for this once. */
async function adopt({ rest, stores }: Context, { metadata }: Namespace, uid: string, signal: AbortSignal) {
  const { name } = metadata!;
  const labels = { [lockedLabel]: null, ...metadata!.labels };
  const annotations = {
    [adoptAnnotation]: null,
    [emptyAnnotation]: null,
    [endedAnnotation]: null,
    [madeAnnotation]: null,
    ...metadata!.annotations,
  };
  const written = await new ResourceApi(rest, namespaces).patch(
    name!,
    { metadata: { uid, labels, annotations } },
    { type: "merge", fieldManager: operatorName, signal },
  );
  stores.namespaces.observe(written);
}

const madeInternal: EventFact = {
  type: "Warning",
  reason: "MadeInternal",
  action: "Close",
  note:
    "Its type is ClusterIP now, because no grant gives what let the world in; within the cluster it stays as it was.",
};

/**
 * Changes the type of a Service, and takes off what the API server takes for no other type. All else that belongs to the
 * type, node ports among it, goes with it by itself.
 */
async function internalize({ rest }: Context, { namespace, name, uid }: Omit<Target, "kind">, signal: AbortSignal) {
  const metadata = { uid, annotations: { "service.beta.kubernetes.io/load-balancer-source-ranges": null } };
  const spec = { type: "ClusterIP", loadBalancerSourceRanges: null };
  await ifPresent(
    new ResourceApi(rest, services, namespace).patch(
      name,
      { metadata, spec },
      { type: "merge", fieldManager: operatorName, signal },
    ),
  );
}

async function remove(
  context: Context,
  target: Target,
  gracePeriodSeconds: number | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { rest, stores } = context;
  const { kind, namespace, name, uid } = target;
  const deleteOf = <T extends KubernetesObject>(resource: Resource<T>, more: { gracePeriodSeconds?: number } = {}) =>
    ifPresent(new ResourceApi(rest, resource, namespace).delete(name, { uid, signal, ...more }));
  const key = `${namespace}/${name}`;
  switch (kind) {
    case "ConfigMap":
      await deleteOf(configMaps);
      return stores.guides.forget(key, uid);
    case "NetworkPolicy":
      await deleteOf(networkPolicies);
      return stores.policies.forget(key, uid);
    case "ResourceQuota":
      await deleteOf(resourceQuotas);
      return stores.quotas.forget(key, uid);
    case "RoleBinding":
      await deleteOf(roleBindings);
      return stores.bindings.forget(key, uid);
    case "ServiceAccount":
      await deleteOf(serviceAccounts);
      return stores.identities.forget(key, uid);
    case "Pod":
      await withRoom(
        context,
        target,
        signal,
        () => deleteOf(pods, gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
      );
      return context.pods.ending(namespace!, uid);
    case "Namespace":
      return await deleteOf(namespaces);
  }
}

/**
 * What somebody else has deleted already is deleted. A 409 doesn't say that: the UID may be another's, which the watch
 * tells before the next try, but somebody may as well have refused the deletion.
 */
async function ifPresent(write: Promise<unknown>): Promise<void> {
  try {
    await write;
  } catch (error) {
    if (!isApiError(error, 404)) throw error;
  }
}

/**
 * The end of a pod. A guest can make one as large as can be stored, so that there is no room in it for the mark that it is
 * ending, which the API server writes even where there is no grace. Then what nobody needs any more makes room (ADR 0033).
 */
async function withRoom(
  { rest }: Context,
  { namespace, name, uid }: Target,
  signal: AbortSignal,
  end: () => Promise<void>,
): Promise<void> {
  try {
    await end();
  } catch (error) {
    if (!isTooLarge(error)) throw error;
    await ifPresent(rest.performRequest({
      method: "PATCH",
      path: `/api/v1/namespaces/${namespace}/pods/${name}/status`,
      querystring: new URLSearchParams({ fieldManager: operatorName }),
      contentType: "application/merge-patch+json",
      bodyJson: {
        metadata: { uid, annotations: null },
        status: { conditions: null, initContainerStatuses: null, containerStatuses: null },
      },
      abortSignal: signal,
    }));
    await end();
  }
}

/** True where the object would be larger than etcd stores. The API server has no code of its own for that. */
const isTooLarge = (error: unknown): boolean => isApiError(error) && /request is too large/.test(error.message);

/** The Eviction API (policy/v1). A PodDisruptionBudget that forbids it for now is no error: it is tried again. */
async function evict(context: Context, target: Target, graceSeconds: number, signal: AbortSignal) {
  const { rest, pods } = context;
  const { namespace, name, uid } = target;
  try {
    await withRoom(context, target, signal, () =>
      ifPresent(rest.performRequest({
        method: "POST",
        path: `/api/v1/namespaces/${namespace}/pods/${name}/eviction`,
        querystring: new URLSearchParams({ fieldManager: operatorName }),
        bodyJson: {
          apiVersion: "policy/v1",
          kind: "Eviction",
          metadata: { name, namespace },
          deleteOptions: { gracePeriodSeconds: graceSeconds, preconditions: { uid } },
        },
        abortSignal: signal,
      })));
    pods.ending(namespace!, uid);
  } catch (error) {
    // 500: several budgets select the pod, which the API server can't judge.
    const budgets = isApiError(error, 500) && /PodDisruptionBudget/.test(error.message);
    if (!isApiError(error, 429) && !budgets) throw error;
  }
}

/** Each by itself: one that can't be deleted, as since it is as large as can be stored, keeps no other. */
async function removeVolumes({ rest }: Context, namespace: string, signal: AbortSignal): Promise<void> {
  const api = new ResourceApi(rest, persistentVolumeClaims, namespace);
  const failures: unknown[] = [];
  for await (const { items } of api.pages({ signal })) {
    for (const { metadata } of items) {
      if (metadata!.deletionTimestamp) continue;
      await ifPresent(api.delete(metadata!.name!, { uid: metadata!.uid!, signal })).catch((error) => {
        signal.throwIfAborted();
        failures.push(error);
      });
    }
  }
  if (failures.length > 0) throw failures[0];
}
