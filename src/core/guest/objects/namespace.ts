/** The guest namespace, with the Pod Security level of the realm's trust level and Keystone's records. */
import { type Namespace, namespaces } from "../../../../lib/kubernetes_apis/core@v1.ts";
import type { Effect } from "../../effects.ts";
import type { EventFact, NamespaceFacts } from "../../facts.ts";
import { rfc3339 } from "../../instants.ts";
import {
  adoptAnnotation,
  emptyAnnotation,
  endedAnnotation,
  guestNamespace,
  keystonePrefix,
  lockedLabel,
  madeAnnotation,
  managedByLabel,
  ownerLabels,
  unopenedAnnotation,
  warnAnnotation,
  warnLabel,
} from "../../names.ts";
import { isPresent } from "../../realm/present.ts";
import { recordsOf } from "../namespace/records.ts";
import { claimsIn, emptyRecord, guestEndedAt, keptBecause } from "../namespace/retention.ts";
import { rulesHere } from "../namespace/recorded_trust.ts";
import type { Guest } from "./guest.ts";
import { type GuestObjects, includesAll, isLabelled, type RowChange } from "./row.ts";

/** Returns the labels of Pod Security, without a version: the API server's own applies (KEP-2579). */
const podSecurity = (level: "baseline" | "restricted") => ({
  "pod-security.kubernetes.io/enforce": level,
  "pod-security.kubernetes.io/warn": level,
  "pod-security.kubernetes.io/audit": level,
});

/**
 * Builds the namespace.
 *
 * @param annotations Keystone's records
 * @param locked true if no grant is in force any more
 */
export const namespaceOf = (
  realm: string,
  level: "baseline" | "restricted",
  annotations: Record<string, string>,
  locked: boolean,
): Namespace => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: {
    name: guestNamespace(realm),
    labels: {
      ...ownerLabels(realm),
      ...podSecurity(level),
      ...(locked ? { [lockedLabel]: "true" } : {}),
      // Label that the warning policies select.
      ...(annotations[warnAnnotation] ? { [warnLabel]: "true" } : {}),
    },
    annotations,
  },
});

function wanted(guest: Guest): Namespace[] {
  const { grantee, namespace, ownership, active, leaving, skewMs, now } = guest;
  if (leaving) return [];
  // A namespace made for another identity is left unchanged, except to record that it is empty.
  if (ownership.is === "another's") return guest.isEmpty && namespace ? [emptied(namespace, now)] : [];
  const level = rulesHere(guest).podSecurity;
  const records = recordsOf(guest, active, ownership);
  if (ownership.is === "handedOver") {
    // Without the record of the end: this is written by a patch, and a later apply wouldn't remove it.
    const { [endedAnnotation]: _, ...kept } = records;
    return [namespaceOf(grantee, level, kept, false)];
  }
  // Like any other instant it is recorded only while the clocks agree.
  if (!active && records[endedAnnotation] === undefined && skewMs === 0) records[endedAnnotation] = rfc3339(now);
  if (guest.isEmpty && namespace) records[emptyAnnotation] = emptyRecord(namespace, rfc3339(now));
  return [namespaceOf(grantee, level, records, !active)];
}

/** Returns a namespace as it is, with the record that it is empty. */
const emptied = (namespace: NamespaceFacts, now: number): Namespace => {
  const { name, labels, annotations } = namespace;
  const ours = (all: Readonly<Record<string, string>>) =>
    Object.fromEntries(
      Object.entries(all).filter(([key]) =>
        key === managedByLabel || key.startsWith(keystonePrefix) || key.startsWith("pod-security.kubernetes.io/")
      ),
    );
  const records = { ...ours(annotations), [emptyAnnotation]: emptyRecord(namespace, rfc3339(now)) };
  return { apiVersion: "v1", kind: "Namespace", metadata: { name, labels: ours(labels), annotations: records } };
};

