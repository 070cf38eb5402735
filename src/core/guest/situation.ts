/** Situation of a guest: conclusions from the facts, before any object is built. */
import { minQuantity, parseQuantity, type Quantity } from "../../../lib/quantity/mod.ts";
import type { Faults } from "../faults.ts";
import { isPresent } from "../realm/present.ts";
import { closedList, quotaList, withoutStored } from "../resources/quota_lists.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import { freezeOf, isRecord } from "./freeze.ts";
import type { EntitlementSums } from "./entitlement.ts";
import { ownershipOf, unreadOwner } from "./namespace/ownership.ts";
import { isUnopened } from "./namespace/retention.ts";
import type { Guest } from "./objects/guest.ts";
import type { GuestWorld } from "./guest_world.ts";

/** Facts about a guest and the conclusions from them. */
export interface Situation extends GuestWorld, Omit<Guest, keyof GuestWorld> {
  sums: EntitlementSums;
  /** True if Keystone writes nothing to the namespace. */
  isLeftAlone: boolean;
}

export function situationOf(world: GuestWorld, holdings: EntitlementSums, faults: Faults): Situation {
  const { grantee, realm, namespace, quota } = world;
  const ownership = faults.attempt(
    "the namespace's owner",
    () => ownershipOf({ grantee, realm, namespace }),
    unreadOwner(grantee, namespace),
  );
  const entitlements = holdings.entitlements;
  const active = entitlements.length > 0;
  const leaving = ownership.is === "leaving";
  const isForeign = ownership.is === "foreign" || (ownership.is === "leaving" && !ownership.made);
  // A namespace that was handed over is left alone until a grant is in force.
  const isIdle = !active && (!namespace || (ownership.is === "handedOver" && !ownership.made));
  const situation = { ...world, sums: holdings, entitlements, ownership, active, leaving };
  if (isForeign || isIdle) {
    return { ...situation, isLeftAlone: true, access: false, whole: nothing, hard: nothing };
  }
  const closed = ownership.is === "another's" || (leaving && ownership.another);
  const access = active && isPresent(realm) && !closed;
  const offered = faults.attempt("the devices of nodes", () => world.cluster.extendedKeys, []);
  const earlier = Object.keys(quota?.specHard ?? {});
  // In a restored namespace without a grant nothing may run, but the rest of the backup may come.
  const isComing = !active && namespace !== undefined && isUnopened(namespace, quota);
  const whole = active
    ? quotaList(holdings.granted, offered, earlier)
    : isComing
    ? withoutStored(closedList(offered, earlier))
    : closedList(offered, earlier);
  const frozen = faults.attempt<{ hard: ResourceList; freeze?: string }>(
    "the quota of a notice",
    () => freezeOf(realm, quota, holdings, whole),
    { hard: whole },
  );
  // A value written by somebody else stays unless an apply replaces it.
  const blank = quota?.freeze !== undefined && !isRecord(quota.freeze) ? "" : undefined;
  const freeze = frozen.freeze ?? blank;
  return {
    ...situation,
    isLeftAlone: false,
    access,
    whole,
    hard: closed ? lowerHard(frozen.hard, quota?.specHard ?? {}) : frozen.hard,
    ...(freeze === undefined ? {} : { freeze }),
  };
}

const nothing: ResourceList = new Map();

/** Returns the smaller of the wanted and the present limit for each key; keys without a present limit get zero. */
const lowerHard = (hard: ResourceList, asked: Readonly<Record<string, string>>): ResourceList =>
  new Map([...hard].map(([key, most]) => [key, minQuantity(most, readQuantity(asked[key] ?? "0"))]));

/** Parses a quantity; an invalid one is zero. */
function readQuantity(text: string): Quantity {
  try {
    return parseQuantity(text);
  } catch {
    return parseQuantity("0");
  }
}
