/** The amounts of a grant that people look at, in their order. */
import { parseQuantity, type Quantity } from "../../../lib/quantity/mod.ts";
import type { GrantAmounts } from "./grant_amounts.ts";
import { sidedResourceOf } from "./tighter_use.ts";

/** Use of one key. */
export interface AmountRow {
  key: string;
  used: string;
  granted: string;
  /** Such as `3 left`, `none left` or `1 too much`. */
  left: string;
}

/** Keys that every namespace uses, and of which nobody has to think. */
const unimportant = new Set(["configmaps", "count/serviceaccounts"]);

const firstKeys = ["cpu", "memory", "storage", "pods"];

/** The amounts of a grant: those to look at, and the others in words. */
export interface AmountRows {
  rows: AmountRow[];
  also: string[];
  /** True if counts of objects are summed up in one of them. */
  isSummed: boolean;
}

/**
 * Returns the use of the keys that the terms name, of requests and limits, and of all that are used; the other granted
 * amounts in words, with counts of objects summed up.
 */
export function amountRows(
  { granted, used }: GrantAmounts,
  named: Iterable<string>,
): AmountRows {
  const important = new Set(named);
  const resources = new Set([...important].map(sidedResourceOf));
  const keys = Object.keys(granted).sort(byImportance);
  const isShown = (key: string) =>
    important.has(key) || (sidedResourceOf(key) !== undefined && resources.has(sidedResourceOf(key))) ||
    (!unimportant.has(key) && quantity(used[key]).sign() > 0);
  const row = (key: string): AmountRow => {
    const [most, now] = [granted[key]!, used[key] ?? "0"];
    return { key, used: now, granted: most, left: leftText(now, most) };
  };
  const others = keys.filter((key) => !isShown(key) && quantity(granted[key]).sign() > 0);
  return { rows: keys.filter(isShown).map(row), ...alsoGranted(granted, others) };
}

/** Keys that count stored objects of a kind. Most grants have the defaults of the trust level. */
const countsObjects = (key: string): boolean => key.startsWith("count/") || (key !== "pods" && !key.includes("."));

function alsoGranted(
  granted: Readonly<Record<string, string>>,
  keys: readonly string[],
): Pick<AmountRows, "also" | "isSummed"> {
  const counts = keys.filter(countsObjects);
  const isSummed = counts.length >= 3;
  const least = counts.map((key) => quantity(granted[key])).reduce<Quantity | undefined>(
    (least, each) => least === undefined || each.compare(least) < 0 ? each : least,
    undefined,
  );
  const also = keys.filter((key) => !isSummed || !countsObjects(key)).map((key) => `${granted[key]} ${key}`);
  if (isSummed) also.push(`at least ${least} objects of each of ${counts.length} kinds`);
  return { also, isSummed };
}

/** Returns the used part, from 0 to 1. */
export function usedPart({ used, granted }: Pick<AmountRow, "used" | "granted">): number {
  const [now, most] = [quantity(used).nanos, quantity(granted).nanos];
  if (most <= 0n) return now > 0n ? 1 : 0;
  return Math.min(1, Number(now * 1000n / most) / 1000);
}

const quantity = (text: string | undefined): Quantity => parseQuantity(text ?? "0");

function leftText(used: string, granted: string): string {
  const left = quantity(granted).subtract(quantity(used));
  if (left.sign() > 0) return `${left} left`;
  return left.sign() < 0 ? `${quantity(used).subtract(quantity(granted))} too much` : "none left";
}

const rank = (key: string): number => {
  const index = firstKeys.findIndex((name) => key === name || key.endsWith(`.${name}`));
  return index < 0 ? firstKeys.length : index;
};

const byImportance = (a: string, b: string): number =>
  rank(a) - rank(b) || Number(a.startsWith("limits.")) - Number(b.startsWith("limits.")) || (a < b ? -1 : 1);
