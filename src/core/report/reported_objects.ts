/** Objects that explanations read, with the fields that they use. A field by others may be missing. */
import type {
  LimitRange,
  PersistentVolumeClaim,
  Pod,
  PodSpec,
  ResourceQuota,
} from "../../../lib/kubernetes_apis/core@v1.ts";

export interface ObjectOwner {
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
}

export interface ReportedMetadata {
  name?: string;
  namespace?: string;
  uid?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: ObjectOwner[];
  managedFields?: { manager?: string; subresource?: string }[];
}

export interface ReportedCondition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
}

export interface PodTemplate {
  metadata?: { labels?: Record<string, string>; annotations?: Record<string, string> };
  spec?: PodSpec;
}

/** An object of any of the kinds that are explained, before its kind's own fields are used. */
export interface ReportedObject {
  apiVersion?: string;
  kind?: string;
  metadata?: ReportedMetadata;
}

/** A Deployment, ReplicaSet, ReplicationController, StatefulSet or DaemonSet. */
export interface ReportedWorkload extends ReportedObject {
  spec?: {
    replicas?: number;
    paused?: boolean;
    minReadySeconds?: number;
    progressDeadlineSeconds?: number;
    template?: PodTemplate;
    strategy?: { type?: string; rollingUpdate?: RollingUpdate };
    updateStrategy?: { type?: string; rollingUpdate?: RollingUpdate & { partition?: number } };
    podManagementPolicy?: string;
  };
  status?: {
    observedGeneration?: number;
    replicas?: number;
    readyReplicas?: number;
    availableReplicas?: number;
    updatedReplicas?: number;
    currentRevision?: string;
    updateRevision?: string;
    desiredNumberScheduled?: number;
    currentNumberScheduled?: number;
    updatedNumberScheduled?: number;
    numberReady?: number;
    numberAvailable?: number;
    conditions?: ReportedCondition[];
  };
}

export interface RollingUpdate {
  maxSurge?: number | string;
  maxUnavailable?: number | string;
}

export interface ReportedJob extends ReportedObject {
  spec?: {
    parallelism?: number;
    completions?: number;
    backoffLimit?: number;
    suspend?: boolean;
    managedBy?: string;
    template?: PodTemplate;
  };
  status?: {
    active?: number;
    ready?: number;
    succeeded?: number;
    failed?: number;
    startTime?: string;
    completionTime?: string;
    conditions?: ReportedCondition[];
  };
}

export interface ReportedCronJob extends ReportedObject {
  spec?: {
    schedule?: string;
    timeZone?: string | null;
    suspend?: boolean;
    concurrencyPolicy?: string;
    startingDeadlineSeconds?: number;
    successfulJobsHistoryLimit?: number;
    failedJobsHistoryLimit?: number;
  };
  status?: { lastScheduleTime?: string; lastSuccessfulTime?: string; active?: { name?: string; uid?: string }[] };
}

export interface ReportedAutoscaler extends ReportedObject {
  spec?: {
    scaleTargetRef?: { apiVersion?: string; kind?: string; name?: string };
    minReplicas?: number;
    maxReplicas?: number;
  };
  status?: { currentReplicas?: number; desiredReplicas?: number; conditions?: ReportedCondition[] };
}

export interface ReportedSlice extends ReportedObject {
  endpoints?: { addresses?: string[]; conditions?: { ready?: boolean } }[];
}

/** A PodDisruptionBudget. */
export interface ReportedBudget extends ReportedObject {
  spec?: {
    selector?: {
      matchLabels?: Record<string, string>;
      matchExpressions?: { key: string; operator: string; values?: string[] }[];
    };
    minAvailable?: number | string;
    maxUnavailable?: number | string;
    unhealthyPodEvictionPolicy?: string;
  };
  status?: {
    observedGeneration?: number;
    disruptionsAllowed?: number;
    currentHealthy?: number;
    desiredHealthy?: number;
    expectedPods?: number;
    conditions?: ReportedCondition[];
  };
}

/** An event of the core API. */
export interface ReportedEvent {
  metadata?: ReportedMetadata;
  involvedObject?: { kind?: string; name?: string; uid?: string };
  type?: string;
  reason?: string;
  message?: string;
  count?: number;
  series?: { count?: number; lastObservedTime?: string } | null;
  lastTimestamp?: string | null;
  eventTime?: string | null;
}

/** Everything in one namespace that an explanation may need, as far as the user may read it. */
export interface ReportWorld {
  namespace: string;
  /** Epoch milliseconds. */
  now: number;
  pods: readonly Pod[];
  replicaSets: readonly ReportedWorkload[];
  jobs: readonly ReportedJob[];
  claims: readonly PersistentVolumeClaim[];
  slices: readonly ReportedSlice[];
  budgets: readonly ReportedBudget[];
  /** The target of an autoscaler, if it exists. */
  target?: ReportedObject | undefined;
  events: readonly ReportedEvent[];
  quotas: readonly ResourceQuota[];
  limitRanges: readonly LimitRange[];
  /** Grants in force, by the guide; undefined: the guide can't be read. */
  grants: readonly GuideGrant[] | undefined;
  /** Plurals of what the user may not read. */
  unread: readonly string[];
}

/** A grant as the guests' ConfigMap `keystone` lists it. */
export interface GuideGrant {
  name: string;
  from?: string;
  until?: string;
  notice?: { reason?: string; ends?: string; because?: string; message?: string };
  reductions?: { until?: string; hard?: Record<string, string> }[];
  hard: Record<string, string>;
  egress?: string[];
}

/** Returns the objects whose controller is the object, by UID. */
export const controlledBy = <T extends ReportedObject>(owner: ReportedObject, objects: readonly T[]): T[] =>
  objects.filter((each) => controllerOf(each)?.uid === owner.metadata?.uid);

/** Returns the controller of an object. */
export const controllerOf = ({ metadata }: ReportedObject): ObjectOwner | undefined =>
  metadata?.ownerReferences?.find(({ controller }) => controller);

export const objectName = ({ metadata }: ReportedObject): string => metadata?.name ?? "";
