/** Contributions of members, and each member's share of a grant. */
import { minQuantity, parseQuantity, Quantity, sumQuantities } from "../../../lib/quantity/mod.ts";
import { classOf, quotaKey, sumLists } from "../resources/quota_lists.ts";
import type { ResourceList } from "../resources/resource_list.ts";

/**
 * Adds implied keys: for cpu, memory and ephemeral-storage, requests imply limits and limits imply requests if only one
 * of the two is named. The storage of all classes adds up to requests.storage.
 */
export function impliedList(named: ResourceList): Map<string, Quantity> {
  const out = new Map(named);
  for (const resource of ["cpu", "memory", "ephemeral-storage"]) {
    const [requests, limits] = [`requests.${resource}`, `limits.${resource}`];
    const either = named.get(requests) ?? named.get(limits);
    if (!either) continue;
    out.set(requests, either);
    out.set(limits, named.get(limits) ?? either);
  }
  const classes = [...named].filter(([key]) => classOf(key) !== undefined);
  if (!named.has("requests.storage") && classes.length > 0) {
    out.set("requests.storage", sumQuantities(classes.map(([, quantity]) => quantity)));
  }
  return out;
}

/**
 * Returns a member's contribution under quota keys. Quantities finer than a quota permits are rounded down, so that no
 * member gives more than it promised. If a resource has both spellings, the smaller quantity counts.
 */
export function contributed(contribution: Readonly<Record<string, string | number>> = {}): ResourceList {
  const named = new Map<string, Quantity>();
  for (const [written, value] of Object.entries(contribution)) {
    const [key, { nanos, format }] = [quotaKey(written), parseQuantity(value)];
    const quantity = new Quantity(nanos - nanos % 10n ** 6n, format);
    const other = named.get(key);
    named.set(key, other ? minQuantity(other, quantity) : quantity);
  }
  return impliedList(named);
}

/** Returns the sum of all contributions. */
export const poolOf = (contributions: readonly ResourceList[]): ResourceList => sumLists(contributions);

const zero = parseQuantity("0");

/**
 * Returns a member's share of amounts requested from the pool: requested × contributed ÷ pooled for each key, rounded
 * down and at most its contribution. Keys that the pool lacks are zero.
 */
export function shareOf(asked: ResourceList, own: ResourceList, pool: ResourceList): Map<string, Quantity> {
  return new Map([...asked].map(([key, quantity]) => {
    const [mine, all] = [own.get(key) ?? zero, pool.get(key) ?? zero];
    if (mine.sign() <= 0 || all.sign() <= 0) return [key, zero];
    const nanos = quantity.nanos * mine.nanos / all.nanos;
    const least = nanos < mine.nanos ? nanos : mine.nanos;
    return [key, new Quantity(least - least % unitOf(key), quantity.format)];
  }));
}

/** Smallest unit of a key in billionths: cpu is counted in thousandths, everything else in whole units. */
const unitOf = (key: string): bigint => key.endsWith(".cpu") ? 10n ** 6n : 10n ** 9n;
