/** Reads from untrusted JSON the objects that a workload creates: pods of one shape, claims, and itself. */
import type { PodSpec } from "../../../lib/kubernetes_apis/core@v1.ts";
import { own } from "../own.ts";
import { type Fields, partsOf } from "./fields.ts";

/** A workload, before its amounts are counted. */
export interface Workload {
  kind: string;
  name: string;
  pods?: PodSet;
  claims: ClaimSet[];
  /** Number of objects that it is or creates, by resource and group, such as `deployments.apps`. */
  objects: ReadonlyMap<string, number>;
  /** Load balancers and node ports of a Service; `unasked` if it takes node ports only by default. */
  exposed?: { loadBalancers: number; nodePorts: number; unasked: boolean };
}

/** Pods of one shape. */
export interface PodSet {
  spec: PodSpec;
  /** Number of pods that run at once. */
  count: number;
  /** Number of pods that are certain: which nodes run a DaemonSet's pods is not known beforehand. */
  sure: number;
  /** True if a change of the template needs room for one more pod before it can end one. */
  needsSurge: boolean;
}

export interface ClaimSet {
  count: number;
  /** Size, as a quantity. */
  storage: string;
  /** Undefined means the cluster's default class, `""` means no class. */
  storageClass?: string;
}

/** An object is not a valid object of its kind; the message has field and value. */
export class UnreadableWorkload extends Error {
  override readonly name = "UnreadableWorkload";
}

/** Kinds that are checked, with the resource name by which a quota counts them. */
const resources: Readonly<Record<string, string>> = {
  "v1/Pod": "pods",
  "v1/Service": "services",
  "v1/PersistentVolumeClaim": "persistentvolumeclaims",
  "v1/ReplicationController": "replicationcontrollers",
  "v1/ConfigMap": "configmaps",
  "v1/Secret": "secrets",
  "apps/v1/Deployment": "deployments.apps",
  "apps/v1/ReplicaSet": "replicasets.apps",
  "apps/v1/StatefulSet": "statefulsets.apps",
  "apps/v1/DaemonSet": "daemonsets.apps",
  "batch/v1/Job": "jobs.batch",
  "batch/v1/CronJob": "cronjobs.batch",
  "policy/v1/PodDisruptionBudget": "poddisruptionbudgets.policy",
  "autoscaling/v1/HorizontalPodAutoscaler": "horizontalpodautoscalers.autoscaling",
  "autoscaling/v2/HorizontalPodAutoscaler": "horizontalpodautoscalers.autoscaling",
};

/** Reports whether a grant limits objects of this kind. */
export const isCounted = (object: unknown): boolean => {
  const { apiVersion, kind } = partsOf(object);
  return `${apiVersion}/${kind}` in resources;
};

/** Returns the name by which a quota counts an object; undefined for a kind that is not known. */
export const resourceOf = (object: unknown): string | undefined => {
  const { apiVersion, kind } = partsOf(object);
  return own(resources, `${apiVersion}/${kind}`);
};

/**
 * Reads an object of a kind that is counted.
 *
 * @param nodes number of nodes, for DaemonSets
 * @throws {UnreadableWorkload} with the field
 */
export function workloadFrom(object: unknown, nodes: number): Workload {
  const { apiVersion, kind, metadata, spec: anySpec } = partsOf(object);
  const resource = resources[`${apiVersion}/${kind}`];
  if (resource === undefined) {
    throw new UnreadableWorkload(
      `The kind is ${apiVersion}/${kind}. It must be one of ${Object.keys(resources).join(", ")}.`,
    );
  }
  const { name, generateName } = partsOf(metadata);
  const spec = partsOf(anySpec);
  const what: Workload = {
    kind: String(kind),
    name: String(name ?? (generateName === undefined ? "" : `${generateName}…`)),
    claims: [],
    objects: new Map([[resource, 1]]),
  };
  const pods = (at: string, template: unknown, count: number, more: Partial<PodSet> = {}): PodSet => ({
    spec: podSpecFrom(`${at}.spec`, partsOf(template).spec),
    count,
    sure: count,
    needsSurge: false,
    ...more,
  });
  switch (kind) {
    case "Pod":
      return { ...what, objects: new Map(), pods: { ...pods("", { spec: anySpec }, 1) } };
    case "ReplicaSet":
    case "ReplicationController":
      return { ...what, pods: pods("spec.template", spec.template, countOf("spec.replicas", spec.replicas, 1)) };
    case "Deployment": {
      const count = countOf("spec.replicas", spec.replicas, 1);
      return {
        ...what,
        objects: new Map([[resource, 1], ["replicasets.apps", 1]]),
        pods: pods("spec.template", spec.template, count, { needsSurge: needsSurge(spec.strategy, count) }),
      };
    }
    case "StatefulSet": {
      const count = countOf("spec.replicas", spec.replicas, 1);
      const templates = listOf("spec.volumeClaimTemplates", spec.volumeClaimTemplates);
      return {
        ...what,
        objects: new Map([[resource, 1], ["controllerrevisions.apps", 1]]),
        pods: pods("spec.template", spec.template, count),
        claims: templates.map((template, index) =>
          claimFrom(`spec.volumeClaimTemplates[${index}].spec`, partsOf(template).spec, count)
        ),
      };
    }
    case "DaemonSet":
      return {
        ...what,
        objects: new Map([[resource, 1], ["controllerrevisions.apps", 1]]),
        pods: pods("spec.template", spec.template, nodes, { sure: Math.min(1, nodes) }),
      };
    case "Job":
      return { ...what, pods: jobPods("spec", spec) };
    case "CronJob": {
      const job = partsOf(partsOf(spec.jobTemplate).spec);
      return {
        ...what,
        objects: new Map([[resource, 1], ["jobs.batch", 1]]),
        pods: jobPods("spec.jobTemplate.spec", spec.suspend === true ? { ...job, suspend: true } : job),
      };
    }
    case "PersistentVolumeClaim":
      // The claim is counted as a claim.
      return { ...what, objects: new Map(), claims: [claimFrom("spec", spec, 1)] };
    case "Service":
      return { ...what, ...exposure(spec) };
    default:
      return what;
  }

  function jobPods(at: string, job: Fields): PodSet {
    const parallelism = countOf(`${at}.parallelism`, job.parallelism, 1);
    const completions = countOf(`${at}.completions`, job.completions, parallelism);
    const count = job.suspend === true ? 0 : Math.min(parallelism, completions);
    return pods(`${at}.template`, job.template, count);
  }
}

