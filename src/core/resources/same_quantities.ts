/** Equality of resource lists by value. */
import { parseQuantity } from "../../../lib/quantity/mod.ts";

/** Tells whether each wanted value is there, by value. Foreign keys in a quota only take away, so they may stay. */
export function sameQuantities(
  actual: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(wanted).every(([key, value]) => {
    const text = actual[key];
    return text !== undefined && (text === value || isEqual(text, value));
  });
}

/** Compares two quantities; one that can't be read equals nothing. */
function isEqual(text: string, value: string): boolean {
  try {
    return parseQuantity(text).compare(parseQuantity(value)) === 0;
  } catch {
    return false;
  }
}
