/** Which changes of an object concern those that depend on it. */
import { isDeepStrictEqual } from "node:util";
import type { StoreChange } from "../../lib/controller/mod.ts";
import { conditionOf } from "../core/conditions.ts";
import type { RealmFacts, SuperEntityFacts } from "../core/facts.ts";
import type { Context } from "./context.ts";

/** A connection that comes and goes opens and closes nothing; terms, pins, addresses and who is verified do. */
export function concernsPolicies({ old, new: now }: StoreChange<RealmFacts>): boolean {
  return !old || !now || old.uid !== now.uid || old.generation !== now.generation || old.deleting !== now.deleting ||
    old.trustedNode !== now.trustedNode || !isDeepStrictEqual(trustOf(old), trustOf(now));
}

/** Of a realm's status, what is opened by it, and what is said about why not. */
const trustOf = ({ status: { node, trustedNode, trustedBefore, conditions } }: RealmFacts) => {
  const verified = conditionOf({ conditions }, "IdentityVerified");
  const why = verified && verified.status !== "True" ? [verified.reason, verified.message] : [];
  return [node?.stableID, node?.name, node?.addresses, trustedNode, trustedBefore, verified?.status, ...why];
};

/** Of a SuperEntity, grants and their guests are planned by some facts only. */
export const concernsParties = ({ old, new: now }: StoreChange<SuperEntityFacts>): boolean =>
  !isDeepStrictEqual(old && partyFacts(old), now && partyFacts(now));

const partyFacts = ({ uid, generation, deletingSince, status }: SuperEntityFacts) => [
  uid,
  generation,
  deletingSince,
  status.phase,
  status.digest,
  status.message,
  status.members?.map(({ trustLevel }) => trustLevel),
];

/** The SuperEntities that list a realm as a member, and the one that has its name. */
export function entitiesWith({ stores }: Pick<Context, "stores">, realm: string): string[] {
  const listing = stores.superEntities.index("member", realm).map(({ name }) => name);
  return stores.superEntities.get(realm) ? [...listing, realm] : listing;
}
