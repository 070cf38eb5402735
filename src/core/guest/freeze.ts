/** Freeze of the quota: during a notice, pods keep running but usage can't grow. */
import { minQuantity, parseQuantity } from "../../../lib/quantity/mod.ts";
import type { QuotaFacts, RealmFacts } from "../facts.ts";
import { freezeList, shown } from "../resources/quota_lists.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import type { EntitlementSums } from "./entitlement.ts";
import { isPresent } from "../realm/present.ts";
import { sameJson } from "../same_json.ts";

/** Record on the quota: the sums at the start of the notice, and the frozen limits. */
interface FreezeRecord {
  granted: Record<string, string>;
  remaining: Record<string, string>;
  hard: Record<string, string>;
}

/**
 * Returns the quota, frozen or not, with the record to write on it. The frozen limits are computed once, at the start
 * of a notice, and stay constant until the granted or remaining sums change: a renewal or a new grant lifts or raises
 * them.
 *
 * @param whole the quota without a notice
 */
export function freezeOf(
  realm: RealmFacts | undefined,
  quota: QuotaFacts | undefined,
  { entitlements, granted, remaining, onNotice }: EntitlementSums,
  whole: ResourceList,
): { hard: ResourceList; freeze?: string } {
  // The usage of a grantee whose Realm is gone can't grow either.
  const lost = entitlements.length > 0 && !isPresent(realm);
  if (!onNotice && !lost) return { hard: whole };
  const sums = { granted: shown(granted), remaining: lost ? {} : shown(remaining) };
  const taken = freezeList(whole, lost ? new Map() : remaining, quota?.used ?? {});
  const recorded = readFreeze(quota?.freeze, sums);
  // Never more than granted, whatever the record contains. Keys that are new since then are frozen at present usage.
  const hard = new Map([...whole].map(([key, most]) => {
    const before = recorded?.get(key);
    return [key, before === undefined ? taken.get(key)! : minQuantity(before, most)];
  }));
  // Not recorded before there is any usage count, because the record applies for the whole notice.
  const counted = [...hard.keys()].some((key) => quota?.used[key] !== undefined);
  if (!counted) return { hard };
  return { hard, freeze: JSON.stringify({ ...sums, hard: shown(hard) }) };
}

/** Returns the recorded limits, if they belong to these sums. */
function readFreeze(
  text: string | undefined,
  sums: Pick<FreezeRecord, "granted" | "remaining">,
): ResourceList | undefined {
  const record = text === undefined ? undefined : parseRecord(text);
  return record && sameJson({ granted: record.granted, remaining: record.remaining }, sums)
    ? new Map(Object.entries(record.hard).map(([key, quantity]) => [key, parseQuantity(quantity)]))
    : undefined;
}

/** Reports whether the text is a record in Keystone's format. */
export const isRecord = (text: string): boolean => parseRecord(text) !== undefined;

/** Parses the record; undefined if somebody wrote something else there, so that it is computed again. */
function parseRecord(text: string): FreezeRecord | undefined {
  try {
    const record = JSON.parse(text) as FreezeRecord;
    for (const part of [record.granted, record.remaining, record.hard]) Object.values(part).forEach(parseQuantity);
    return record;
  } catch {
    return undefined;
  }
}
