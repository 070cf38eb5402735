/**
 * Compares two resource versions of one collection: negative if `a` is older, 0 if equal, positive if newer,
 * undefined if they can't be compared because one is missing or isn't a decimal number.
 *
 * KEP-5504: a resource version is a decimal number of any length without leading zeros, and grows with each write to
 * its collection. So the longer one is greater, and those of equal length compare as text.
 *
 * @example
 * ```ts
 * import { compareResourceVersions } from "./resource_version.ts";
 * import assert from "node:assert/strict";
 *
 * assert.equal(compareResourceVersions("99", "100"), -1);
 * assert.equal(compareResourceVersions("18446744073709551616", "18446744073709551615"), 1);
 * assert.equal(compareResourceVersions("7", undefined), undefined);
 * ```
 */
export function compareResourceVersions(a: string | undefined, b: string | undefined): number | undefined {
  if (a === undefined || b === undefined || !DECIMAL.test(a) || !DECIMAL.test(b)) return undefined;
  if (a.length !== b.length) return Math.sign(a.length - b.length);
  return a === b ? 0 : a < b ? -1 : 1;
}

/** True only if both can be compared and `a` is newer. */
export function isNewer(a: string | undefined, b: string | undefined): boolean {
  const order = compareResourceVersions(a, b);
  return order !== undefined && order > 0;
}

const DECIMAL = /^(?:0|[1-9][0-9]*)$/;
