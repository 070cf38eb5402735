/** When a grant holds, as its terms say: instants out of text. */
import type { GrantFacts } from "../facts.ts";

/** Start and end in epoch milliseconds; undefined is open. `invalid` says why the terms can't be read. */
export function validityOf(grant: GrantFacts): { from?: number; until?: number; invalid?: string } {
  const { validity } = grant.spec;
  if (validity === null) return { invalid: "spec.validity is null; remove it or write validUntil" };
  const out: { from?: number; until?: number } = {};
  for (const [field, key] of [["validFrom", "from"], ["validUntil", "until"]] as const) {
    const text = validity?.[field];
    if (text === undefined) continue;
    // A null would read as "no end": whoever wrote it may have meant the opposite.
    if (text === null) return { invalid: `spec.validity.${field} is null; remove it or write an instant (RFC 3339)` };
    const instant = Date.parse(text);
    if (Number.isNaN(instant)) {
      return {
        invalid: `spec.validity.${field} is ${text}, which is not an instant (RFC 3339, such as 2026-01-01T00:00:00Z)`,
      };
    }
    out[key] = instant;
  }
  return out;
}
