/** What members put together, and what part of a grant each of them gives. */
import { minQuantity, parseQuantity, Quantity, sumQuantities } from "../../../lib/quantity/mod.ts";
import { classOf, quotaKey, sumLists } from "../resources/quota_lists.ts";
import type { ResourceList } from "../resources/resource_list.ts";

/**
 * What is named, with what that implies: of cpu, memory and ephemeral-storage requests stand for limits and limits for
 * requests where one of the two is named, and the storage of classes adds up to storage.
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
 * What one member puts in, under the keys of a quota. Finer quantities than a quota can have are rounded down: nobody
 * gives more than was promised. Of a thing named by both its spellings it is the less.
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

/** What all of them have together. */
export const poolOf = (contributions: readonly ResourceList[]): ResourceList => sumLists(contributions);

const zero = parseQuantity("0");

/**
 * A member's share of what is asked of the pool: asked × contributed ÷ pooled, key by key, rounded down, and never more
 * than was contributed. What the pool doesn't have is nobody's to give.
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

/** In billionths: cpu is counted in thousandths, all else in whole units. */
const unitOf = (key: string): bigint => key.endsWith(".cpu") ? 10n ** 6n : 10n ** 9n;
