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

/**
 * Returns the use of the keys that the terms name, of requests and limits, and of all that are used, and the other granted
 * keys.
 */
export function amountRows(
  { granted, used }: GrantAmounts,
  named: Iterable<string>,
): { rows: AmountRow[]; others: string[] } {
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
  return {
    rows: keys.filter(isShown).map(row),
    others: keys.filter((key) => !isShown(key) && quantity(granted[key]).sign() > 0),
  };
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
