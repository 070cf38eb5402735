/** The cordon: while a part of what is granted is on notice, what runs goes on and nothing grows. */
import { isDeepStrictEqual } from "node:util";
import { minQuantity, parseQuantity } from "../../../lib/quantity/mod.ts";
import { cordonHard, type Hard, shown } from "./hard.ts";
import { type Holdings, isKnown } from "./holding.ts";
import type { GuestWorld } from "./plan.ts";

/** What is recorded on the quota: for which sums it was taken, and what it came to. */
interface Cordon {
  granted: Record<string, string>;
  remaining: Record<string, string>;
  hard: Record<string, string>;
}

/**
 * The quota, cordoned or not, with the record to write on it. The cordon is taken once, at the start of a notice, and
 * stays constant until what is granted or what remains changes: a renewal or a new grant lifts or widens it.
 *
 * @param whole the quota while nothing is on notice
 */
export function cordonOf(
  { realm, quota }: Pick<GuestWorld, "realm" | "quota">,
  { holdings, granted, remaining, onNotice }: Holdings,
  whole: Hard,
): { hard: Hard; cordon?: string } {
  // A grantee that is gone gets nothing more either.
  const lost = holdings.length > 0 && !isKnown(realm);
  if (!onNotice && !lost) return { hard: whole };
  const sums = { granted: shown(granted), remaining: lost ? {} : shown(remaining) };
  const taken = cordonHard(whole, lost ? new Map() : remaining, quota?.used ?? {});
  const recorded = readCordon(quota?.cordon, sums);
  // Whatever stands in the record, never more than is granted; and what is new since then is counted as of now.
  const hard = new Map([...whole].map(([key, most]) => {
    const before = recorded?.get(key);
    return [key, before === undefined ? taken.get(key)! : minQuantity(before, most)];
  }));
  return { hard, cordon: JSON.stringify({ ...sums, hard: shown(hard) }) };
}

/** What was recorded, if it is of these sums. */
function readCordon(text: string | undefined, sums: Pick<Cordon, "granted" | "remaining">): Hard | undefined {
  if (text === undefined) return undefined;
  try {
    const { granted, remaining, hard } = JSON.parse(text) as Cordon;
    if (!isDeepStrictEqual({ granted, remaining }, sums)) return undefined;
    return new Map(Object.entries(hard).map(([key, quantity]) => [key, parseQuantity(quantity)]));
  } catch {
    // Somebody wrote something else there; it is taken anew.
    return undefined;
  }
}
