/**
 * Usage of pods, claims and objects by quota key, and the quotas that count them. Sources: pkg/quota/v1/evaluator/core
 * and plugin/pkg/admission/resourcequota.
 */
import type { Container, PodSpec } from "../../../lib/kubernetes_apis/core@v1.ts";
import { parseQuantity, Quantity } from "../../../lib/quantity/mod.ts";
import { podUsage } from "../guest/pod_usage.ts";
import { own } from "../own.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import type { QuotaRoom, QuotaScope } from "./change.ts";
import { itemsOf, partsOf } from "./fields.ts";

const one = parseQuantity("1");

export const wholeQuantity = (count: number): Quantity => new Quantity(BigInt(count) * one.nanos, "DecimalSI");

/** Returns the usage of a pod with all defaults. */
export function usageOfPod(spec: PodSpec): Map<string, Quantity> {
  const usage = podUsage(spec);
  usage.set("count/pods", one);
  const claims = itemsOf((spec as { resourceClaims?: unknown }).resourceClaims)
    .filter((claim) => typeof partsOf(claim).resourceClaimTemplateName === "string").length;
  if (claims > 0) usage.set("count/resourceclaims.resource.k8s.io", wholeQuantity(claims));
  return usage;
}

/** Returns the usage of a finished pod. */
export const finishedUsage: ResourceList = new Map([["count/pods", one]]);

/** Returns the usage of a claim; `storageClass` empty: none. */
export function usageOfClaim(size: Quantity, storageClass: string): Map<string, Quantity> {
  const usage = new Map([["persistentvolumeclaims", one], ["requests.storage", size]]);
  if (storageClass !== "") {
    usage.set(`${storageClass}.storageclass.storage.k8s.io/requests.storage`, size);
    usage.set(`${storageClass}.storageclass.storage.k8s.io/persistentvolumeclaims`, one);
  }
  return usage;
}

/** Kinds that a quota also counts without `count/`. */
const plainKeys: ReadonlySet<string> = new Set([
  "configmaps",
  "persistentvolumeclaims",
  "replicationcontrollers",
  "resourcequotas",
  "secrets",
  "services",
]);

/** Returns the usage of objects; `resource` has its group, such as `deployments.apps`. */
export const usageOfObjects = (resource: string, count: number): Map<string, Quantity> =>
  new Map([[plainKeys.has(resource) ? resource : `count/${resource}`, wholeQuantity(count)]]);

/** Reports whether a quota counts objects other than pods and claims. */
export const countsObjects = ({ scopes }: QuotaRoom): boolean => scopes.length === 0;

/** Reports whether a quota counts a claim. */
export const countsClaim = (attributesClass: string | undefined) => ({ scopes }: QuotaRoom): boolean =>
  scopes.every((scope) => scope.name === "VolumeAttributesClass" && matchesValue(scope, attributesClass));

/** Reports whether a quota counts a pod. */
export const countsPod = (spec: PodSpec) => ({ scopes }: QuotaRoom): boolean =>
  scopes.every((scope) => isInScope(spec, scope));

function isInScope(spec: PodSpec, scope: QuotaScope): boolean {
  switch (scope.name) {
    case "Terminating":
      return typeof spec.activeDeadlineSeconds === "number";
    case "NotTerminating":
      return typeof spec.activeDeadlineSeconds !== "number";
    case "BestEffort":
      return isBestEffort(spec);
    case "NotBestEffort":
      return !isBestEffort(spec);
    case "PriorityClass":
      return matchesValue(scope, spec.priorityClassName || undefined);
    case "CrossNamespacePodAffinity":
      return crossesNamespaces(spec);
    default:
      return false;
  }
}

function matchesValue({ operator, values }: QuotaScope, value: string | undefined): boolean {
  switch (operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "DoesNotExist":
      return value === undefined;
    default:
      return value !== undefined;
  }
}

const containersOf = (spec: PodSpec): Container[] => [...spec.containers ?? [], ...spec.initContainers ?? []];

/** Reports whether the pod's QoS class is BestEffort (pkg/apis/core/v1/helper/qos). */
const isBestEffort = (spec: PodSpec): boolean =>
  [spec, ...containersOf(spec)].every(({ resources }) =>
    [resources?.requests, resources?.limits].every((list) =>
      ["cpu", "memory"].every((name) => {
        const amount = own(list ?? {}, name);
        return amount === undefined || parseQuantity(amount).sign() <= 0;
      })
    )
  );

function crossesNamespaces({ affinity }: PodSpec): boolean {
  const terms = [affinity?.podAffinity, affinity?.podAntiAffinity].map(partsOf).flatMap((each) => [
    ...itemsOf(each.requiredDuringSchedulingIgnoredDuringExecution),
    ...itemsOf(each.preferredDuringSchedulingIgnoredDuringExecution).map((term) => partsOf(term).podAffinityTerm),
  ]).map(partsOf);
  return terms.some(({ namespaces, namespaceSelector }) =>
    itemsOf(namespaces).length > 0 || (namespaceSelector !== undefined && namespaceSelector !== null)
  );
}

/** Keys that a quota requires each container to state (validationSet). */
const stated: Readonly<Record<string, readonly ["requests" | "limits", string]>> = {
  "cpu": ["requests", "cpu"],
  "memory": ["requests", "memory"],
  "requests.cpu": ["requests", "cpu"],
  "requests.memory": ["requests", "memory"],
  "limits.cpu": ["limits", "cpu"],
  "limits.memory": ["limits", "memory"],
};

/** Returns the amount that a quota requires a container to state and that is missing, as a sentence. */
export function unstated(spec: PodSpec, quotas: readonly QuotaRoom[]): string | undefined {
  // Pod-level resources make up for the containers' (Constraints in pods.go).
  const ofPod = [spec.resources?.requests, spec.resources?.limits];
  if (ofPod.some((list) => list && Object.keys(list).some(isPodLevel))) return undefined;
  for (const quota of quotas.filter(countsPod(spec))) {
    for (const [key, [side, name]] of Object.entries(stated)) {
      if (!quota.hard.has(key)) continue;
      const missing = containersOf(spec).find(({ resources }) => own(resources?.[side] ?? {}, name) === undefined);
      if (missing) {
        return `Quota ${quota.name} limits ${key}, so container ${missing.name} must set resources.${side}.${name}.`;
      }
    }
  }
  return undefined;
}

const isPodLevel = (name: string): boolean => name === "cpu" || name === "memory" || name.startsWith("hugepages-");
