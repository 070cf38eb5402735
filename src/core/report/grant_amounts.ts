/** Amounts of grants and the use that is attributed to each. */
import { parseQuantity } from "../../../lib/quantity/mod.ts";
import type { GrantFacts } from "../facts.ts";
import {
  allot,
  type Claim,
  largerList,
  listFrom,
  quantitiesOf,
  quotaKey,
  shown,
  sumLists,
} from "../resources/quota_lists.ts";
import { sidedResources, type TighterUse, tighterUse } from "./tighter_use.ts";

type Amounts = Record<string, string>;

/** A grant's amounts and their use by every key of the quota, also those that its terms don't name. */
export interface GrantAmounts {
  granted: Readonly<Amounts>;
  used: Readonly<Amounts>;
}

/** The part of a Grant that amounts are of. */
export type GrantObject = Pick<GrantFacts, "name" | "spec" | "status">;

/**
 * Returns the grant, or if its amounts can't be read, because another version of the custom resource admitted it, one
 * without amounts and with a message that says so.
 */
export function readableGrant<G extends GrantObject>(grant: G): G {
  const { spec, status } = grant;
  try {
    listFrom(spec.hard);
    quantitiesOf(status.hard);
    for (const { hard } of status.reductions ?? []) quantitiesOf(hard);
    return grant;
  } catch (error) {
    const { grantorRealm = "", granteeRealm = "" } = spec ?? {};
    const message = `Its amounts can't be read: ${(error as Error).message}`;
    const { reductions: _, ...rest } = status;
    return { ...grant, spec: { grantorRealm, granteeRealm, hard: {} }, status: { ...rest, hard: {}, message } };
  }
}

/** Returns the amounts in force, with defaults; before the operator has seen the grant, those of its terms. */
export const amountsInForce = ({ spec, status }: GrantObject): Amounts => ({
  ...status.hard ?? shown(listFrom(spec.hard)),
});

/**
 * Returns the amounts of each grant, with the use of its guest namespace that is attributed to it as the operator does.
 *
 * @param used use of a guest namespace; undefined: unknown, so that of the status counts
 */
export function grantAmounts(
  grants: readonly GrantObject[],
  used: (realm: string) => Readonly<Amounts> | undefined,
): Map<string, GrantAmounts> {
  const all = new Map<string, GrantAmounts>();
  for (const [realm, ofRealm] of Map.groupBy(grants, ({ spec }) => spec.granteeRealm)) {
    const inUse = used(realm);
    const attributed = inUse && allot(ofRealm.filter(({ status }) => status.phase === "Active").map(claimOf), inUse);
    for (const grant of ofRealm) {
      const { name, status } = grant;
      const known = attributed ? shown(attributed.get(name) ?? new Map()) : Object.fromEntries(
        Object.entries(status.actualUsage ?? {}).map(([key, value]) => [quotaKey(key), value]),
      );
      all.set(name, { granted: amountsInForce(grant), used: known });
    }
  }
  return all;
}

function claimOf(grant: GrantObject): Claim {
  const { name, status } = grant;
  const held = (status.reductions ?? []).map(({ hard }) => quantitiesOf(hard))
    .reduce(largerList, quantitiesOf(amountsInForce(grant)));
  const endsAt = Date.parse(endOfGrant(grant) ?? "");
  return { name, hard: held, ...(Number.isFinite(endsAt) ? { endsAt } : {}) };
}

/** Returns the end that is decided, or the one in the terms. */
export const endOfGrant = ({ spec, status }: Pick<GrantObject, "spec" | "status">): string | undefined =>
  status.effectiveUntil ?? spec.validity?.validUntil ?? undefined;

/** Returns the use of each resource that has requests and limits. */
export function usesOf({ granted, used }: GrantAmounts): Record<string, TighterUse> {
  return Object.fromEntries(
    sidedResources.flatMap((resource) => {
      const use = tighterUse(resource, granted, used);
      const isGranted = use !== undefined && (use.side !== undefined || parseQuantity(use.granted).sign() > 0);
      return isGranted ? [[resource, use]] : [];
    }),
  );
}

/** Returns whether a grant has ended, so that nothing of it is in force. */
export const isOver = (phase: string): boolean => phase === "Revoked" || phase === "Expired";

/** Returns the sum of amounts. */
export const sumOfAmounts = (all: readonly Readonly<Amounts>[]): Amounts => ({
  ...shown(sumLists(all.map(quantitiesOf))),
});
