/**
 * The moment that a timestamp of the LocalAPI means, or undefined when it means none: Go writes a time that was never
 * set as year 1 (`0001-01-01T00:00:00Z`), and other versions leave it out or write null.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { instantFrom } from "./mod.ts";
 *
 * assert.equal(instantFrom("0001-01-01T00:00:00Z"), undefined);
 * assert.equal(instantFrom(null), undefined);
 * assert.equal(instantFrom("2027-01-01T00:00:00.25Z")?.toISOString(), "2027-01-01T00:00:00.250Z");
 * ```
 */
export function instantFrom(timestamp: string | null | undefined): Date | undefined {
  if (!timestamp) return undefined;
  const instant = new Date(timestamp);
  // Year 1 in a zone west of Greenwich is still year 1 in UTC; NaN compares false.
  return instant.getUTCFullYear() > 1 ? instant : undefined;
}
