import assert from "node:assert/strict";
import fc from "fast-check";
import { compareResourceVersions, isNewer } from "./resource_version.ts";

Deno.test("resource versions of any size: ordered as numbers", () => {
  fc.assert(fc.property(fc.bigInt({ min: 0n }), fc.bigInt({ min: 0n }), (a, b) => {
    assert.equal(compareResourceVersions(String(a), String(b)), a === b ? 0 : a < b ? -1 : 1);
    assert.equal(isNewer(String(a), String(b)), a > b);
  }));
});

for (const odd of [undefined, "", "-1", "1.5", "0x10", "007", "abc", " 7"]) {
  Deno.test(`resource version ${JSON.stringify(odd)}: can't be compared, and is never newer`, () => {
    assert.equal(compareResourceVersions(odd, "1"), undefined);
    assert.equal(compareResourceVersions("1", odd), undefined);
    assert.equal(isNewer(odd, "1"), false);
    assert.equal(isNewer("1", odd), false);
  });
}
