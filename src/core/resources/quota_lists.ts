/** Amounts of grants in the form of a ResourceQuota: exact sums, and the attribution of usage to grants. */
import {
  isQuantity,
  maxQuantity,
  minQuantity,
  parseQuantity,
  type Quantity,
  sumQuantities,
} from "../../../lib/quantity/mod.ts";
import { own } from "../own.ts";
import { type CountDefaults, derivedDefaults, ownCounts } from "./counts.ts";
import type { ResourceList } from "./resource_list.ts";

// The API server accepts both spellings of a resource and would count each separately
// (pkg/quota/v1/evaluator/core/pods.go).
const aliases = new Map([
  ["cpu", "requests.cpu"],
  ["memory", "requests.memory"],
  ["ephemeral-storage", "requests.ephemeral-storage"],
  // Not pods: `pods` excludes finished pods, `count/pods` includes them.
  ...["configmaps", "persistentvolumeclaims", "replicationcontrollers", "secrets", "services"].map((
    kind,
  ): [string, string] => [`count/${kind}`, kind]),
]);

const zero = parseQuantity("0");

/** Returns the key under which a ResourceQuota counts `key`. */
export const quotaKey = (key: string): string => aliases.get(key) ?? key;

/**
 * Returns the quantities of a grant's `hard` under quota keys, rounded up to milli-units: a quota can't have finer
 * ones, and rounding down would give less than was promised. If a resource has both spellings, the smaller quantity
 * counts, as with two limits in a quota. The result is cached, so `hard` must not be modified.
 */
export function listFrom(hard: Readonly<Record<string, string | number>>): ResourceList {
  const known = parsed.get(hard);
  if (known) return known;
  const out = new Map<string, Quantity>();
  for (const [written, value] of Object.entries(hard)) {
    const [key, quantity] = [quotaKey(written), parseQuantity(value).roundUpToMilli()];
    const other = out.get(key);
    out.set(key, other ? minQuantity(other, quantity) : quantity);
  }
  parsed.set(hard, out);
  return out;
}

/** Cache: every plan needs the same lists, and grants with the same terms share them. */
const parsed = new WeakMap<Readonly<Record<string, string | number>>, ResourceList>();

/** Returns the exact sum for each key. The order of the grants doesn't matter. */
export function sumLists(all: Iterable<ResourceList>): Map<string, Quantity> {
  const sum = new Map<string, Quantity>();
  for (const hard of all) {
    for (const [key, quantity] of hard) sum.set(key, sum.get(key)?.add(quantity) ?? quantity);
  }
  return sum;
}

/**
 * Largest count that a ResourceQuota accepts: the API server checks whole numbers by their thousandfold, in 64 bits
 * (ValidateResourceQuantityValue in pkg/apis/core/validation).
 */
const mostCount = parseQuantity("9223372036854775");
const amountKey = /(?:^|\.)(?:cpu|memory|ephemeral-storage)$|requests\.storage$|hugepages-/;

/** Returns a count as a ResourceQuota accepts it: sums and derived counts may be larger. */
const bounded = (key: string, quantity: Quantity): Quantity =>
  quantity.compare(mostCount) > 0 && !amountKey.test(key) ? mostCount : quantity;

/**
 * Formats quantities canonically, with sorted keys so that equal values give equal JSON. Counts are at most those that a
 * ResourceQuota accepts. `hard` must not be modified.
 */
export function shown(hard: ResourceList): Readonly<Record<string, string>> {
  const known = texts.get(hard);
  if (known) return known;
  const shown = Object.fromEntries(
    [...hard.keys()].sort().map((key) => [key, bounded(key, hard.get(key)!).toString()]),
  );
  texts.set(hard, shown);
  return shown;
}

/** Cache: a plan needs the same texts several times. */
const texts = new WeakMap<ResourceList, Readonly<Record<string, string>>>();

/**
 * Parses the quantities in a status, which the API server doesn't validate. An invalid one becomes zero, because
 * omitting its key would make the resource unlimited. The result is cached, so `texts` must not be modified.
 */
export function quantitiesOf(texts: Readonly<Record<string, string>> | null | undefined): ResourceList {
  // A value from JSON may have any type, whatever is declared.
  if (typeof texts !== "object" || texts === null) return readList(texts ?? {});
  const known = recorded.get(texts);
  if (known) return known;
  const quantities = readList(texts);
  recorded.set(texts, quantities);
  return quantities;
}

