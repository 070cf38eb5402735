/** What becomes of a namespace in which nothing is granted any more: nothing that is stored is lost. */
import { parseQuantity } from "../../../../lib/quantity/mod.ts";
import type { NamespaceFacts, QuotaFacts } from "../../facts.ts";
import { emptyAnnotation, endedAnnotation, keptAnnotation, madeAnnotation, volumesAnnotation } from "../../names.ts";

/** What is stored in a namespace, as listed from the API server. */
export interface StoredData {
  /** Volume claims. */
  claims: number;
  /** Snapshots of volumes. */
  snapshots: number;
}

/** By how much the instant in the record may differ from that of the API server. */
const toleranceMs = 60_000;

/**
 * Whether Keystone has made this very namespace. One that was restored from a backup, or copied, has the record of another
 * that was made earlier; one that was handed over, or made by an earlier version, has none. Nobody knows what is yet to be
 * restored into such a one, so nothing in it is deleted but by a person.
 */
export function isOwnMake({ annotations, createdAt }: NamespaceFacts): boolean {
  return Math.abs(createdAt - instantOf(annotations[madeAnnotation])) <= toleranceMs;
}

/** When its last grant ended; undefined while that isn't on record. What happened before it was made happened to another. */
export function guestEndedAt({ annotations, createdAt }: NamespaceFacts): number | undefined {
  const ended = instantOf(annotations[endedAnnotation]);
  return ended >= createdAt - toleranceMs ? ended : undefined;
}

/** Since when it is known to be closed and empty; undefined while it isn't. */
export function emptySince({ annotations, uid, createdAt }: NamespaceFacts): number | undefined {
  const [text, of] = (annotations[emptyAnnotation] ?? "").split(" ");
  const since = instantOf(text);
  return of === uid && since >= createdAt - toleranceMs ? since : undefined;
}

/** The record of that. */
export const emptyRecord = ({ uid }: NamespaceFacts, instant: string): string => `${instant} ${uid}`;

/** Whether it has kept something that was stored: from then on it goes only by a person's word. */
export const hasKept = ({ annotations }: NamespaceFacts): boolean => annotations[keptAnnotation] === "true";

/** Whether its claims are to be deleted: by the word of every grant, and of none for what a restore brings. */
export const deletesVolumes = (namespace: NamespaceFacts): boolean =>
  namespace.annotations[volumesAnnotation] === "Delete" && isOwnMake(namespace);

/** Why it stays until a person deletes it; undefined where it goes by itself. */
export function keptBecause(namespace: NamespaceFacts, claims: number): string | undefined {
  if (claims > 0 && !deletesVolumes(namespace)) return `its volume claims (${claims}) are kept`;
  if (hasKept(namespace)) return "it has kept volumes";
  return isOwnMake(namespace) ? undefined : "it was restored, handed over, or made by an earlier version";
}

/** How many volume claims there are, by the quota's count or as listed, whichever is more. */
export function claimsIn(quota: QuotaFacts | undefined, stored: StoredData | undefined): number {
  const counted = parseQuantity(quota?.used["persistentvolumeclaims"] ?? "0");
  return Math.max(Number(counted.nanos / 1_000_000_000n), stored?.claims ?? 0);
}

/** NaN compares with nothing. */
const instantOf = (text: string | undefined): number => Date.parse(text ?? "");
