import assert from "node:assert/strict";
import { parseSettings } from "../api/mod.ts";
import type { GuestWrites } from "./facts.ts";
import {
  gibibytes,
  guestWritesAt,
  isReadingDue,
  parseGuestWrites,
  storageNews,
  type StorageReading,
  type StorageRules,
  storageSizeIn,
  writesClosedCondition,
} from "./database_storage.ts";

const GiB = 2 ** 30;
const rules = (storage: Partial<StorageRules> = {}): StorageRules => parseSettings({ storage }).storage;

Deno.test("storage: guests' writes close at 80 % of etcd's default quota and open again below 70 %", () => {
  const at = (gib: number, before: GuestWrites) => guestWritesAt(gib * GiB, before, rules());
  assert.equal(at(1.59, "Open"), "Open");
  assert.equal(at(1.6, "Open"), "Closed");
  assert.equal(at(1.59, "Closed"), "Closed", "the doors don't swing");
  assert.equal(at(1.41, "Closed"), "Closed");
  assert.equal(at(1.39, "Closed"), "Open");
  assert.equal(at(1.41, "Open"), "Open");
});

Deno.test("storage: halfway between the threshold and the quota: creating pods closes too, until there is room for controllers", () => {
  const at = (gib: number, before: GuestWrites) => guestWritesAt(gib * GiB, before, rules());
  assert.equal(at(1.79, "Closed"), "Closed");
  for (const before of ["Open", "Closed", "PodsClosed"] as const) assert.equal(at(1.81, before), "PodsClosed");
  assert.equal(at(1.61, "PodsClosed"), "PodsClosed");
  assert.equal(at(1.59, "PodsClosed"), "Closed");
  assert.equal(at(1.39, "PodsClosed"), "Open");
});

Deno.test("storage: size unknown: nothing changes; no quota or no threshold: nothing closes", () => {
  for (const before of ["Open", "Closed", "PodsClosed"] as const) {
    assert.equal(guestWritesAt(undefined, before, rules()), before);
    for (const off of [rules({ quotaBackendBytes: null }), rules({ closeGuestWritesAt: null })]) {
      for (const bytes of [undefined, 3 * GiB]) assert.equal(guestWritesAt(bytes, before, off), "Open");
    }
  }
  assert.equal(parseGuestWrites("Closed"), "Closed");
  for (const text of [undefined, "", "closed"]) assert.equal(parseGuestWrites(text), "Open");
});

const due = (
  { gib, writes, seconds, guests = "Open", ...storage }:
    & { gib: number; writes: number; seconds: number; guests?: GuestWrites }
    & Partial<StorageRules>,
): boolean => {
  const last: StorageReading = { bytes: gib * GiB, revision: 1000, at: 5000 };
  return isReadingDue(last, { revision: 1000 + writes, at: 5000 + seconds * 1000 }, rules(storage), guests);
};

Deno.test("storage: few writes: no reading is due, however much time passes", () => {
  assert.equal(due({ gib: 0.1, writes: 450, seconds: 86_400 }), false);
  assert.equal(
    due({ gib: 0.1, writes: 470, seconds: 86_400 }),
    true,
    "0.9 GiB up to the alert are 461 writes of 2 MiB",
  );
  assert.equal(due({ gib: 1.1, writes: 250, seconds: 86_400 }), false);
  assert.equal(due({ gib: 1.1, writes: 260, seconds: 86_400 }), true, "0.5 GiB up to the closing are 256");
});

Deno.test("storage: just below a threshold or above all: readings are a few dozen writes apart", () => {
  for (const gib of [0.999, 1.599, 1.9]) {
    assert.equal(due({ gib, writes: 51, seconds: 100 }), false, `${gib}`);
    assert.equal(due({ gib, writes: 52, seconds: 100 }), true, `${gib}`);
  }
});

