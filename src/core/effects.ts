/** Effects: all that a plan can want, as data. What carries them out is src/engine/execute.ts. */
import type { JSONValue } from "../../lib/kubernetes/mod.ts";
import type { ValidatingWebhookConfiguration } from "../../lib/kubernetes_apis/admissionregistration.k8s.io@v1.ts";
import type {
  ConfigMap,
  LimitRange,
  Namespace,
  ResourceQuota,
  Secret,
  ServiceAccount,
} from "../../lib/kubernetes_apis/core@v1.ts";
import type { FlowSchema } from "../../lib/kubernetes_apis/flowcontrol.apiserver.k8s.io@v1.ts";
import type { Realm } from "../api/client/keystone.io@v1alpha1.ts";
import type { NetworkPolicy } from "../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import type {
  ClusterRole,
  ClusterRoleBinding,
  RoleBinding,
} from "../../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import type { EventFact } from "./facts.ts";
import type { Fault } from "./faults.ts";

/** An object that a plan writes as a whole. */
export type WrittenObject =
  | ClusterRole
  | ClusterRoleBinding
  | ConfigMap
  | FlowSchema
  | LimitRange
  | Namespace
  | NetworkPolicy
  | Pick<Realm, "apiVersion" | "kind" | "metadata">
  | ResourceQuota
  | RoleBinding
  | Secret
  | ServiceAccount
  | ValidatingWebhookConfiguration;

/** The kinds that effects reach. */
export type Kind =
  | NonNullable<WrittenObject["kind"]>
  | "Grant"
  | "PersistentVolumeClaim"
  | "Pod"
  | "Service"
  | "SuperEntity";

/** An object that is there: an effect on it reaches this one and no other of its name. */
export interface ObjectRef {
  kind: Kind;
  /** Absent for cluster-scoped kinds. */
  namespace?: string;
  name: string;
  uid: string;
}

/** The object that an event is about. */
export interface Regarding {
  apiVersion: string;
  kind: string;
  namespace?: string;
  name: string;
  uid: string;
}

/** An event, and the object that it is about. */
export interface EventAbout {
  event: EventFact;
  about: Regarding;
}

/** The events that report a write, recorded once it has succeeded. */
interface Reported {
  events?: readonly EventAbout[];
}

/** A JSON merge patch (RFC 7386): a null takes a field off, whoever has written it. */
export interface MergePatch {
  metadata?: {
    labels?: Readonly<Record<string, string | null>>;
    annotations?: Readonly<Record<string, string | null>>;
  };
  spec?: Readonly<Record<string, JSONValue>>;
}

/** A message to the operator of another realm. */
export interface PeerMessage {
  /** Name of the realm. */
  realm: string;
  body: JSONValue;
}

/** The node of a realm to ping, and the address to ping it at. */
export interface PingTarget {
  /** Name of the realm. */
  realm: string;
  stableID: string;
  address: string;
}

/**
 * One thing that a plan wants. What changes an object that is there is bound to the UID that was seen, so that it neither
 * brings back one that is gone nor reaches another of the same name.
 */
export type Effect =
  /**
   * Server-side apply of the fields of an object: of the very one that was seen when there is a UID, else of whatever has
   * the name. Forced, unless another field manager is to win a conflict. With `ifPresent` one that has gone meanwhile is
   * no error: its watch is about to tell.
   */
  | { apply: WrittenObject; uid?: string; unforced?: true; ifPresent?: true } & Reported
  /** Creation: one of that name that somebody else has just made stays as it is, and the effect fails. */
  | { create: WrittenObject } & Reported
  /** Merge patch: for what has to take off fields of others. With `ifPresent` one that has gone is no error. */
  | { patch: ObjectRef; body: MergePatch; ifPresent?: true } & Reported
  /** The whole status of a custom resource. */
  | { status: object; of: ObjectRef } & Reported
  /** Keystone's finalizer on a custom resource. */
  | { finalizer: "add"; of: ObjectRef }
  /** The resource version keeps the finalizers that others add meanwhile. */
  | { finalizer: "remove"; of: ObjectRef; others: readonly string[]; resourceVersion: string }
  /** Deletion; one that has gone already is deleted. */
  | { delete: ObjectRef; graceSeconds?: number } & Reported
  /** Eviction of a pod. A PodDisruptionBudget that forbids it for now is no error: the plan wants it again. */
  | { evict: ObjectRef; graceSeconds: number }
  /** Deletion of all objects of the kind in a namespace, each by itself. */
  | { deleteAll: { kind: "PersistentVolumeClaim"; namespace: string } }
  | EventAbout
  | { ping: PingTarget }
  | { send: PeerMessage };

/**
 * Effects that are independent of each other. A stage closes (takes away or bounds), opens (gives or tidies up), or reports
 * (status, events).
 */
export interface EffectStage {
  kind: "close" | "open" | "report";
  effects: readonly Effect[];
}

/** A plan: its effects in the order of safety, what closes before what opens before what reports. */
export interface Plan {
  stages: readonly EffectStage[];
  /** The parts that could not be planned: what they would have opened isn't open. */
  faults?: readonly Fault[];
  /** Epoch milliseconds at which the plan is due again by itself. */
  wakeAt?: number;
}

/** The stages of one kind; those without an effect are left out. */
export const stagesOf = (kind: EffectStage["kind"], stages: readonly (readonly Effect[])[]): EffectStage[] =>
  stages.filter((effects) => effects.length > 0).map((effects) => ({ kind, effects }));

/** The effects of a plan in their order, of all kinds of stages or of one. */
export const effectsOf = ({ stages }: Pick<Plan, "stages">, kind?: EffectStage["kind"]): Effect[] =>
  stages.flatMap((stage) => kind === undefined || stage.kind === kind ? stage.effects : []);

/** The object that an effect writes as a whole. */
export const writtenBy = (effect: Effect): WrittenObject | undefined =>
  "apply" in effect ? effect.apply : "create" in effect ? effect.create : undefined;

/** Tells of an effect that ends a pod, which nobody can undo. */
export const endsPod = (effect: Effect): boolean =>
  "evict" in effect || ("delete" in effect && effect.delete.kind === "Pod");

/** Describes an effect, as a message begins. */
export function effectText(effect: Effect): string {
  const written = writtenBy(effect);
  if (written) return `Writing ${textOf({ kind: written.kind!, ...written.metadata as { name: string } })}`;
  if ("patch" in effect) return `Changing ${textOf(effect.patch)}`;
  if ("delete" in effect) return `Deleting ${textOf(effect.delete)}`;
  if ("evict" in effect) return `Evicting ${textOf(effect.evict)}`;
  if ("deleteAll" in effect) return `Deleting the volume claims of ${effect.deleteAll.namespace}`;
  if ("status" in effect) return `Writing the status of ${textOf(effect.of)}`;
  if ("finalizer" in effect) return `${adverb[effect.finalizer]} the finalizer of ${textOf(effect.of)}`;
  if ("ping" in effect) return `Pinging the node of ${effect.ping.realm}`;
  if ("send" in effect) return `Sending to ${effect.send.realm}`;
  return `Reporting ${(effect as EventAbout).event.reason}`;
}

const adverb = { add: "Adding", remove: "Removing" };

const textOf = ({ kind, namespace, name }: { kind: string; namespace?: string; name: string }): string =>
  `${kind} ${namespace === undefined ? "" : `${namespace}/`}${name}`;
