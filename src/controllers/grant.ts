/** The Grant controller: finalizer, status and events of each Grant. */
import { isDeepStrictEqual } from "node:util";
import type { Next } from "../../lib/controller/mod.ts";
import { ResourceApi } from "../../lib/kubernetes/mod.ts";
import { grants } from "../../lib/kubernetes_apis/keystone.io@v1alpha1.ts";
import { guestFinalizer } from "../api/mod.ts";
import type { GrantFacts } from "../core/facts.ts";
import { planGrant } from "../core/grant/plan.ts";
import { operatorName } from "../core/names.ts";
import type { Context } from "./context.ts";
import { record } from "./record.ts";

export async function reconcileGrant(context: Context, name: string, signal: AbortSignal): Promise<Next> {
  const { stores, shares, local, clock } = context;
  const grant = stores.grants.get(name);
  if (!grant) return {};
  const { granteeRealm } = grant.spec;
  const plan = planGrant({
    grant,
    realm: stores.realms.get(granteeRealm),
    local: local(),
    share: shares.get(granteeRealm, name),
    now: clock.now(),
  });
  const api = new ResourceApi(context.rest, grants);
  const options = { fieldManager: operatorName, force: true, signal };
  // The UID makes each write fail rather than bring back a Grant that is gone, or touch another of the same name.
  const metadata = { name, uid: grant.uid };
  if (plan.finalizer) {
    const finalizers = plan.finalizer === "add" ? [guestFinalizer] : [];
    const written = await api.apply({ ...head, metadata: { ...metadata, finalizers } }, options);
    if (plan.finalizer === "add") stores.grants.observe(written);
  }
  if (plan.status && !isDeepStrictEqual(plan.status, grant.status)) {
    stores.grants.observe(await api.applyStatus({ ...head, metadata, status: plan.status }, options));
    record(context, regarding(grant), plan.events);
  }
  return plan.wakeAt === undefined ? {} : { wakeAt: plan.wakeAt };
}

const head = { apiVersion: "keystone.io/v1alpha1", kind: "Grant" } as const;

const regarding = ({ name, uid }: GrantFacts) => ({ ...head, name, uid });
