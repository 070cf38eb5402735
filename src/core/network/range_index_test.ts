import assert from "node:assert/strict";
import { parseRange } from "../address.ts";
import { RangeIndex } from "./range_index.ts";

Deno.test("range index: an address is found in a range of its family only", () => {
  const index = new RangeIndex(["10.42.0.0/16", "192.0.2.7", "fd00:42::/56"].map((text) => parseRange(text)!));
  for (const address of ["10.42.255.1", "192.0.2.7", "fd00:42:0:ff::1"]) {
    assert.equal(index.has(address), true, address);
  }
  for (const address of ["10.43.0.1", "192.0.2.8", "fd00:42:0:100::1", "::", "", "pod", "10.42.0.1/16"]) {
    assert.equal(index.has(address), false, address);
  }
  assert.equal(new RangeIndex([]).has("10.42.0.1"), false);
});
