/**
 * Room in the API server's database (etcd): schedule for reading its size, and thresholds at which guests' writes
 * close. A quota counts objects but not how often they are written, and etcd keeps every version until it is compacted.
 */
import type { Settings } from "../api/mod.ts";
import type { DesiredCondition } from "./conditions.ts";
import type { GuestWrites } from "./facts.ts";

/** Settings of the database. */
export type StorageRules = Settings["storage"];

/** A reading of the size. */
export interface StorageReading {
  /** Size of the database file. etcd rejects writes based on this size, which compaction alone doesn't reduce. */
  bytes: number;
  /** Upper bound of the database's revision at that time; each write to the cluster increments it. */
  revision: number;
  /** Monotonic milliseconds. */
  at: number;
}

/** Name of the metric, stable since Kubernetes 1.28, with one series for each etcd cluster. */
export const storageSizeMetric = "apiserver_storage_size_bytes";

/**
 * Upper bound of the growth by one write: etcd accepts requests of 1.5 MiB (--max-request-bytes) and stores whole
 * pages.
 */
const largestWriteBytes = 2 * 2 ** 20;

/** Precision of the known size as a fraction of the quota; near a threshold more readings would gain nothing. */
const precision = 0.05;

/** Fraction of the quota at which the alert KeystoneStorageHalfFull fires. */
const alertAt = 0.5;

/** Upper bound of the write rate in bytes per millisecond. */
export const fastestBytesPerMs = 50_000;

/** Milliseconds between readings while guests' writes are closed. */
const closedMs = 20_000;

/** Upper bound of the age in milliseconds up to which a reading is used however much is written meanwhile. */
const slowestMs = 60_000;

/**
 * Reports whether the size may have passed a threshold since the last reading. The number of writes since then is
 * bounded by the revision, which each renewal of the Lease returns, so an idle cluster is not queried.
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
  // Compaction and defragmentation don't change the revision.
  if (writes !== "Open" && ageMs >= closedMs) return true;
  const room = roomBelowThreshold(last.bytes, rules.quotaBackendBytes, rules.closeGuestWritesAt);
  if (ageMs < Math.min(slowestMs, room / fastestBytesPerMs)) return false;
  const written = now.revision - last.revision;
  // A lower revision is that of a restored database; NaN is unknown. Both require a reading.
  return !(written >= 0 && written * largestWriteBytes < room);
}

/** Returns the bytes by which the database may grow before it passes the next threshold. */
function roomBelowThreshold(bytes: number, quota: number, closeAt: number | null): number {
  const least = precision * quota;
  const thresholds = closeAt === null ? [alertAt] : [alertAt, closeAt, podsCloseAt(closeAt)];
  const above = thresholds.map((share) => share * quota - bytes).filter((room) => room > 0);
  return above.length === 0 ? least : Math.max(least, Math.min(...above));
}

/** Returns the fraction at which creating guests' pods closes too: halfway between `closeAt` and the quota. */
const podsCloseAt = (closeAt: number): number => (closeAt + 1) / 2;

/**
 * Returns the writes that guests may make at this size. Guests' own writes close first. Controllers may go on writing
 * for guests' workloads, as when large pods are deleted again and again, so nearer to the quota creating pods closes
 * too. Without a reading nothing changes. The threshold for opening is lower than that for closing, to avoid flapping.
 */
export function guestWritesAt(bytes: number | undefined, before: GuestWrites, rules: StorageRules): GuestWrites {
  const { quotaBackendBytes: quota, closeGuestWritesAt: closeAt, openGuestWritesBelow: openBelow } = rules;
  if (quota === null || closeAt === null) return "Open";
  if (bytes === undefined) return before;
  const [closing, opening] = [quota * closeAt, quota * Math.min(openBelow, closeAt)];
  if (bytes >= (before === "PodsClosed" ? closing : quota * podsCloseAt(closeAt))) return "PodsClosed";
  return bytes >= (before === "Open" ? closing : opening) ? "Closed" : "Open";
}

/** Parses the annotation; an unknown value closes nothing. */
export const parseGuestWrites = (text: string | undefined): GuestWrites =>
  text === "Closed" || text === "PodsClosed" ? text : "Open";

/** Returns the condition of a Grant in force while guests' writes are closed. */
export function writesClosedCondition(
  writes: GuestWrites,
  { quotaBackendBytes, openGuestWritesBelow }: StorageRules,
): DesiredCondition {
  const below = quotaBackendBytes === null
    ? ""
    : ` They open again below ${percent(openGuestWritesBelow)} of ${gibibytes(quotaBackendBytes)} ` +
      "(storage.quotaBackendBytes).";
  const pods = writes === "PodsClosed" ? ", and no pods are created for them," : "";
  return {
    type: "WritesClosed",
    status: "True",
    reason: "StorageNearlyFull",
    message: `Guests can read and delete but not write${pods} because the API server's database is nearly full.` +
      `${below} Compact and defragment etcd.`,
  };
}

const percent = (share: number): string => `${Math.round(share * 1000) / 10} %`;

/** Formats an amount of storage for people. */
export const gibibytes = (bytes: number): string =>
  bytes < 2 ** 30 ? `${Math.round(bytes / 2 ** 20)} MiB` : `${Math.round(bytes / 2 ** 30 * 10) / 10} GiB`;

/** Returns the log message if a reading closes or opens guests' writes. */
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
    Closed: `${size}: guests' writes are closed; reads and deletes are still allowed. ${remedy}`,
    PodsClosed: `${size}: guests' writes are closed, and no pods are created for them either. ${remedy}`,
  }[after];
}

/**
 * Parses the size in bytes from a line of the API server's metrics; undefined for all other lines.
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
