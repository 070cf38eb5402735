/** Restores pool allocations from before this operator led, as far as the quotas show them. */
import type { GrantFacts } from "../core/facts.ts";
import { wasActive } from "../core/grant/termination.ts";
import { givingEntity, type Pooling } from "../core/grant/parties.ts";
import { planGuest } from "../core/guest/plan_guest.ts";
import type { GuestWorld } from "../core/guest/guest_world.ts";
import { contributionOf } from "../core/superentity/consent.ts";
import { type PoolContext, sharePool } from "./superentity_loop.ts";

/**
 * Allocates the pools again, before anything is written. A grant that was admitted but isn't shown as Active yet gets
 * its allocation again, so that open access stays open.
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
 * Returns the world as if grants without an allocation had all they may get. If the quota equals the resulting plan,
 * they were admitted before, and counting them as admitted doesn't raise what is enforced.
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
