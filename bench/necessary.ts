/**
 * The necessary writes for new grants to new realms: each object that the operator leaves, once, by the operator's
 * call. The bare loop performs these; its final state is compared with the operator's.
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
  /** `finalizer` and `status` are server-side applies of only that field. */
  call: "create" | "apply" | "finalizer" | "status";
  /** Names of the objects in each guest namespace; if absent, all. */
  names?: readonly string[];
}

/** In the order of the writes. */
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

/** Reports whether the objects are guest namespaces or in them. */
export const isGuestKind = ({ resource }: Necessary): boolean => resource.group !== "keystone.io";

/** Returns the number of writes for a shape. */
export function writesFor(shape: BenchShape): number {
  return necessary.reduce(
    (sum, { resource, names }) => sum + (resource === grants ? grantsIn(shape) : shape.realms * (names?.length ?? 1)),
    0,
  );
}

/** Returns the body of the write that creates a stored object. */
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

/** Reports whether the object belongs to one of Keystone's guest namespaces. */
export const isGuests = ({ metadata }: KubernetesObject): boolean =>
  (metadata?.namespace ?? metadata?.name ?? "").startsWith(guestNamespace(""));
