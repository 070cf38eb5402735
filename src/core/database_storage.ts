/**
 * Room in the API server's database (etcd): when its size is due to be read, and when guests may not write any more. A
 * quota counts objects and not how often each is written, and etcd keeps every version until it is compacted.
 */
import type { Settings } from "../api/mod.ts";
import type { DesiredCondition } from "./conditions.ts";
import type { GuestWrites } from "./facts.ts";

/** Settings of the database. */
export type StorageRules = Settings["storage"];

/** One reading of the size. */
export interface StorageReading {
  /** Size of the database's file. etcd refuses all writes by this size, which compaction alone doesn't lower. */
  bytes: number;
  /** The database's revision then, at most; it grows by one with each write to the cluster. */
  revision: number;
  /** Monotonic milliseconds. */
  at: number;
}

/** Name of the metric, which Kubernetes has kept stable since 1.28; one series for each etcd cluster. */
export const storageSizeMetric = "apiserver_storage_size_bytes";

/** More than one write adds to the file: etcd takes requests of 1.5 MiB (--max-request-bytes), and stores whole pages. */
const largestWriteBytes = 2 * 2 ** 20;

/** Share of the quota within which a size is known; nearer to a threshold nothing would be gained by more readings. */
const precision = 0.05;

/** Share of the quota from which on the alert KeystoneStorageHalfFull fires. */
const alertAt = 0.5;

/** Bytes in a millisecond that nobody writes faster. */
export const fastestBytesPerMs = 50_000;

/** Milliseconds between readings while guests' writes are closed. */
const closedMs = 20_000;

/** A reading may be as old as this without having to be read anew, whatever is written meanwhile; milliseconds. */
const slowestMs = 60_000;

/**
 * True when the size may have passed a threshold since the last reading. So many writes as there were at most since then
 * are known from the revision, which each renewal of the Lease brings: a cluster at rest is asked for nothing.
 */
export function isReadingDue(
  last: StorageReading | undefined,
  now: Omit<StorageReading, "bytes">,
  rules: StorageRules,
  writes: GuestWrites,
): boolean {
  if (rules.quotaBackendBytes === null) return false;
  if (last === undefined) return true;
  const ageMs = now.at - last.at;
  // To compact and defragment is no write.
  if (writes !== "Open" && ageMs >= closedMs) return true;
  const room = roomBelowThreshold(last.bytes, rules.quotaBackendBytes, rules.closeGuestWritesAt);
  if (ageMs < Math.min(slowestMs, room / fastestBytesPerMs)) return false;
  const written = now.revision - last.revision;
  // A revision that went back is one of a database that was restored; one that isn't a number tells nothing.
  return !(written >= 0 && written * largestWriteBytes < room);
}

/** Bytes that the database may grow by before it passes the next threshold. */
function roomBelowThreshold(bytes: number, quota: number, closeAt: number | null): number {
  const least = precision * quota;
  const thresholds = closeAt === null ? [alertAt] : [alertAt, closeAt, podsCloseAt(closeAt)];
  const above = thresholds.map((share) => share * quota - bytes).filter((room) => room > 0);
  return above.length === 0 ? least : Math.max(least, Math.min(...above));
}

/** Share from which on no pods are made for guests either: half of the way from there to the quota. */
const podsCloseAt = (closeAt: number): number => (closeAt + 1) / 2;

/**
 * What guests may write at this size. Guests' own writes close first. What they made before can have controllers write on,
 * as where its fat pods are deleted again and again: so nearer to the quota no new pods come either. What isn't known
 * changes nothing: without a reading all stays as it is. Below a threshold, too, all stays as it is for a while, so that
 * the doors don't swing.
 */
export function guestWritesAt(bytes: number | undefined, before: GuestWrites, rules: StorageRules): GuestWrites {
  const { quotaBackendBytes: quota, closeGuestWritesAt: closeAt, openGuestWritesBelow: openBelow } = rules;
  if (quota === null || closeAt === null) return "Open";
  if (bytes === undefined) return before;
  const [closing, opening] = [quota * closeAt, quota * Math.min(openBelow, closeAt)];
  if (bytes >= (before === "PodsClosed" ? closing : quota * podsCloseAt(closeAt))) return "PodsClosed";
  return bytes >= (before === "Open" ? closing : opening) ? "Closed" : "Open";
}

/** What the annotation says; whatever isn't known closes nothing. */
export const parseGuestWrites = (text: string | undefined): GuestWrites =>
  text === "Closed" || text === "PodsClosed" ? text : "Open";

/** The condition of a Grant in force while guests' writes are closed; there is none otherwise. */
export function writesClosedCondition(
  writes: GuestWrites,
  { quotaBackendBytes, openGuestWritesBelow }: StorageRules,
): DesiredCondition {
  const below = quotaBackendBytes === null
    ? ""
    : ` They open again below ${percent(openGuestWritesBelow)} of ${gibibytes(quotaBackendBytes)} ` +
      "(storage.quotaBackendBytes).";
  const pods = writes === "PodsClosed" ? ", and no pods are made for them," : "";
  return {
    type: "WritesClosed",
    status: "True",
    reason: "StorageNearlyFull",
    message: `Guests can read and delete but not write${pods} because the API server's database is nearly full.` +
      `${below} Compact and defragment etcd.`,
  };
}

const percent = (share: number): string => `${Math.round(share * 1000) / 10} %`;

/** An amount of storage as people read it. */
export const gibibytes = (bytes: number): string =>
  bytes < 2 ** 30 ? `${Math.round(bytes / 2 ** 20)} MiB` : `${Math.round(bytes / 2 ** 30 * 10) / 10} GiB`;

/** What the log says when a reading closes guests' writes or opens them; undefined when it does neither. */
export function storageNews(
  bytes: number,
  before: GuestWrites,
  after: GuestWrites,
  rules: StorageRules,
): string | undefined {
  if (before === after) return undefined;
  const size = `The API server's database holds ${gibibytes(bytes)} of ${gibibytes(rules.quotaBackendBytes ?? 0)}`;
  const remedy = `Compact and defragment etcd; guests' writes open below ${percent(rules.openGuestWritesBelow)}.`;
  return {
    Open: `${size}: guests' writes are open again.`,
    Closed: `${size}: guests' writes are closed, reads and deletes go on. ${remedy}`,
    PodsClosed: `${size}: guests' writes are closed, and no pods are made for them either. ${remedy}`,
  }[after];
}

/**
 * Bytes that a line of the API server's metrics tells for one etcd cluster; undefined for all other lines.
 *
 * ```ts
 * import { storageSizeIn } from "./database_storage.ts";
 * import { equal } from "node:assert/strict";
 * equal(storageSizeIn('apiserver_storage_size_bytes{storage_cluster_id="a"} 1.5e+06'), 1_500_000);
 * equal(storageSizeIn("apiserver_storage_size_bytes_total 1"), undefined);
 * ```
 */
export function storageSizeIn(line: string): number | undefined {
  const [, text] = /^apiserver_storage_size_bytes(?:\{.*\})? (\S+)/.exec(line) ?? [];
  const bytes = Number(text);
  return text !== undefined && Number.isFinite(bytes) && bytes >= 0 ? bytes : undefined;
}
