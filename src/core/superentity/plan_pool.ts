/** Allocation of the pool: the part of this cluster's contribution that each grant from a SuperEntity may use. */
import { maxQuantity, minQuantity, parseQuantity, type Quantity } from "../../../lib/quantity/mod.ts";
import type { TrustRules } from "../../api/mod.ts";
import type { GrantFacts, SuperEntityFacts } from "../facts.ts";
import { classOf, completeList, listFrom, sumLists } from "../resources/quota_lists.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import { consentOf, contributionOf } from "./consent.ts";
import { impliedList, shareOf } from "./contribution.ts";

/** A grant from the SuperEntity that has an allocation or needs one. */
export interface Applicant {
  grant: GrantFacts;
  /** Rules of its grantee's trust level. */
  rules: TrustRules;
  /** True if it is in force, or may come into force apart from its room in the pool. */
  isDue: boolean;
  /** Its present allocation. */
  allotment: ResourceList | undefined;
  /**
   * Upper bound of its amounts that are enforced now or by writes in progress; empty if it was never about to be
   * enforced; undefined: unknown, as after a start.
   */
  most: ResourceList | undefined;
}

export interface PoolWorld {
  entity: SuperEntityFacts;
  /** This cluster's own realm, a member. */
  local: string;
  applicants: readonly Applicant[];
}

export interface PoolPlan {
  /** Allocations by the UID of the grant. */
  allotments: ReadonlyMap<string, ResourceList>;
  /** Sentences about the shortfall of waiting grants, by UID. */
  shortfalls: ReadonlyMap<string, string>;
}

const zero = parseQuantity("0");

/**
 * Allocates this cluster's contribution. Existing allocations stay; free room goes to waiting grants, the oldest first.
 * Nothing is allocated twice: room of reduced or ended grants counts as used until it is known to be free.
 */
export function planPool({ entity, local, applicants }: PoolWorld): PoolPlan {
  const consent = consentOf(entity);
  const own = contributionOf(entity, local) ?? new Map<string, Quantity>();
  const present = applicants.filter(hasRoom);
  const waiting = applicants.filter((each) => each.isDue && !hasRoom(each)).sort(byAge);
  const shortfalls = new Map<string, string>();
  // Without consent the pool is unknown, so all allocations stay.
  if (!consent.given) {
    return {
      allotments: new Map(present.flatMap(({ grant, allotment }) => allotment ? [[grant.uid, allotment]] : [])),
      shortfalls,
    };
  }
  const isKnown = present.every(({ most }) => most !== undefined);
  const taken = sumLists(present.map(heldBy));
  const free = (key: string): Quantity => {
    const left = (own.get(key) ?? zero).subtract(taken.get(key) ?? zero);
    return left.sign() > 0 ? left : zero;
  };
  const take = (more: ResourceList) => {
    for (const [key, quantity] of more) taken.set(key, taken.get(key)?.add(quantity) ?? quantity);
  };
  const allotments = new Map<string, ResourceList>();
  for (const each of [...present].sort(byAge)) {
    if (each.most === undefined) {
      // After a start it keeps its allocation until its enforcement is known.
      if (each.allotment) allotments.set(each.grant.uid, each.allotment);
      continue;
    }
    const [before, want] = [heldBy(each), wantOf(each, own, consent.pool)];
    const allotment = new Map([...want].map(([key, wanted]) => {
      const has = before.get(key) ?? zero;
      if (wanted.compare(has) <= 0) return [key, wanted];
      const more = isKnown ? minQuantity(wanted.subtract(has), free(key)) : zero;
      take(new Map([[key, more]]));
      return [key, has.add(more)];
    }));
    allotments.set(each.grant.uid, allotment);
  }
  const asked = sumLists(present.map(({ grant }) => askedBy(grant)));
  for (const each of waiting) {
    if (!isKnown) continue;
    const lacks = shortOf(each, { own, pool: consent.pool, asked, free });
    if (lacks.length > 0) {
      shortfalls.set(each.grant.uid, shortfallText(entity, lacks));
      continue;
    }
    const named = askedBy(each.grant);
    const allotment = new Map([...wantOf(each, own, consent.pool)].map(([key, wanted]) => [
      key,
      named.has(key) ? wanted : minQuantity(wanted, free(key)),
    ]));
    take(allotment);
    for (const [key, quantity] of named) asked.set(key, asked.get(key)?.add(quantity) ?? quantity);
    allotments.set(each.grant.uid, allotment);
  }
  return { allotments, shortfalls };
}

