import assert from "node:assert/strict";
import fc from "fast-check";
import beyond from "./beyond.json" with { type: "json" };
import cases from "./cases.json" with { type: "json" };
import { isQuantity, parseQuantity, Quantity, QuantityError, sumQuantities } from "./mod.ts";

Deno.test("Kubernetes' cases: same values and texts", () => {
  for (const expected of cases.texts) {
    const { text } = expected;
    assert.equal(isQuantity(text), expected.canonical !== null, text);
    if (expected.canonical === null) continue;
    const quantity = parseQuantity(text);
    assert.equal(quantity.toString(), expected.canonical, text);
    assert.equal(quantity.sign(), expected.sign, text);
    assert.equal(quantity.isInteger(), expected.integer, text);
    assert.equal(quantity.roundUpToMilli().toString(), expected.milli, text);
    assert.equal(quantity.negate().toString(), expected.negated, text);
    // The text that Kubernetes shows, which may be the original one, is the same quantity.
    assert.equal(parseQuantity(expected.string!).compare(quantity), 0, text);
  }
});

Deno.test("Kubernetes' pairs: same sums, differences and order", () => {
  for (const expected of cases.pairs) {
    const [a, b] = [parseQuantity(expected.a), parseQuantity(expected.b)];
    const label = `${expected.a} and ${expected.b}`;
    assert.equal(a.add(b).toString(), expected.sum, label);
    assert.equal(a.subtract(b).toString(), expected.difference, label);
    assert.equal(a.compare(b), expected.compare, label);
  }
});

Deno.test("amount without a suffix: written with an exponent, which Kubernetes drops", () => {
  assert.equal(parseQuantity("1000E").toString(), "1e21");
  assert.equal(parseQuantity("-1000000E").toString(), "-1e24");
  let sum = parseQuantity("4Ei");
  for (let doubled = 0; doubled < 8; doubled++) sum = sum.add(sum);
  assert.equal(sum.toString(), (2n ** 70n).toString());
});

Deno.test("number: read as its decimal text", () => {
  assert.equal(parseQuantity(3).toString(), "3");
  assert.equal(parseQuantity(-0).toString(), "0");
  assert.equal(parseQuantity(0.1).toString(), "100m");
  assert.equal(parseQuantity(1e-7).toString(), "100e-9");
  assert.equal(parseQuantity(Number.MAX_SAFE_INTEGER).toString(), "9007199254740991");
});

Deno.test("invalid: the error has the value and the remedy", () => {
  const refused = (text: string | number, message: RegExp) => {
    assert.equal(isQuantity(text), false);
    assert.throws(() => parseQuantity(text), (error) => error instanceof QuantityError && message.test(error.message));
  };
  refused("", /^"" is not a quantity: write a number/);
  refused("4 GB", /^"4 GB" is not a quantity: write a number/);
  refused("1\n", /^"1\\n" is not a quantity: write a number/);
  refused(NaN, /^NaN is not a quantity: write a finite number/);
  refused(-Infinity, /^-Infinity is not a quantity: write a finite number/);
  refused(2 ** 53, /^the number 9007199254740992 is too large to be exact: write it as text/);
});

/** The largest amount, in billionths. */
const most = 10n ** 73n;

Deno.test("huge texts: as Kubernetes reads them, limited to 10^64", () => {
  assert.ok(beyond.length >= 200);
  for (const { text, unscaled, scale } of beyond) {
    assert.equal(isQuantity(text), unscaled !== null, text);
    if (unscaled === null) continue;
    const digits = unscaled!.replace("-", "").length;
    const magnitude = digits - scale! > 66 ? most : shifted(BigInt(unscaled!.replace("-", "")), 9 - scale!);
    const held = magnitude > most ? most : magnitude;
    assert.equal(parseQuantity(text).nanos, unscaled!.startsWith("-") ? -held : unscaled === "0" ? 0n : held, text);
  }
});

/** Shifts by a scale; those that Go has read are whole billionths at most. */
const shifted = (unscaled: bigint, by: number): bigint =>
  unscaled === 0n ? 0n : by >= 0 ? unscaled * 10n ** BigInt(by) : unscaled / 10n ** BigInt(-by);

Deno.test("any text a pod may have: fast to read, add and write", () => {
  const startedAt = performance.now();
  const texts = [
    "1e1002",
    "1e2147483647",
    "9".repeat(1_000_000),
    `0.${"0".repeat(1_000_000)}1`,
    `${"0".repeat(1_000_000)}1.${"9".repeat(1_000_000)}Ei`,
    `-${"9".repeat(1_000_000)}e100000`,
    "1e-2147483647",
  ];
  const all = texts.map(parseQuantity);
  const sum = sumQuantities(all.concat(all));
  for (const quantity of [...all, sum, sum.roundUpToMilli(), sum.negate()]) {
    assert.ok(quantity.toString().length <= 80);
    assert.equal(quantity.compare(parseQuantity("1E")), quantity.nanos > 10n ** 27n ? 1 : -1);
  }
  assert.ok(performance.now() - startedAt < 1000, "within a second");
});

Deno.test("amounts beyond 10^64: limited to it, larger than all others", () => {
  const huge = parseQuantity("1e1002");
  assert.equal(huge.toString(), "10e63");
  assert.equal(parseQuantity(huge.toString()).compare(huge), 0);
  assert.equal(huge.add(huge).compare(huge), 0);
  assert.equal(huge.subtract(parseQuantity("1E")).sign(), 1);
  assert.equal(parseQuantity("-1e1002").compare(huge.negate()), 0);
  assert.equal(new Quantity(10n ** 2000n, "DecimalSI").compare(huge), 0);
});

