/** The Grant controller: finalizer, status and events of each Grant. */
import { isDeepStrictEqual } from "node:util";
import type { Next } from "../../lib/controller/mod.ts";
import { ResourceApi } from "../../lib/kubernetes/mod.ts";
import { grants } from "../api/client/keystone.io@v1alpha1.ts";
import { type GrantStatus, guestFinalizer } from "../api/mod.ts";
import type { GrantFacts, QuotaFacts } from "../core/facts.ts";
import { planGrant } from "../core/grant/plan.ts";
import { quotaName } from "../core/guest/objects/quota.ts";
import { guestNamespace, operatorName } from "../core/names.ts";
import { type Context, nextOf } from "./context.ts";
import { poolingOf, readParties } from "./pools.ts";
import { record } from "./record.ts";
import { guestWritesIn, keyIn } from "./stores.ts";

export async function reconcileGrant(context: Context, name: string, signal: AbortSignal): Promise<Next> {
  const { stores, shares, settings, clock, unwritten } = context;
  const written = stores.grants.get(name);
  if (!written) {
    unwritten.grants.forget(name);
    return {};
  }
  const grant = unwritten.grants.decided(written);
  const { granteeRealm } = grant.spec;
  const { realm, local, unread } = readParties(context, granteeRealm);
  const plan = planGrant({
    grant,
    realm,
    local,
    pooling: poolingOf(context),
    settings,
    skewMs: context.skewMs(),
    share: shares.get(granteeRealm, name),
    // Before it is known, what is said stays.
    ...(context.knowsFlows ? { guestWrites: guestWritesIn(stores) } : {}),
    now: clock.now(),
  });
  const api = new ResourceApi(context.rest, grants);
  const options = { fieldManager: operatorName, force: true, signal };
  // The UID makes each write fail rather than bring back a Grant that is gone, or touch another of the same name.
  const metadata = { name, uid: grant.uid };
  if (plan.finalizer === "add") {
    stores.grants.observe(
      await api.apply({ ...head, metadata: { ...metadata, finalizers: [guestFinalizer] } }, options),
    );
  }
  if (plan.finalizer === "remove") {
    // Not by apply, which would leave a finalizer that came with somebody else's copy of the Grant. The resource version
    // keeps the finalizers that others add meanwhile.
    const { otherFinalizers: finalizers, resourceVersion } = grant;
    await api.patch(name, { metadata: { uid: grant.uid, resourceVersion, finalizers } }, {
      type: "merge",
      fieldManager: operatorName,
      signal,
    });
  }
  const status = plan.status ?? grant.status;
  if (!isDeepStrictEqual(status, written.status)) {
    try {
      stores.grants.observe(await api.applyStatus({ ...head, metadata, status }, options));
      if (unwritten.grants.forget(name)) context.queues.guests.add(granteeRealm);
    } catch (error) {
      keep(context, grant, status);
      throw error;
    }
    record(context, regarding(grant), plan.events);
    const namespace = guestNamespace(granteeRealm);
    const quota = stores.quotas.get(keyIn(namespace, quotaName));
    // About an object of the guest namespace, so that it shows where the guests look, as long as events can be made there.
    if (quota && !stores.namespaces.get(namespace)?.deleting) {
      record(context, { apiVersion: "v1", kind: "ResourceQuota", ...named(quota) }, plan.guestEvents);
    }
  } // It was written after all, and only the answer was lost.
  else if (unwritten.grants.forget(name)) context.queues.guests.add(granteeRealm);
  const error = plan.error ?? unread[0]?.error;
  if (error !== undefined) {
    // A failure must not cost an instant.
    if (plan.wakeAt !== undefined) context.queues.grants.addAt(name, plan.wakeAt);
    throw error;
  }
  return nextOf(context, plan.wakeAt);
}

/** An end for good is one when it is written. What is decided otherwise ends what it ends, written or not. */
function keep({ unwritten, queues }: Context, grant: GrantFacts, status: GrantStatus): void {
  if (status.phase === "Expired" || status.phase === "Revoked") return;
  unwritten.grants.keep(grant, status);
  if (!isDeepStrictEqual(status, grant.status)) queues.guests.add(grant.spec.granteeRealm);
}

const head = { apiVersion: "keystone.io/v1alpha1", kind: "Grant" } as const;

const named = ({ namespace, name, uid }: QuotaFacts) => ({ namespace, name, uid });

const regarding = ({ name, uid }: GrantFacts) => ({ ...head, name, uid });
