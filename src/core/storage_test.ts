import assert from "node:assert/strict";
import { parseSettings } from "../api/mod.ts";
import {
  gibibytes,
  guestWritesClosed,
  isReadingDue,
  storageNews,
  type StorageReading,
  type StorageRules,
  storageSizeIn,
  writesClosedVerdict,
} from "./storage.ts";

const GiB = 2 ** 30;
const rules = (storage: Partial<StorageRules> = {}): StorageRules => parseSettings({ storage }).storage;

Deno.test("storage: guests' writes close at 80 % of etcd's default quota and open again below 70 %", () => {
  const closed = (gib: number, before: boolean) => guestWritesClosed(gib * GiB, before, rules());
  assert.equal(closed(1.59, false), false);
  assert.equal(closed(1.6, false), true);
  assert.equal(closed(1.59, true), true, "the doors don't swing");
  assert.equal(closed(1.41, true), true);
  assert.equal(closed(1.39, true), false);
  assert.equal(closed(1.41, false), false);
});

Deno.test("storage: what isn't known changes nothing; without a quota or a threshold nothing is closed", () => {
  for (const before of [true, false]) assert.equal(guestWritesClosed(undefined, before, rules()), before);
  for (const off of [rules({ quotaBackendBytes: null }), rules({ closeGuestWritesAt: null })]) {
    for (const bytes of [undefined, 3 * GiB]) assert.equal(guestWritesClosed(bytes, true, off), false);
  }
});

const due = (
  { gib, writes, seconds, closed = false, ...storage }:
    & { gib: number; writes: number; seconds: number; closed?: boolean }
    & Partial<StorageRules>,
): boolean => {
  const last: StorageReading = { bytes: gib * GiB, revision: 1000, at: 5000 };
  return isReadingDue(last, { revision: 1000 + writes, at: 5000 + seconds * 1000 }, rules(storage), closed);
};

Deno.test("storage: a cluster that writes little is asked for nothing, however long", () => {
  assert.equal(due({ gib: 0.1, writes: 450, seconds: 86_400 }), false);
  assert.equal(
    due({ gib: 0.1, writes: 470, seconds: 86_400 }),
    true,
    "0.9 GiB up to the alert are 461 writes of 2 MiB",
  );
  assert.equal(due({ gib: 1.1, writes: 250, seconds: 86_400 }), false);
  assert.equal(due({ gib: 1.1, writes: 260, seconds: 86_400 }), true, "0.5 GiB up to the closing are 256");
});

Deno.test("storage: just below a threshold and above all of them readings are some dozen writes apart", () => {
  for (const gib of [0.999, 1.599, 1.9]) {
    assert.equal(due({ gib, writes: 51, seconds: 100 }), false, `${gib}`);
    assert.equal(due({ gib, writes: 52, seconds: 100 }), true, `${gib}`);
  }
});

Deno.test("storage: a busy cluster isn't asked more often than the fastest writer needs, and after a minute at the latest", () => {
  assert.equal(due({ gib: 0.1, writes: 1e6, seconds: 19 }), false);
  assert.equal(due({ gib: 0.1, writes: 1e6, seconds: 20 }), true);
  assert.equal(due({ gib: 1.59, writes: 1e6, seconds: 2 }), false);
  assert.equal(due({ gib: 1.59, writes: 1e6, seconds: 3 }), true);
  assert.equal(due({ gib: 1, writes: 1e6, seconds: 59, quotaBackendBytes: 64 * GiB }), false);
  assert.equal(due({ gib: 1, writes: 1e6, seconds: 60, quotaBackendBytes: 64 * GiB }), true);
});

Deno.test("storage: nobody can write past the closing and a twentieth more without a reading, in any steps", () => {
  const { quotaBackendBytes, closeGuestWritesAt } = rules();
  let [bytes, revision, at] = [0, 1, 0];
  let last: StorageReading = { bytes, revision, at };
  // The fastest writer of the largest objects, looked at as often as the Lease is renewed.
  for (; !guestWritesClosed(last.bytes, false, rules()); at += 5000) {
    if (isReadingDue(last, { revision, at }, rules(), false)) last = { bytes, revision, at };
    bytes += 5000 * 30_000;
    revision += 5000 * 30_000 / 1.5e6;
    assert.ok(bytes < 0.98 * quotaBackendBytes!, `${gibibytes(bytes)} at ${at} ms`);
  }
  assert.ok(bytes >= closeGuestWritesAt! * quotaBackendBytes!);
});

Deno.test("storage: while guests' writes are closed it is read three times a minute, for room is made without writes", () => {
  assert.equal(due({ gib: 1.7, writes: 0, seconds: 19, closed: true }), false);
  assert.equal(due({ gib: 1.7, writes: 0, seconds: 20, closed: true }), true);
});

Deno.test("storage: a first reading is due at once, one after a restore of the database or an odd revision too", () => {
  const now = { revision: 7, at: 0 };
  assert.equal(isReadingDue(undefined, now, rules(), false), true);
  assert.equal(isReadingDue(undefined, now, rules({ quotaBackendBytes: null }), true), false);
  assert.equal(due({ gib: 0.1, writes: -1, seconds: 60 }), true);
  assert.equal(due({ gib: 0.1, writes: NaN, seconds: 60 }), true);
  assert.equal(due({ gib: 0.1, writes: NaN, seconds: 1 }), false);
});

Deno.test("storage: the size is read from lines of one metric, whatever its labels", () => {
  const lines = [
    "# HELP apiserver_storage_size_bytes [STABLE] Size of the storage database file physically allocated in bytes.",
    "# TYPE apiserver_storage_size_bytes gauge",
    'apiserver_storage_size_bytes{storage_cluster_id="etcd-0"} 2.4576e+07',
    'apiserver_storage_size_bytes{storage_cluster_id="a}b"} 12',
    "apiserver_storage_size_bytes 3",
    "apiserver_storage_size_bytes NaN",
    "apiserver_storage_size_bytes_sum 5",
    'apiserver_storage_objects{resource="apiserver_storage_size_bytes"} 6',
  ];
  assert.deepEqual(lines.flatMap((line) => storageSizeIn(line) ?? []), [24_576_000, 12, 3]);
});

Deno.test("storage: the condition names setting and remedy, the log says when it changes", () => {
  const { message } = writesClosedVerdict(rules({ quotaBackendBytes: 8 * GiB }));
  assert.match(
    message,
    /open again below 70 % of 8 GiB \(storage\.quotaBackendBytes\)\. Compact and defragment etcd\.$/,
  );
  assert.equal(storageNews(GiB, false, false, rules()), undefined);
  assert.equal(storageNews(GiB, true, true, rules()), undefined);
  assert.match(storageNews(1.7 * GiB, false, true, rules())!, /holds 1\.7 GiB of 2 GiB, 80 % or more: .*below 70 %/);
  assert.match(storageNews(1.2 * GiB, true, false, rules())!, /open again/);
});

Deno.test("storage: doors that open above the height at which they close are refused", () => {
  assert.throws(() => rules({ openGuestWritesBelow: 0.9 }), /at most closeGuestWritesAt/);
  assert.equal(rules({ openGuestWritesBelow: 0.9, closeGuestWritesAt: null }).closeGuestWritesAt, null);
});
