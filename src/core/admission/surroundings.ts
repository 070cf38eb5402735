/** Makes {@linkcode Surroundings} of the API's objects, and the surroundings after an outcome. */
import { isQuantity, parseQuantity, type Quantity } from "../../../lib/quantity/mod.ts";
import { quotaName } from "../guest/objects/quota.ts";
import { sumLists } from "../resources/quota_lists.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import type { Autoscaler, NodeState, Outcome, QuotaRoom, QuotaScope, Surroundings } from "./change.ts";
import type { BudgetGrant } from "./budget.ts";
import { fieldsOf, textOf } from "./fields.ts";

/** Returns the quantities of a list without those that can't be read. */
export const readableList = (list: unknown): Map<string, Quantity> =>
  new Map(
    Object.entries(fieldsOf(list)).flatMap(([key, value]): [string, Quantity][] => {
      const text = String(value);
      return isQuantity(text) ? [[key, parseQuantity(text)]] : [];
    }),
  );

/**
 * Returns a ResourceQuota of the namespace.
 *
 * @param givers grants to the realm: they give what quota `keystone` has
 */
export function quotaRoomOf(quota: unknown, givers: readonly BudgetGrant[] = []): QuotaRoom {
  const { metadata, spec, status } = fieldsOf(quota);
  const name = textOf(fieldsOf(metadata).name);
  const { scopes, scopeSelector, hard: asked } = fieldsOf(spec);
  const hard = readableList(fieldsOf(status).hard);
  return {
    name,
    hard,
    used: readableList(fieldsOf(status).used),
    scopes: scopesOf(scopes, scopeSelector),
    ...(name === quotaName ? { granted: grantedIn(hard, readableList(asked), givers) } : {}),
  };
}

/**
 * Returns the amounts of all grants together, by the quota's keys. An amount raised a moment ago is not in the quota's
 * status yet; one on notice no longer is.
 */
export function grantedIn(hard: ResourceList, asked: ResourceList, givers: readonly BudgetGrant[]): ResourceList {
  const sum = sumLists(givers.map((giver) => giver.hard));
  return new Map([...hard].map(([key, most]) => [key, larger(larger(most, asked.get(key)), sum.get(key))]));
}

const larger = (a: Quantity, b: Quantity | undefined): Quantity => b !== undefined && b.compare(a) > 0 ? b : a;

/** Returns the scopes of spec.scopes and spec.scopeSelector. */
export function scopesOf(scopes: unknown, selector: unknown): QuotaScope[] {
  const plain = Array.isArray(scopes) ? scopes : [];
  const { matchExpressions } = fieldsOf(selector);
  const expressions = Array.isArray(matchExpressions) ? matchExpressions : [];
  return [
    ...plain.map((name): QuotaScope => ({ name: textOf(name), operator: "Exists", values: [] })),
    ...expressions.map(fieldsOf).map(({ scopeName, operator, values }): QuotaScope => ({
      name: textOf(scopeName),
      operator: operator === "In" || operator === "NotIn" || operator === "DoesNotExist" ? operator : "Exists",
      values: Array.isArray(values) ? values.map(textOf) : [],
    })),
  ];
}

/** Returns a HorizontalPodAutoscaler of any version; undefined if it has no target. */
export function autoscalerOf(object: unknown): Autoscaler | undefined {
  const { metadata, spec } = fieldsOf(object);
  const { scaleTargetRef, minReplicas, maxReplicas } = fieldsOf(spec);
  const { kind, name } = fieldsOf(scaleTargetRef);
  if (typeof kind !== "string" || typeof name !== "string") return undefined;
  const count = (value: unknown, byDefault: number) => Number.isSafeInteger(value) ? value as number : byDefault;
  const min = count(minReplicas, 1);
  return {
    name: textOf(fieldsOf(metadata).name),
    kind,
    target: name,
    min,
    max: count(maxReplicas, min),
  };
}

/** Returns a Node as the DaemonSet controller sees it. */
export function nodeStateOf(node: unknown): NodeState {
  const { metadata, spec } = fieldsOf(node);
  const { name, labels } = fieldsOf(metadata);
  const { taints } = fieldsOf(spec);
  return {
    name: textOf(name),
    labels: fieldsOf(labels) as Record<string, string>,
    taints: (Array.isArray(taints) ? taints : []).map(fieldsOf).map(({ key, value, effect }) => ({
      key: textOf(key),
      effect: textOf(effect),
      ...(value === undefined ? {} : { value: textOf(value) }),
    })),
  };
}

const defaultAnnotations = [
  "storageclass.kubernetes.io/is-default-class",
  "storageclass.beta.kubernetes.io/is-default-class",
] as const;

/** The fields of a StorageClass that select the default. */
interface ClassObject {
  metadata?: { name?: string; creationTimestamp?: string; annotations?: Record<string, string> };
}

/**
 * Returns the default StorageClass as the API server selects it: the newest annotated one, then by name
 * (GetDefaultClass in pkg/volume/util/storageclass.go). Null: there is none.
 */
export function defaultClassOf(classes: readonly ClassObject[]): string | null {
  const annotated = classes.filter(({ metadata }) =>
    defaultAnnotations.some((annotation) => metadata?.annotations?.[annotation] === "true")
  );
  const createdAt = ({ metadata }: ClassObject) => Date.parse(metadata?.creationTimestamp ?? "") || 0;
  const nameOf = ({ metadata }: ClassObject) => metadata?.name ?? "";
  const [first] = annotated.sort((a, b) => createdAt(b) - createdAt(a) || (nameOf(a) < nameOf(b) ? -1 : 1));
  return first ? nameOf(first) : null;
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