function changes([wanted]: readonly Namespace[], [present]: readonly NamespaceFacts[], guest: Guest): RowChange[] {
  if (!wanted) return [];
  const change = (effect: Effect): RowChange[] => [{ stage: "namespace", effect }];
  // Created, not applied: an apply would take over a namespace that somebody else has just created.
  if (!present) return change({ create: wanted });
  const { name, uid, labels, annotations } = present;
  // A patch removes all marks of a closed namespace; an apply would leave those that a restore wrote.
  const isMarked = annotations[endedAnnotation] !== undefined || labels[lockedLabel] !== undefined;
  if (guest.ownership.is === "handedOver" || (guest.active && isMarked)) return change(adoption(wanted, uid));
  if (isLabelled(wanted, present) && includesAll(annotations, wanted.metadata!.annotations!)) {
    // An adopt annotation on a namespace that is already the realm's is removed: it must not apply to a later realm.
    const isSaid = annotations[adoptAnnotation] !== undefined && isPresent(guest.realm);
    return isSaid ? change(adoption(wanted, uid)) : [];
  }
  const news = wanted.metadata!.annotations![endedAnnotation] !== undefined && guestEndedAt(present) === undefined;
  const about = { apiVersion: "v1", kind: "Namespace", name, uid };
  return change({ apply: wanted, uid, ...(news ? { events: [{ event: endedEvent(guest, present), about }] } : {}) });
}

/**
 * Takes over a namespace that was handed over, or opens a closed one, and removes the marks of either: the adopt
 * annotation is valid once.
 */
const adoption = ({ metadata }: Namespace, uid: string): Effect => ({
  patch: { kind: "Namespace", name: metadata!.name!, uid },
  body: {
    metadata: {
      labels: { [lockedLabel]: null, ...metadata!.labels },
      annotations: {
        [adoptAnnotation]: null,
        [emptyAnnotation]: null,
        [endedAnnotation]: null,
        [madeAnnotation]: null,
        [unopenedAnnotation]: null,
        ...metadata!.annotations,
      },
    },
  },
});

function endedEvent({ grantee, settings, quota, stored }: Guest, namespace: NamespaceFacts): EventFact {
  const { name } = namespace;
  const claims = claimsIn(quota, stored);
  const because = keptBecause(namespace, claims);
  const what = because === undefined
    ? `${claims > 0 ? `its volume claims (${claims}) are deleted, as all its grants specify, and ` : ""}it is deleted ${
      spanText(settings.namespaceRetentionSeconds)
    } after it is empty unless a new grant comes into force.`
    : `${because}, so it stays until it is deleted by hand. Copy the data out, then: kubectl delete namespace ${name}`;
  return {
    type: "Normal",
    reason: "LastGrantEnded",
    action: "Close",
    note: `The last grant to ${grantee} has ended. Namespace ${name} is closed; ${what}`,
  };
}

const spanText = (seconds: number): string => seconds < 3600 ? `${seconds} s` : `${Math.round(seconds / 360) / 10} h`;

/** Source: the conditions of pkg/controller/namespace/deletion/status_condition_utils.go. */
function heldBy(conditions: NonNullable<Namespace["status"]>["conditions"]): { held?: string } {
  const held = (conditions ?? []).filter(({ type, status }) =>
    status === "True" && (type === "NamespaceFinalizersRemaining" || type === "NamespaceDeletionContentFailure")
  ).map(({ message }) => message ?? "").filter(Boolean);
  return held.length > 0 ? { held: held.join("; ") } : {};
}

function project({ metadata, status }: Namespace): NamespaceFacts {
  const annotations = Object.entries(metadata!.annotations ?? {}).filter(([key]) => key.startsWith(keystonePrefix));
  return {
    name: metadata!.name!,
    uid: metadata!.uid!,
    createdAt: Date.parse(metadata!.creationTimestamp ?? ""),
    labels: metadata!.labels ?? {},
    annotations: Object.fromEntries(annotations),
    deleting: metadata!.deletionTimestamp !== undefined,
    ...(metadata!.deletionTimestamp ? heldBy(status?.conditions) : {}),
  };
}

export const namespace: GuestObjects<Namespace, NamespaceFacts> = {
  part: "the namespace",
  resource: namespaces,
  project,
  wanted,
  changes,
  content: ({ labels, annotations }) => ({ labels, annotations }),
};
