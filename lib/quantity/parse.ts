import { divideAwayFromZero, type Format, Quantity } from "./quantity.ts";

/** Longest text that is read. Canonical forms of what a cluster can hold have some 20 characters. */
const maxLength = 64;
/** Largest exponent, either way. Kubernetes knows no bound and would calculate 10^999999999. */
const maxExponent = 999;

const pattern = /^([+-]?)([0-9]*)(?:\.([0-9]*))?(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?[0-9]+))?$/;

const decimalExponents: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};
const binaryFactors: Readonly<Record<string, bigint>> = {
  Ki: 2n ** 10n,
  Mi: 2n ** 20n,
  Gi: 2n ** 30n,
  Ti: 2n ** 40n,
  Pi: 2n ** 50n,
  Ei: 2n ** 60n,
};

const one = 10n ** 9n;
const maxBinary = (2n ** 63n - 1n) * one;

/** The powers that suffixes and usual fractions need: `**` takes three times as long. */
const powersOfTen = Array.from({ length: 40 }, (_, exponent) => 10n ** BigInt(exponent));
const powerOfTen = (exponent: number): bigint => powersOfTen[exponent] ?? 10n ** BigInt(exponent);

/** A text or number that is not a quantity. The message names it and says what to write. */
export class QuantityError extends Error {
  /** Tells it from other errors in logs. */
  override readonly name = "QuantityError";
}

/**
 * Reads a quantity exactly as Kubernetes' `ParseQuantity` does: it takes the same texts and gives them the same value.
 *
 * - A decimal number with an optional sign, then one of `n u m k M G T P E`, `Ki Mi Gi Ti Pi Ei`, an exponent such as
 *   `e3` or `E-3`, or nothing. `1E` is exa, `1E3` is a thousand.
 * - Finer amounts than 1n are rounded away from zero to whole billionths, so that what is more than nothing stays so.
 * - Quantities with a binary suffix are capped at 2^63-1 (either sign), others are not.
 * - Kubernetes reads a missing number (`Gi`, `-`, `.`) as zero; so does this. White space is an error, which the API
 *   server trims when it stands around a quantity in JSON.
 *
 * Tighter than Kubernetes: at most 64 characters, and exponents from -999 to 999. A JavaScript number has to be finite,
 * and within ±(2^53-1), since beyond that it may not be the one that was written.
 *
 * Source: ParseQuantity in k8s.io/apimachinery/pkg/api/resource/quantity.go.
 *
 * ```ts
 * import { isQuantity, parseQuantity, QuantityError } from "./mod.ts";
 * import assert from "node:assert/strict";
 *
 * assert.equal(parseQuantity("1.5").toString(), "1500m");
 * assert.equal(parseQuantity("1024Mi").toString(), "1Gi");
 * assert.equal(parseQuantity(3).toString(), "3");
 * assert.equal(isQuantity("4 GB"), false);
 * assert.throws(() => parseQuantity("4 GB"), QuantityError);
 * ```
 *
 * @throws {QuantityError} when `text` is not a quantity
 */
export function parseQuantity(text: string | number): Quantity {
  if (typeof text === "number") return parseQuantity(numberText(text));
  const known = recent.get(text);
  if (known) return known;
  const quantity = parse(text);
  if (recent.size === mostRecent) recent.clear();
  recent.set(text, quantity);
  return quantity;
}

/** A cluster holds few different quantities, many times each, and they never change. */
const recent = new Map<string, Quantity>();
const mostRecent = 4096;

function parse(text: string): Quantity {
  if (text.length > maxLength) {
    throw new QuantityError(
      `"${text.slice(0, maxLength)}…" is too long for a quantity: write at most ${maxLength} characters`,
    );
  }
  const match = text === "" ? null : pattern.exec(text);
  if (!match) throw notAQuantity(text);
  const [, sign, whole = "", fraction = "", suffix, exponentText] = match;

  const binaryFactor = suffix === undefined ? undefined : binaryFactors[suffix];
  const exponent = exponentText === undefined ? decimalExponents[suffix ?? ""] ?? 0 : Number(exponentText);
  if (Math.abs(exponent) > maxExponent) {
    throw new QuantityError(
      `the exponent of "${text}" is out of range: write one between -${maxExponent} and ${maxExponent}`,
    );
  }
  if (whole === "" && fraction === "" && !isZeroWithoutDigits(suffix, exponent)) throw notAQuantity(text);

  const mantissa = BigInt(whole + fraction) * (binaryFactor ?? 1n);
  const shift = 9 + exponent - fraction.length;
  let nanos = shift >= 0 ? mantissa * powerOfTen(shift) : divideAwayFromZero(mantissa, powerOfTen(-shift));
  let format: Format = exponentText === undefined ? "DecimalSI" : "DecimalExponent";
  if (binaryFactor !== undefined) {
    if (nanos > maxBinary) nanos = maxBinary;
    // Kubernetes forgets the binary format of a fraction of 1, which sums then follow. That of zero never matters.
    if (nanos >= one) format = "BinarySI";
  }
  return new Quantity(sign === "-" ? -nanos : nanos, format);
}

/** Whether {@linkcode parseQuantity} takes `text`. */
export function isQuantity(text: string | number): boolean {
  try {
    parseQuantity(text);
    return true;
  } catch (error) {
    if (error instanceof QuantityError) return false;
    throw error;
  }
}

function numberText(value: number): string {
  if (!Number.isFinite(value)) {
    throw new QuantityError(`${value} is not a quantity: write a finite number, such as 2`);
  }
  if (Math.abs(value) > Number.MAX_SAFE_INTEGER) {
    throw new QuantityError(`the number ${value} is too large to be exact: write it as text, such as "16E"`);
  }
  return String(value);
}

/** Kubernetes reads a missing number in its path for small quantities only. */
const isZeroWithoutDigits = (suffix: string | undefined, exponent: number): boolean =>
  suffix !== "Pi" && suffix !== "Ei" && exponent >= -9;

const notAQuantity = (text: string): QuantityError =>
  new QuantityError(
    `${JSON.stringify(text)} is not a quantity: write a number with an optional suffix, such as 500m, 2, 4Gi or 1e3`,
  );
