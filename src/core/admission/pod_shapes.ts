/** Pods of one shape and claims, with their loads on the quotas. */
import { isDeepStrictEqual } from "node:util";
import type { PodSpec } from "../../../lib/kubernetes_apis/core@v1.ts";
import { isQuantity, parseQuantity, type Quantity } from "../../../lib/quantity/mod.ts";
import { own } from "../own.ts";
import { sumLists } from "../resources/quota_lists.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import type { ClaimState, Surroundings } from "./change.ts";
import { withDefaults } from "./defaults.ts";
import { type Fields, itemsOf, partsOf, stringOf } from "./fields.ts";
import { type Ledger, type Load, sumLoads } from "./ledger.ts";
import type { PodLoads } from "./roll_out.ts";
import { countsClaim, countsPod, unstated, usageOfClaim, usageOfPod } from "./usage.ts";
import { podSpecFrom, UnreadableWorkload } from "./workload.ts";

/** One claim to create, for a pod or a StatefulSet's ordinal. */
export interface ClaimShape {
  /** Name of its template or volume. */
  name: string;
  state: ClaimState;
  usage: ResourceList;
  load: Load;
  /** True if its class is the API server's default, which is not known but limited. */
  unsure: boolean;
}

/** One pod of a template. */
export interface PodShape extends PodLoads {
  spec: PodSpec;
  usage: ResourceList;
  /** Generic ephemeral volumes. */
  volumes: readonly ClaimShape[];
  /** Reason for which no such pod can be created, as a sentence. */
  obstacle?: string;
}

/** The namespace of pods that are sized, with its quotas. */
export interface QuotaPlace {
  around: Surroundings;
  ledger: Ledger;
  /** Claims of equal size and class, so that many of them cost little. */
  claims?: Map<string, Omit<ClaimShape, "name">>;
  /** Pods of templates that were sized, so that advice with another number of pods costs little. */
  shapes?: Map<unknown, PodShape>;
}

/** Answers about a template's pods, and amounts to try. */
export interface Tried {
  /** One such pod as the API server admits it. */
  pod?: PodSpec;
  /** Amounts that replace the template's. */
  resized?: ResourceList;
}

/**
 * Returns the shape of a template's pods.
 *
 * @param at path of the template, for messages
 */
export function shapeOf(place: QuotaPlace, at: string, template: unknown, { pod, resized }: Tried = {}): PodShape {
  const known = pod ? undefined : place.shapes?.get(template);
  const shape = known ?? shapeOfPod(place, podSpecFrom(`${at}${at ? "." : ""}spec`, partsOf(template).spec), pod);
  if (!pod) place.shapes?.set(template, shape);
  if (!resized) return shape;
  const usage = new Map([...shape.usage, ...resized]);
  return { ...shape, usage, pod: place.ledger.loadOf(usage, countsPod(shape.spec)) };
}

function shapeOfPod(place: QuotaPlace, written: PodSpec, admitted?: PodSpec): PodShape {
  const { around, ledger } = place;
  const { spec, obstacle } = admitted ? { spec: admitted, obstacle: undefined } : modelled(written, around);
  const usage = usageOfPod(spec);
  const volumes = itemsOf(spec.volumes).map(partsOf).filter(({ ephemeral }) => partsOf(ephemeral).volumeClaimTemplate)
    .map(({ name, ephemeral }) =>
      claimShape(place, stringOf(name), partsOf(partsOf(ephemeral).volumeClaimTemplate).spec)
    );
  const why = obstacle ?? (admitted ? undefined : unstated(spec, around.quotas)) ??
    volumes.map(({ state }) => claimObstacle(state, around)).find((each) => each !== undefined);
  return {
    spec,
    usage,
    volumes,
    pod: ledger.loadOf(usage, countsPod(spec)),
    claims: sumLoads(...volumes.map(({ load }) => [load, 1] as const)),
    ...(why === undefined ? {} : { obstacle: why }),
  };
}

/** Adds the defaults that the model knows. */
function modelled(written: PodSpec, { overheads, limits }: Surroundings) {
  const overhead = written.overhead ?? own(overheads, String(written.runtimeClassName));
  return withDefaults({ ...written, ...(overhead ? { overhead } : {}) }, limits);
}

/** Returns the shape of a live pod; undefined if its spec can't be read. */
export function liveShape(place: QuotaPlace, spec: unknown): PodShape | undefined {
  try {
    const read = podSpecFrom("spec", spec);
    return shapeOfPod(place, read, read);
  } catch {
    // A live pod's quantities were validated; one that can't be read gives nothing back.
    return undefined;
  }
}

/** Returns the usage of a pod with its ephemeral volumes. */
export const wholeUsage = ({ usage, volumes }: PodShape): ResourceList =>
  sumLists([usage, ...volumes.map((volume) => volume.usage)]);

