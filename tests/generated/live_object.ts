/** Objects as the API server stores them, of any kind. */
import type { KubernetesObject, Resource, Stored } from "../../lib/kubernetes/mod.ts";

/** Any object of Kubernetes; its fields are those of its kind. */
export interface AnyObject extends KubernetesObject {
  // deno-lint-ignore no-explicit-any
  [field: string]: any;
}

/** An object in the cluster. */
export type WatchedObject = Stored<AnyObject> & {
  metadata: { ownerReferences?: { uid: string; controller?: boolean; kind: string }[] };
};

const resource = (group: string, version: string, kind: string, plural: string): Resource<AnyObject> => ({
  group,
  version,
  kind,
  plural,
  namespaced: true,
});

/** Kinds that the comparison applies or watches, by name. */
export const comparedKinds = {
  Pod: resource("", "v1", "Pod", "pods"),
  Deployment: resource("apps", "v1", "Deployment", "deployments"),
  ReplicaSet: resource("apps", "v1", "ReplicaSet", "replicasets"),
  StatefulSet: resource("apps", "v1", "StatefulSet", "statefulsets"),
  DaemonSet: resource("apps", "v1", "DaemonSet", "daemonsets"),
  Job: resource("batch", "v1", "Job", "jobs"),
  CronJob: resource("batch", "v1", "CronJob", "cronjobs"),
  ReplicationController: resource("", "v1", "ReplicationController", "replicationcontrollers"),
  PersistentVolumeClaim: resource("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
  Service: resource("", "v1", "Service", "services"),
  ResourceQuota: resource("", "v1", "ResourceQuota", "resourcequotas"),
  LimitRange: resource("", "v1", "LimitRange", "limitranges"),
  HorizontalPodAutoscaler: resource("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
  Event: resource("", "v1", "Event", "events"),
} as const satisfies Record<string, Resource<AnyObject>>;

export type ComparedKind = keyof typeof comparedKinds;

/** Returns the resource of a kind, which has to be one of {@linkcode comparedKinds}. */
export function resourceOfKind(kind: string | undefined): Resource<AnyObject> {
  const found = comparedKinds[kind as ComparedKind];
  if (found === undefined) throw new Error(`The comparison doesn't know the kind ${kind}.`);
  return found;
}

/** Reports whether the pod has ended: quotas of amounts no longer count it. */
export const hasEnded = ({ status }: AnyObject): boolean => ["Succeeded", "Failed"].includes(status?.phase);

/** Reports whether the pod runs and is ready. */
export const isReadyPod = ({ metadata, status }: AnyObject): boolean =>
  metadata?.deletionTimestamp === undefined && status?.phase === "Running" &&
  (status.conditions ?? []).some(({ type, status }: { type: string; status: string }) =>
    type === "Ready" && status === "True"
  );

/** Returns the uid of the controller that owns the object. */
export const controllerUid = ({ metadata }: WatchedObject): string | undefined =>
  metadata.ownerReferences?.find(({ controller }) => controller)?.uid;
