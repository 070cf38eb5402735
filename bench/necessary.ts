/**
 * What has to be written for new grants to new realms, and nothing else: each object that the operator leaves, once, by
 * the call that the operator makes. The bare loop writes these; its final state is compared with the operator's.
 */
import type { KubernetesObject, Resource } from "../lib/kubernetes/mod.ts";
import {
  configMaps,
  limitRanges,
  namespaces,
  resourceQuotas,
  serviceAccounts,
} from "../lib/kubernetes_apis/core@v1.ts";
import { grants, realms } from "../src/api/client/keystone.io@v1alpha1.ts";
import { networkPolicies } from "../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import { roleBindings } from "../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import { guestNamespace, guestRole } from "../src/core/names.ts";
import { type BenchShape, grantsIn } from "./shapes.ts";

/** One kind of write. */
export interface Necessary {
  resource: Resource<KubernetesObject>;
  /** `finalizer` and `status` are server-side applies of just that. */
  call: "create" | "apply" | "finalizer" | "status";
  /** Of the objects that there are in each guest namespace; absent: all. */
  names?: readonly string[];
}

/** In the order in which they are written. */
export const necessary: readonly Necessary[] = [
  { resource: namespaces, call: "create" },
  { resource: resourceQuotas, call: "apply", names: ["keystone"] },
  { resource: networkPolicies, call: "apply", names: ["default-deny", "dns", "guest-internal"] },
  { resource: limitRanges, call: "apply", names: ["keystone"] },
  { resource: serviceAccounts, call: "apply", names: ["default"] },
  { resource: roleBindings, call: "apply", names: [guestRole] },
  { resource: configMaps, call: "apply", names: ["keystone"] },
  { resource: realms, call: "status" },
  { resource: grants, call: "finalizer" },
  { resource: grants, call: "status" },
];

/** Whether they are objects of the guests' namespaces, or these themselves. */
export const isGuestKind = ({ resource }: Necessary): boolean => resource.group !== "keystone.io";

/** How many writes that are for a shape. */
export function writesFor(shape: BenchShape): number {
  return necessary.reduce(
    (sum, { resource, names }) => sum + (resource === grants ? grantsIn(shape) : shape.realms * (names?.length ?? 1)),
    0,
  );
}

/** What of a stored object goes into a write. */
export function bodyOf({ call }: Necessary, object: KubernetesObject): KubernetesObject {
  const { apiVersion, kind, metadata } = object;
  const { name, namespace, uid, labels, annotations, finalizers } = metadata!;
  const head = { apiVersion: apiVersion!, kind: kind! };
  const { status, ...content } = object as KubernetesObject & { status?: unknown };
  switch (call) {
    case "create":
      return { ...head, metadata: { name: name!, labels: labels ?? {}, annotations: annotations ?? {} } };
    case "apply":
      return {
        ...content,
        metadata: { name: name!, namespace: namespace!, labels: labels ?? {}, ...(annotations ? { annotations } : {}) },
      };
    case "finalizer":
      return { ...head, metadata: { name: name!, uid: uid!, finalizers: finalizers ?? [] } };
    case "status":
      return { ...head, metadata: { name: name!, uid: uid! }, status } as KubernetesObject;
  }
}

/** Whether it is about a guest namespace of Keystone's. */
export const isGuests = ({ metadata }: KubernetesObject): boolean =>
  (metadata?.namespace ?? metadata?.name ?? "").startsWith(guestNamespace(""));
