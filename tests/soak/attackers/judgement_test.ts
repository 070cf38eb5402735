import assert from "node:assert/strict";
import { broken, type JudgedObject, promised, quantile } from "./judgement.ts";

const times = (ms: number[]) => ({ begun: ms, ended: ms, missed: [] });
const hundred = (
  ...others: number[]
): number[] => [...Array.from({ length: 100 - others.length }, () => 80), ...others];

/** Returns a run in which all promises are kept, with some values replaced. */
const run = (but: Partial<JudgedObject> = {}): JudgedObject => ({
  before: times(hundred()),
  during: times(hundred()),
  ownEndMs: 200,
  requestsMs: [10],
  requestsFailed: [],
  operatorMiB: 150,
  frontMiB: 120,
  transitions: 0,
  operatorCode: 0,
  frontCode: 0,
  differences: [],
  breaches: [],
  attempts: 1000,
  connections: 400,
  databaseMiB: 900,
  processor: {},
  ...but,
});

const said = (but: Partial<JudgedObject>): string => broken(run(but), promised, "soak").join("\n");

Deno.test("a run exactly at all limits: no promise is broken", () => {
  assert.equal(said({}), "");
  assert.equal(said({ during: times(hundred(1000, 3000, 3000, 3000, 3000, 3000)) }), "");
  assert.equal(said({ operatorMiB: 255.9, ownEndMs: 3000 }), "");
});

Deno.test("each broken promise is reported with its figure, its limit and the remedy", () => {
  const late = said({ during: times(hundred(1001, 1001, 1001, 1001, 1001, 1001)) });
  assert.match(
    late,
    /94\.0 % of 100 grants began within 1000 ms; it must be at least 95 %\. Find the attack: .*soak --only NAME/,
  );
  assert.match(late, /94\.0 % of 100 grants ended within 1000 ms/);
  assert.match(said({ during: times(hundred(3001)) }), /one grant ended after 3001 ms; all must within 3000 ms/);
  assert.match(
    said({ during: { ...times(hundred()), missed: ["no"] } }),
    /1 grants failed to begin or end, e\.g\.: no/,
  );
  assert.match(said({ ownEndMs: undefined }), /lost access never; it must within 3000 ms/);
  assert.match(said({ ownEndMs: 3001 }), /lost access 3001 ms after it was revoked/);
  assert.match(said({ operatorMiB: 256 }), /The operator had 256 MiB resident; it must stay below 256 MiB/);
  assert.match(said({ frontMiB: 384 }), /The front had 384 MiB/);
  assert.match(said({ transitions: 1 }), /The Lease changed its holder 1 times/);
  assert.match(said({ operatorCode: 137 }), /The operator ended by itself with code 137/);
  assert.match(said({ frontCode: 1 }), /The front ended by itself with code 1/);
  assert.match(
    said({ requestsFailed: ["GET pods: 429"] }),
    /1 of 2 requests of another guest failed, e\.g\.: GET pods/,
  );
  assert.match(said({ differences: ["spec.cpu: 1 | 2"] }), /at 1 places, e\.g\.: spec\.cpu: 1 \| 2/);
  assert.match(said({ breaches: ["opens the network"] }), /1 requests were accepted that must never be, e\.g\.: opens/);
  assert.match(said({ databaseMiB: 2048 }), /The database grew to 2048 MiB of 2048/);
});

Deno.test("a run without attacks or grants: reported as too few samples", () => {
  assert.match(said({ attempts: 3 }), /Too few samples/);
  assert.match(said({ during: times([]) }), /0\.0 % of 0 grants began.*[^]*Too few samples/);
});

Deno.test("a quantile is a measured value", () => {
  assert.equal(quantile([3, 1, 2], 0.5), 2);
  assert.equal(quantile(hundred(1, 2), 0.95), 80);
  assert.ok(Number.isNaN(quantile([], 0.5)));
});
