import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { sameJson } from "./same_json.ts";

Deno.test("sameJson: JSON values are equal exactly if they are deeply equal", () => {
  const few = fc.oneof(fc.constantFrom(null, 0, 1, "", "a", true), fc.constantFrom([], {}));
  const value = fc.jsonValue({ maxDepth: 3 });
  const keys = fc.constantFrom("a", "b", "__proto__", "toString");
  const small = fc.oneof(
    few,
    fc.array(few, { maxLength: 2 }),
    fc.dictionary(keys, few, { maxKeys: 2, noNullPrototype: true }),
  );
  fc.assert(fc.property(small, small, (a, b) => sameJson(a, b) === isDeepStrictEqual(a, b)), { numRuns: 2000 });
  fc.assert(fc.property(value, (a) => sameJson(a, JSON.parse(JSON.stringify(a)))));
});

Deno.test("sameJson: an absent field differs from an undefined one, and a list from an object", () => {
  assert.equal(sameJson({ a: undefined }, {}), false);
  assert.equal(sameJson({ a: undefined }, { b: undefined }), false);
  assert.equal(sameJson({ a: undefined }, { a: undefined }), true);
  assert.equal(sameJson([], {}), false);
  assert.equal(sameJson({}, []), false);
  assert.equal(sameJson({ toString: 1 }, {}), false);
});
