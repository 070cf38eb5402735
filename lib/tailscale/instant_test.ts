import assert from "node:assert/strict";
import { dateFrom } from "./mod.ts";

const cases: [string | null | undefined, string | undefined][] = [
  ["0001-01-01T00:00:00Z", undefined],
  ["0001-01-01T00:00:00-07:00", undefined],
  ["0001-01-01T00:00:00+02:00", undefined],
  ["", undefined],
  [null, undefined],
  [undefined, undefined],
  ["soon", undefined],
  ["2026-11-24T08:39:37.854937141Z", "2026-11-24T08:39:37.854Z"],
  ["2026-11-24T10:39:37+02:00", "2026-11-24T08:39:37.000Z"],
];

for (const [timestamp, instant] of cases) {
  Deno.test(`timestamp ${JSON.stringify(timestamp)}: ${instant ?? "none"}`, () => {
    assert.equal(dateFrom(timestamp)?.toISOString(), instant);
  });
}
