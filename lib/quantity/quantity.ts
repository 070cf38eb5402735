/**
 * How a quantity is written: with `Ki`, `Mi`, … (`BinarySI`), with `m`, `k`, `M`, … (`DecimalSI`) or with `e3`, `e6`, …
 * (`DecimalExponent`). It is that of the text which was parsed, but a binary one below 1 becomes decimal.
 *
 * Source: Format in k8s.io/apimachinery/pkg/api/resource/quantity.go.
 */
export type Format = "BinarySI" | "DecimalSI" | "DecimalExponent";

const one = 10n ** 9n;
const milli = 10n ** 6n;
const decimalSuffixes = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
const binarySuffixes = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/** How many digits an amount has before its point, at most. */
export const wholeDigits = 64;
/** The largest amount, in billionths. */
export const most = 10n ** BigInt(wholeDigits) * one;

/** The amount in billionths, or the largest or smallest that there is when it lies beyond. */
export const held = (nanos: bigint): bigint => nanos > most ? most : nanos < -most ? -most : nanos;

/**
 * An exact, immutable amount of a resource, in whole billionths (the smallest amount Kubernetes keeps). No method rounds
 * but {@linkcode Quantity.roundUpToMilli}, and none overflows: amounts beyond ±10^64 are held at that, so that nothing
 * that is calculated with them is ever slow or long. Get one with `parseQuantity`.
 *
 * Source: Quantity in k8s.io/apimachinery/pkg/api/resource/quantity.go.
 */
export class Quantity {
  /** The amount in billionths: 1000000000n is 1. */
  readonly nanos: bigint;
  /** How it is written, as far as the amount allows. */
  readonly format: Format;

  /** Once it was asked for. */
  #text: string | undefined;

  /** An amount in billionths; `parseQuantity` is the usual way to one. */
  constructor(nanos: bigint, format: Format) {
    this.nanos = held(nanos);
    this.format = format;
  }

  /** The sum, in the format of this quantity, or in that of `other` when this one is zero. */
  add(other: Quantity): Quantity {
    return new Quantity(this.nanos + other.nanos, this.nanos === 0n ? other.format : this.format);
  }

  /** The difference, in the format of this quantity, or in that of `other` when this one is zero. */
  subtract(other: Quantity): Quantity {
    return this.add(other.negate());
  }

  /** -1 when this is less than `other`, 0 when they are equal (whatever their formats), 1 when it is more. */
  compare(other: Quantity): -1 | 0 | 1 {
    return this.nanos < other.nanos ? -1 : this.nanos > other.nanos ? 1 : 0;
  }

  /** -1, 0 or 1. */
  sign(): -1 | 0 | 1 {
    return this.nanos < 0n ? -1 : this.nanos > 0n ? 1 : 0;
  }

  /** The same amount with the other sign, in the same format. */
  negate(): Quantity {
    return new Quantity(-this.nanos, this.format);
  }

  /** Whether there is no fraction: `1500m` has one, `2000m` has none. */
  isInteger(): boolean {
    return this.nanos % one === 0n;
  }

  /**
   * The nearest whole thousandth away from zero: `100u` becomes `1m`, `-1500u` becomes `-2m`. The API server does so to
   * all quantities of a `ResourceList` (quotas, requests, limits) that it is given.
   */
  roundUpToMilli(): Quantity {
    return new Quantity(divideAwayFromZero(this.nanos, milli) * milli, this.format);
  }

  /**
   * The canonical form: no fraction, the largest suffix that needs none, no sign but `-`. `1.5` is `1500m`, `1024Mi` is
   * `1Gi`, `1e4` is `10e3`. A binary quantity with a fraction, or nearer to zero than 1Ki, is written as a decimal one.
   *
   * Of amounts without a suffix (10^21, 2^70 and so on) Kubernetes drops the exponent, so that `1000E` becomes `1`; they
   * are written with an exponent here, as `1e21`, which Kubernetes reads as what it is.
   */
  toString(): string {
    return this.#text ??= (this.format === "BinarySI" ? this.#binaryText() : undefined) ?? this.#decimalText();
  }

  /** Undefined when Kubernetes writes the amount as a decimal, and when there is no suffix for it. */
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

/** The quotient, rounded away from zero. `divisor` is positive. */
function divideAwayFromZero(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  return dividend % divisor === 0n ? quotient : dividend < 0n ? quotient - 1n : quotient + 1n;
}
