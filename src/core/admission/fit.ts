/** Checks a workload's growth: above all grants together it is refused, above the free amount it gets a warning. */
import { maxQuantity, parseQuantity, Quantity } from "../../../lib/quantity/mod.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import { type Budget, freeOf } from "./budget.ts";
import { type Requirements, times } from "./requirements.ts";

/** A quota key whose amount is too small. */
export interface Shortage {
  key: string;
  requested: Quantity;
  /** Available amount: granted in total, or free now. */
  most: Quantity;
  short: Quantity;
}

export interface Fit {
  requirements: Requirements;
  /** Additional amounts compared to before. */
  growth: ResourceList;
  /** Keys above all grants together: the workload can never run as it is. */
  exceeds: readonly Shortage[];
  /** Keys above the free amount. */
  lacks: readonly Shortage[];
  /** Number of its additional pods that the quota admits now; undefined if it has no pods. */
  admitted?: number;
  /** Number of additional pods compared to before. */
  more: number;
  /** Number of its pods that would fit into all grants together. */
  most?: number;
  /** True if a roll-out needs room for one more pod and has none. */
  stalls: boolean;
}

const zero = parseQuantity("0");

/**
 * Checks a workload against a budget.
 *
 * @param before requirements before the update, if it is one
 */
export function fitOf(requirements: Requirements, budget: Budget, before?: Requirements): Fit {
  const { each, count } = requirements;
  const growth = growthOf(requirements.total, before?.total);
  const exceeds = shortages(requirements.sure, (key) => budget.granted.get(key))
    .filter(({ key, requested }) => requested.compare(before?.sure.get(key) ?? zero) > 0);
  const lacks = shortages(growth, (key) => freeOf(budget, key));
  const more = each ? Math.max(0, count - sameSize(requirements, before)) : 0;
  const free = each ? howMany(each, (key) => freeOf(budget, key), more) : undefined;
  const most = each ? howMany(each, (key) => budget.granted.get(key), count) : undefined;
  const rollsOut = before?.each !== undefined && each !== undefined && !sameHard(each, before.each) && count > 0;
  return {
    requirements,
    growth,
    exceeds,
    lacks,
    more,
    ...(free === undefined ? {} : { admitted: requirements.obstacle ? 0 : free }),
    ...(most === undefined ? {} : { most }),
    stalls: rollsOut && requirements.needsSurge && lacks.length === 0 &&
      shortages(each, (key) => freeOf(budget, key)).length > 0,
  };
}

/** Reports whether the whole workload can run now: nothing is short, and its pods can be created. */
export const fits = ({ requirements, exceeds, lacks }: Fit): boolean =>
  exceeds.length === 0 && lacks.length === 0 && (requirements.obstacle === undefined || requirements.count === 0);

/** Returns the number of pods before the update, if a pod now takes no more than before; else 0. */
const sameSize = ({ each }: Requirements, before: Requirements | undefined): number =>
  before?.each && each && [...growthOf(each, before.each)].length === 0 ? before.count : 0;

const sameHard = (a: ResourceList, b: ResourceList): boolean =>
  a.size === b.size && [...a].every(([key, quantity]) => b.get(key)?.compare(quantity) === 0);

function growthOf(now: ResourceList, before: ResourceList | undefined): ResourceList {
  return new Map(
    [...now].map(([key, quantity]): [string, Quantity] => [key, quantity.subtract(before?.get(key) ?? zero)])
      .filter(([, quantity]) => quantity.sign() > 0),
  );
}

/** Returns the keys with too little. A quota ignores zero amounts (CheckRequest in plugin/pkg/admission/resourcequota). */
function shortages(asked: ResourceList, mostOf: (key: string) => Quantity | undefined): Shortage[] {
  return [...asked].flatMap(([key, quantity]) => {
    const most = mostOf(key);
    if (most === undefined || quantity.sign() <= 0 || quantity.compare(most) <= 0) return [];
    return [{ key, requested: quantity, most, short: quantity.subtract(most) }];
  }).sort((a, b) => inOrder(a.key) < inOrder(b.key) ? -1 : 1);
}

/** Returns a sort key that puts requests before limits, which may be defaults. */
const inOrder = (key: string): string => `${key.startsWith("requests.") ? 0 : key.startsWith("limits.") ? 1 : 2}${key}`;

/** Returns the number of pods of a size that fit, at most `wanted`. */
function howMany(each: ResourceList, mostOf: (key: string) => Quantity | undefined, wanted: number): number {
  let count = BigInt(wanted);
  for (const [key, quantity] of each) {
    const most = mostOf(key);
    if (most === undefined || quantity.sign() <= 0) continue;
    const room = most.nanos / quantity.nanos;
    if (room < count) count = room;
  }
  return Number(count < 0n ? 0n : count);
}

/** Returns the largest size of one pod with which `count` pods fit, rounded down to a readable quantity. */
export function sizeThatFits(shortage: Shortage, count: number): Quantity | undefined {
  if (count <= 1 || shortage.key === "pods" || shortage.key.startsWith("count/")) return undefined;
  const step = shortage.most.format === "BinarySI" ? 1024n * 1024n * 1_000_000_000n : 1_000_000n;
  const part = shortage.most.nanos / BigInt(count);
  const rounded = part - part % step;
  return rounded > 0n ? new Quantity(rounded, shortage.most.format) : undefined;
}

/** Returns the amounts that the quota will count in addition, as far as there is room. */
export function taken({ requirements, growth, admitted = 0, more }: Fit): ResourceList {
  if (!requirements.each || admitted >= more) return growth;
  const less = times(requirements.each, more - admitted);
  return new Map([...growth].map(([key, quantity]) => [
    key,
    maxQuantity(zero, quantity.subtract(less.get(key) ?? zero)),
  ]));
}
