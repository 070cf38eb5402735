/** Aborts {@linkcode signal} at the deadline or when the caller's own signal aborts. */
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

  /** True if the deadline aborted the signal. */
  get passed(): boolean {
    return this.#passed;
  }

  /** Restarts the time; without a number there is no deadline any more. */
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
