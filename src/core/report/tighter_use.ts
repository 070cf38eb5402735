/** Use of resources that a quota counts twice, by requests and by limits: the side that is used up first. */
import { isQuantity, parseQuantity, type Quantity } from "../../../lib/quantity/mod.ts";
import { own } from "../own.ts";

type Amounts = Readonly<Record<string, string>>;

/** Resources with requests and limits. */
export const sidedResources = ["cpu", "memory", "ephemeral-storage"] as const;

/** Use of one resource: of its requests or of its limits. */
export interface TighterUse {
  /** Key of the quota, such as `limits.cpu`. */
  key: string;
  used: string;
  granted: string;
  /** Absent if both sides are equal, or if only one is known. */
  side?: "requests" | "limits";
}

const zero = parseQuantity("0");
const quantityOf = (text: string | undefined): Quantity =>
  text !== undefined && isQuantity(text) ? parseQuantity(text) : zero;

/** Returns the resource of a key with a side, such as `cpu` of `limits.cpu`; undefined for others. */
export const sidedResourceOf = (key: string): string | undefined =>
  sidedResources.find((resource) => key === `requests.${resource}` || key === `limits.${resource}`);

/**
 * Returns the use of the side of which the larger part is used; with equal parts, of the one with less left, and then of
 * the requests. A side of which nothing is granted is used up. Undefined: neither side is granted.
 */
export function tighterUse(resource: string, granted: Amounts, used: Amounts): TighterUse | undefined {
  const sides = (["requests", "limits"] as const).flatMap((side) => {
    const key = `${side}.${resource}`;
    const of = own(granted, key);
    return of === undefined ? [] : [{ side, key, granted: of, used: own(used, key) ?? "0" }];
  });
  const [first, second] = sides;
  if (first === undefined) return undefined;
  if (second === undefined) return withoutSide(first);
  const [a, b] = sides.map((each) => ({ used: quantityOf(each.used).nanos, most: quantityOf(each.granted).nanos }));
  if (a!.used === b!.used && a!.most === b!.most) return withoutSide(first);
  const order = compareParts(a!, b!) || Number(b!.most - b!.used < a!.most - a!.used ? 1 : -1);
  return order > 0 ? second : first;
}

function withoutSide({ key, used, granted }: TighterUse): TighterUse {
  return { key, used, granted };
}

interface Part {
  used: bigint;
  most: bigint;
}

/** Returns 1 if a larger part of the second is used, -1 if of the first, 0 if the parts are equal. */
function compareParts(a: Part, b: Part): number {
  const [full, other] = [a.most <= 0n, b.most <= 0n];
  if (full || other) return Number(other) - Number(full);
  const difference = b.used * a.most - a.used * b.most;
  return difference > 0n ? 1 : difference < 0n ? -1 : 0;
}
