/** What the SuperEntity controller last shared out, and what the guest controller has made of it. */
import { isDeepStrictEqual } from "node:util";
import type { RealmStatus } from "../api/mod.ts";
import type { GrantFacts, LocalRealm, RealmFacts } from "../core/facts.ts";
import { type Fault, Faults } from "../core/faults.ts";
import { granteeFrom, type Pooling } from "../core/grant/parties.ts";
import { largerList, shown } from "../core/resources/quota_lists.ts";
import type { ResourceList } from "../core/resources/resource_list.ts";
import type { Entitlement } from "../core/guest/entitlement.ts";
import { ownershipOf } from "../core/guest/namespace/ownership.ts";
import type { GuestPlan } from "../core/guest/plan_guest.ts";
import { sameQuantities } from "../core/resources/same_quantities.ts";
import type { GuestWorld } from "../core/guest/guest_world.ts";
import { entityConflict, realmConflict } from "../core/superentity/conflict.ts";
import { memberSubjects } from "../core/superentity/consent.ts";
import type { PoolPlan } from "../core/superentity/plan_pool.ts";
import { Feed } from "../engine/triggers.ts";
import type { Stores } from "./stores.ts";
import type { Unwritten } from "./unwritten.ts";

const nothing: ResourceList = new Map();

export class Pools {
  /** Reports the UIDs of the grants from a SuperEntity that have other room. */
  readonly shared = new Feed<{ entity: string; uids: ReadonlySet<string> }>();
  /** Reports the grantee of whom it was seen what is enforced. */
  readonly confirmed = new Feed<string>();
  readonly #byEntity = new Map<string, PoolPlan>();
  /** By grantee and UID: the most that is enforced, or on its way to be. */
  readonly #most = new Map<string, Map<string, ResourceList>>();

  /** Of how many grantees something is remembered. */
  get grantees(): number {
    return this.#most.size;
  }

  plan(entity: string): PoolPlan | undefined {
    return this.#byEntity.get(entity);
  }

  /** Replaces what was shared out. */
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

  /** Nothing is known any more: another operator may have led since. */
  forget(): void {
    this.#byEntity.clear();
    this.#most.clear();
  }

  /** Takes what the plan holds for enforced if the quota says just that. Returns whether it does. */
  restore(world: GuestWorld, plan: GuestPlan): boolean {
    if (!counts(world, plan)) return false;
    this.confirm(world, plan);
    return true;
  }

  /** What is about to be enforced is as good as enforced. */
  reserve(world: GuestWorld, { sums: { entitlements } }: GuestPlan): void {
    const { grantee, namespace } = world;
    const nothingStands = !namespace || ownershipOf(world).is === "foreign";
    const known = this.#most.get(grantee) ?? (nothingStands ? new Map<string, ResourceList>() : undefined);
    // What was enforced before this operator started is known when the quota has been seen to say so.
    if (!known) return;
    this.#raise(known, entitlements);
    this.#keep(world, known);
  }

  /** What is enforced is known when admission counts against just that. */
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

  /** Of a grantee who is gone nothing is kept: should the name come again, it is as one that was never seen. */
  #keep({ grantee, grants, namespace }: GuestWorld, known: Map<string, ResourceList>): void {
    if (known.size === 0 && !namespace && grants.length === 0) this.#most.delete(grantee);
    else this.#most.set(grantee, known);
  }

  /** The most of a grant that is enforced, or on its way to be; undefined: not known. */
  mostOf({ uid, finalized, status, spec }: GrantFacts): ResourceList | undefined {
    const known = this.#most.get(spec.granteeRealm);
    if (known) return known.get(uid) ?? nothing;
    return finalized || status.phase === "Active" ? undefined : nothing;
  }
}

/** Whether admission counts against just what the plan wants of the quota. */
const counts = ({ quota }: GuestWorld, { hard }: GuestPlan): boolean =>
  hard !== undefined && quota !== undefined && !quota.scoped &&
  sameQuantities(quota.specHard, shown(hard)) && sameQuantities(quota.statusHard, shown(hard));

export interface PartySources {
  stores: Pick<Stores, "realms" | "superEntities">;
  pools: Pools;
  local: () => LocalRealm;
  /** Absent: all that was decided is written. */
  unwritten?: { realms: Pick<Unwritten<RealmStatus>, "decided"> };
}

/** The SuperEntities as grants see them. */
export function poolingOf(sources: PartySources): Pooling {
  const { stores, pools, local } = sources;
  return {
    entityNamed: (name) => {
      const entity = stores.superEntities.get(name);
      if (!entity || entityConflict(entity, stores.realms.get(name), local())) return undefined;
      return { ...entity, subjects: memberSubjects(entity, (member) => realmNamed(sources, member)) };
    },
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

/** A Realm that has its name to itself. */
export function realmNamed({ stores, local, unwritten }: PartySources, name: string): RealmFacts | undefined {
  const stored = stores.realms.get(name);
  const realm = stored && unwritten ? unwritten.realms.decided(stored) : stored;
  const entity = realm && stores.superEntities.get(name);
  return entity && realmConflict(realm, entity, local()) ? undefined : realm;
}

/** Who receives under this name. */
export function granteeNamed(sources: PartySources, name: string): RealmFacts | undefined {
  return granteeFrom(
    realmNamed(sources, name),
    poolingOf(sources).entityNamed(name),
    (member) => realmNamed(sources, member),
  );
}

/**
 * Who receives, and which realm this cluster is. Who can't be read is as one who isn't there: nobody is let in, and what is
 * granted ends as ever.
 */
export function readParties(
  sources: PartySources,
  grantee: string,
): { realm: RealmFacts | undefined; local: LocalRealm; unread: readonly Fault[] } {
  const faults = new Faults();
  const unknown: LocalRealm = { kind: "unknown", message: "which realm this cluster is can't be read" };
  return {
    realm: faults.attempt(`the grantee ${grantee}`, () => granteeNamed(sources, grantee), undefined),
    local: faults.attempt("the local realm", () => sources.local(), unknown),
    unread: faults.all,
  };
}
