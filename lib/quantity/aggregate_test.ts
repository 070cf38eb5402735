import assert from "node:assert/strict";
import fc from "fast-check";
import { maxQuantity, minQuantity, parseQuantity, type Quantity, sumQuantities } from "./mod.ts";

const quantity = fc.tuple(
  fc.integer({ min: -2000, max: 2000 }),
  fc.constantFrom("n", "m", "", "k", "E", "Ki", "Gi", "Ei", "e3"),
).map(([number, suffix]) => parseQuantity(`${number}${suffix}`));
const written = ({ format, nanos }: Quantity) => ({ format, nanos });

Deno.test("sum of many: exact, in any order", () => {
  fc.assert(fc.property(fc.array(quantity), (quantities) => {
    const nanos = quantities.reduce((sum, each) => sum + each.nanos, 0n);
    assert.equal(sumQuantities(quantities).nanos, nanos);
    assert.equal(sumQuantities(quantities.toReversed()).nanos, nanos);
  }));
});

Deno.test("sum: has the format of the first that isn't zero, as if Kubernetes adds to an empty quantity", () => {
  const sum = (...texts: string[]) => written(sumQuantities(texts.map(parseQuantity)));
  assert.deepEqual(sum(), { format: "DecimalSI", nanos: 0n });
  assert.equal(sum("0", "1Gi", "1G").format, "BinarySI");
  assert.equal(sum("0Ki", "1e3", "1Gi").format, "DecimalExponent");
  assert.equal(sum("1", "1Gi").format, "DecimalSI");
});

Deno.test("largest and smallest: among the given ones, with none beyond", () => {
  fc.assert(fc.property(quantity, fc.array(quantity), (first, others) => {
    const all = [first, ...others];
    const [most, least] = [maxQuantity(first, ...others), minQuantity(first, ...others)];
    assert.ok(all.includes(most) && all.includes(least));
    assert.ok(all.every((each) => each.compare(most) <= 0 && each.compare(least) >= 0));
  }));
});

Deno.test("largest and smallest of equal ones: the first", () => {
  const [binary, decimal] = [parseQuantity("1Ki"), parseQuantity("1024")];
  assert.deepEqual(written(maxQuantity(binary, decimal)), written(binary));
  assert.deepEqual(written(minQuantity(decimal, binary)), written(decimal));
});
