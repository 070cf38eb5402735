/** What grants give, as one ResourceQuota enforces it: summed exactly, and shared out again by use. */
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

// The API server takes both spellings for the same thing and would keep two books (pkg/quota/v1/evaluator/core/pods.go).
const aliases = new Map([
  ["cpu", "requests.cpu"],
  ["memory", "requests.memory"],
  ["ephemeral-storage", "requests.ephemeral-storage"],
  // Not pods: `pods` leaves out those that have finished, `count/pods` doesn't.
  ...["configmaps", "persistentvolumeclaims", "replicationcontrollers", "secrets", "services"].map((
    kind,
  ): [string, string] => [`count/${kind}`, kind]),
]);

const zero = parseQuantity("0");

/** The key under which a ResourceQuota counts `key`. */
export const quotaKey = (key: string): string => aliases.get(key) ?? key;

/**
 * The quantities of a grant's `hard`, under the keys that the quota has, rounded up to milli-units (finer ones can't
 * be in a quota, and rounding down would take from what was promised). Of a thing named by both its spellings the less is
 * given, as two limits in a quota would have it. The terms must not change.
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

/** Every plan asks for the same, and grants of the same terms share them. */
const parsed = new WeakMap<Readonly<Record<string, string | number>>, ResourceList>();

/** The exact sum, key by key. The order of the grants doesn't matter. */
export function sumLists(all: Iterable<ResourceList>): Map<string, Quantity> {
  const sum = new Map<string, Quantity>();
  for (const hard of all) {
    for (const [key, quantity] of hard) sum.set(key, sum.get(key)?.add(quantity) ?? quantity);
  }
  return sum;
}

/** Canonical text of each quantity, keys sorted so that equal values give equal JSON. The quantities must not change. */
export function shown(hard: ResourceList): Readonly<Record<string, string>> {
  const known = texts.get(hard);
  if (known) return known;
  const shown = Object.fromEntries(
    [...hard.keys()].sort().map((key) => [key, hard.get(key)!.toString()]),
  );
  texts.set(hard, shown);
  return shown;
}

/** A plan asks for the same several times. */
const texts = new WeakMap<ResourceList, Readonly<Record<string, string>>>();

/**
 * Quantities that stand in a status, which the API server checks as texts only: what is none gives nothing, because a key
 * that is left out would be unlimited.
 */
export const quantitiesOf = (texts: Readonly<Record<string, string>> | null | undefined): ResourceList =>
  new Map(Object.entries(texts ?? {}).map(([key, text]) => [key, isQuantity(text) ? parseQuantity(text) : zero]));

/** What a grant gives of what it doesn't name. */
export interface Unnamed extends CountDefaults {
  ephemeralStorage: string;
}

const computeResources = ["cpu", "memory", "ephemeral-storage"] as const;

/** Given only where a grant names them. */
const neverImplied: readonly string[] = [
  "count/resourceclaims.resource.k8s.io",
  "requests.storage",
  "services.loadbalancers",
  "services.nodeports",
];

const classSuffix = ".storageclass.storage.k8s.io/requests.storage";
const classClaimsSuffix = ".storageclass.storage.k8s.io/persistentvolumeclaims";

/** The storage class that a key is about; undefined for other keys. */
export const classOf = (key: string): string | undefined =>
  key.endsWith(classSuffix) ? key.slice(0, -classSuffix.length) : undefined;

/**
 * The whole of what a grant gives: what isn't named isn't given, since a key that is not in a quota is unlimited. A grant
 * is completed by itself, before the sum, so that adding one never takes from another.
 *
 * @param classes the storage classes to tell apart: none when no grant of the namespace does
 * @param reported keys that other grants of the namespace name: for this one they are limits too
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

/** What a grant gives of a key that only another grant names. */
function unnamedOf(key: string, hard: ResourceList, { objects }: Unnamed): Quantity {
  if (key.endsWith(classClaimsSuffix)) return hard.get("persistentvolumeclaims")!;
  return key.startsWith("count/") ? parseQuantity(objects) : zero;
}

function setMissing(hard: Map<string, Quantity>, keys: readonly string[], value: Quantity): void {
  for (const key of keys) if (!hard.has(key)) hard.set(key, value);
}

/**
 * The storage classes that have to be told apart: as soon as a grant names one, all there are. Once told apart they stay
 * so: a key that went from the quota would be unlimited, and one at zero would take from those that name none.
 *
 * @param earlier keys of the quota as it stands
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

/** Config maps that aren't the guests' own but are counted as theirs: the cluster's CA, and the guide to the grants. */
const ownConfigMaps = parseQuantity("2");

/** Whether a quota key counts devices, huge pages among them: what isn't a node's cpu, memory and storage. */
export const isDevice = (key: string): boolean => /^requests\.(hugepages-|.+\/)|\.deviceclass\./.test(key);

/**
 * The quota of a guest namespace for a sum of grants: what nodes offer and no grant gives is at zero, and so are devices
 * that an earlier sum gave, since a key that is not there would be unlimited.
 */
export function quotaList(
  sum: ResourceList,
  offered: readonly string[],
  earlier: Iterable<string>,
): Map<string, Quantity> {
  const out = new Map(sum);
  setMissing(out, [...offered, ...[...earlier].filter(isDevice)], zero);
  out.set("configmaps", (sum.get("configmaps") ?? zero).add(ownConfigMaps));
  return out;
}

/** The quota of a guest namespace in which nothing is granted: no pod may start, nothing may be claimed or made. */
export function closedList(offered: readonly string[], earlier: Iterable<string>): Map<string, Quantity> {
  const given = completeList(new Map(), { pods: 0, objects: 0, history: 0, ephemeralStorage: "0" }, []);
  return new Map([...given.keys(), ...offered, ...earlier].map((key) => [key, zero]));
}

/**
 * What may still be used while a part of what is granted is on notice: what remains afterwards, or what is used now if
 * that is more, but never more than is granted. Taken once: following the use downwards would lose a replica that
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
    const after = key === "configmaps" ? minQuantity(most, rest.add(ownConfigMaps)) : rest;
    return [key, maxQuantity(after, inUse)];
  }));
}

/** Key by key the larger. */
export function largerList(a: ResourceList, b: ResourceList): Map<string, Quantity> {
  const out = new Map(a);
  for (const [key, quantity] of b) out.set(key, maxQuantity(out.get(key) ?? zero, quantity));
  return out;
}

/** The keys of which more is used than there is. */
export function overused(hard: ResourceList, used: Readonly<Record<string, string>>): string[] {
  return [...hard].filter(([key, most]) => parseQuantity(own(used, key) ?? "0").compare(most) > 0)
    .map(([key]) => key).sort();
}

/** One grant's claim on what is used. */
export interface Claim {
  name: string;
  hard: ResourceList;
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
