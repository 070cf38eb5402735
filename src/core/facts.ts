/** The facts that planners are given: projections of objects that keep only what a decision needs. */
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
  /** deletionTimestamp in epoch milliseconds; undefined while nobody has deleted it. */
  deletingSince?: number;
  /** Whether it carries our finalizer. */
  finalized: boolean;
  /** The finalizers of others. */
  otherFinalizers: readonly string[];
  resourceVersion: string;
  spec: GrantSpec;
  status: GrantStatus;
}

/** Why nothing new is granted to a SuperEntity, or by it. */
export interface EntityWaits {
  reason: "SuperEntityDeleted" | "SuperEntityIncomplete" | "SuperEntityPending";
  message: string;
}

export interface RealmFacts {
  name: string;
  uid: string;
  generation: number;
  /** Epoch milliseconds; undefined where it doesn't matter. */
  createdAt?: number;
  /**
   * Where a SuperEntity stands as one grantee: its approved members, the UIDs of their Realms, and why nothing new is
   * granted to it, if so.
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
  /** deletionTimestamp in epoch milliseconds; undefined while nobody has deleted it. */
  deletingSince?: number;
  /** Whether it carries our finalizer. */
  finalized: boolean;
  /** The finalizers of others. */
  otherFinalizers: readonly string[];
  resourceVersion: string;
  spec: SuperEntitySpec;
  status: SuperEntityStatus;
  /** Who acts for each member, by realm; undefined where nobody has looked at the Realms. */
  subjects?: ReadonlyMap<string, readonly string[]>;
}

export interface NamespaceFacts {
  name: string;
  uid: string;
  /** Epoch milliseconds. */
  createdAt: number;
  labels: Readonly<Record<string, string>>;
  /** Those of its annotations that begin with keystone.io/. */
  annotations: Readonly<Record<string, string>>;
  deleting: boolean;
  /** What the namespace controller says that it waits for, while it is being deleted. */
  held?: string;
}

export interface QuotaFacts {
  namespace: string;
  name: string;
  uid: string;
  labels: Readonly<Record<string, string>>;
  /** spec.hard: what is asked. */
  specHard: Readonly<Record<string, string>>;
  /** Whether spec has scopes, which would make it count only some pods. */
  scoped: boolean;
  /** status.hard: what admission enforces. */
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

/** Closings while the API server's database is nearly full: guests' writes, and then new pods of theirs too. */
export type GuestWrites = "Open" | "Closed" | "PodsClosed";

export interface FlowSchemaFacts {
  uid: string;
  labels: Readonly<Record<string, string>>;
  spec: FlowSchemaSpec | undefined;
  /** As the guard reads it there. */
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

/** A ServiceAccount in the operator's namespace that stands for the people of a realm. */
export interface IdentityFacts {
  namespace: string;
  name: string;
  uid: string;
  labels: Readonly<Record<string, string>>;
  /** Epoch milliseconds. */
  createdAt: number;
  deleting: boolean;
}

/** A Service that lets the world in. */
export interface ServiceFacts {
  namespace: string;
  name: string;
  uid: string;
  /** Epoch milliseconds. */
  createdAt: number;
  /** What the quota counts of it, by quota key. */
  usage: Readonly<Record<string, number>>;
}

export interface ConfigMapFacts {
  namespace: string;
  name: string;
  uid: string;
  labels: Readonly<Record<string, string>>;
  data: Readonly<Record<string, string>>;
  /** Whether its data can't be changed any more. */
  immutable?: boolean;
}

export interface PodFacts {
  namespace: string;
  name: string;
  uid: string;
  /** Epoch milliseconds. */
  createdAt: number;
  priority: number;
  /** What the quota counts of it, by quota key. */
  usage: ReadonlyMap<string, Quantity>;
  /** Nothing is known of it but which one it is; what it uses may be anything. */
  unreadable?: true;
  /** Has ended by itself: no quota counts it. */
  finished: boolean;
  terminating: boolean;
  graceSeconds: number;
  finalizers: readonly string[];
}

/** What the cluster as a whole offers and protects. */
export interface ClusterFacts {
  /** Ranges of its pods, services, nodes and API server: no grant opens them. */
  ranges: readonly Range[];
  /** Why the ranges of pods aren't all known, with the remedy; then no range is opened that could hold them. */
  rangesUnknown?: string;
  /** Why the nodes' own addresses in the LAN aren't known, in a sentence. */
  lanUnknown?: string;
  /** Quota keys of the extended resources and huge pages that nodes offer, such as `requests.nvidia.com/gpu`. */
  extendedKeys: readonly string[];
  /** Names of the storage classes. */
  storageClasses: readonly string[];
  /** Those of them that make a volume for each claim; undefined while the classes can't be read. */
  provisioningClasses?: readonly string[];
  /** What its nodes can give together, by quota key; undefined while there are none, or they can't be read. */
  capacity?: ReadonlyMap<string, Quantity>;
}

export interface PolicyFacts {
  namespace: string;
  name: string;
  uid: string;
  labels: Readonly<Record<string, string>>;
  spec: NetworkPolicySpec;
  /** Whether Keystone has made it. What others make beside it is left alone, and named where it may open more. */
  ours: boolean;
}

/** Which realm this cluster is. */
export type LocalRealm =
  | { kind: "known"; name: string }
  /** Neither a tailnet nor KEYSTONE_REALM is configured: every grant is taken as this cluster's own. */
  | { kind: "any" }
  /** There is a tailnet to ask, but it doesn't answer; the message says why. */
  | { kind: "unknown"; message: string };

/** A write that a planner wants. */
export interface EventFact {
  type: "Normal" | "Warning";
  /** CamelCase. */
  reason: string;
  /** What was done, CamelCase. */
  action: string;
  /** A sentence. */
  note: string;
}