Deno.test("storage: a busy cluster: readings are as rare as the fastest writer permits, at most a minute apart", () => {
  assert.equal(due({ gib: 0.1, writes: 1e6, seconds: 19 }), false);
  assert.equal(due({ gib: 0.1, writes: 1e6, seconds: 20 }), true);
  assert.equal(due({ gib: 1.59, writes: 1e6, seconds: 2 }), false);
  assert.equal(due({ gib: 1.59, writes: 1e6, seconds: 3 }), true);
  assert.equal(due({ gib: 1, writes: 1e6, seconds: 59, quotaBackendBytes: 64 * GiB }), false);
  assert.equal(due({ gib: 1, writes: 1e6, seconds: 60, quotaBackendBytes: 64 * GiB }), true);
});

Deno.test("storage: any sequence of writes: a reading is due before the size exceeds the threshold by a twentieth", () => {
  const { quotaBackendBytes, closeGuestWritesAt } = rules();
  let [bytes, revision, at] = [0, 1, 0];
  let last: StorageReading = { bytes, revision, at };
  // The fastest writer of the largest objects, checked at each renewal of the Lease.
  for (; guestWritesAt(last.bytes, "Open", rules()) === "Open"; at += 5000) {
    if (isReadingDue(last, { revision, at }, rules(), "Open")) last = { bytes, revision, at };
    bytes += 5000 * 30_000;
    revision += 5000 * 30_000 / 1.5e6;
    assert.ok(bytes < 0.98 * quotaBackendBytes!, `${gibibytes(bytes)} at ${at} ms`);
  }
  assert.ok(bytes >= closeGuestWritesAt! * quotaBackendBytes!);
});

Deno.test("storage: guests' writes closed: three readings a minute, because room appears without writes", () => {
  assert.equal(due({ gib: 1.65, writes: 0, seconds: 19, guests: "Closed" }), false);
  assert.equal(due({ gib: 1.65, writes: 0, seconds: 20, guests: "Closed" }), true);
  assert.equal(due({ gib: 1.65, writes: 70, seconds: 4, guests: "Closed" }), false);
  assert.equal(due({ gib: 1.65, writes: 80, seconds: 4, guests: "Closed" }), true, "0.15 GiB up to the pods are 77");
});

Deno.test("storage: first reading, restored database or invalid revision: due at once", () => {
  const now = { revision: 7, at: 0 };
  assert.equal(isReadingDue(undefined, now, rules(), "Open"), true);
  assert.equal(isReadingDue(undefined, now, rules({ quotaBackendBytes: null }), "Closed"), false);
  assert.equal(due({ gib: 0.1, writes: -1, seconds: 60 }), true);
  assert.equal(due({ gib: 0.1, writes: NaN, seconds: 60 }), true);
  assert.equal(due({ gib: 0.1, writes: NaN, seconds: 1 }), false);
});

Deno.test("storage: the size is parsed from one metric, whatever its labels", () => {
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

Deno.test("storage: the condition names the setting and the remedy; the log reports changes", () => {
  const { message } = writesClosedCondition("Closed", rules({ quotaBackendBytes: 8 * GiB }));
  assert.match(
    message,
    /not write because .* below 70 % of 8 GiB \(storage\.quotaBackendBytes\)\. Compact and defragment etcd\.$/,
  );
  assert.match(
    writesClosedCondition("PodsClosed", rules()).message,
    /not write, and no pods are created for them, because/,
  );
  const news = (gib: number, before: GuestWrites, after: GuestWrites) => storageNews(gib * GiB, before, after, rules());
  assert.equal(news(1, "Open", "Open"), undefined);
  assert.equal(news(1.7, "Closed", "Closed"), undefined);
  assert.match(news(1.7, "Open", "Closed")!, /holds 1\.7 GiB of 2 GiB: guests' writes are closed; .*below 70 %/);
  assert.match(news(1.9, "Closed", "PodsClosed")!, /no pods are created for them either/);
  assert.match(news(1.2, "PodsClosed", "Open")!, /open again/);
});

Deno.test("storage: openGuestWritesBelow above closeGuestWritesAt: refused", () => {
  assert.throws(() => rules({ openGuestWritesBelow: 0.9 }), /at most closeGuestWritesAt/);
  assert.equal(rules({ openGuestWritesBelow: 0.9, closeGuestWritesAt: null }).closeGuestWritesAt, null);
});
