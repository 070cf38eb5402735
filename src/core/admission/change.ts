/**
 * Questions and answers of {@linkcode judge}: one object that is created or changed, the state of its namespace, and
 * the outcome. The CLI fills in answers of the API server; the webhook leaves out what it can't read.
 *
 * An input of several objects is judged in order: `outcome = judge(change, around); around = following(outcome, around)`.
 */
import type { LimitRangeItem, PodSpec } from "../../../lib/kubernetes_apis/core@v1.ts";
import type { Quantity } from "../../../lib/quantity/mod.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import type { Giver } from "./givers.ts";

/** An object as the API returns it; nothing about it is certain. */
export type ApiObject = Readonly<Record<string, unknown>>;

/** An object that is created or changed. */
export interface Change {
  /** The object as the API server would store it (`asked`), else as written. */
  after: unknown;
  /** True if `after` comes from the API server: it has all defaults, and omitted fields have their live values. */
  asked: boolean;
  /** The object as stored now; absent: it is created. */
  before?: unknown;
  /** Name by which a quota counts the object, such as `ingresses.networking.k8s.io`; absent: known by its kind. */
  resource?: string;
  /**
   * One pod of the new template as the API server admits it (dry run): with defaults of LimitRanges, overhead, priority
   * and all that admission adds. Absent: the model adds what it knows.
   */
  pod?: PodSpec;
  /** The API server's reason, other than a quota, for refusing such a pod; as a sentence. */
  obstacle?: string;
  /** The live objects of this owner. Absent: unknown; the object's status is used. */
  present?: Present;
}

/** Live objects that belong to one owner, by controller references and UIDs (never by labels or names). */
export interface Present {
  /** Pods of the owner, of its ReplicaSets or of its Jobs, also finished and terminating ones. */
  pods: readonly ApiObject[];
  /** Of a Deployment. */
  replicaSets?: readonly ApiObject[];
  /** Of a CronJob. */
  jobs?: readonly ApiObject[];
  /** ControllerRevisions of a StatefulSet or DaemonSet. */
  revisions?: readonly ApiObject[];
}

/** A ResourceQuota; {@linkcode quotaRoomOf} makes one of an API object. */
export interface QuotaRoom {
  name: string;
  /** Limits that admission enforces (status.hard), by the quota's own keys. */
  hard: ResourceList;
  used: ResourceList;
  /** Limits that all grants give together (quota `keystone` only): more than `hard` while a part is on notice. */
  granted?: ResourceList;
  /** All must match (spec.scopes and spec.scopeSelector). */
  scopes: readonly QuotaScope[];
}

export interface QuotaScope {
  /** For example `BestEffort` or `PriorityClass`. */
  name: string;
  operator: "Exists" | "DoesNotExist" | "In" | "NotIn";
  values: readonly string[];
}

/** An existing PersistentVolumeClaim. */
export interface ClaimState {
  /** spec.resources.requests.storage. */
  storage?: string;
  storageClass?: string;
}

/** A HorizontalPodAutoscaler, live or of the input; {@linkcode autoscalerOf} makes one of an API object. */
export interface Autoscaler {
  name: string;
  kind: string;
  target: string;
  min: number;
  max: number;
}

/** A node as the DaemonSet controller sees it; {@linkcode nodeStateOf} makes one of an API object. */
export interface NodeState {
  name: string;
  labels: Readonly<Record<string, string>>;
  taints: readonly { key: string; value?: string; effect: string }[];
}

/** State of the namespace and the cluster. Members that may be absent are unknown then, as to a guest. */
export interface Surroundings {
  namespace: string;
  /** Every ResourceQuota of the namespace. */
  quotas: readonly QuotaRoom[];
  /** Grants to the realm, for messages. */
  givers: readonly Giver[];
  /** Items of every LimitRange of the namespace. */
  limits: readonly LimitRangeItem[];
  /** Existing claims by name. */
  claims?: ReadonlyMap<string, ClaimState>;
  /** Autoscalers of the input and live ones; the input's replace live ones of the same name. */
  autoscalers: readonly Autoscaler[];
  nodes?: readonly NodeState[];
  /** Name of the default StorageClass, from {@linkcode defaultClassOf}; null: the cluster has none. */
  defaultStorageClass?: string | null;
  /** Overhead of each RuntimeClass for a pod, by name. */
  overheads?: Readonly<Record<string, Readonly<Record<string, string | number>>>>;
}

/** A quota key whose amount is too small. */
export interface Shortfall {
  /** The quota's name. */
  quota: string;
  key: string;
  /** Missing amount for all pods and claims to come. */
  requested: Quantity;
  /** Amount that is free for it, with what the owner gives back. */
  free: Quantity;
  hard: Quantity;
  short: Quantity;
}

/** Changes that fit; each has been tried with the model, and a unit test applies them again. */
export interface Proposal {
  /** Number of pods in total that fit at their size. */
  pods?: number;
  /** Amounts of a pod with which all pods fit, for each key that is short. */
  size?: { pods: number; amounts: ResourceList };
  /** For objects without pods: the largest amount in total. */
  upTo?: { key: string; most: Quantity };
  /** spec.strategy.rollingUpdate.maxUnavailable of 1 allows the roll-out. */
  maxUnavailable?: true;
}

export interface Outcome {
  kind: string;
  name: string;
  /** Reports whether all pods and claims of the change come; null: not judged. */
  fits: boolean | null;
  /** Reason of null, as a sentence. */
  notJudged?: string;
  /** True if it exceeds all grants together whatever else goes: the webhook refuses it. */
  never: boolean;
  shortfalls: readonly Shortfall[];
  /** Pods after the change: the wanted number, those that come, and the number to create. */
  pods?: { wanted: number; come: number; created: number };
  /** Reason for which no pod can be created, whatever the quotas. */
  obstacle?: string;
  /** One message: fits, or the reason and the remedy. */
  message: string;
  /** Further reasons to change something, also if it fits. */
  warnings: readonly string[];
  /** Facts about the answer, such as that a suspended Job starts no pod. */
  notes: readonly string[];
  proposal?: Proposal;
  /** Amounts that it uses in addition, by quota; negative if it gives back. */
  takes: ReadonlyMap<string, ResourceList>;
  /** Claims that it creates, by name. */
  claims: ReadonlyMap<string, ClaimState>;
}
