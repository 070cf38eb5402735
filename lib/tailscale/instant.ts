/**
 * Reads a timestamp of the LocalAPI; undefined if it is not set: Go writes an unset time as year 1
 * (`0001-01-01T00:00:00Z`), and other versions omit it or write null.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { dateFrom } from "./mod.ts";
 *
 * assert.equal(dateFrom("0001-01-01T00:00:00Z"), undefined);
 * assert.equal(dateFrom(null), undefined);
 * assert.equal(dateFrom("2027-01-01T00:00:00.25Z")?.toISOString(), "2027-01-01T00:00:00.250Z");
 * ```
 */
export function dateFrom(timestamp: string | null | undefined): Date | undefined {
  if (!timestamp) return undefined;
  const instant = new Date(timestamp);
  // Year 1 in a zone west of Greenwich is also year 1 in UTC; NaN compares false.
  return instant.getUTCFullYear() > 1 ? instant : undefined;
}
