/** One generated case: the state of a guest namespace, and what is applied there, step by step. */
import type { AnyObject, ComparedKind } from "./live_object.ts";

/** The grant of a guest namespace. Each has its own realm, so that cases of all profiles run at the same time. */
export interface GuestProfile {
  trustLevel: "internal" | "partner";
  hard: Record<string, string>;
  /** The most that requests can sum up to, for amounts near the limit: millicores, MiB and GiB. */
  most: { cpu: number; memory: number; storage: number };
}

export const guestProfiles: readonly GuestProfile[] = [
  {
    trustLevel: "internal",
    hard: {
      "requests.cpu": "2",
      "limits.cpu": "4",
      "requests.memory": "2Gi",
      "limits.memory": "4Gi",
      pods: "8",
      "requests.storage": "10Gi",
      persistentvolumeclaims: "4",
      services: "3",
      "services.nodeports": "2",
      "services.loadbalancers": "1",
    },
    most: { cpu: 2000, memory: 2048, storage: 10 },
  },
  {
    trustLevel: "partner",
    hard: { cpu: "1", memory: "1Gi", "requests.storage": "8Gi" },
    most: { cpu: 1000, memory: 1024, storage: 8 },
  },
  {
    trustLevel: "internal",
    hard: { "requests.cpu": "4", "requests.memory": "4Gi", "requests.example.com/gpu": "2", pods: "5" },
    most: { cpu: 4000, memory: 4096, storage: 5 },
  },
  {
    trustLevel: "partner",
    hard: {
      cpu: "3",
      memory: "3Gi",
      "count/pods": "7",
      "count/replicasets.apps": "3",
      "count/deployments.apps": "2",
      "count/jobs.batch": "2",
      "requests.storage": "12Gi",
      persistentvolumeclaims: "3",
      "slow.storageclass.storage.k8s.io/requests.storage": "4Gi",
    },
    most: { cpu: 3000, memory: 3072, storage: 12 },
  },
  {
    trustLevel: "internal",
    hard: {
      cpu: "1500m",
      memory: "1Gi",
      pods: "6",
      "requests.storage": "6Gi",
      "fast.storageclass.storage.k8s.io/persistentvolumeclaims": "2",
    },
    most: { cpu: 1500, memory: 1024, storage: 6 },
  },
  {
    trustLevel: "partner",
    hard: {
      "requests.cpu": "2",
      "limits.cpu": "3",
      "requests.memory": "1Gi",
      "limits.memory": "3Gi",
      pods: "6",
      services: "2",
      "requests.storage": "20Gi",
    },
    most: { cpu: 2000, memory: 1024, storage: 20 },
  },
  {
    trustLevel: "internal",
    hard: {
      cpu: "2",
      memory: "2Gi",
      "requests.ephemeral-storage": "4Gi",
      "limits.ephemeral-storage": "6Gi",
      "requests.storage": "10Gi",
    },
    most: { cpu: 2000, memory: 2048, storage: 10 },
  },
  {
    trustLevel: "partner",
    hard: { "requests.cpu": "3", "limits.cpu": "3", "requests.memory": "3Gi", pods: "10", "requests.storage": "10Gi" },
    most: { cpu: 3000, memory: 3072, storage: 10 },
  },
];

/** Preparation of a step. Its objects are judged after it and before they are applied. */
export type Preparation =
  /** By `kubectl scale` or an autoscaler. */
  | { scale: { kind: ComparedKind; name: string; replicas: number } }
  /** By `kubectl delete`; claims stay. */
  | { remove: { kind: ComparedKind; name: string } }
  /** The pods of Jobs succeed. */
  | { finish: true };

export interface GeneratedStep {
  title: string;
  preparation?: Preparation;
  objects: AnyObject[];
}

export interface GeneratedCase {
  seed: number;
  index: number;
  /** Index into {@linkcode guestProfiles}. */
  profile: number;
  /** Asks would-fit; the guest applies in any case. */
  asker: "guest" | "admin";
  /** Applies with `kubectl apply`, client-side, instead of server-side. */
  kubectl: boolean;
  /** Quotas and LimitRanges beside Keystone's own. */
  quotas: AnyObject[];
  ranges: AnyObject[];
  /** Applied first, unjudged: uses part of the grant. */
  before: AnyObject[];
  steps: GeneratedStep[];
}
