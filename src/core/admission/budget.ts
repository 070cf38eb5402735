/** The granted and used amounts of a guest namespace, and the grants that give them. */
import { maxQuantity, parseQuantity, type Quantity } from "../../../lib/quantity/mod.ts";
import type { GrantFacts, QuotaFacts } from "../facts.ts";
import { sumLists } from "../resources/quota_lists.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import { validityOf } from "../grant/validity.ts";
import { conditionOf } from "../conditions.ts";

/** A grant as messages name it. */
export interface BudgetGrant {
  name: string;
  hard: ResourceList;
  /** End in epoch milliseconds; undefined if it lasts until it is revoked. */
  until?: number;
  /** True while the whole grant is on notice: nothing may grow. */
  notice: boolean;
  /** Reductions on notice: what they reduce can't grow. */
  reductions?: readonly GrantReduction[];
}

/** A reduction of a grant on notice. */
export interface GrantReduction {
  /** Epoch milliseconds. */
  until: number;
  /** Quota keys that are reduced, with the amounts that remain. */
  remaining: ResourceList;
}

export interface Budget {
  namespace: string;
  /** Limits that admission enforces, by key; a missing key is not limited. */
  statusHard: ResourceList;
  used: ResourceList;
  /** Sum of all grants; while a part is on notice, it is more than admission enforces. */
  granted: ResourceList;
  givers: readonly BudgetGrant[];
}

const zero = parseQuantity("0");

/** Returns a quota's quantities without those that can't be read. */
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

/** Reasons of condition Draining with which only a reduction is on notice. */
const reduced: ReadonlySet<string> = new Set(["Reduced", "Evicting"]);

/** Returns those of a grantee's grants that are in force by their status. */
export function giversOf(grants: readonly GrantFacts[]): BudgetGrant[] {
  return grants.filter(({ status }) => status.phase === "Active").map((grant): BudgetGrant => {
    const until = grant.status.effectiveUntil ? Date.parse(grant.status.effectiveUntil) : validityOf(grant).until;
    const terms = readable(grant.status.hard ?? {});
    const held = new Map(terms);
    const reductions: GrantReduction[] = [];
    for (const { hard, until } of grant.status.reductions ?? []) {
      const keys = readable(hard);
      for (const [key, quantity] of keys) held.set(key, maxQuantity(held.get(key) ?? zero, quantity));
      const remaining = new Map([...keys.keys()].map((key) => [key, terms.get(key) ?? zero]));
      if (remaining.size > 0) reductions.push({ until: Date.parse(until), remaining });
    }
    const draining = conditionOf(grant.status, "Draining");
    return {
      name: grant.name,
      hard: held,
      notice: draining?.status === "True" && !reduced.has(draining.reason),
      ...(reductions.length > 0 ? { reductions } : {}),
      ...(until === undefined ? {} : { until }),
    };
  }).sort((a, b) => a.name < b.name ? -1 : 1);
}

/** Returns the amounts that the quota enforces and the grants give. */
export function budgetOf(
  quota: Pick<QuotaFacts, "namespace" | "specHard" | "statusHard" | "used" | "freeze">,
  givers: readonly BudgetGrant[],
): Budget {
  const enforced = readable(quota.statusHard);
  const asked = readable(quota.specHard);
  const sum = sumLists(givers.map(({ hard }) => hard));
  const granted = new Map([...enforced].map(([key, most]) => {
    // An amount raised a moment ago is not in the quota's status yet; one on notice no longer is.
    const candidates = [asked.get(key), quota.freeze === undefined ? undefined : sum.get(key)];
    return [key, maxQuantity(most, ...candidates.filter((each) => each !== undefined))];
  }));
  return { namespace: quota.namespace, statusHard: enforced, used: readable(quota.used), granted, givers };
}

/** Returns the free amount of a key; undefined if the key is not limited. */
export function freeOf({ statusHard, used }: Budget, key: string): Quantity | undefined {
  const most = statusHard.get(key);
  if (most === undefined) return undefined;
  const left = most.subtract(used.get(key) ?? zero);
  return left.sign() < 0 ? zero : left;
}

/** Returns the budget after using more of it. */
export function afterUse(budget: Budget, more: ResourceList): Budget {
  return { ...budget, used: sumLists([budget.used, more]) };
}
