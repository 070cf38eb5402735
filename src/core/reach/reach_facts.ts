/** Facts about the cluster that a question about reachability needs, as far as the one who asks may read them. */
import type { Node, Pod, Service } from "../../../lib/kubernetes_apis/core@v1.ts";
import type { EndpointSlice } from "../../../lib/kubernetes_apis/discovery.k8s.io@v1.ts";
import type { PlacedPolicy } from "./reach.ts";

/** A fact, or the reason that it can't be read. */
export type Known<T> = { value: T } | { refused: string };

export type WorkloadKind = "deployment" | "replicaset" | "statefulset" | "daemonset" | "cronjob" | "job";

/** Kinds of workloads; `through` is the kind of the objects between them and their pods. */
export const workloadKinds: Readonly<Record<WorkloadKind, WorkloadRow>> = {
  deployment: { kind: "Deployment", group: "apps", plural: "deployments", through: "replicaset" },
  replicaset: { kind: "ReplicaSet", group: "apps", plural: "replicasets" },
  statefulset: { kind: "StatefulSet", group: "apps", plural: "statefulsets" },
  daemonset: { kind: "DaemonSet", group: "apps", plural: "daemonsets" },
  cronjob: { kind: "CronJob", group: "batch", plural: "cronjobs", through: "job" },
  job: { kind: "Job", group: "batch", plural: "jobs" },
};

interface WorkloadRow {
  kind: string;
  group: string;
  plural: string;
  through?: WorkloadKind;
}

/** A pod template, or the pod made of it. */
export type PodLike = Pick<Pod, "metadata" | "spec" | "status">;

/** A workload, as far as it leads to its pods. */
export interface OwnerObject {
  metadata?: { name?: string; uid?: string; ownerReferences?: readonly { uid: string }[] };
  spec?: { template?: PodLike; jobTemplate?: { spec?: { template?: PodLike } } };
}

/** Lookups of facts; each is read when it is first needed. */
export interface ReachFacts {
  /** The pods of a namespace. */
  pods(namespace: string): Known<readonly Pod[]>;
  /** The pods with an address. */
  podsAt(ip: string): Known<readonly Pod[]>;
  /** The Services of a namespace, or of all. */
  services(namespace?: string): Known<readonly Service[]>;
  slices(namespace: string): Known<readonly EndpointSlice[]>;
  nodes(): Known<readonly Node[]>;
  policies(namespace: string): Known<readonly PlacedPolicy[]>;
  namespaceLabels(namespace: string): Known<Readonly<Record<string, string>>>;
  workloads(kind: WorkloadKind, namespace: string): Known<readonly OwnerObject[]>;
  /** The tailnet addresses of a realm's node; undefined if there is no such Realm. */
  realm(name: string): Known<readonly string[] | undefined>;
  /** The addresses of a DNS name outside the cluster, as the machine that asks sees it; empty if it has none. */
  addressesOf(name: string): Known<readonly string[]>;
}

/** A question that can't be answered. */
export class ReachError extends Error {
  override readonly name = "ReachError";

  /** @param reason that of the error: the texts can't be used, or something doesn't exist or can't be read */
  constructor(message: string, readonly reason: "usage" | "missing" | "forbidden") {
    super(message);
  }
}

/** Returns a fact, or undefined if it can't be read. */
export const valueOf = <T>(known: Known<T>): T | undefined => "value" in known ? known.value : undefined;
