/** The guest controller, keyed by grantee: folds all grants to it into the objects of its namespace. */
import type { Next } from "../../lib/controller/mod.ts";
import { type KubernetesObject, type Resource, ResourceApi } from "../../lib/kubernetes/mod.ts";
import { namespaces, resourceQuotas } from "../../lib/kubernetes_apis/core@v1.ts";
import { networkPolicies } from "../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import { type GuestWorld, planGuest, type Write } from "../core/guest/plan.ts";
import { sharesOf } from "../core/guest/share.ts";
import { guestNamespace, operatorName } from "../core/names.ts";
import type { Context } from "./context.ts";
import { quotaKeyIn } from "./stores.ts";

export async function reconcileGuest(context: Context, grantee: string, signal: AbortSignal): Promise<Next> {
  const plan = planGuest(observeGuest(context, grantee));
  try {
    for (const stage of plan.stages) await settled(stage.map((write) => perform(context, write, signal)));
  } finally {
    // Also after a failure: what stands and what doesn't is shown as it is.
    const world = observeGuest(context, grantee);
    const shares = sharesOf(world, planGuest(world));
    for (const grant of context.shares.set(grantee, shares)) context.queues.grants.add(grant);
  }
  return plan.wakeAt === undefined ? {} : { wakeAt: plan.wakeAt };
}

function observeGuest({ stores, local, clock }: Context, grantee: string): GuestWorld {
  const namespace = guestNamespace(grantee);
  return {
    grantee,
    realm: stores.realms.get(grantee),
    grants: stores.grants.index("grantee", grantee),
    local: local(),
    realmNamed: (name) => stores.realms.get(name),
    namespace: stores.namespaces.get(namespace),
    quota: stores.quotas.get(quotaKeyIn(namespace)),
    policies: stores.policies.index("namespace", namespace),
    now: clock.now(),
  };
}

/** Waits for all, so that no write is left under way, then fails with the first error. */
async function settled(writes: Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(writes)).find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
}

async function perform(context: Context, write: Write, signal: AbortSignal): Promise<void> {
  const { rest, stores } = context;
  if ("remove" in write) {
    const { kind, namespace, name, uid } = write.remove;
    const [resource, store] = kind === "NetworkPolicy"
      ? [networkPolicies, stores.policies] as const
      : [resourceQuotas, stores.quotas] as const;
    await new ResourceApi<KubernetesObject>(rest, resource, namespace).delete(name, { uid, signal });
    store.forget(`${namespace}/${name}`, uid);
    return;
  }
  const object = write.apply;
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
      stores.quotas.observe(await applyTo(rest, resourceQuotas, object, signal));
      return;
    case "NetworkPolicy":
      stores.policies.observe(await applyTo(rest, networkPolicies, object, signal));
      return;
  }
}

/** Forced: these objects are ours by their namespace, whoever has touched a field meanwhile. */
const options = (signal: AbortSignal) => ({ fieldManager: operatorName, force: true, signal });

const applyTo = <T extends KubernetesObject>(
  rest: Context["rest"],
  resource: Resource<T>,
  object: T,
  signal: AbortSignal,
): Promise<T> => new ResourceApi(rest, resource).apply(object, options(signal));
