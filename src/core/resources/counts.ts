/**
 * The objects that a guest namespace can hold, by resource, and what bounds the number of each. Every resource that guests
 * may create, and every one that Kubernetes' controllers create on their behalf, is here: a test holds this table against
 * the guests' role and against the roles of a real cluster's controllers.
 */
import { parseQuantity, Quantity } from "../../../lib/quantity/mod.ts";
import type { ResourceList } from "./resource_list.ts";

/** Defaults for what a grant does not name, and how much history workloads keep. */
export interface CountDefaults {
  pods: number;
  /** Of each resource that guests create themselves. */
  objects: number;
  /** Old revisions that a workload keeps, and finished Jobs of each outcome that a CronJob keeps. */
  history: number;
}

/** Resources that guests create themselves, each under its own quota key. */
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
  services: "services",
  "statefulsets.apps": "count/statefulsets.apps",
};

/** Resources of which controllers create some for each owner: as many as their owners may have at once must fit. */
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
    // The history of both outcomes, one that runs and the next one; and those of the guest's own.
    least: (hard, { history, objects }) =>
      times(sum(hard, "count/cronjobs.batch"), 2 * history + 2).add(whole(objects)),
  },
  pods: {
    key: "count/pods",
    // `pods` leaves out those that have finished, which stay until their owner or the garbage collector takes them away.
    least: (hard) => times(sum(hard, "pods"), 2).add(whole(100)),
  },
  "replicasets.apps": {
    key: "count/replicasets.apps",
    least: (hard, { history, objects }) => times(sum(hard, "count/deployments.apps"), history + 2).add(whole(objects)),
  },
};

/** Resources that nobody can create beyond what is counted, though no quota counts them, and why. */
export const boundedBy: ReadonlyMap<string, string> = new Map(Object.entries({
  endpoints: "one for each Service, which is counted",
  "endpointslices.discovery.k8s.io": "by the Services and pods, which are counted",
  "events":
    "by the rate at which a source may write them and their time to live, an hour unless the API server says else",
  "events.events.k8s.io": "the same objects as events",
  "resourceclaims.resource.k8s.io": "none: count/resourceclaims.resource.k8s.io is 0 unless a grant names it",
  serviceaccounts: "only default, which Kubernetes makes: guests may not create any",
}));

/** The quota key that counts a resource, such as `replicasets.apps`; undefined where none does. */
export const countKeyOf = (resource: string): string | undefined =>
  Object.hasOwn(own, resource) ? own[resource] : Object.hasOwn(derived, resource) ? derived[resource]!.key : undefined;

/** The resources that a quota key counts. */
export const countedResources: readonly string[] = [...Object.keys(own), ...Object.keys(derived)];

/** The keys whose default is the number of objects that a trust level gives of each kind. */
export const ownCounts: readonly string[] = Object.values(own);

/** The keys whose default follows from other counts. */
export const derivedCounts: readonly string[] = Object.values(derived).map(({ key }) => key);

/**
 * The default of each derived count: never so low that a workload within the grant could not be rolled out, restarted or
 * run on its schedule because its own controller is refused an object.
 *
 * @param hard holds the counts of the owners already
 */
export const derivedDefaults = (hard: ResourceList, defaults: CountDefaults): [key: string, least: Quantity][] =>
  Object.values(derived).map(({ key, least }) => [key, least(hard, defaults)]);

const whole = (count: number): Quantity => parseQuantity(String(count));
const zero = whole(0);

const sum = (hard: ResourceList, ...keys: string[]): Quantity =>
  keys.map((key) => hard.get(key) ?? zero).reduce((a, b) => a.add(b));

const times = ({ nanos, format }: Quantity, count: number): Quantity => new Quantity(nanos * BigInt(count), format);
