/** Reads fields of workloads from untrusted JSON. */
import type { PodSpec } from "../../../lib/kubernetes_apis/core@v1.ts";
import { own } from "../own.ts";
import { partsOf } from "./fields.ts";

/** An object is not a valid object of its kind; the message has field and value. */
export class UnreadableWorkload extends Error {
  override readonly name = "UnreadableWorkload";
}

/** Usual kinds, with the resource name by which a quota counts them. */
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

/** Returns the name by which a quota counts an object; undefined for a kind that is not known. */
export const resourceOf = (object: unknown): string | undefined => {
  const { apiVersion, kind } = partsOf(object);
  return own(resources, `${apiVersion}/${kind}`);
};

/**
 * Returns a list; empty if it is absent.
 *
 * @throws {UnreadableWorkload} if it is something else
 */
export function listOf(at: string, value: unknown): unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new UnreadableWorkload(`${at} is ${JSON.stringify(value)}. It must be a list.`);
  return value;
}

/**
 * Returns a count; `byDefault` if it is absent.
 *
 * @throws {UnreadableWorkload} if it is something else
 */
export function countOf(at: string, value: unknown, byDefault: number): number {
  if (value === undefined || value === null) return byDefault;
  if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > 2 ** 31 - 1) {
    throw new UnreadableWorkload(`${at} is ${JSON.stringify(value)}. It must be a whole number, such as 3.`);
  }
  return value as number;
}

/**
 * Returns the spec of a pod, of which at least containers are certain.
 *
 * @throws {UnreadableWorkload} if it has none
 */
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
  for (const field of ["volumes", "resourceClaims"]) listOf(`${where}.${field}`, spec[field]);
  return spec as unknown as PodSpec;
}