export function listOf(at: string, value: unknown): unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new UnreadableWorkload(`${at} is ${JSON.stringify(value)}. It must be a list.`);
  return value;
}

export function countOf(at: string, value: unknown, byDefault: number): number {
  if (value === undefined || value === null) return byDefault;
  if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > 2 ** 31 - 1) {
    throw new UnreadableWorkload(`${at} is ${JSON.stringify(value)}. It must be a whole number, such as 3.`);
  }
  return value as number;
}

export function podSpecFrom(at: string, value: unknown): PodSpec {
  const where = at.replace(/^\./, "");
  const spec = partsOf(value);
  const containers = listOf(`${where}.containers`, spec.containers);
  if (containers.length === 0) {
    throw new UnreadableWorkload(`${where}.containers is missing. A pod must have at least one.`);
  }
  for (const [field, list] of [["containers", containers], ["initContainers", spec.initContainers]] as const) {
    for (const [index, container] of listOf(`${where}.${field}`, list).entries()) {
      if (typeof container !== "object" || container === null || Array.isArray(container)) {
        throw new UnreadableWorkload(
          `${where}.${field}[${index}] is ${JSON.stringify(container)}. It must be a container.`,
        );
      }
    }
  }
  return spec as unknown as PodSpec;
}

function claimFrom(at: string, value: unknown, count: number): ClaimSet {
  const spec = partsOf(value);
  const { storage } = partsOf(partsOf(spec.resources).requests);
  if (typeof storage !== "string" && typeof storage !== "number") {
    throw new UnreadableWorkload(`${at}.resources.requests.storage is missing. Set a quantity, such as 10Gi.`);
  }
  const { storageClassName } = spec;
  return {
    count,
    storage: String(storage),
    ...(typeof storageClassName === "string" ? { storageClass: storageClassName } : {}),
  };
}

/** Counts node ports by intent, as a quota does: they are allocated later (pkg/quota/v1/evaluator/core/services.go). */
function exposure(spec: Fields): Pick<Workload, "exposed"> {
  const ports = listOf("spec.ports", spec.ports);
  if (spec.type === "NodePort") {
    return { exposed: { loadBalancers: 0, nodePorts: ports.length, unasked: false } };
  }
  if (spec.type !== "LoadBalancer") return {};
  const allocates = spec.allocateLoadBalancerNodePorts !== false;
  const named = ports.filter((port) => Number(partsOf(port).nodePort ?? 0) !== 0).length;
  return {
    exposed: { loadBalancers: 1, nodePorts: allocates ? ports.length : named, unasked: allocates && named === 0 },
  };
}

/** Reports whether a roll-out must start a new pod before it ends an old one (ResolveFenceposts in deployment_util.go). */
function needsSurge(strategy: unknown, replicas: number): boolean {
  const { type, rollingUpdate } = partsOf(strategy);
  if (type === "Recreate" || replicas === 0) return false;
  const { maxSurge = "25%", maxUnavailable = "25%" } = partsOf(rollingUpdate);
  const surge = partOf(maxSurge, replicas, Math.ceil);
  return partOf(maxUnavailable, replicas, Math.floor) === 0 && surge > 0;
}

export function partOf(value: unknown, whole: number, round: (part: number) => number): number {
  if (typeof value === "number") return value;
  const percent = String(value).match(/^(\d{1,4})%$/)?.[1];
  return percent === undefined ? 0 : round(Number(percent) * whole / 100);
}
