/** Filters for changes of an object that concern its dependents. */
import type { StoreChange } from "../../lib/controller/mod.ts";
import { conditionOf } from "../core/conditions.ts";
import type { RealmFacts, SuperEntityFacts } from "../core/facts.ts";
import { sameJson } from "../core/same_json.ts";
import type { Context } from "./context.ts";

/** True if network policies depend on the change: terms, pin, addresses or verification, but not connectivity. */
export function concernsPolicies({ old, new: now }: StoreChange<RealmFacts>): boolean {
  return !old || !now || old.uid !== now.uid || old.generation !== now.generation || old.deleting !== now.deleting ||
    old.trustedNode !== now.trustedNode || !sameJson(trustOf(old), trustOf(now));
}

/** Returns the status fields of a realm that decide if it is trusted and the reason if it isn't. */
const trustOf = ({ status: { node, trustedNode, trustedBefore, conditions } }: RealmFacts) => {
  const verified = conditionOf({ conditions }, "IdentityVerified");
  const why = verified && verified.status !== "True" ? [verified.reason, verified.message] : [];
  return [node?.stableID, node?.name, node?.addresses, trustedNode, trustedBefore, verified?.status, ...why];
};

/** True if grants from or to the SuperEntity depend on the change. */
export const concernsParties = ({ old, new: now }: StoreChange<SuperEntityFacts>): boolean =>
  !sameJson(old && partyFacts(old), now && partyFacts(now));

const partyFacts = ({ uid, generation, deletingSince, status }: SuperEntityFacts) => [
  uid,
  generation,
  deletingSince,
  status.phase,
  status.digest,
  status.message,
  status.members?.map(({ trustLevel }) => trustLevel),
];

/** Returns the SuperEntities that list the realm as a member, and the one with its name. */
export function entitiesWith({ stores }: Pick<Context, "stores">, realm: string): string[] {
  const listing = stores.superEntities.index("member", realm).map(({ name }) => name);
  return stores.superEntities.get(realm) ? [...listing, realm] : listing;
}
