/** What a write of a guest plan is about. */
import { grantLabel } from "../names.ts";
import { grantOfPolicy } from "./objects.ts";
import type { Write } from "./plan.ts";

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
