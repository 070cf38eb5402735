/** The situation of a guest: what follows from the facts before any object is built. */
import { minQuantity, parseQuantity, type Quantity } from "../../../lib/quantity/mod.ts";
import type { Faults } from "../faults.ts";
import { isKnown } from "../realm/known.ts";
import { closedHard, quotaHard } from "../resources/hard.ts";
import type { Hard } from "../resources/resource_list.ts";
import { cordonOf, isRecord } from "./cordon.ts";
import type { Holdings } from "./holding.ts";
import { ownershipOf, unreadOwner } from "./namespace/ownership.ts";
import type { Guest } from "./objects/guest.ts";
import type { GuestWorld } from "./world.ts";

/** All that is known of a guest, and what follows. */
export interface Situation extends GuestWorld, Omit<Guest, keyof GuestWorld> {
  holdings: Holdings;
  /** Its namespace is none of Keystone's business: nothing is written there. */
  isLeftAlone: boolean;
}

export function situationOf(world: GuestWorld, holdings: Holdings, faults: Faults): Situation {
  const { grantee, realm, namespace, quota } = world;
  const ownership = faults.attempt(
    "the namespace's owner",
    () => ownershipOf({ grantee, realm, namespace }),
    unreadOwner(grantee, namespace),
  );
  const entitlements = holdings.holdings;
  const active = entitlements.length > 0;
  const leaving = ownership.is === "leaving";
  const isForeign = ownership.is === "foreign" || (ownership.is === "leaving" && !ownership.made);
  // What a person has handed over, but nothing is granted in, is nobody's business yet.
  const isIdle = !active && (!namespace || (ownership.is === "handedOver" && !ownership.made));
  const situation = { ...world, holdings, entitlements, ownership, active, leaving };
  if (isForeign || isIdle) {
    return { ...situation, isLeftAlone: true, access: false, whole: nothing, hard: nothing };
  }
  const closed = ownership.is === "another's" || (leaving && ownership.another);
  const access = active && isKnown(realm) && !closed;
  const offered = faults.attempt("the devices of nodes", () => world.cluster.extendedKeys, []);
  const earlier = Object.keys(quota?.asked ?? {});
  const whole = active ? quotaHard(holdings.granted, offered, earlier) : closedHard(offered, earlier);
  const cordoned = faults.attempt<{ hard: Hard; cordon?: string }>(
    "the quota of a notice",
    () => cordonOf(realm, quota, holdings, whole),
    { hard: whole },
  );
  // What somebody else has written there stays unless an apply takes its place.
  const blank = quota?.cordon !== undefined && !isRecord(quota.cordon) ? "" : undefined;
  const cordon = cordoned.cordon ?? blank;
  return {
    ...situation,
    isLeftAlone: false,
    access,
    whole,
    hard: closed ? lowerHard(cordoned.hard, quota?.asked ?? {}) : cordoned.hard,
    ...(cordon === undefined ? {} : { cordon }),
  };
}

const nothing: Hard = new Map();

/** Key by key what is less, of what should be and what is asked already; what isn't asked yet is not given. */
const lowerHard = (hard: Hard, asked: Readonly<Record<string, string>>): Hard =>
  new Map([...hard].map(([key, most]) => [key, minQuantity(most, readQuantity(asked[key] ?? "0"))]));

/** A quantity that can't be read is none. */
function readQuantity(text: string): Quantity {
  try {
    return parseQuantity(text);
  } catch {
    return parseQuantity("0");
  }
}
