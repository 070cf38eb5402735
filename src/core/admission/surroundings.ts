/** Makes {@linkcode Surroundings} of the API's objects, and the surroundings after an outcome. */
import type { Quantity } from "../../../lib/quantity/mod.ts";
import { quotaName } from "../guest/objects/quota.ts";
import { own } from "../own.ts";
import { sumLists } from "../resources/quota_lists.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import type { Autoscaler, NodeState, Outcome, QuotaRoom, QuotaScope, Surroundings } from "./change.ts";
import type { Giver } from "./givers.ts";
import { type Fields, partsOf, readableList, stringOf } from "./fields.ts";

/**
 * Returns a ResourceQuota of the namespace.
 *
 * @param givers grants to the realm: they give what quota `keystone` has
 */
export function quotaRoomOf(quota: unknown, givers: readonly Giver[] = []): QuotaRoom {
  const read = partsOf(quota);
  const known = rooms.get(read);
  if (known && known.givers.length === givers.length && known.givers.every((giver, index) => giver === givers[index])) {
    return known.room;
  }
  const room = roomOf(read, givers);
  rooms.set(read, { room, givers });
  return room;
}

/** Cache: the webhook judges by the same quota many times, and a changed quota is another object. */
const rooms = new WeakMap<Fields, { room: QuotaRoom; givers: readonly Giver[] }>();

function roomOf({ metadata, spec, status }: Fields, givers: readonly Giver[]): QuotaRoom {
  const name = stringOf(partsOf(metadata).name);
  const { scopes, scopeSelector, hard: asked } = partsOf(spec);
  const hard = readableList(partsOf(status).hard);
  return {
    name,
    hard,
    used: readableList(partsOf(status).used),
    scopes: scopesOf(scopes, scopeSelector),
    ...(name === quotaName ? { granted: grantedIn(hard, readableList(asked), givers) } : {}),
  };
}

/**
 * Returns the amounts of all grants together, by the quota's keys. An amount raised a moment ago is not in the quota's
 * status yet; one on notice no longer is.
 */
export function grantedIn(hard: ResourceList, asked: ResourceList, givers: readonly Giver[]): ResourceList {
  const sum = sumLists(givers.map((giver) => giver.hard));
  return new Map([...hard].map(([key, most]) => [key, larger(larger(most, asked.get(key)), sum.get(key))]));
}

const larger = (a: Quantity, b: Quantity | undefined): Quantity => b !== undefined && b.compare(a) > 0 ? b : a;

/** Returns the scopes of spec.scopes and spec.scopeSelector. */
export function scopesOf(scopes: unknown, selector: unknown): QuotaScope[] {
  const plain = Array.isArray(scopes) ? scopes : [];
  const { matchExpressions } = partsOf(selector);
  const expressions = Array.isArray(matchExpressions) ? matchExpressions : [];
  return [
    ...plain.map((name): QuotaScope => ({ name: stringOf(name), operator: "Exists", values: [] })),
    ...expressions.map(partsOf).map(({ scopeName, operator, values }): QuotaScope => ({
      name: stringOf(scopeName),
      operator: operator === "In" || operator === "NotIn" || operator === "DoesNotExist" ? operator : "Exists",
      values: Array.isArray(values) ? values.map(stringOf) : [],
    })),
  ];
}

/** Returns a HorizontalPodAutoscaler of any version; undefined if it has no target. */
export function autoscalerOf(object: unknown): Autoscaler | undefined {
  const { metadata, spec } = partsOf(object);
  const { scaleTargetRef, minReplicas, maxReplicas } = partsOf(spec);
  const { kind, name } = partsOf(scaleTargetRef);
  if (typeof kind !== "string" || typeof name !== "string") return undefined;
  const count = (value: unknown, byDefault: number) => Number.isSafeInteger(value) ? value as number : byDefault;
  const min = count(minReplicas, 1);
  return {
    name: stringOf(partsOf(metadata).name),
    kind,
    target: name,
    min,
    max: count(maxReplicas, min),
  };
}

/** Returns a Node as the DaemonSet controller sees it. */
export function nodeStateOf(node: unknown): NodeState {
  const { metadata, spec } = partsOf(node);
  const { name, labels } = partsOf(metadata);
  const { taints } = partsOf(spec);
  return {
    name: stringOf(name),
    labels: partsOf(labels) as Record<string, string>,
    taints: (Array.isArray(taints) ? taints : []).map(partsOf).map(({ key, value, effect }) => ({
      key: stringOf(key),
      effect: stringOf(effect),
      ...(value === undefined ? {} : { value: stringOf(value) }),
    })),
  };
}

const defaultAnnotations = [
  "storageclass.kubernetes.io/is-default-class",
  "storageclass.beta.kubernetes.io/is-default-class",
] as const;

/** The fields of a StorageClass that select the default. */
interface ClassMetadata {
  name?: string;
  creationTimestamp?: string;
  annotations?: Record<string, string>;
}

/** Reports whether a StorageClass is annotated as a default. */
export const isDefaultClass = (metadata: ClassMetadata | undefined): boolean =>
  defaultAnnotations.some((annotation) => own(metadata?.annotations, annotation) === "true");

/**
 * Returns the default StorageClass as the API server selects it: the newest annotated one, then by name
 * (GetDefaultClass in pkg/volume/util/storageclass.go). Null: there is none.
 */
export const defaultClassOf = (classes: readonly { metadata?: ClassMetadata }[]): string | null =>
  defaultClassIn(classes.map(({ metadata }) => ({
    name: metadata?.name ?? "",
    ...(isDefaultClass(metadata) ? { defaultFrom: Date.parse(metadata?.creationTimestamp ?? "") || 0 } : {}),
  })));

/** Returns the default among classes with the creation times of annotated ones. */
export function defaultClassIn(classes: readonly { name: string; defaultFrom?: number }[]): string | null {
  const annotated = classes.flatMap(({ name, defaultFrom }) =>
    defaultFrom === undefined ? [] : [{ name, defaultFrom }]
  );
  const [first] = annotated.sort((a, b) => b.defaultFrom - a.defaultFrom || (a.name < b.name ? -1 : 1));
  return first?.name ?? null;
}

/** Returns the surroundings after an outcome, for the next object of the input. */
export function following({ takes, claims }: Outcome, around: Surroundings): Surroundings {
  return {
    ...around,
    quotas: around.quotas.map((quota) => {
      const more = takes.get(quota.name);
      return more ? { ...quota, used: sumLists([quota.used, more]) } : quota;
    }),
    ...(around.claims ? { claims: new Map([...around.claims, ...claims]) } : {}),
  };
}
