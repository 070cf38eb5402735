/** The SuperEntity controller: finalizer, status and events of each, and who has which room in its pool. */
import { isDeepStrictEqual } from "node:util";
import type { Next } from "../../lib/controller/mod.ts";
import { ResourceApi } from "../../lib/kubernetes/mod.ts";
import { superEntities } from "../api/client/keystone.io@v1alpha1.ts";
import { guestFinalizer } from "../api/mod.ts";
import type { GrantFacts, SuperEntityFacts } from "../core/facts.ts";
import { wasActive } from "../core/grant/ladder.ts";
import type { Pooling } from "../core/grant/parties.ts";
import { rulesOf, standingOf } from "../core/grant/standing.ts";
import { earliest } from "../core/instants.ts";
import { operatorName } from "../core/names.ts";
import { entityConflict } from "../core/superentity/conflict.ts";
import { planSuperEntity, type SuperEntityPlan } from "../core/superentity/plan.ts";
import { type Applicant, planPool } from "../core/superentity/pool.ts";
import { type Context, nextOf } from "./context.ts";
import { granteeNamed, type PartySources, poolingOf, realmNamed } from "./pools.ts";
import { record } from "./record.ts";
import type { Shares } from "./shares.ts";

export async function reconcileSuperEntity(context: Context, name: string, signal: AbortSignal): Promise<Next> {
  const { stores, shares, cluster, local, clock } = context;
  const entity = stores.superEntities.get(name);
  if (!entity) {
    wakeGrants(context, name, context.pools.set(name, undefined));
    return {};
  }
  const plan = planSuperEntity({
    entity,
    realmNamed: (realm) => realmNamed(context, realm),
    conflict: entityConflict(entity, stores.realms.get(name), local()),
    isHeld: partyTo(context, name).some((grant) => isHeld(grant, shares)),
    local: local(),
    capacity: cluster.facts.capacity,
    now: clock.now(),
  });
  // Who has which room doesn't depend on whether it can be shown.
  let wakeAt: number | undefined;
  try {
    await show(context, entity, plan, signal);
  } finally {
    wakeAt = sharePool(context, name);
  }
  return nextOf(context, earliest(plan.wakeAt, wakeAt));
}

async function show(
  context: Context,
  entity: SuperEntityFacts,
  plan: SuperEntityPlan,
  signal: AbortSignal,
): Promise<void> {
  const { stores } = context;
  const { name } = entity;
  const api = new ResourceApi(context.rest, superEntities);
  const options = { fieldManager: operatorName, force: true, signal };
  const metadata = { name, uid: entity.uid };
  if (plan.finalizer === "add") {
    stores.superEntities.observe(
      await api.apply({ ...head, metadata: { ...metadata, finalizers: [guestFinalizer] } } as never, options),
    );
  }
  if (plan.finalizer === "remove") {
    const { otherFinalizers: finalizers, resourceVersion } = entity;
    await api.patch(name, { metadata: { uid: entity.uid, resourceVersion, finalizers } }, {
      type: "merge",
      fieldManager: operatorName,
      signal,
    });
  }
  if (plan.status && !isDeepStrictEqual(plan.status, entity.status)) {
    stores.superEntities.observe(await api.applyStatus({ ...head, metadata, status: plan.status } as never, options));
    record(context, { ...head, ...metadata }, plan.events);
  }
}

const head = { apiVersion: "keystone.io/v1alpha1", kind: "SuperEntity" } as const;

/** The grants from it and to it. */
const partyTo = ({ stores }: PartySourcesWithGrants, name: string): readonly GrantFacts[] => [
  ...stores.grants.index("grantor", name),
  ...stores.grants.index("grantee", name),
];

/** In force, or something of it may still be enforced. */
export function isHeld(grant: GrantFacts, shares: Pick<Shares, "get">): boolean {
  if (grant.status.phase === "Expired" || grant.status.phase === "Revoked") return false;
  const share = shares.get(grant.spec.granteeRealm, grant.name);
  return wasActive(grant) || (grant.finalized && (share === undefined || share.enforced));
}

type PartySourcesWithGrants = PartySources & Pick<Context, "stores">;

/** What it takes to look at a pool. */
export type PoolContext = PartySources & Pick<Context, "stores" | "settings" | "skewMs" | "clock" | "queues">;

/** Shares out the room in the pool, all at once and without waiting: what it is planned from is what it is given by. */
export function sharePool(context: PoolContext, name: string): number | undefined {
  const { stores, pools, clock } = context;
  const pooling = poolingOf(context);
  const entity = pooling.entityNamed(name);
  const local = context.local();
  // Who doesn't know which member this is leaves all as it is.
  if (!entity || local.kind !== "known") return undefined;
  const now = clock.now();
  const looked = stores.grants.index("grantor", name).map((grant) => applicantOf(context, pooling, entity, grant, now));
  const plan = planPool({ entity, local: local.name, applicants: looked.map(({ applicant }) => applicant) });
  wakeGrants(context, name, pools.set(name, plan));
  return earliest(...looked.map(({ wakeAt }) => wakeAt));
}

function applicantOf(
  context: PartySources & Pick<Context, "settings" | "skewMs">,
  pooling: Pooling,
  entity: SuperEntityFacts,
  grant: GrantFacts,
  now: number,
): { applicant: Applicant; wakeAt?: number } {
  const { pools, settings, skewMs, local } = context;
  const realm = granteeNamed(context, grant.spec.granteeRealm);
  const standing = standingOf({
    grant,
    realm,
    local: local(),
    // As if there were room.
    pooling: { ...pooling, roomOf: () => ({ allotment: new Map() }) },
    settings,
    skewMs: skewMs(),
    now,
  });
  const allotment = pools.plan(entity.name)?.allotments.get(grant.uid);
  return {
    applicant: {
      grant,
      rules: rulesOf(settings, realm),
      isDue: standing.is === "due",
      allotment,
      most: pools.mostOf(grant),
    },
    ...("wakeAt" in standing && standing.wakeAt !== undefined ? { wakeAt: standing.wakeAt } : {}),
  };
}

/** Those whose room has changed. */
function wakeGrants({ stores, queues }: Pick<Context, "stores" | "queues">, name: string, uids: readonly string[]) {
  if (uids.length === 0) return;
  const changed = new Set(uids);
  for (const grant of stores.grants.index("grantor", name)) {
    if (!changed.has(grant.uid)) continue;
    queues.grants.add(grant.name);
    queues.guests.add(grant.spec.granteeRealm);
  }
}
