/** What the pools had given before this operator led, as far as the quotas say it. */
import type { GrantFacts } from "../core/facts.ts";
import { wasActive } from "../core/grant/termination.ts";
import { givingEntity, type Pooling } from "../core/grant/parties.ts";
import { planGuest } from "../core/guest/plan_guest.ts";
import type { GuestWorld } from "../core/guest/guest_world.ts";
import { contributionOf } from "../core/superentity/consent.ts";
import { type PoolContext, sharePool } from "./superentity_loop.ts";

/**
 * Shares out the pools anew, before anything is written. A grant that was let in and isn't shown as Active yet has its
 * room again, so that what is open stays open.
 */
export function restorePools(context: PoolContext, observe: (grantee: string) => GuestWorld): void {
  const { stores, pools, local } = context;
  const entities = stores.superEntities.list().map(({ name }) => name);
  if (entities.length === 0 || local().kind !== "known") return;
  const recall = (world: GuestWorld) => pools.restore(world, planGuest(world));
  const grants = entities.flatMap((name) => stores.grants.index("grantor", name));
  for (const grantee of new Set(grants.map(({ spec }) => spec.granteeRealm))) {
    const world = observe(grantee);
    if (!recall(withAllLetIn(world))) recall(world);
  }
  for (const name of entities) sharePool(context, name);
}

/**
 * As if those that have no room had what they may take. Where the quota stands for just that, they were let in before;
 * and what is enforced doesn't grow when they are held for it.
 */
function withAllLetIn(world: GuestWorld): GuestWorld {
  const { local, pooling } = world;
  if (!pooling || local.kind !== "known") return world;
  const roomOf: Pooling["roomOf"] = (grant) => {
    const entity = mayBeLetIn(grant) ? givingEntity(grant, local, pooling) : undefined;
    const whole = entity && contributionOf(entity, local.name);
    return whole ? { allotment: whole } : pooling.roomOf(grant);
  };
  return { ...world, pooling: { ...pooling, roomOf } };
}

const mayBeLetIn = (grant: GrantFacts): boolean => grant.finalized && !wasActive(grant);
