/** Facts: projections of objects, with only the fields that planners need. */
import type { FlowSchemaSpec } from "../../lib/kubernetes_apis/flowcontrol.apiserver.k8s.io@v1.ts";
import type { GrantSpec, GrantStatus, RealmSpec, RealmStatus, SuperEntitySpec, SuperEntityStatus } from "../api/mod.ts";
import type { LimitRangeItem } from "../../lib/kubernetes_apis/core@v1.ts";
import type { NetworkPolicySpec } from "../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import type { Quantity } from "../../lib/quantity/mod.ts";
import type { Range } from "./address.ts";

export interface GrantFacts {
  name: string;
  uid: string;
  generation: number;
  /** Epoch milliseconds. */
  createdAt: number;
  /** deletionTimestamp in epoch milliseconds; undefined: not deleted. */
  deletingSince?: number;
  /** True if it has our finalizer. */
  finalized: boolean;
  /** Other finalizers. */
  otherFinalizers: readonly string[];
  resourceVersion: string;
  spec: GrantSpec;
  status: GrantStatus;
}

/** Reason that grants from and to a SuperEntity can't come into force. */
export interface EntityWaits {
  reason: "SuperEntityDeleted" | "SuperEntityIncomplete" | "SuperEntityPending";
  message: string;
}

export interface RealmFacts {
  name: string;
  uid: string;
  generation: number;
  /** Epoch milliseconds; undefined if irrelevant. */
  createdAt?: number;
  /**
   * Set if this is a SuperEntity as grantee: its approved members, the UIDs of their Realms, and the reason that grants
   * to it wait, if they do.
   */
  entity?: { members: readonly string[]; uids: readonly string[]; waits?: EntityWaits };
  deleting: boolean;
  /** StableID that the annotation keystone.io/trusted-node pins, if any. */
  trustedNode?: string;
  spec: RealmSpec;
  status: RealmStatus;
}

export interface SuperEntityFacts {
  name: string;
  uid: string;
  generation: number;
  /** Epoch milliseconds. */
  createdAt: number;
  /** deletionTimestamp in epoch milliseconds; undefined: not deleted. */
  deletingSince?: number;
  /** True if it has our finalizer. */
  finalized: boolean;
  /** Other finalizers. */
  otherFinalizers: readonly string[];
  resourceVersion: string;
  spec: SuperEntitySpec;
  status: SuperEntityStatus;
  /** Subjects of each member, by realm; undefined: not looked up. */
  subjects?: ReadonlyMap<string, readonly string[]>;
}

export interface NamespaceFacts {
  name: string;
  uid: string;
  /** Epoch milliseconds. */
  createdAt: number;
  labels: Readonly<Record<string, string>>;
  /** Its annotations that begin with keystone.io/. */
  annotations: Readonly<Record<string, string>>;
  deleting: boolean;
  /** Reason that its deletion waits, as reported by the namespace controller. */
  held?: string;
}

export interface QuotaFacts {
  namespace: string;
  name: string;
  uid: string;
  labels: Readonly<Record<string, string>>;
  /** spec.hard: the wanted limits. */
  specHard: Readonly<Record<string, string>>;
  /** True if spec has scopes, with which it counts only some pods. */
  scoped: boolean;
  /** status.hard: the limits that admission enforces. */
  statusHard: Readonly<Record<string, string>>;
  /** status.used. */
  used: Readonly<Record<string, string>>;
  /** The annotation keystone.io/cordon-hard, if any. */
  freeze?: string;
  /** The annotation keystone.io/provisioning-classes, if any. */
  provisioningClasses?: string;
}

export interface LimitRangeFacts {
  namespace: string;
  name: string;
  uid: string;
  labels: Readonly<Record<string, string>>;
  limits: readonly LimitRangeItem[];
}

export interface BindingFacts {
  namespace: string;
  name: string;
  uid: string;
  labels: Readonly<Record<string, string>>;
  roleRef: { kind: string; name: string };
  subjects: readonly { kind: string; name: string; namespace?: string }[];
  /** The annotation keystone.io/account, if any. */
  account?: string;
}

/** Restriction while the API server's database is nearly full: guests' writes, then also creating pods for them. */
export type GuestWrites = "Open" | "Closed" | "PodsClosed";

