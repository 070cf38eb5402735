/** A workload's requirements by quota key: the sum of its pods, its claims and the object itself. */
import type { LimitRangeItem } from "../../../lib/kubernetes_apis/core@v1.ts";
import { parseQuantity, Quantity } from "../../../lib/quantity/mod.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import { podUsage } from "../guest/pod_usage.ts";
import { own } from "../own.ts";
import { withDefaults } from "./defaults.ts";
import { type ClaimSet, UnreadableWorkload, type Workload, workloadFrom } from "./workload.ts";

/** Cluster and namespace settings that affect a workload's requirements. */
export interface AdmissionDefaults {
  /** Items of the namespace's LimitRanges. */
  limits: readonly LimitRangeItem[];
  /** Number of nodes. */
  nodes: number;
  /** Default StorageClass; undefined if there is none or it is not known. */
  defaultStorageClass?: string;
  /** Overhead of each RuntimeClass for a pod, by name. */
  overheads?: Readonly<Record<string, Readonly<Record<string, string | number>>>>;
}

/** Amounts by quota key. */
export interface Requirements {
  kind: string;
  name: string;
  /** Amounts of one pod, if there are pods. */
  each?: ResourceList;
  /** Number of pods. */
  count: number;
  /** Amounts of the whole workload. */
  total: ResourceList;
  /** The certain part of that: of a DaemonSet only one pod. */
  sure: ResourceList;
  /** True if a roll-out needs room for one more pod. */
  needsSurge: boolean;
  /** Reason for which none of its pods can be created, whatever the quota. */
  obstacle?: string;
  /** True if a load balancer takes node ports only by default. */
  unaskedNodePorts: boolean;
}

/**
 * Returns the requirements of an object.
 *
 * @throws {UnreadableWorkload} when it is not a valid object of its kind
 */
export function requirementsOf(object: unknown, defaults: AdmissionDefaults): Requirements {
  return requirementsFrom(workloadFrom(object, defaults.nodes), defaults);
}

function requirementsFrom(workload: Workload, defaults: AdmissionDefaults): Requirements {
  const { kind, name, pods, claims, objects, exposed } = workload;
  const itself = new Map<string, Quantity>();
  for (const [resource, count] of objects) addObjects(itself, resource, count);
  if (exposed) {
    add(itself, "services.loadbalancers", whole(exposed.loadBalancers));
    add(itself, "services.nodeports", whole(exposed.nodePorts));
  }
  for (const claim of claims) addClaims(itself, claim, defaults);
  const common = { kind, name, needsSurge: pods?.needsSurge ?? false, unaskedNodePorts: exposed?.unasked ?? false };
  if (!pods) return { ...common, count: 0, total: itself, sure: itself };
  const overhead = pods.spec.overhead ?? own(defaults.overheads, String(pods.spec.runtimeClassName));
  const { spec, obstacle } = withDefaults({ ...pods.spec, ...(overhead ? { overhead } : {}) }, defaults.limits);
  const each = new Map(podUsage(spec));
  each.set("count/pods", whole(1));
  return {
    ...common,
    each,
    count: pods.count,
    total: plus(itself, times(each, pods.count)),
    sure: plus(itself, times(each, pods.sure)),
    ...(obstacle ? { obstacle } : {}),
  };
}

const whole = (count: number): Quantity => parseQuantity(String(count));

function add(to: Map<string, Quantity>, key: string, quantity: Quantity): void {
  to.set(key, to.get(key)?.add(quantity) ?? quantity);
}

/** Kinds that a quota also counts without `count/`. */
const plainKeys: ReadonlySet<string> = new Set([
  "configmaps",
  "persistentvolumeclaims",
  "replicationcontrollers",
  "secrets",
  "services",
]);

function addObjects(to: Map<string, Quantity>, resource: string, count: number): void {
  add(to, `count/${resource}`, whole(count));
  if (plainKeys.has(resource)) add(to, resource, whole(count));
}

function addClaims(
  to: Map<string, Quantity>,
  { count, storage, storageClass }: ClaimSet,
  around: AdmissionDefaults,
): void {
  let size: Quantity;
  try {
    size = parseQuantity(storage);
  } catch {
    throw new UnreadableWorkload(
      `resources.requests.storage is ${JSON.stringify(storage)}. It must be a quantity, such as 10Gi.`,
    );
  }
  const all = product(size, count);
  addObjects(to, "persistentvolumeclaims", count);
  add(to, "requests.storage", all);
  const name = storageClass ?? around.defaultStorageClass ?? "";
  if (name === "") return;
  add(to, `${name}.storageclass.storage.k8s.io/requests.storage`, all);
  add(to, `${name}.storageclass.storage.k8s.io/persistentvolumeclaims`, whole(count));
}

const product = ({ nanos, format }: Quantity, count: number): Quantity => new Quantity(nanos * BigInt(count), format);

/** Multiplies all quantities. */
export const times = (hard: ResourceList, count: number): Map<string, Quantity> =>
  new Map([...hard].map(([key, quantity]) => [key, product(quantity, count)]));

function plus(a: ResourceList, b: ResourceList): Map<string, Quantity> {
  const sum = new Map(a);
  for (const [key, quantity] of b) add(sum, key, quantity);
  return sum;
}