/** Reports whether the grant occupies room: it is due and has an allocation, or may still be enforced. */
const hasRoom = ({ allotment, most, isDue }: Applicant): boolean =>
  most === undefined || [...most.values()].some((quantity) => quantity.sign() > 0) ||
  (isDue && allotment !== undefined);

/** Compares by age, the oldest first. */
const byAge = ({ grant: a }: Applicant, { grant: b }: Applicant): number =>
  a.createdAt - b.createdAt || (a.name < b.name ? -1 : 1);

const heldBy = ({ allotment = new Map(), most = new Map() }: Applicant): ResourceList =>
  new Map([...new Set([...allotment.keys(), ...most.keys()])].map((key) => [
    key,
    maxQuantity(allotment.get(key) ?? zero, most.get(key) ?? zero),
  ]));

const askedBy = ({ spec }: GrantFacts): ResourceList => impliedList(listFrom(spec.hard));

/**
 * Returns the amounts that a grant needs of this cluster's contribution, including defaults for keys it doesn't name.
 */
function wantOf({ grant, rules }: Applicant, own: ResourceList, pool: ResourceList): ResourceList {
  const share = shareOf(askedBy(grant), own, pool);
  const classes = [...own.keys()].flatMap((key) => classOf(key) ?? []);
  const whole = completeList(share, rules, classes, own.keys());
  return new Map([...new Set([...own.keys(), ...share.keys()])].map((key) => [
    key,
    own.has(key) ? minQuantity(whole.get(key) ?? zero, own.get(key)!) : zero,
  ]));
}

/**
 * Returns the amounts of a grant from the pool that this cluster enforces: its share, with defaults filled in as for
 * any grant, and contributed resources limited to its allocation.
 *
 * @param allotment its allocation; undefined: none yet, and it keeps its recorded amounts
 */
export function sharedTerms(
  { grant, entity, local, allotment }: {
    grant: GrantFacts;
    entity: SuperEntityFacts;
    local: string;
    allotment: ResourceList | undefined;
  },
  complete: (share: ResourceList) => Map<string, Quantity>,
): Map<string, Quantity> {
  const own = contributionOf(entity, local) ?? new Map<string, Quantity>();
  const share = shareOf(askedBy(grant), own, consentOf(entity).pool);
  const terms = complete(share);
  const room = allotment ?? roomBefore(grant);
  const namesClasses = [...own.keys()].some((key) => classOf(key) !== undefined);
  for (const [key, quantity] of terms) {
    const isPooled = own.has(key) || share.has(key);
    if (isPooled) terms.set(key, minQuantity(quantity, room.get(key) ?? zero));
    // Only storage of contributed classes.
    else if (namesClasses && classOf(key) !== undefined) terms.set(key, zero);
  }
  return terms;
}

const roomBefore = ({ status }: GrantFacts): ResourceList =>
  new Map(Object.entries(status.hard ?? {}).map(([key, text]) => [key, parseQuantity(text)]));

interface Lack {
  key: string;
  asked: Quantity;
  left: Quantity;
}

/** Returns the keys in which a grant exceeds the free room, of the whole pool or of this cluster's part. */
function shortOf(
  { grant }: Applicant,
  { own, pool, asked, free }: {
    own: ResourceList;
    pool: ResourceList;
    asked: ResourceList;
    free: (key: string) => Quantity;
  },
): Lack[] {
  const named = askedBy(grant);
  const share = shareOf(named, own, pool);
  return [...named].flatMap(([key, quantity]) => {
    const left = (pool.get(key) ?? zero).subtract(asked.get(key) ?? zero);
    const room = left.sign() > 0 ? left : zero;
    if (quantity.compare(room) > 0) return [{ key, asked: quantity, left: room }];
    const here = free(key);
    return share.get(key)!.compare(here) > 0 ? [{ key, asked: share.get(key)!, left: here }] : [];
  });
}

const shortfallText = ({ name }: SuperEntityFacts, lacks: readonly Lack[]): string =>
  `Exceeds the pool of ${name}: ` +
  `${
    lacks.map(({ key, asked, left }) => `${key} is ${asked}, ${left} are free, short by ${asked.subtract(left)}`).join(
      "; ",
    )
  }. ` +
  "It comes into force automatically once there is room.";
