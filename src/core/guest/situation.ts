/** The situation of a guest: what follows from the facts before any object is built. */
import { minQuantity, parseQuantity, type Quantity } from "../../../lib/quantity/mod.ts";
import type { Faults } from "../faults.ts";
import { isPresent } from "../realm/present.ts";
import { closedList, quotaList } from "../resources/quota_lists.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import { freezeOf, isRecord } from "./freeze.ts";
import type { EntitlementSums } from "./entitlement.ts";
import { ownershipOf, unreadOwner } from "./namespace/ownership.ts";
import type { Guest } from "./objects/guest.ts";
import type { GuestWorld } from "./guest_world.ts";

/** All that is known of a guest, and what follows. */
export interface Situation extends GuestWorld, Omit<Guest, keyof GuestWorld> {
  sums: EntitlementSums;
  /** Its namespace is none of Keystone's business: nothing is written there. */
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
  // What a person has handed over, but nothing is granted in, is nobody's business yet.
  const isIdle = !active && (!namespace || (ownership.is === "handedOver" && !ownership.made));
  const situation = { ...world, sums: holdings, entitlements, ownership, active, leaving };
  if (isForeign || isIdle) {
    return { ...situation, isLeftAlone: true, access: false, whole: nothing, hard: nothing };
  }
  const closed = ownership.is === "another's" || (leaving && ownership.another);
  const access = active && isPresent(realm) && !closed;
  const offered = faults.attempt("the devices of nodes", () => world.cluster.extendedKeys, []);
  const earlier = Object.keys(quota?.specHard ?? {});
  const whole = active ? quotaList(holdings.granted, offered, earlier) : closedList(offered, earlier);
  const frozen = faults.attempt<{ hard: ResourceList; freeze?: string }>(
    "the quota of a notice",
    () => freezeOf(realm, quota, holdings, whole),
    { hard: whole },
  );
  // What somebody else has written there stays unless an apply takes its place.
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

/** Key by key what is less, of what should be and what is asked already; what isn't asked yet is not given. */
const lowerHard = (hard: ResourceList, asked: Readonly<Record<string, string>>): ResourceList =>
  new Map([...hard].map(([key, most]) => [key, minQuantity(most, readQuantity(asked[key] ?? "0"))]));

/** A quantity that can't be read is none. */
function readQuantity(text: string): Quantity {
  try {
    return parseQuantity(text);
  } catch {
    return parseQuantity("0");
  }
}
