/** Grants that give the amounts of a guest namespace, for messages. */
import { maxQuantity, parseQuantity } from "../../../lib/quantity/mod.ts";
import type { GrantFacts } from "../facts.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import { validityOf } from "../grant/validity.ts";
import { conditionOf } from "../conditions.ts";
import { readableList } from "./fields.ts";

/** A grant in force, as messages name it. */
export interface Giver {
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

const zero = parseQuantity("0");

/** Reasons of condition Draining with which only a reduction is on notice. */
const reduced: ReadonlySet<string> = new Set(["Reduced", "Evicting"]);

/** Cache: the webhook judges by the same grants many times, and a changed grant is another object. */
const known = new WeakMap<GrantFacts, Giver>();

/** Returns those of a grantee's grants that are in force by their status. */
export function giversOf(grants: readonly GrantFacts[]): Giver[] {
  return grants.filter(({ status }) => status.phase === "Active").map((grant): Giver => {
    const giver = known.get(grant) ?? giverOf(grant);
    known.set(grant, giver);
    return giver;
  }).sort((a, b) => a.name < b.name ? -1 : 1);
}

function giverOf(grant: GrantFacts): Giver {
  const until = grant.status.effectiveUntil ? Date.parse(grant.status.effectiveUntil) : validityOf(grant).until;
  const terms = readableList(grant.status.hard ?? {});
  const held = new Map(terms);
  const reductions: GrantReduction[] = [];
  for (const { hard, until } of grant.status.reductions ?? []) {
    const keys = readableList(hard);
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
}
