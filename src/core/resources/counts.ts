/**
 * Objects that a guest namespace can hold, by resource, and the limit on the number of each. The table has every
 * resource that guests may create or that Kubernetes' controllers create on their behalf: a test compares it with the
 * guests' role and with the roles of a real cluster's controllers.
 */
import { parseQuantity, Quantity } from "../../../lib/quantity/mod.ts";
import type { ResourceList } from "./resource_list.ts";

/** Defaults for counts that a grant does not name, and the history of workloads. */
export interface CountDefaults {
  pods: number;
  /** Objects of each resource that guests create themselves. */
  objects: number;
  /** Old revisions of a workload, and finished Jobs of each outcome of a CronJob. */
  history: number;
}

/** Resources that guests create themselves, with their quota keys. */
const own: Readonly<Record<string, string>> = {
  configmaps: "configmaps",
  "cronjobs.batch": "count/cronjobs.batch",
  "daemonsets.apps": "count/daemonsets.apps",
  "deployments.apps": "count/deployments.apps",
  "horizontalpodautoscalers.autoscaling": "count/horizontalpodautoscalers.autoscaling",
  persistentvolumeclaims: "persistentvolumeclaims",
  "poddisruptionbudgets.policy": "count/poddisruptionbudgets.policy",
  replicationcontrollers: "replicationcontrollers",
  secrets: "secrets",
  serviceaccounts: "count/serviceaccounts",
  services: "services",
  "statefulsets.apps": "count/statefulsets.apps",
};

/** Resources that controllers create for each owner: the maximum number for all owners must fit. */
const derived: Readonly<
  Record<string, { key: string; least: (hard: ResourceList, defaults: CountDefaults) => Quantity }>
> = {
  "controllerrevisions.apps": {
    key: "count/controllerrevisions.apps",
    // The current revision, the next one, and the history.
    least: (hard, { history }) => times(sum(hard, "count/statefulsets.apps", "count/daemonsets.apps"), history + 2),
  },
  "jobs.batch": {
    key: "count/jobs.batch",
    // The history of both outcomes, the running and the next Job, and Jobs that the guest creates directly.
    least: (hard, { history, objects }) =>
      times(sum(hard, "count/cronjobs.batch"), 2 * history + 2).add(whole(objects)),
  },
  pods: {
    key: "count/pods",
    // `pods` excludes finished pods, which exist until their owner or the garbage collector deletes them.
    least: (hard) => times(sum(hard, "pods"), 2).add(whole(100)),
  },
  "replicasets.apps": {
    key: "count/replicasets.apps",
    least: (hard, { history, objects }) => times(sum(hard, "count/deployments.apps"), history + 2).add(whole(objects)),
  },
};

/** Resources that no quota key counts, with the reason that their number is bounded nevertheless. */
export const boundedBy: ReadonlyMap<string, string> = new Map(Object.entries({
  endpoints: "one for each Service, which is counted",
  "endpointslices.discovery.k8s.io": "by the Services and pods, which are counted",
  "events":
    "by the rate at which a source may write them and their time to live, one hour unless the API server is configured " +
    "otherwise",
  "events.events.k8s.io": "the same objects as events",
  "resourceclaims.resource.k8s.io": "none: count/resourceclaims.resource.k8s.io is 0 unless a grant names it",
}));

/** Returns the quota key that counts a resource such as `replicasets.apps`, if any. */
export const countKeyOf = (resource: string): string | undefined =>
  Object.hasOwn(own, resource) ? own[resource] : Object.hasOwn(derived, resource) ? derived[resource]!.key : undefined;

/** Resources that a quota key counts. */
export const countedResources: readonly string[] = [...Object.keys(own), ...Object.keys(derived)];

/** Keys whose default is the trust level's number of objects of each kind. */
export const ownCounts: readonly string[] = Object.values(own);

/** Keys whose default follows from other counts. */
export const derivedCounts: readonly string[] = Object.values(derived).map(({ key }) => key);

/**
 * Returns the default of each derived count: high enough that a controller can always create the objects to roll out,
 * restart or schedule a workload within the grant.
 *
 * @param hard amounts that already include the counts of the owners
 */
export const derivedDefaults = (hard: ResourceList, defaults: CountDefaults): [key: string, least: Quantity][] =>
  Object.values(derived).map(({ key, least }) => [key, least(hard, defaults)]);

const whole = (count: number): Quantity => parseQuantity(String(count));
const zero = whole(0);

const sum = (hard: ResourceList, ...keys: string[]): Quantity =>
  keys.map((key) => hard.get(key) ?? zero).reduce((a, b) => a.add(b));

const times = ({ nanos, format }: Quantity, count: number): Quantity => new Quantity(nanos * BigInt(count), format);
