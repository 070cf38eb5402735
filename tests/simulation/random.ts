/** Repeatable chance: the same seed gives the same choices. */
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { skipN } from "pure-rand/utils/skipN";

/** First numbers of a generator that are left out: they still resemble its seed. */
const resembling = 8;

/** Choices that follow from a seed. */
export class SeededRandom {
  readonly #generator: ReturnType<typeof xoroshiro128plus>;

  constructor(seed: number) {
    this.#generator = xoroshiro128plus(seed);
    skipN(this.#generator, resembling);
  }

  /** A whole number from 0 to below `bound`. */
  below(bound: number): number {
    return uniformInt(this.#generator, 0, bound - 1);
  }

  /** True that often out of a hundred. */
  percent(often: number): boolean {
    return this.below(100) < often;
  }

  /** One of them; there is at least one. */
  of<T>(all: readonly T[]): T {
    return all[this.below(all.length)]!;
  }

  /** All of them in any order. */
  shuffled<T>(all: readonly T[]): T[] {
    const out = [...all];
    for (let last = out.length - 1; last > 0; last--) {
      const other = this.below(last + 1);
      [out[last], out[other]] = [out[other]!, out[last]!];
    }
    return out;
  }
}

/** A chance of its own for each step of a schedule, so that a step that is left out changes no other's choices. */
export const randomOf = (seed: number, step: number): SeededRandom =>
  new SeededRandom(Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(step + 1, 0xc2b2ae35));

/** A running hash of texts with 53 bits (two FNV-1a's), enough to tell millions of traces apart. */
export class Hash {
  #low = 0x811c9dc5;
  #high = 0x01000193;

  add(text: string): void {
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      this.#low = Math.imul(this.#low ^ code, 0x01000193);
      this.#high = Math.imul(this.#high ^ code, 0x85ebca6b) + index | 0;
    }
  }

  get value(): number {
    return (this.#high >>> 11) * 4294967296 + (this.#low >>> 0);
  }
}