const readList = (texts: Readonly<Record<string, string>>): ResourceList =>
  new Map(Object.entries(texts).map(([key, text]) => [key, isQuantity(text) ? parseQuantity(text) : zero]));

/** Cache: grants with the same recorded amounts share them. */
const recorded = new WeakMap<Readonly<Record<string, string>>, ResourceList>();

/** Defaults for resources that a grant doesn't name. */
export interface Unnamed extends CountDefaults {
  ephemeralStorage: string;
}

const computeResources = ["cpu", "memory", "ephemeral-storage"] as const;

/** Keys that are zero unless a grant names them. */
const neverImplied: readonly string[] = [
  "count/resourceclaims.resource.k8s.io",
  "requests.storage",
  "services.loadbalancers",
  "services.nodeports",
];

const classSuffix = ".storageclass.storage.k8s.io/requests.storage";
const classClaimsSuffix = ".storageclass.storage.k8s.io/persistentvolumeclaims";

/** Returns the storage class in a key; undefined for other keys. */
export const classOf = (key: string): string | undefined =>
  key.endsWith(classSuffix) ? key.slice(0, -classSuffix.length) : undefined;

/**
 * Fills in the defaults of a grant. Every key needs a value, because a key missing in a quota is unlimited. Each grant
 * is completed separately before summing, so that adding a grant never takes from another.
 *
 * @param classes storage classes with separate keys: none if no grant of the namespace names one
 * @param reported keys of other grants in the namespace, which need a value in this one too
 */
export function completeList(
  named: ResourceList,
  unnamed: Unnamed,
  classes: Iterable<string>,
  reported: Iterable<string> = [],
): Map<string, Quantity> {
  const out = new Map(named);
  for (const resource of computeResources) {
    const [requests, limits] = [`requests.${resource}`, `limits.${resource}`];
    const unsaid = resource === "ephemeral-storage" ? parseQuantity(unnamed.ephemeralStorage) : zero;
    const given = named.get(requests) ?? named.get(limits) ?? unsaid;
    out.set(requests, given);
    out.set(limits, named.get(limits) ?? given);
  }
  const ownClasses = [...named].filter(([key]) => classOf(key) !== undefined);
  if (!named.has("requests.storage") && ownClasses.length > 0) {
    out.set("requests.storage", sumQuantities(ownClasses.map(([, quantity]) => quantity)));
  }
  setMissing(out, neverImplied, zero);
  setMissing(out, ownCounts, parseQuantity(unnamed.objects));
  setMissing(out, ["pods"], parseQuantity(unnamed.pods));
  for (const [key, least] of derivedDefaults(out, unnamed)) setMissing(out, [key], least);
  const anyClass = ownClasses.length > 0 ? zero : out.get("requests.storage")!;
  setMissing(out, [...classes].map((name) => name + classSuffix), anyClass);
  for (const key of reported) if (!out.has(key)) out.set(key, unnamedOf(key, out, unnamed));
  return out;
}

/** Returns a grant's default for a key that only another grant names. */
function unnamedOf(key: string, hard: ResourceList, { objects }: Unnamed): Quantity {
  if (key.endsWith(classClaimsSuffix)) return hard.get("persistentvolumeclaims")!;
  return key.startsWith("count/") ? parseQuantity(objects) : zero;
}

function setMissing(hard: Map<string, Quantity>, keys: readonly string[], value: Quantity): void {
  for (const key of keys) if (!hard.has(key)) hard.set(key, value);
}

/**
 * Returns the storage classes that need separate keys: all, as soon as a grant names one. They keep them from then on:
 * a key removed from the quota would be unlimited, and one at zero would take from grants that name no class.
 *
 * @param earlier keys of the present quota
 */
export function classesToTell(
  all: readonly ResourceList[],
  offered: readonly string[],
  earlier: Iterable<string>,
): string[] {
  const keys = [...all.flatMap((hard) => [...hard.keys()]), ...earlier];
  const named = new Set(keys.flatMap((key) => classOf(key) ?? []));
  return named.size === 0 ? [] : [...new Set([...named, ...offered])].sort();
}

/**
 * Objects that the quota counts although they aren't the guests' own: the ConfigMaps of the cluster's CA and of the
 * guide, and the ServiceAccount `default`.
 */
