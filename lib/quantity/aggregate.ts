import { Quantity } from "./quantity.ts";

/**
 * Returns the exact sum, zero if there are none. It has the format of the first one that isn't zero.
 *
 * ```ts
 * import { parseQuantity, sumQuantities } from "./mod.ts";
 * import assert from "node:assert/strict";
 *
 * assert.equal(sumQuantities(["0", "1.5Gi", "512Mi"].map(parseQuantity)).toString(), "2Gi");
 * assert.equal(sumQuantities([]).toString(), "0");
 * ```
 */
export function sumQuantities(quantities: Iterable<Quantity>): Quantity {
  let sum = new Quantity(0n, "DecimalSI");
  for (const quantity of quantities) sum = sum.add(quantity);
  return sum;
}

/** Returns the largest, in its own format; of equal ones the first. */
export function maxQuantity(first: Quantity, ...others: Quantity[]): Quantity {
  return others.reduce((largest, each) => each.compare(largest) > 0 ? each : largest, first);
}

/** Returns the smallest, in its own format; of equal ones the first. */
export function minQuantity(first: Quantity, ...others: Quantity[]): Quantity {
  return others.reduce((smallest, each) => each.compare(smallest) < 0 ? each : smallest, first);
}
