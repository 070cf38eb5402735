import assert from "node:assert/strict";
import { foldConditions } from "./conditions.ts";

const t0 = Date.parse("2026-01-01T00:00:00.900Z");
const verdict = (type: string, status: "True" | "False", reason = "R") => ({ type, status, reason, message: "m" });

Deno.test("conditions: lastTransitionTime changes only when status changes", () => {
  const first = foldConditions(undefined, [verdict("Ready", "False"), verdict("Known", "True")], 1, t0);
  assert.deepEqual(first.map(({ type, lastTransitionTime }) => [type, lastTransitionTime]), [
    ["Known", "2026-01-01T00:00:00Z"],
    ["Ready", "2026-01-01T00:00:00Z"],
  ]);
  const second = foldConditions(first, [verdict("Ready", "True"), verdict("Known", "True", "Other")], 2, t0 + 60_000);
  assert.deepEqual(
    second.map((
      { reason, observedGeneration, lastTransitionTime },
    ) => [reason, observedGeneration, lastTransitionTime]),
    [
      ["Other", 2, "2026-01-01T00:00:00Z"],
      ["R", 2, "2026-01-01T00:01:00Z"],
    ],
  );
});

Deno.test("conditions: a message over the API server's limit: truncated, so that the status can be written", () => {
  const [condition] = foldConditions(undefined, [{ ...verdict("Ready", "False"), message: "x".repeat(40_000) }], 1, t0);
  assert.equal(condition!.message.length, 32_768);
  assert.ok(condition!.message.endsWith("x…"));
});
