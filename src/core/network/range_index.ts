import { cidr, parseRange, type Range } from "../address.ts";

/** Index of ranges: a lookup takes as long as there are different lengths of prefixes. */
export class RangeIndex {
  readonly #ranges: ReadonlySet<string>;
  readonly #prefixes: readonly number[];

  constructor(ranges: readonly Range[]) {
    this.#ranges = new Set(ranges.map(cidr));
    this.#prefixes = [...new Set(ranges.map(({ prefix }) => prefix))];
  }

  /** Reports whether the address lies in any of the ranges; false if it is no address. */
  has(address: string): boolean {
    return this.#prefixes.some((prefix) => {
      const range = parseRange(`${address}/${prefix}`);
      return range !== undefined && this.#ranges.has(cidr(range));
    });
  }
}