export interface FlowSchemaFacts {
  uid: string;
  labels: Readonly<Record<string, string>>;
  spec: FlowSchemaSpec | undefined;
  /** Value of its annotation, which the guard reads. */
  guestWrites: GuestWrites;
}

export interface ClusterRoleFacts {
  name: string;
  uid: string;
  labels: Readonly<Record<string, string>>;
  /** UIDs of its owners. */
  owners: readonly string[];
  rules: readonly {
    apiGroups?: string[];
    resources?: string[];
    resourceNames?: string[];
    verbs: string[];
  }[];
}

export interface ClusterBindingFacts {
  name: string;
  uid: string;
  labels: Readonly<Record<string, string>>;
  /** UIDs of its owners. */
  owners: readonly string[];
  subjects: readonly { kind: string; name: string; namespace?: string }[];
}

export interface ServiceAccountFacts {
  namespace: string;
  name: string;
  uid: string;
  labels: Readonly<Record<string, string>>;
  automount: boolean | undefined;
}

/** A ServiceAccount of a realm's people, in the operator's namespace. */
export interface IdentityFacts {
  namespace: string;
  name: string;
  uid: string;
  labels: Readonly<Record<string, string>>;
  /** Epoch milliseconds. */
  createdAt: number;
  deleting: boolean;
}

/** A Service that is reachable from outside the cluster. */
export interface ServiceFacts {
  namespace: string;
  name: string;
  uid: string;
  /** Epoch milliseconds. */
  createdAt: number;
  /** Its quota usage, by quota key. */
  usage: Readonly<Record<string, number>>;
}

export interface ConfigMapFacts {
  namespace: string;
  name: string;
  uid: string;
  labels: Readonly<Record<string, string>>;
  data: Readonly<Record<string, string>>;
  /** True if its data can't be changed any more. */
  immutable?: boolean;
}

export interface PodFacts {
  namespace: string;
  name: string;
  uid: string;
  /** Epoch milliseconds. */
  createdAt: number;
  priority: number;
  /** Its quota usage, by quota key. */
  usage: ReadonlyMap<string, Quantity>;
  /** True if only its identity is known, so its usage is unknown. */
  unreadable?: true;
  /** True if it has finished by itself; the quota doesn't count it. */
  finished: boolean;
  terminating: boolean;
  graceSeconds: number;
  finalizers: readonly string[];
  /** PodDisruptionBudget that refused its last eviction, if one did. */
  budget?: string;
}

/** Resources and protected ranges of the whole cluster. */
export interface ClusterFacts {
  /** Ranges of its pods, services, nodes and API server, which no grant opens. */
  ranges: readonly Range[];
  /** Reason that some ranges are unknown, with the remedy; then no range that may contain them is opened. */
  rangesUnknown?: string;
  /** Sentence with the reason that the nodes' LAN addresses are unknown. */
  lanUnknown?: string;
  /** Quota keys of the extended resources and huge pages that nodes offer, such as `requests.nvidia.com/gpu`. */
  extendedKeys: readonly string[];
  /** Names of the storage classes. */
  storageClasses: readonly string[];
  /** Storage classes that provision a volume for each claim; undefined while the classes can't be read. */
  provisioningClasses?: readonly string[];
  /** Total capacity of its nodes, by quota key; undefined while there are none or they can't be read. */
  capacity?: ReadonlyMap<string, Quantity>;
  /** The same of the nodes that take guests' pods; empty if there are none, undefined while they can't be read. */
  schedulable?: ReadonlyMap<string, Quantity>;
}

export interface PolicyFacts {
  namespace: string;
  name: string;
  uid: string;
  labels: Readonly<Record<string, string>>;
  spec: NetworkPolicySpec;
  /** True if Keystone made it. Other policies are left alone, and named because they may open more. */
  ours: boolean;
}

/** This cluster's own realm. */
export type LocalRealm =
  | { kind: "known"; name: string }
  /** Neither a tailnet nor KEYSTONE_REALM is configured: every grant is treated as local. */
  | { kind: "any" }
  /** The tailnet can't be queried; the message has the reason. */
  | { kind: "unknown"; message: string };

/** An event that a planner wants. */
export interface EventFact {
  type: "Normal" | "Warning";
  /** CamelCase. */
  reason: string;
  /** Action, CamelCase. */
  action: string;
  /** A sentence. */
  note: string;
}
