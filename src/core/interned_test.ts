import assert from "node:assert/strict";
import { interned } from "./interned.ts";

Deno.test("interned: equal values share one object, others stay unchanged", () => {
  const first = interned({ a: ["1"] });
  assert.equal(interned({ a: ["1"] }), first);
  assert.deepEqual(interned({ a: [1] }), { a: [1] });
  for (let index = 0; index < 10_000; index++) assert.deepEqual(interned({ index }), { index });
  assert.deepEqual(interned({ a: ["1"] }), first, "also when it was forgotten meanwhile");
});
