/** Effects: all actions of a plan, as data. src/engine/execute.ts executes them. */
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

/** An object that a plan writes completely. */
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

/** Kinds that effects can change. */
export type Kind =
  | NonNullable<WrittenObject["kind"]>
  | "Grant"
  | "PersistentVolumeClaim"
  | "Pod"
  | "Service"
  | "SuperEntity";

/** Reference to an existing object: an effect on it never affects another object of the same name. */
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

/** An event with the object that it is about. */
export interface EventAbout {
  event: EventFact;
  about: Regarding;
}

/** Events that report a write, recorded once it has succeeded. */
interface Reported {
  events?: readonly EventAbout[];
}

/** A JSON merge patch (RFC 7386): a null removes a field, even one that another client wrote. */
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

/** A realm's node to ping, with the address to use. */
export interface PingTarget {
  /** Name of the realm. */
  realm: string;
  stableID: string;
  address: string;
}

/**
 * One action of a plan. A change of an existing object is bound to the observed UID, so that it neither recreates a
 * deleted object nor affects another of the same name.
 */
export type Effect =
  /**
   * Server-side apply of an object's fields: with a UID only to that object, else to any object of the name. Forced,
   * unless another field manager should win a conflict. With `ifPresent` a deleted object isn't an error: its watch is
   * about to report it.
   */
  | { apply: WrittenObject; uid?: string; unforced?: true; ifPresent?: true } & Reported
  /** Creation. If somebody else has just created an object of that name, it stays unchanged and the effect fails. */
  | { create: WrittenObject } & Reported
  /** Merge patch, which can remove fields of other managers. With `ifPresent` a deleted object isn't an error. */
  | { patch: ObjectRef; body: MergePatch; ifPresent?: true } & Reported
  /** The complete status of a custom resource. */
  | { status: object; of: ObjectRef } & Reported
  /** Keystone's finalizer on a custom resource. */
  | { finalizer: "add"; of: ObjectRef }
  /** Removal of the finalizer. The resource version protects finalizers that others add meanwhile. */
  | { finalizer: "remove"; of: ObjectRef; others: readonly string[]; resourceVersion: string }
  /** Deletion; succeeds if the object is already gone. */
  | { delete: ObjectRef; graceSeconds?: number } & Reported
  /** Eviction of a pod. Rejection by a PodDisruptionBudget isn't an error: the next plan tries again. */
  | { evict: ObjectRef; graceSeconds: number }
  /** Deletion of all objects of the kind in a namespace, one by one. */
  | { deleteAll: { kind: "PersistentVolumeClaim"; namespace: string } }
  | EventAbout
  | { ping: PingTarget }
  | { send: PeerMessage };

/**
 * Effects that are independent of each other. A stage closes (removes or limits), opens (grants or cleans up), or
 * reports (status, events).
 */
export interface EffectStage {
  kind: "close" | "open" | "report";
  effects: readonly Effect[];
}

/** A plan: its effects in safe order, closing before opening before reporting. */
export interface Plan {
  stages: readonly EffectStage[];
  /** Parts that could not be planned; they open nothing. */
  faults?: readonly Fault[];
  /** Epoch milliseconds at which the plan is due again without another cause. */
  wakeAt?: number;
}

/** Builds stages of one kind, omitting those without effects. */
export const stagesOf = (kind: EffectStage["kind"], stages: readonly (readonly Effect[])[]): EffectStage[] =>
  stages.filter((effects) => effects.length > 0).map((effects) => ({ kind, effects }));

/** Returns the effects of a plan in order, of all kinds of stages or of one. */
export const effectsOf = ({ stages }: Pick<Plan, "stages">, kind?: EffectStage["kind"]): Effect[] =>
  stages.flatMap((stage) => kind === undefined || stage.kind === kind ? stage.effects : []);

/** Returns the object that an effect writes completely, if any. */
export const writtenBy = (effect: Effect): WrittenObject | undefined =>
  "apply" in effect ? effect.apply : "create" in effect ? effect.create : undefined;

/** Reports whether an effect ends a pod, which can't be undone. */
export const endsPod = (effect: Effect): boolean =>
  "evict" in effect || ("delete" in effect && effect.delete.kind === "Pod");

/** Describes an effect, as the beginning of a message. */
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
