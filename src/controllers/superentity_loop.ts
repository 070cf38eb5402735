/** The superentity loop: finalizer, status and events of each SuperEntity, and the allocations of its pool. */
import type { GrantFacts, SuperEntityFacts } from "../core/facts.ts";
import { wasActive } from "../core/grant/termination.ts";
import type { Pooling } from "../core/grant/parties.ts";
import { lifecycleOf, rulesOf } from "../core/grant/lifecycle.ts";
import { earliest } from "../core/instants.ts";
import { entityConflict } from "../core/superentity/conflict.ts";
import { planSuperEntity, type SuperEntityWorld } from "../core/superentity/plan_superentity.ts";
import { type Applicant, planPool } from "../core/superentity/plan_pool.ts";
import { defineLoop } from "../engine/loop.ts";
import { entitiesWith } from "./concerns.ts";
import type { Context } from "./context.ts";
import { granteeNamed, realmNamed } from "./grantees.ts";
import { type PartySources, poolingOf } from "./pools.ts";
import type { EnforcementCache } from "./enforcement_cache.ts";
import { onStore, self } from "./sources.ts";

const allEntities = ({ stores }: Context): string[] => stores.superEntities.list().map(({ name }) => name);
const everyEntity = (_: unknown, context: Context): string[] => allEntities(context);

export const superEntityLoop = defineLoop({
  name: "superEntities",
  keyName: "superentity",
  concurrency: 4,
  keys: allEntities,
  triggers: [
    onStore("superEntities", self),
    onStore("grants", ({ old, new: now }, context) => partiesTo(context, [(now ?? old)!])),
    onStore("realms", ({ key }, context) => entitiesWith(context, key)),
    // Less may be enforced now, or the enforced amounts may have become known.
    onStore("confirmed", (grantee, context) =>
      context.stores.superEntities.size === 0 ? [] : [
        ...context.stores.superEntities.get(grantee) ? [grantee] : [],
        ...partiesTo(context, context.stores.grants.index("grantee", grantee)),
      ]),
    onStore("local", everyEntity),
    onStore("cluster", everyEntity),
  ],
  observe: observeSuperEntity,
  plan: planSuperEntity,
  forget: ({ pools }: Context, name: string) => pools.set(name, undefined),
  // Allocations don't depend on the status being written.
  confirm: (context: Context, { world }) => ({ wakeAt: sharePool(context, world.entity.name) }),
  waitsForClock: true,
});

/** Returns the SuperEntities that are grantor or grantee of these grants. */
const partiesTo = ({ stores }: Context, grants: readonly GrantFacts[]): string[] =>
  grants.flatMap(({ spec }) => [spec.grantorRealm, spec.granteeRealm]).filter((name) => stores.superEntities.get(name));

function observeSuperEntity(context: Context, name: string): SuperEntityWorld | undefined {
  const { stores, enforcements, cluster, local, clock } = context;
  const entity = stores.superEntities.get(name);
  return entity && {
    entity,
    realmNamed: (realm) => realmNamed(context, realm),
    conflict: entityConflict(entity, stores.realms.get(name), local()),
    isHeld: partyTo(context, name).some((grant) => isEnforcedStill(grant, enforcements)),
    local: local(),
    capacity: cluster.facts.capacity,
    now: clock.now(),
  };
}

/** Returns the grants from and to a SuperEntity. */
const partyTo = ({ stores }: PartySourcesWithGrants, name: string): readonly GrantFacts[] => [
  ...stores.grants.index("grantor", name),
  ...stores.grants.index("grantee", name),
];

/** True if the grant is in force or may still be enforced in part. */
export function isEnforcedStill(grant: GrantFacts, enforcements: Pick<EnforcementCache, "get">): boolean {
  if (grant.status.phase === "Expired" || grant.status.phase === "Revoked") return false;
  const enforcement = enforcements.get(grant.spec.granteeRealm, grant.name);
  return wasActive(grant) || (grant.finalized && (enforcement === undefined || enforcement.enforced));
}

type PartySourcesWithGrants = PartySources & Pick<Context, "stores">;

/** Sources needed to allocate a pool. */
export type PoolContext = PartySources & Pick<Context, "stores" | "settings" | "skewMs" | "clock">;

/**
 * Allocates the pool synchronously, so that the plan can't be outdated when it is set. Returns the next due instant.
 */
export function sharePool(context: PoolContext, name: string): number | undefined {
  const { stores, pools, clock } = context;
  const pooling = poolingOf(context);
  const entity = pooling.entityNamed(name);
  const local = context.local();
  // If this cluster's realm is unknown, everything stays as it is.
  if (!entity || local.kind !== "known") return undefined;
  const now = clock.now();
  const looked = stores.grants.index("grantor", name).map((grant) => applicantOf(context, pooling, entity, grant, now));
  const plan = planPool({ entity, local: local.name, applicants: looked.map(({ applicant }) => applicant) });
  pools.set(name, plan);
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
  const lifecycle = lifecycleOf({
    grant,
    realm,
    local: local(),
    // As if the pool had room.
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
      isDue: lifecycle.is === "active",
      allotment,
      most: pools.mostOf(grant),
    },
    ...("wakeAt" in lifecycle && lifecycle.wakeAt !== undefined ? { wakeAt: lifecycle.wakeAt } : {}),
  };
}
