/** The SuperEntity loop: finalizer, status and events of each, and who has which room in its pool. */
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
import { granteeNamed, type PartySources, poolingOf, realmNamed } from "./pools.ts";
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
    // What is enforced may be less now, or known.
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
  // Who has which room doesn't depend on whether it can be shown.
  confirm: (context: Context, { world }) => ({ wakeAt: sharePool(context, world.entity.name) }),
  waitsForClock: true,
});

/** The SuperEntities that grants are from or to. */
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

/** The grants from it and to it. */
const partyTo = ({ stores }: PartySourcesWithGrants, name: string): readonly GrantFacts[] => [
  ...stores.grants.index("grantor", name),
  ...stores.grants.index("grantee", name),
];

/** In force, or something of it may still be enforced. */
export function isEnforcedStill(grant: GrantFacts, enforcements: Pick<EnforcementCache, "get">): boolean {
  if (grant.status.phase === "Expired" || grant.status.phase === "Revoked") return false;
  const enforcement = enforcements.get(grant.spec.granteeRealm, grant.name);
  return wasActive(grant) || (grant.finalized && (enforcement === undefined || enforcement.enforced));
}

type PartySourcesWithGrants = PartySources & Pick<Context, "stores">;

/** What it takes to look at a pool. */
export type PoolContext = PartySources & Pick<Context, "stores" | "settings" | "skewMs" | "clock">;

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
      isDue: lifecycle.is === "active",
      allotment,
      most: pools.mostOf(grant),
    },
    ...("wakeAt" in lifecycle && lifecycle.wakeAt !== undefined ? { wakeAt: lifecycle.wakeAt } : {}),
  };
}