const standard: ReadonlyMap<string, Quantity> = new Map([
  ["configmaps", parseQuantity("2")],
  ["count/serviceaccounts", parseQuantity("1")],
]);

/** Reports whether every guest namespace has objects that this key counts, even without grants. */
export const countsStandardObjects = (key: string): boolean => standard.has(key);

/** Reports whether a quota key counts devices or huge pages rather than cpu, memory and storage. */
export const isDevice = (key: string): boolean => /^requests\.(hugepages-|.+\/)|\.deviceclass\./.test(key);

/**
 * Returns the quota of a guest namespace for a sum of grants. Resources that nodes offer but no grant includes are
 * zero, and so are devices of earlier grants, because a missing key would be unlimited.
 */
export function quotaList(
  sum: ResourceList,
  offered: readonly string[],
  earlier: Iterable<string>,
): Map<string, Quantity> {
  const out = new Map(sum);
  setMissing(out, [...offered, ...[...earlier].filter(isDevice)], zero);
  for (const [key, count] of standard) out.set(key, (sum.get(key) ?? zero).add(count));
  return out;
}

/** Returns the quota of a guest namespace without grants: all keys are zero. */
export function closedList(offered: readonly string[], earlier: Iterable<string>): Map<string, Quantity> {
  return new Map([...everyKey, ...offered, ...earlier].map((key) => [key, zero]));
}

/** Keys that every quota has. */
const everyKey: readonly string[] = [
  ...completeList(new Map(), { pods: 0, objects: 0, history: 0, ephemeralStorage: "0" }, []).keys(),
];

/** Reports whether a quota key limits stored objects and data, rather than what runs or can be reached. */
const isStored = (key: string): boolean =>
  ownCounts.includes(key) || restoredCounts.has(key) || key === "requests.storage" || key.includes(".storageclass.");

/** Counts of controllers' objects that a backup contains. Not Jobs, which CronJobs would create without end. */
const restoredCounts: ReadonlySet<string> = new Set(["count/controllerrevisions.apps", "count/replicasets.apps"]);

/** Returns the limits of what runs or can be reached. */
export const withoutStored = (hard: ResourceList): Map<string, Quantity> =>
  new Map([...hard].filter(([key]) => !isStored(key)));

/**
 * Returns the frozen limits during a notice: the remaining amounts or the present usage, whichever is larger, but at
 * most the granted amounts. They are computed once, because following the usage down would lose a replica that
 * restarts.
 */
export function freezeList(
  granted: ResourceList,
  remaining: ResourceList,
  used: Readonly<Record<string, string>>,
): Map<string, Quantity> {
  return new Map([...granted].map(([key, most]) => {
    const inUse = minQuantity(most, parseQuantity(own(used, key) ?? "0"));
    const rest = remaining.get(key) ?? zero;
    const after = standard.has(key) ? minQuantity(most, rest.add(standard.get(key)!)) : rest;
    return [key, maxQuantity(after, inUse)];
  }));
}

/** Returns the larger quantity for each key. */
export function largerList(a: ResourceList, b: ResourceList): Map<string, Quantity> {
  const out = new Map(a);
  for (const [key, quantity] of b) out.set(key, maxQuantity(out.get(key) ?? zero, quantity));
  return out;
}

/** Returns the keys in which usage exceeds the limit. */
export function overused(hard: ResourceList, used: Readonly<Record<string, string>>): string[] {
  return [...hard].filter(([key, most]) => parseQuantity(own(used, key) ?? "0").compare(most) > 0)
    .map(([key]) => key).sort();
}

/** A grant to which usage can be attributed. */
export interface Claim {
  name: string;
  hard: ResourceList;
  /** Epoch milliseconds; undefined: never. */
  endsAt?: number;
}

/** Compares by end, the latest first and no end before all, then by name. */
const byEnd = (a: Claim, b: Claim): number =>
  (b.endsAt ?? Infinity) === (a.endsAt ?? Infinity)
    ? (a.name < b.name ? -1 : 1)
    : (b.endsAt ?? Infinity) > (a.endsAt ?? Infinity)
    ? 1
    : -1;

/**
 * Attributes usage to claims, first to those that last longest, so that a share shows the usage that has to go when its
 * claim ends. Usage beyond the sum of all claims is attributed to none.
 */
export function allot(
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
