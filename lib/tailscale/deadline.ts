/** Aborts {@linkcode signal} when the time is over or when the caller's own signal does. */
export class Deadline implements Disposable {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #abort = () => this.#controller.abort(this.#outer?.reason);
  #timeout: ReturnType<typeof setTimeout> | undefined;
  #passed = false;

  constructor(afterMs: number, outer?: AbortSignal) {
    this.#outer = outer;
    if (outer?.aborted) this.#abort();
    outer?.addEventListener("abort", this.#abort, { once: true });
    this.postpone(afterMs);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether it was the time that aborted the signal. */
  get passed(): boolean {
    return this.#passed;
  }

  /** Starts the time anew; without a number there is none any more. */
  postpone(afterMs?: number): void {
    clearTimeout(this.#timeout);
    if (afterMs === undefined) return;
    this.#timeout = setTimeout(() => {
      this.#passed = true;
      this.#controller.abort();
    }, afterMs);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timeout);
    this.#outer?.removeEventListener("abort", this.#abort);
  }
}
