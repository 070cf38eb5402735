/** What grants give, as one ResourceQuota enforces it: summed exactly, and shared out again by use. */
import { parseQuantity, type Quantity } from "../../../lib/quantity/mod.ts";

/** Quantities by quota key, such as `requests.cpu`. */
export type Hard = ReadonlyMap<string, Quantity>;

// The API server takes both spellings for the same thing and would keep two books (pkg/quota/v1/evaluator/core/pods.go).
const aliases = new Map([
  ["cpu", "requests.cpu"],
  ["memory", "requests.memory"],
  ["ephemeral-storage", "requests.ephemeral-storage"],
]);

/** The key under which a ResourceQuota counts `key`. */
export const quotaKey = (key: string): string => aliases.get(key) ?? key;

/**
 * The quantities of a grant's `hard`, under the keys that the quota has, rounded up to milli-units (finer ones can't
 * be in a quota, and rounding down would take from what was promised).
 */
export function hardFrom(hard: Readonly<Record<string, string | number>>): Map<string, Quantity> {
  return new Map(Object.entries(hard).map(([key, value]) => [quotaKey(key), parseQuantity(value).roundUpToMilli()]));
}

/** The exact sum, key by key. The order of the grants doesn't matter. */
export function sumHard(all: Iterable<Hard>): Map<string, Quantity> {
  const sum = new Map<string, Quantity>();
  for (const hard of all) {
    for (const [key, quantity] of hard) sum.set(key, sum.get(key)?.add(quantity) ?? quantity);
  }
  return sum;
}

/** Canonical text of each quantity, keys sorted so that equal values give equal JSON. */
export function shown(hard: Hard): Record<string, string> {
  return Object.fromEntries(
    [...hard].sort(([a], [b]) => a < b ? -1 : 1).map(([key, quantity]) => [key, quantity.toString()]),
  );
}

const zeroText = "0";

/**
 * The quota of a guest namespace in which nothing is granted: no pod may start and nothing may be claimed. The keys
 * that an earlier sum had stay, at zero: a key that is not there would be unlimited.
 */
export function closedHard(earlier: Iterable<string>): Record<string, string> {
  const keys = new Set([
    ...earlier,
    "pods",
    "requests.cpu",
    "requests.memory",
    "limits.cpu",
    "limits.memory",
    "requests.storage",
    "persistentvolumeclaims",
    "services.loadbalancers",
    "services.nodeports",
  ]);
  return Object.fromEntries([...keys].sort().map((key) => [key, zeroText]));
}

/** One grant's claim on what is used. */
export interface Claim {
  name: string;
  hard: Hard;
  /** Epoch milliseconds; undefined: never. */
  endsAt?: number;
}

/** Longest first: no end, then the latest, then by name. */
const byEnd = (a: Claim, b: Claim): number =>
  (b.endsAt ?? Infinity) === (a.endsAt ?? Infinity)
    ? (a.name < b.name ? -1 : 1)
    : (b.endsAt ?? Infinity) > (a.endsAt ?? Infinity)
    ? 1
    : -1;

/**
 * The share of each claim in what is used: use fills the claims that last longest first, so that a share shows what
 * would have to go if the claims ended in their order. Use beyond the sum of all claims is nobody's.
 */
export function shareOut(
  claims: readonly Claim[],
  used: Readonly<Record<string, string>>,
): Map<string, Map<string, Quantity>> {
  const sorted = [...claims].sort(byEnd);
  const shares = new Map(claims.map((claim) => [claim.name, new Map<string, Quantity>()]));
  for (const [key, text] of Object.entries(used)) {
    let left = parseQuantity(text);
    for (const claim of sorted) {
      const granted = claim.hard.get(key);
      if (!granted) continue;
      const share = left.compare(granted) < 0 ? left : granted;
      shares.get(claim.name)!.set(key, share);
      left = left.subtract(share);
    }
  }
  return shares;
}
