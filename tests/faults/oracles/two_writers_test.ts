/** Writes while another operator holds the Lease are found, and no others. */
import assert from "node:assert/strict";
import { onTheWire, writesByOthers } from "./two_writers.ts";

const at = (second: number) => `2026-01-01T00:00:${String(second).padStart(2, "0")}.000000Z`;

const audited = (second: number, username: string, verb: string, resource: string, more = {}) =>
  JSON.stringify({
    verb,
    user: { username },
    objectRef: { resource, name: "one" },
    requestReceivedTimestamp: at(second),
    stageTimestamp: at(second),
    responseStatus: { code: 200 },
    ...more,
  });

const handover = [
  audited(1, "a", "create", "leases"),
  audited(2, "a", "patch", "grants"),
  audited(20, "b", "update", "leases"),
  audited(21, "a", "update", "leases", { responseStatus: { code: 409 } }),
];

const found = (...lines: string[]) => writesByOthers([...handover, ...lines], ["a", "b"]);

Deno.test("a write of the holder is allowed, one of another operator is found", () => {
  assert.deepEqual(found(audited(22, "b", "patch", "grants"), audited(23, "c", "patch", "grants")), []);
  assert.deepEqual(found(audited(22, "a", "patch", "grants")), [
    `a wrote at ${at(22)} while b held the Lease: patch grants one`,
  ]);
  assert.deepEqual(found(audited(19, "b", "patch", "grants")), [
    `b wrote at ${at(19)} while a held the Lease: patch grants one`,
  ]);
});

Deno.test("refused writes, reads and late writes from the wire don't count", () => {
  assert.deepEqual(
    found(
      audited(22, "a", "patch", "grants", { responseStatus: { code: 409 } }),
      audited(22, "a", "list", "grants"),
      audited(22, "a", "patch", "grants", { userAgent: onTheWire }),
    ),
    [],
  );
});
