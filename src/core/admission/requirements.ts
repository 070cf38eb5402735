/** What a workload takes of a quota: the sum of its pods, its claims and itself. */
import type { LimitRangeItem } from "../../../lib/kubernetes_apis/core@v1.ts";
import { parseQuantity, Quantity } from "../../../lib/quantity/mod.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import { podUsage } from "../guest/pod_usage.ts";
import { own } from "../own.ts";
import { withDefaults } from "./defaults.ts";
import { type ClaimSet, UnreadableWorkload, type Workload, workloadFrom } from "./workload.ts";

/** What stands around a workload and shapes what it takes. */
export interface AdmissionDefaults {
  /** Items of the namespace's LimitRanges. */
  limits: readonly LimitRangeItem[];
  /** How many nodes there are. */
  nodes: number;
  /** The storage class of claims that name none; undefined when it isn't known, or there is none. */
  defaultStorageClass?: string;
  /** What a RuntimeClass adds to each pod, by its name. */
  overheads?: Readonly<Record<string, Readonly<Record<string, string | number>>>>;
}

/** Amounts by quota key. */
export interface Requirements {
  kind: string;
  name: string;
  /** What one pod takes, when there are pods. */
  each?: ResourceList;
  /** How many pods. */
  count: number;
  /** What it all comes to. */
  total: ResourceList;
  /** What of that is certain: of a DaemonSet only one pod is. */
  sure: ResourceList;
  /** A roll-out needs room for one more pod. */
  needsSurge: boolean;
  /** Why not one of its pods is made, whatever the quota. */
  obstacle?: string;
  /** Node ports that a load balancer takes only since nobody said that it needs none. */
  unaskedNodePorts: boolean;
}

/**
 * The demand of an object.
 *
 * @throws {UnreadableWorkload} when it isn't what it says it is
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
    throw new UnreadableWorkload(`resources.requests.storage is ${JSON.stringify(storage)}; write for example 10Gi.`);
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

/** So many times the same. */
export const times = (hard: ResourceList, count: number): Map<string, Quantity> =>
  new Map([...hard].map(([key, quantity]) => [key, product(quantity, count)]));

function plus(a: ResourceList, b: ResourceList): Map<string, Quantity> {
  const sum = new Map(a);
  for (const [key, quantity] of b) add(sum, key, quantity);
  return sum;
}
