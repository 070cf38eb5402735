/**
 * Format of a quantity: with `Ki`, `Mi`, … (`BinarySI`), with `m`, `k`, `M`, … (`DecimalSI`) or with `e3`, `e6`, …
 * (`DecimalExponent`). It is that of the parsed text, but a binary quantity below 1 becomes decimal.
 *
 * Source: Format in k8s.io/apimachinery/pkg/api/resource/quantity.go.
 */
export type Format = "BinarySI" | "DecimalSI" | "DecimalExponent";

const one = 10n ** 9n;
const milli = 10n ** 6n;
const decimalSuffixes = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
const binarySuffixes = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/** Maximum number of digits before an amount's decimal point. */
export const wholeDigits = 64;
/** The largest amount, in billionths. */
export const most = 10n ** BigInt(wholeDigits) * one;

/** Limits an amount in billionths to the largest and smallest one. */
export const held = (nanos: bigint): bigint => nanos > most ? most : nanos < -most ? -most : nanos;

/**
 * An exact, immutable amount of a resource, in whole billionths (the smallest amount that Kubernetes keeps). No
 * method rounds except {@linkcode Quantity.roundUpToMilli}, and none overflows: amounts beyond ±10^64 are limited to
 * that, so that no calculation is slow and no text long. Create one with `parseQuantity`.
 *
 * Source: Quantity in k8s.io/apimachinery/pkg/api/resource/quantity.go.
 */
export class Quantity {
  /** The amount in billionths: 1000000000n is 1. */
  readonly nanos: bigint;
  /** Format of its text, if the amount allows it. */
  readonly format: Format;

  /** Cached text. */
  #text: string | undefined;

  /** Creates an amount in billionths; use `parseQuantity` for texts. */
  constructor(nanos: bigint, format: Format) {
    this.nanos = held(nanos);
    this.format = format;
  }

  /** Returns the sum, in the format of this quantity, or of `other` if this one is zero. */
  add(other: Quantity): Quantity {
    return new Quantity(this.nanos + other.nanos, this.nanos === 0n ? other.format : this.format);
  }

  /** Returns the difference, in the format of this quantity, or of `other` if this one is zero. */
  subtract(other: Quantity): Quantity {
    return this.add(other.negate());
  }

  /** Returns -1 if this is less than `other`, 0 if they are equal (in any format), 1 if it is more. */
  compare(other: Quantity): -1 | 0 | 1 {
    return this.nanos < other.nanos ? -1 : this.nanos > other.nanos ? 1 : 0;
  }

  /** Returns -1, 0 or 1. */
  sign(): -1 | 0 | 1 {
    return this.nanos < 0n ? -1 : this.nanos > 0n ? 1 : 0;
  }

  /** Returns the amount with the other sign, in the same format. */
  negate(): Quantity {
    return new Quantity(-this.nanos, this.format);
  }

  /** Reports whether the amount has no fraction: `1500m` has one, `2000m` has none. */
  isInteger(): boolean {
    return this.nanos % one === 0n;
  }

  /**
   * Returns the nearest whole thousandth away from zero: `100u` becomes `1m`, `-1500u` becomes `-2m`. The API server
   * does the same to all quantities of a `ResourceList` (quotas, requests, limits).
   */
  roundUpToMilli(): Quantity {
    return new Quantity(divideAwayFromZero(this.nanos, milli) * milli, this.format);
  }

  /**
   * Returns the canonical form: no fraction, the largest suffix without one, no sign except `-`. `1.5` is `1500m`,
   * `1024Mi` is `1Gi`, `1e4` is `10e3`. A binary quantity with a fraction, or closer to zero than 1Ki, is written as
   * a decimal one.
   *
   * For amounts without a suffix (10^21, 2^70 and so on) Kubernetes drops the exponent, so that `1000E` becomes `1`;
   * here they have an exponent, as in `1e21`, which Kubernetes reads correctly.
   */
  toString(): string {
    return this.#text ??= (this.format === "BinarySI" ? this.#binaryText() : undefined) ?? this.#decimalText();
  }

  /** Undefined if Kubernetes writes the amount as a decimal, or if there is no suffix for it. */
  #binaryText(): string | undefined {
    if (!this.isInteger()) return undefined;
    let mantissa = this.nanos / one;
    if (mantissa > -1024n && mantissa < 1024n) return undefined;
    let power = 0;
    for (; mantissa % 1024n === 0n; power++) mantissa /= 1024n;
    const suffix = binarySuffixes[power];
    return suffix === undefined ? undefined : `${mantissa}${suffix}`;
  }

  #decimalText(): string {
    if (this.nanos === 0n) return "0";
    let mantissa = this.nanos;
    let power = 0;
    for (; mantissa % 1000n === 0n; power++) mantissa /= 1000n;
    const exponent = power * 3 - 9;
    const suffix = this.format === "DecimalExponent" ? undefined : decimalSuffixes[power];
    return `${mantissa}${suffix ?? (exponent === 0 ? "" : `e${exponent}`)}`;
  }
}

/** Returns the quotient, rounded away from zero. `divisor` is positive. */
function divideAwayFromZero(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  return dividend % divisor === 0n ? quotient : dividend < 0n ? quotient - 1n : quotient + 1n;
}
