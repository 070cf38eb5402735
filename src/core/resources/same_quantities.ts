/** Equality of resource lists by value. */
import { parseQuantity } from "../../../lib/quantity/mod.ts";

/**
 * Reports whether all wanted values are present, compared by value. Other keys of a quota only restrict, so they may
 * stay.
 */
export function sameQuantities(
  actual: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>>,
): boolean {
  return Object.keys(wanted).every((key) => {
    const [text, value] = [actual[key], wanted[key]!];
    return text !== undefined && (text === value || isEqual(text, value));
  });
}

/** Compares two quantities; an invalid one equals none. */
function isEqual(text: string, value: string): boolean {
  try {
    return parseQuantity(text).compare(parseQuantity(value)) === 0;
  } catch {
    return false;
  }
}
