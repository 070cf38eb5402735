import { type Format, held, most, Quantity, wholeDigits } from "./quantity.ts";

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

/** A text or number that is not a quantity. The message has the value and the remedy. */
export class QuantityError extends Error {
  /** Distinguishes it from other errors in logs. */
  override readonly name = "QuantityError";
}

/**
 * Reads a quantity exactly as Kubernetes' `ParseQuantity` does: it accepts the same texts and returns the same
 * values.
 *
 * - A decimal number with an optional sign, then one of `n u m k M G T P E`, `Ki Mi Gi Ti Pi Ei`, an exponent such as
 *   `e3` or `E-3`, or nothing. `1E` is exa, `1E3` is a thousand. Only the lowest 32 bits of an exponent count, so
 *   `1e4294967299` is a thousand too.
 * - Amounts finer than 1n are rounded away from zero to whole billionths, so that a positive amount stays positive.
 * - Quantities with a binary suffix are capped at 2^63-1 (either sign), others are not.
 * - Like Kubernetes, it reads a missing number (`Gi`, `-`, `.`) as zero. White space is an error; the API server
 *   trims it around a quantity in JSON.
 *
 * Amounts beyond ±10^64 are limited to that: Kubernetes calculates with 10^1000000 if a pod requests it, but here
 * that costs nothing. A JavaScript number must be finite and within ±(2^53-1), because beyond that it may differ from
 * the written one.
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
 * @throws {QuantityError} if `text` is not a quantity
 */
export function parseQuantity(text: string | number): Quantity {
  if (typeof text === "number") return parseQuantity(numberText(text));
  // A value from JSON may have any type, whatever is declared.
  if (typeof text !== "string") throw notAQuantity(text);
  const known = recent.get(text);
  if (known) return known;
  const quantity = parse(text);
  if (text.length > longestRemembered) return quantity;
  if (recent.size === mostRecent) recent.clear();
  recent.set(text, quantity);
  return quantity;
}

/** Cache, because a cluster has few different quantities, each many times, and they are immutable. */
const recent = new Map<string, Quantity>();
const mostRecent = 4096;
/** Maximum length of cached texts: canonical forms have some 20 characters; longer ones aren't worth the memory. */
const longestRemembered = 64;

function parse(text: string): Quantity {
  const match = text === "" ? null : pattern.exec(text);
  if (!match) throw notAQuantity(text);
  const [, sign, whole = "", fraction = "", suffix, exponentText] = match;
  const exponent = exponentText === undefined ? decimalExponents[suffix ?? ""] ?? 0 : exponentFrom(exponentText);
  if (exponent === undefined) throw notAQuantity(text);
  if (whole === "" && fraction === "" && !isZeroWithoutDigits(suffix, exponent)) throw notAQuantity(text);

  const binaryFactor = suffix === undefined ? undefined : binaryFactors[suffix];
  const digits = (whole + fraction).replace(leadingZeros, "");
  const point = digits.length - fraction.length + exponent;
  let nanos = nanosOf(digits, point, binaryFactor ?? 1n);
  let format: Format = exponentText === undefined ? "DecimalSI" : "DecimalExponent";
  if (binaryFactor !== undefined) {
    if (nanos > maxBinary) nanos = maxBinary;
    // Kubernetes drops the binary format of a fraction of 1, which affects sums. The format of zero never matters.
    if (nanos >= one) format = "BinarySI";
  }
  return new Quantity(sign === "-" ? -nanos : nanos, format);
}

const leadingZeros = /^0+/;

/** Reads an exponent like Go's strconv with a conversion to int32; undefined if it exceeds 64 bits. */
function exponentFrom(text: string): number | undefined {
  const digits = text.replace(/^[+-]?0*/, "");
  if (digits.length > 19) return undefined;
  const exponent = text.startsWith("-") ? -BigInt(digits) : BigInt(digits);
  return BigInt.asIntN(64, exponent) === exponent ? Number(BigInt.asIntN(32, exponent)) : undefined;
}

/** Digits of a binary fraction after which only a non-zero rest matters: the multiples of 1n / 2^60 end earlier. */
const fractionDigits = 69;
const unit = 10n ** BigInt(fractionDigits - 9);

/**
 * Returns 0.`digits` · 10^`point` · `factor` in billionths, rounded away from zero, limited to the largest amount. No
 * text makes it calculate with more than some 140 digits.
 */
function nanosOf(digits: string, point: number, factor: bigint): bigint {
  if (digits === "") return 0n;
  if (point > wholeDigits) return most;
  // Less than a billionth for any factor.
  if (point < -fractionDigits) return 1n;
  const length = point + fractionDigits;
  const kept = BigInt(digits.slice(0, length).padEnd(length, "0")) * factor;
  const isExact = kept % unit === 0n && !/[1-9]/.test(digits.slice(length));
  return held(isExact ? kept / unit : kept / unit + 1n);
}

/** Reports whether {@linkcode parseQuantity} accepts `text`. */
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

/** Kubernetes reads a missing number as zero only in its code for small quantities. */
const isZeroWithoutDigits = (suffix: string | undefined, exponent: number): boolean =>
  suffix !== "Pi" && suffix !== "Ei" && exponent >= -9;

const longestQuoted = 64;

function notAQuantity(value: unknown): QuantityError {
  const text = typeof value === "string" ? value : `a value of type ${value === null ? "null" : typeof value}`;
  const said = text.length > longestQuoted ? `${text.slice(0, longestQuoted)}…` : text;
  return new QuantityError(
    `${
      typeof value === "string" ? JSON.stringify(said) : said
    } is not a quantity: write a number with an optional suffix, such as 500m, 2, 4Gi or 1e3`,
  );
}
