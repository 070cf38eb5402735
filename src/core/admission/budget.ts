/** What a guest namespace is given, what of it is used, and by which grants. */
import { maxQuantity, parseQuantity, type Quantity } from "../../../lib/quantity/mod.ts";
import type { GrantFacts, QuotaFacts } from "../facts.ts";
import { sumLists } from "../resources/quota_lists.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import { validityOf } from "../grant/validity.ts";
import { conditionOf } from "../conditions.ts";

/** One grant in the words of an answer. */
export interface BudgetGrant {
  name: string;
  hard: ResourceList;
  /** Epoch milliseconds; undefined: until revoked. */
  until?: number;
  /** Its end, or the end of a part of it, is near: nothing may grow. */
  notice: boolean;
}

export interface Budget {
  namespace: string;
  /** What admission enforces, by key; keys that aren't there aren't limited. */
  statusHard: ResourceList;
  used: ResourceList;
  /** What all grants together give: while a part is on notice more than is enforced. */
  granted: ResourceList;
  givers: readonly BudgetGrant[];
}

const zero = parseQuantity("0");

/** A quota's quantities; what can't be read is no limit and no use. */
function readable(list: Readonly<Record<string, string>>): Map<string, Quantity> {
  return new Map(
    Object.entries(list).flatMap(([key, text]): [string, Quantity][] => {
      try {
        return [[key, parseQuantity(text)]];
      } catch {
        return [];
      }
    }),
  );
}

/** The grants of a grantee that are in force, as their status says. */
export function giversOf(grants: readonly GrantFacts[]): BudgetGrant[] {
  return grants.filter(({ status }) => status.phase === "Active").map((grant) => {
    const until = grant.status.effectiveUntil ? Date.parse(grant.status.effectiveUntil) : validityOf(grant).until;
    const held = readable(grant.status.hard ?? {});
    for (const { hard } of grant.status.reductions ?? []) {
      for (const [key, quantity] of readable(hard)) held.set(key, maxQuantity(held.get(key) ?? zero, quantity));
    }
    const draining = conditionOf(grant.status, "Draining")?.status === "True";
    return { name: grant.name, hard: held, notice: draining, ...(until === undefined ? {} : { until }) };
  }).sort((a, b) => a.name < b.name ? -1 : 1);
}

/** What the quota enforces and the grants give. */
export function budgetOf(
  quota: Pick<QuotaFacts, "namespace" | "specHard" | "statusHard" | "used" | "freeze">,
  givers: readonly BudgetGrant[],
): Budget {
  const enforced = readable(quota.statusHard);
  const asked = readable(quota.specHard);
  const sum = sumLists(givers.map(({ hard }) => hard));
  const granted = new Map([...enforced].map(([key, most]) => {
    // What was raised a moment ago isn't in the quota's status yet; what is on notice isn't in it any more.
    const candidates = [asked.get(key), quota.freeze === undefined ? undefined : sum.get(key)];
    return [key, maxQuantity(most, ...candidates.filter((each) => each !== undefined))];
  }));
  return { namespace: quota.namespace, statusHard: enforced, used: readable(quota.used), granted, givers };
}

/** What is left of a key; undefined: it isn't limited. */
export function freeOf({ statusHard, used }: Budget, key: string): Quantity | undefined {
  const most = statusHard.get(key);
  if (most === undefined) return undefined;
  const left = most.subtract(used.get(key) ?? zero);
  return left.sign() < 0 ? zero : left;
}

/** The same, when so much more is used. */
export function afterUse(budget: Budget, more: ResourceList): Budget {
  return { ...budget, used: sumLists([budget.used, more]) };
}
