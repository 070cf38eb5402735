/** Reproducible randomness: the same seed gives the same choices. */
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { skipN } from "pure-rand/utils/skipN";

/** Number of first outputs to skip, because they still resemble the seed. */
const resembling = 8;

/** Choices derived from a seed. */
export class SeededRandom {
  readonly #generator: ReturnType<typeof xoroshiro128plus>;

  constructor(seed: number) {
    this.#generator = xoroshiro128plus(seed);
    skipN(this.#generator, resembling);
  }

  /** Returns an integer from 0 to below `bound`. */
  below(bound: number): number {
    return uniformInt(this.#generator, 0, bound - 1);
  }

  /** Returns true with this probability, in percent. */
  percent(often: number): boolean {
    return this.below(100) < often;
  }

  /** Returns one element of a list that isn't empty. */
  of<T>(all: readonly T[]): T {
    return all[this.below(all.length)]!;
  }

  /** Returns all elements in random order. */
  shuffled<T>(all: readonly T[]): T[] {
    const out = [...all];
    for (let last = out.length - 1; last > 0; last--) {
      const other = this.below(last + 1);
      [out[last], out[other]] = [out[other]!, out[last]!];
    }
    return out;
  }
}

/** Returns separate randomness for each step of a schedule, so that leaving out a step changes no choices of others. */
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
