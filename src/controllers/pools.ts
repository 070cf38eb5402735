/** Last pool allocations by the superentity loop, and their enforcement by the guest loop. */
import { isDeepStrictEqual } from "node:util";
import type { GrantFacts, LocalRealm, RealmFacts } from "../core/facts.ts";
import { type Fault, Faults } from "../core/faults.ts";
import type { Pooling } from "../core/grant/parties.ts";
import { largerList, shown } from "../core/resources/quota_lists.ts";
import type { ResourceList } from "../core/resources/resource_list.ts";
import type { Entitlement } from "../core/guest/entitlement.ts";
import { ownershipOf } from "../core/guest/namespace/ownership.ts";
import type { GuestPlan } from "../core/guest/plan_guest.ts";
import { sameQuantities } from "../core/resources/same_quantities.ts";
import type { GuestWorld } from "../core/guest/guest_world.ts";
import type { PoolPlan } from "../core/superentity/plan_pool.ts";
import { Feed } from "../engine/triggers.ts";
import { entityNamed, granteeNamed, type GranteeSources } from "./grantees.ts";

const nothing: ResourceList = new Map();

export class Pools {
  /** Reports the UIDs of grants from a SuperEntity whose allocation changed. */
  readonly shared = new Feed<{ entity: string; uids: ReadonlySet<string> }>();
  /** Reports a grantee whose enforcement was observed. */
  readonly confirmed = new Feed<string>();
  readonly #byEntity = new Map<string, PoolPlan>();
  /** By grantee and UID: the most that is enforced or about to be. */
  readonly #most = new Map<string, Map<string, ResourceList>>();

  /** Number of grantees that something is remembered for. */
  get grantees(): number {
    return this.#most.size;
  }

  plan(entity: string): PoolPlan | undefined {
    return this.#byEntity.get(entity);
  }

  /** Replaces the allocations of a SuperEntity. */
  set(entity: string, plan: PoolPlan | undefined): void {
    const before = this.#byEntity.get(entity);
    if (plan) this.#byEntity.set(entity, plan);
    else this.#byEntity.delete(entity);
    const all = [before, plan].flatMap((each) => [...each?.allotments.keys() ?? [], ...each?.shortfalls.keys() ?? []]);
    const of = (each: PoolPlan | undefined, uid: string) => [
      shown(each?.allotments.get(uid) ?? nothing),
      each?.shortfalls.get(uid),
      each?.allotments.has(uid),
    ];
    const uids = new Set(all.filter((uid) => !isDeepStrictEqual(of(before, uid), of(plan, uid))));
    if (uids.size > 0) this.shared.emit({ entity, uids });
  }

  /** Forgets everything, because another operator may have led in the meantime. */
  forget(): void {
    this.#byEntity.clear();
    this.#most.clear();
  }

  /** Takes the plan as enforced if the quota equals it. Returns true if so. */
  restore(world: GuestWorld, plan: GuestPlan): boolean {
    if (!counts(world, plan)) return false;
    this.confirm(world, plan);
    return true;
  }

  /** Counts the plan as enforced, before its effects are applied. */
  reserve(world: GuestWorld, { sums: { entitlements } }: GuestPlan): void {
    const { grantee, namespace } = world;
    const nothingStands = !namespace || ownershipOf(world).is === "foreign";
    const known = this.#most.get(grantee) ?? (nothingStands ? new Map<string, ResourceList>() : undefined);
    // For a namespace from before this operator started, the enforced amounts are known once the quota confirms them.
    if (!known) return;
    this.#raise(known, entitlements);
    this.#keep(world, known);
  }

  /** Notes the enforced amounts, which are known if admission counts against exactly the planned quota. */
  confirm(world: GuestWorld, plan: GuestPlan): void {
    const { grantee, namespace } = world;
    const nothingStands = !namespace || plan.hard === undefined;
    const known = nothingStands || counts(world, plan) ? new Map<string, ResourceList>() : this.#most.get(grantee);
    if (known) {
      this.#raise(known, plan.sums.entitlements);
      this.#keep(world, known);
    }
    this.confirmed.emit(grantee);
  }

  #raise(known: Map<string, ResourceList>, entitlements: readonly Entitlement[]): void {
    for (const { grant, held, isShared } of entitlements) {
      if (isShared) known.set(grant.uid, largerList(known.get(grant.uid) ?? nothing, held));
    }
  }

  /** Keeps the known amounts; of a grantee without namespace and grants nothing is kept. */
  #keep({ grantee, grants, namespace }: GuestWorld, known: Map<string, ResourceList>): void {
    if (known.size === 0 && !namespace && grants.length === 0) this.#most.delete(grantee);
    else this.#most.set(grantee, known);
  }

  /** Returns the most of a grant that is enforced or about to be; undefined: not known. */
  mostOf({ uid, finalized, status, spec }: GrantFacts): ResourceList | undefined {
    const known = this.#most.get(spec.granteeRealm);
    if (known) return known.get(uid) ?? nothing;
    return finalized || status.phase === "Active" ? undefined : nothing;
  }
}

/** True if admission counts against exactly the planned quota. */
const counts = ({ quota }: GuestWorld, { hard }: GuestPlan): boolean =>
  hard !== undefined && quota !== undefined && !quota.scoped &&
  sameQuantities(quota.specHard, shown(hard)) && sameQuantities(quota.statusHard, shown(hard));

export interface PartySources extends GranteeSources {
  pools: Pools;
}

/** Returns the SuperEntities as grants see them. */
export function poolingOf(sources: PartySources): Pooling {
  const { pools } = sources;
  return {
    entityNamed: (name) => entityNamed(sources, name),
    roomOf: ({ uid, spec }) => {
      const plan = pools.plan(spec.grantorRealm);
      const [allotment, shortfall] = [plan?.allotments.get(uid), plan?.shortfalls.get(uid)];
      return {
        ...(allotment ? { allotment } : {}),
        ...(shortfall === undefined ? {} : { shortfall }),
      };
    },
  };
}

/**
 * Reads the grantee and this cluster's realm. If one can't be read it counts as missing: nobody gets access, and
 * grants still end on time.
 */
export function readParties(
  sources: PartySources,
  grantee: string,
): { realm: RealmFacts | undefined; local: LocalRealm; unread: readonly Fault[] } {
  const faults = new Faults();
  const unknown: LocalRealm = { kind: "unknown", message: "this cluster's realm can't be read" };
  return {
    realm: faults.attempt(`the grantee ${grantee}`, () => granteeNamed(sources, grantee), undefined),
    local: faults.attempt("the local realm", () => sources.local(), unknown),
    unread: faults.all,
  };
}
