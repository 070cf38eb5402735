/** The writes of a guest plan, and what each is about. */
import type {
  ConfigMap,
  LimitRange,
  Namespace,
  ResourceQuota,
  ServiceAccount,
} from "../../../lib/kubernetes_apis/core@v1.ts";
import type { NetworkPolicy } from "../../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import type { RoleBinding } from "../../../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import type { EventFact } from "../facts.ts";
import { grantLabel } from "../names.ts";
import { grantOfPolicy } from "./objects.ts";

export type GuestObject =
  | Namespace
  | ResourceQuota
  | LimitRange
  | ServiceAccount
  | NetworkPolicy
  | RoleBinding
  | ConfigMap;

/** One that is there, so that a write reaches it and no other of its name. */
export interface Target {
  kind:
    | "ConfigMap"
    | "Namespace"
    | "NetworkPolicy"
    | "ResourceQuota"
    | "RoleBinding"
    | "ServiceAccount"
    | "Pod";
  /** Absent for a Namespace. */
  namespace?: string;
  name: string;
  uid: string;
}

/** The object that an event is about. */
export interface Regarding {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
}

/** A write. An apply carries the whole desired object; all others are bound to the UID that was seen. */
export type Write =
  | { apply: GuestObject; event?: EventFact }
  /** Takes over a namespace that a person has handed over, or opens one that was closed, and takes the marks of that off. */
  | { adopt: Namespace; uid: string }
  | { remove: Target; graceSeconds?: number; told?: { regarding: Regarding; event: EventFact } }
  | { evict: Target; graceSeconds: number }
  /** A Service that lets the world in lets in the cluster alone. */
  | { internalize: Omit<Target, "kind"> }
  /** All claims of the namespace. */
  | { removeVolumes: { namespace: string } };

/** Whether nothing may open in the namespace where this write fails: what opens relies on what it writes. */
export function isFoundation(write: Write): boolean {
  if ("adopt" in write) return true;
  if ("remove" in write) return write.remove.kind === "ResourceQuota";
  if (!("apply" in write)) return false;
  const { kind, metadata } = write.apply;
  return kind === "Namespace" || kind === "ResourceQuota" || metadata!.name === "default-deny";
}

/** Whether it ends a pod, which nobody can undo: not while the clocks disagree, also if they agreed when it was planned. */
export const endsPod = (write: Write): boolean =>
  "evict" in write || ("remove" in write && write.remove.kind === "Pod");

/** The one grant that a write is about; none where it is about all of the namespace. */
export function aboutGrant(write: Write): { grant?: string } {
  const grant = "apply" in write
    ? write.apply.metadata!.labels?.[grantLabel]
    : "remove" in write && write.remove.kind === "NetworkPolicy"
    ? grantOfPolicy(write.remove.name)
    : undefined;
  return grant === undefined ? {} : { grant };
}

/** What a write does, as a message begins. */
export function writeText(write: Write): string {
  if ("removeVolumes" in write) return `Deleting the volume claims of ${write.removeVolumes.namespace}`;
  if ("internalize" in write) {
    const { namespace, name } = write.internalize;
    return `Changing the type of Service ${namespace}/${name} to ClusterIP`;
  }
  if ("evict" in write) return `Evicting Pod ${write.evict.namespace}/${write.evict.name}`;
  if ("remove" in write) {
    const { kind, namespace, name } = write.remove;
    return `Deleting ${kind} ${namespace === undefined ? "" : `${namespace}/`}${name}`;
  }
  const { kind, metadata } = "adopt" in write ? write.adopt : write.apply;
  const { namespace, name } = metadata!;
  return `Writing ${kind} ${namespace === undefined ? "" : `${namespace}/`}${name}`;
}