/** Returns the load of a pod with its ephemeral volumes. */
export const wholeLoad = ({ pod, claims }: PodLoads): Load => claims.size === 0 ? pod : sumLoads([pod, 1], [claims, 1]);

/**
 * Returns the shape of a claim.
 *
 * @throws {UnreadableWorkload} if it has no readable size
 */
export function claimShape(
  { around, ledger, claims }: QuotaPlace,
  name: string,
  value: unknown,
  at = name,
): ClaimShape {
  const spec = partsOf(value);
  const { storageClassName, volumeAttributesClassName } = spec;
  const key = JSON.stringify([partsOf(spec.resources).requests, storageClassName, volumeAttributesClassName]);
  const known = claims?.get(key);
  if (known) return { name, ...known };
  const size = claimSize(spec, at);
  const storageClass = typeof storageClassName === "string" ? storageClassName : around.defaultStorageClass ?? "";
  const usage = usageOfClaim(size, storageClass);
  const attributes = typeof volumeAttributesClassName === "string" ? volumeAttributesClassName : undefined;
  const shape = {
    state: { storage: size.toString(), storageClass },
    usage,
    load: ledger.loadOf(usage, countsClaim(attributes)),
    unsure: isClassUnknown(spec, around),
  };
  claims?.set(key, shape);
  return { name, ...shape };
}

function claimSize(spec: Fields, at: string): Quantity {
  const { storage } = partsOf(partsOf(spec.resources).requests);
  if (typeof storage !== "string" && typeof storage !== "number") {
    throw new UnreadableWorkload(`${at}.resources.requests.storage is missing. Set a quantity, such as 10Gi.`);
  }
  if (!isQuantity(String(storage))) {
    throw new UnreadableWorkload(
      `${at}.resources.requests.storage is ${JSON.stringify(storage)}. It must be a quantity, such as 10Gi.`,
    );
  }
  return parseQuantity(storage);
}

/** Reports whether a claim leaves its class to the API server, and the default is not known but limited. */
function isClassUnknown(spec: unknown, { defaultStorageClass, quotas }: Surroundings): boolean {
  return partsOf(spec).storageClassName === undefined && defaultStorageClass === undefined &&
    quotas.some(({ hard }) => [...hard.keys()].some((key) => key.includes(".storageclass.storage.k8s.io/")));
}

/** Returns the reason for which a LimitRange refuses a claim. */
export function claimObstacle({ storage }: ClaimState, { limits }: Surroundings): string | undefined {
  if (storage === undefined) return undefined;
  const size = parseQuantity(storage);
  for (const { type, min, max } of limits) {
    if (type !== "PersistentVolumeClaim") continue;
    const [least, most] = [own(min, "storage"), own(max, "storage")];
    if (least !== undefined && size.compare(parseQuantity(least)) < 0) {
      return `A claim requests ${storage}; the minimum here is ${least}.`;
    }
    if (most !== undefined && size.compare(parseQuantity(most)) > 0) {
      return `A claim requests ${storage}; the maximum here is ${most}.`;
    }
  }
  return undefined;
}

const hashLabels = ["pod-template-hash", "controller-revision-hash"];

/**
 * Reports whether two templates give the same pods.
 *
 * @param asked true if both have all defaults; else every field of the first must be in the second
 */
export function sameTemplate(written: unknown, stored: unknown, asked: boolean): boolean {
  const a = withoutHash(written), b = withoutHash(stored);
  return asked ? isDeepStrictEqual(a, b) : isIn(a, b);
}

function withoutHash(template: unknown): Fields {
  const { metadata, $patch: _, ...rest } = partsOf(template);
  const { labels, annotations, creationTimestamp: __, ...other } = partsOf(metadata);
  return {
    ...rest,
    metadata: {
      ...other,
      labels: Object.fromEntries(Object.entries(partsOf(labels)).filter(([key]) => !hashLabels.includes(key))),
      annotations: partsOf(annotations),
    },
  };
}

/** Reports whether everything that is written is stored so. */
function isIn(written: unknown, stored: unknown): boolean {
  if (written === undefined || written === null) return true;
  if (Array.isArray(written)) {
    if (!Array.isArray(stored)) return written.length === 0;
    return written.length === stored.length && written.every((each, index) => isIn(each, stored[index]));
  }
  if (typeof written === "object") {
    const there = partsOf(stored);
    return Object.entries(written).every(([key, value]) => isIn(value, own(there, key)));
  }
  if (written === stored || String(written) === String(stored)) return true;
  const [a, b] = [String(written), String(stored)];
  return isQuantity(a) && isQuantity(b) && parseQuantity(a).compare(parseQuantity(b)) === 0;
}
