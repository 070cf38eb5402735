/** Permission to work: some at a time, the others in order, and no more than a number of them. */
export class Turns {
  readonly #atOnce: number;
  readonly #longest: number;
  #taken = 0;
  readonly #waiting = new Set<() => void>();

  constructor(atOnce: number, longest: number) {
    this.#atOnce = atOnce;
    this.#longest = longest;
  }

  /**
   * Resolves with a turn, which ends by its disposal; with undefined at once if too many wait. Rejects with the signal's
   * reason.
   */
  async take(signal: AbortSignal): Promise<Disposable | undefined> {
    signal.throwIfAborted();
    if (this.#taken < this.#atOnce) {
      this.#taken++;
    } else if (this.#waiting.size >= this.#longest) {
      return undefined;
    } else {
      await this.#wait(signal);
    }
    return { [Symbol.dispose]: () => this.#end() };
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = () => {
        this.#waiting.delete(start);
        reject(signal.reason);
      };
      const start = () => {
        signal.removeEventListener("abort", stop);
        resolve();
      };
      signal.addEventListener("abort", stop, { once: true });
      this.#waiting.add(start);
    });
  }

  /** Hands the turn to the next. */
  #end(): void {
    const [next] = this.#waiting;
    if (!next) this.#taken--;
    else {
      this.#waiting.delete(next);
      next();
    }
  }
}
