/**
 * The moment that a timestamp of the LocalAPI means, or undefined when it means none: Go writes a time that was never
 * set as year 1 (`0001-01-01T00:00:00Z`), and other versions leave it out or write null.
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
  // Year 1 in a zone west of Greenwich is still year 1 in UTC; NaN compares false.
  return instant.getUTCFullYear() > 1 ? instant : undefined;
}