Deno.test("value of another type: refused with its type; long text: quoted in part", () => {
  for (const value of [null, undefined, {}, [], true, 1n, { toString: null }] as unknown as string[]) {
    assert.throws(() => parseQuantity(value), /^QuantityError: a value of type \w+ is not a quantity: write/);
  }
  assert.throws(
    () => parseQuantity("x".repeat(1_000_000)),
    (error) => error instanceof QuantityError && error.message.length < 200,
  );
});

/** An exact fraction: the meaning of a text before Kubernetes rounds or caps it. */
interface Rational {
  numerator: bigint;
  denominator: bigint;
}

const suffixes: Readonly<Record<string, Rational>> = {
  n: { numerator: 1n, denominator: 1_000_000_000n },
  u: { numerator: 1n, denominator: 1_000_000n },
  m: { numerator: 1n, denominator: 1000n },
  "": { numerator: 1n, denominator: 1n },
  k: { numerator: 1000n, denominator: 1n },
  M: { numerator: 1_000_000n, denominator: 1n },
  E: { numerator: 1_000_000_000_000_000_000n, denominator: 1n },
  Ki: { numerator: 1024n, denominator: 1n },
  Gi: { numerator: 1_073_741_824n, denominator: 1n },
  Ei: { numerator: 1_152_921_504_606_846_976n, denominator: 1n },
  e3: { numerator: 1000n, denominator: 1n },
  "E-3": { numerator: 1n, denominator: 1000n },
  "e+21": { numerator: 1_000_000_000_000_000_000_000n, denominator: 1n },
};

const digits = (minLength: number) =>
  fc.string({ unit: fc.constantFrom(..."0123456789"), minLength, maxLength: 20, size: "max" });

/** A text with its meaning. */
const written = fc.record({
  sign: fc.constantFrom("", "-", "+"),
  whole: digits(1),
  fraction: fc.option(digits(0)),
  suffix: fc.constantFrom(...Object.keys(suffixes)),
}).map(({ sign, whole, fraction, suffix }) => {
  const unit = suffixes[suffix]!;
  const numerator = BigInt(whole + (fraction ?? "")) * unit.numerator;
  return {
    text: `${sign}${whole}${fraction === null ? "" : `.${fraction}`}${suffix}`,
    binary: suffix.endsWith("i"),
    value: {
      numerator: sign === "-" ? -numerator : numerator,
      denominator: unit.denominator * 10n ** BigInt(fraction?.length ?? 0),
    },
  };
});
const quantities = written.map(({ text }) => parseQuantity(text));

const magnitude = (value: bigint) => value < 0n ? -value : value;

Deno.test("any text: read as its number, rounded away from zero to billionths, binary ones capped", () => {
  fc.assert(fc.property(written, ({ text, binary, value: { numerator, denominator } }) => {
    const { nanos } = parseQuantity(text);
    const cap = (2n ** 63n - 1n) * 10n ** 9n;
    assert.ok(nanos === 0n || (nanos < 0n) === (numerator < 0n), "the sign is kept");
    if (binary && magnitude(numerator) * 10n ** 9n > cap * denominator) return assert.equal(magnitude(nanos), cap);
    // 0 <= |nanos| - |value| < 1, in billionths
    const excess = magnitude(nanos) * denominator - magnitude(numerator) * 10n ** 9n;
    assert.ok(excess >= 0n && excess < denominator);
  }));
});

Deno.test("canonical form: the same quantity, and canonical", () => {
  fc.assert(fc.property(written, ({ text }) => {
    const quantity = parseQuantity(text);
    const canonical = quantity.toString();
    assert.match(canonical, /^(0|-?[1-9][0-9]*([numkMGTPE]|[KMGTPE]i|e-?[0-9]+)?)$/);
    assert.equal(parseQuantity(canonical).compare(quantity), 0);
    assert.equal(parseQuantity(canonical).toString(), canonical);
  }));
});

Deno.test("sums and differences: exact", () => {
  fc.assert(fc.property(quantities, quantities, (a, b) => {
    assert.equal(a.add(b).nanos, a.nanos + b.nanos);
    assert.equal(a.add(b).compare(b.add(a)), 0);
    assert.equal(a.add(b).subtract(b).compare(a), 0);
    assert.equal(a.subtract(b).sign(), a.compare(b));
    assert.equal(a.subtract(b).negate().compare(b.subtract(a)), 0);
  }));
});

Deno.test("roundUpToMilli: next thousandth away from zero", () => {
  fc.assert(fc.property(quantities, (quantity) => {
    const rounded = quantity.roundUpToMilli();
    const excess = magnitude(rounded.nanos) - magnitude(quantity.nanos);
    assert.equal(rounded.nanos % 1_000_000n, 0n);
    assert.ok(excess >= 0n && excess < 1_000_000n);
    assert.equal(rounded.sign(), quantity.sign());
    assert.equal(rounded.format, quantity.format);
  }));
});

Deno.test("any text: read, or refused with a QuantityError", () => {
  const nearly = fc.string({ unit: fc.constantFrom(..."0159.+-eEinumkKMGTP "), maxLength: 12 });
  fc.assert(fc.property(fc.oneof(fc.string(), nearly), (text) => {
    if (isQuantity(text)) assert.equal(typeof parseQuantity(text).toString(), "string");
    else assert.throws(() => parseQuantity(text), QuantityError);
  }));
});
