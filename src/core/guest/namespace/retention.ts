/** Retention of a guest namespace after its last grant: no stored data is lost. */
import { parseQuantity } from "../../../../lib/quantity/mod.ts";
import type { NamespaceFacts, QuotaFacts } from "../../facts.ts";
import {
  emptyAnnotation,
  endedAnnotation,
  keptAnnotation,
  madeAnnotation,
  unopenedAnnotation,
  volumesAnnotation,
} from "../../names.ts";

/** Numbers of stored objects in a namespace, as listed from the API server. */
export interface StoredData {
  /** PersistentVolumeClaims. */
  claims: number;
  /** VolumeSnapshots. */
  snapshots: number;
}

/** Permitted difference between a recorded time and the API server's. */
const toleranceMs = 60_000;

/**
 * Reports whether Keystone created this very namespace. One restored from a backup, or copied, has the record of an
 * earlier one; one that was handed over, or made by an earlier version, has none. More data may be restored into such a
 * namespace later, so only a person deletes anything in it.
 */
export function isOwnMake({ annotations, createdAt }: NamespaceFacts): boolean {
  return Math.abs(createdAt - instantOf(annotations[madeAnnotation])) <= toleranceMs;
}

/**
 * Returns the time when its last grant ended, if recorded. A record from before its creation is another namespace's.
 */
export function guestEndedAt({ annotations, createdAt }: NamespaceFacts): number | undefined {
  const ended = instantOf(annotations[endedAnnotation]);
  return ended >= createdAt - toleranceMs ? ended : undefined;
}

/**
 * Reports whether it was restored from a backup and no grant has been in force in it: then its contents may still be in
 * the course of being restored. The quota, which is in force before any guest has access, tells the first time.
 */
export function isUnopened(namespace: NamespaceFacts, quota: QuotaFacts | undefined): boolean {
  if (isOwnMake(namespace)) return false;
  const isNew = quota === undefined && guestEndedAt(namespace) === undefined;
  return isNew || namespace.annotations[unopenedAnnotation] === namespace.uid;
}

/** Returns the time since which it is known to be closed and empty, if it is. */
export function emptySince({ annotations, uid, createdAt }: NamespaceFacts): number | undefined {
  const [text, of] = (annotations[emptyAnnotation] ?? "").split(" ");
  const since = instantOf(text);
  return of === uid && since >= createdAt - toleranceMs ? since : undefined;
}

/** Returns the record of an empty namespace. */
export const emptyRecord = ({ uid }: NamespaceFacts, instant: string): string => `${instant} ${uid}`;

/** Reports whether it has ever kept stored data. From then on only a person deletes it. */
export const hasKept = ({ annotations }: NamespaceFacts): boolean => annotations[keptAnnotation] === "true";

/** Reports whether its claims are deleted: only if every grant asked for it and the namespace isn't restored. */
export const deletesVolumes = (namespace: NamespaceFacts): boolean =>
  namespace.annotations[volumesAnnotation] === "Delete" && isOwnMake(namespace);

/** Returns the reason that it stays until a person deletes it; undefined: it is deleted automatically. */
export function keptBecause(namespace: NamespaceFacts, claims: number): string | undefined {
  if (claims > 0 && !deletesVolumes(namespace)) return `its volume claims (${claims}) are kept`;
  if (hasKept(namespace)) return "it has kept volumes";
  return isOwnMake(namespace) ? undefined : "it was restored, handed over, or created by an earlier version";
}

/** Returns the number of volume claims in the quota's usage or in the list, whichever is larger. */
export function claimsIn(quota: QuotaFacts | undefined, stored: StoredData | undefined): number {
  const counted = parseQuantity(quota?.used["persistentvolumeclaims"] ?? "0");
  return Math.max(Number(counted.nanos / 1_000_000_000n), stored?.claims ?? 0);
}

/** Parses an instant; NaN if invalid, for which all comparisons are false. */
const instantOf = (text: string | undefined): number => Date.parse(text ?? "");
