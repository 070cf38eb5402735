/** The cordon: while a part of what is granted is on notice, what runs goes on and nothing grows. */
import { isDeepStrictEqual } from "node:util";
import { minQuantity, parseQuantity } from "../../../lib/quantity/mod.ts";
import type { QuotaFacts, RealmFacts } from "../facts.ts";
import { freezeList, shown } from "../resources/quota_lists.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import type { EntitlementSums } from "./entitlement.ts";
import { isPresent } from "../realm/present.ts";

/** What is recorded on the quota: for which sums it was taken, and what it came to. */
interface FreezeRecord {
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
export function freezeOf(
  realm: RealmFacts | undefined,
  quota: QuotaFacts | undefined,
  { entitlements, granted, remaining, onNotice }: EntitlementSums,
  whole: ResourceList,
): { hard: ResourceList; freeze?: string } {
  // A grantee that is gone gets nothing more either.
  const lost = entitlements.length > 0 && !isPresent(realm);
  if (!onNotice && !lost) return { hard: whole };
  const sums = { granted: shown(granted), remaining: lost ? {} : shown(remaining) };
  const taken = freezeList(whole, lost ? new Map() : remaining, quota?.used ?? {});
  const recorded = readFreeze(quota?.freeze, sums);
  // Whatever stands in the record, never more than is granted; and what is new since then is counted as of now.
  const hard = new Map([...whole].map(([key, most]) => {
    const before = recorded?.get(key);
    return [key, before === undefined ? taken.get(key)! : minQuantity(before, most)];
  }));
  // Not before there is a count: what was taken then would hold for the whole notice.
  const counted = [...hard.keys()].some((key) => quota?.used[key] !== undefined);
  if (!counted) return { hard };
  return { hard, freeze: JSON.stringify({ ...sums, hard: shown(hard) }) };
}

/** What was recorded, if it is of these sums. */
function readFreeze(
  text: string | undefined,
  sums: Pick<FreezeRecord, "granted" | "remaining">,
): ResourceList | undefined {
  const record = text === undefined ? undefined : parseRecord(text);
  return record && isDeepStrictEqual({ granted: record.granted, remaining: record.remaining }, sums)
    ? new Map(Object.entries(record.hard).map(([key, quantity]) => [key, parseQuantity(quantity)]))
    : undefined;
}

/** Whether it is a record as Keystone writes it. */
export const isRecord = (text: string): boolean => parseRecord(text) !== undefined;

/** Undefined when somebody wrote something else there; it is taken anew. */
function parseRecord(text: string): FreezeRecord | undefined {
  try {
    const record = JSON.parse(text) as FreezeRecord;
    for (const part of [record.granted, record.remaining, record.hard]) Object.values(part).forEach(parseQuantity);
    return record;
  } catch {
    return undefined;
  }
}
