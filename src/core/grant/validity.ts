/** Period of a grant's validity, parsed from its terms. */
import type { GrantFacts } from "../facts.ts";

interface Validity {
  from?: number;
  until?: number;
  invalid?: string;
}

/** Returns start and end in epoch milliseconds; undefined: open. `invalid`: reason that the terms can't be parsed. */
export function validityOf({ spec: { validity } }: GrantFacts): Validity {
  // A value from JSON may have any type, whatever is declared.
  if (typeof validity !== "object" || validity === null) return parse(validity);
  const known = parsed.get(validity);
  if (known) return known;
  const period = parse(validity);
  parsed.set(validity, period);
  return period;
}

/** Cache: a plan needs the period of each grant several times. Terms are never modified. */
const parsed = new WeakMap<NonNullable<GrantFacts["spec"]["validity"]>, Validity>();

function parse(validity: GrantFacts["spec"]["validity"]): Validity {
  if (validity === null) return { invalid: "spec.validity is null; remove it or set validUntil" };
  const out: { from?: number; until?: number } = {};
  for (const [field, key] of [["validFrom", "from"], ["validUntil", "until"]] as const) {
    const text = validity?.[field];
    if (text === undefined) continue;
    // A null isn't taken for "no end", because its author may have meant the opposite.
    if (text === null) return { invalid: `spec.validity.${field} is null; remove it or set an RFC 3339 time` };
    const instant = Date.parse(text);
    if (Number.isNaN(instant)) {
      return {
        invalid: `spec.validity.${field} is ${text}; it must be an RFC 3339 time, such as 2026-01-01T00:00:00Z`,
      };
    }
    out[key] = instant;
  }
  return out;
}
