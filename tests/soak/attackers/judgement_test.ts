import assert from "node:assert/strict";
import { broken, type JudgedObject, promised, quantile } from "./judgement.ts";

const times = (ms: number[]) => ({ begun: ms, ended: ms, missed: [] });
const hundred = (
  ...others: number[]
): number[] => [...Array.from({ length: 100 - others.length }, () => 80), ...others];

/** A run in which all was well, but for this. */
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

Deno.test("nothing is said of a run in which every promise was kept, at its very limit", () => {
  assert.equal(said({}), "");
  assert.equal(said({ during: times(hundred(1000, 3000, 3000, 3000, 3000, 3000)) }), "");
  assert.equal(said({ operatorMiB: 255.9, ownEndMs: 3000 }), "");
});

Deno.test("each promise that was broken is said with its figure, its limit and what to do", () => {
  const late = said({ during: times(hundred(1001, 1001, 1001, 1001, 1001, 1001)) });
  assert.match(
    late,
    /94\.0 % of 100 grants began within 1000 ms; at least 95 % are to\. Narrow down .*soak --only NAME/,
  );
  assert.match(late, /94\.0 % of 100 grants ended within 1000 ms/);
  assert.match(said({ during: times(hundred(3001)) }), /one grant ended after 3001 ms; all are to within 3000 ms/);
  assert.match(said({ during: { ...times(hundred()), missed: ["no"] } }), /1 grants came to nothing, the first so: no/);
  assert.match(said({ ownEndMs: undefined }), /lost access not at all; it is to be within 3000 ms/);
  assert.match(said({ ownEndMs: 3001 }), /lost access 3001 ms after it was revoked/);
  assert.match(said({ operatorMiB: 256 }), /The operator had 256 MiB resident; it is to stay below 256 MiB/);
  assert.match(said({ frontMiB: 384 }), /The front had 384 MiB/);
  assert.match(said({ transitions: 1 }), /The Lease went to another holder 1 times/);
  assert.match(said({ operatorCode: 137 }), /The operator ended with code 137 by itself/);
  assert.match(said({ frontCode: 1 }), /The front ended with code 1 by itself/);
  assert.match(
    said({ requestsFailed: ["GET pods: 429"] }),
    /1 of 2 requests of another guest failed, the first so: GET pods/,
  );
  assert.match(said({ differences: ["spec.cpu: 1 | 2"] }), /at 1 places, such as spec\.cpu: 1 \| 2/);
  assert.match(said({ breaches: ["opens the network"] }), /1 requests went through that never may, such as: opens/);
  assert.match(said({ databaseMiB: 2048 }), /The database took 2048 MiB of 2048/);
});

Deno.test("of a run without attacks or grants it is said that it tells nothing", () => {
  assert.match(said({ attempts: 3 }), /Too little was tried/);
  assert.match(said({ during: times([]) }), /0\.0 % of 0 grants began.*[^]*Too little was tried/);
});

Deno.test("a quantile is a value that was measured", () => {
  assert.equal(quantile([3, 1, 2], 0.5), 2);
  assert.equal(quantile(hundred(1, 2), 0.95), 80);
  assert.ok(Number.isNaN(quantile([], 0.5)));
});
