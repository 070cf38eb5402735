/** Output of progress lines: standard error, on a terminal or in a log. */
export interface Terminal {
  isTerminal(): boolean;
  writeSync(bytes: Uint8Array): number;
}

/** Shows the progress of long work: one line that changes on a terminal, else a new line every 15 seconds. */
export class Progress implements Disposable {
  readonly #terminal: Terminal;
  readonly #live: boolean;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #line: () => string;
  #last = "";

  /** `line` returns the line to show now. */
  constructor(line: () => string, terminal: Terminal = Deno.stderr) {
    this.#line = line;
    this.#terminal = terminal;
    this.#live = terminal.isTerminal();
    this.#say();
    this.#timer = setInterval(() => this.#say(), this.#live ? 500 : 15_000);
  }

  #say(): void {
    const line = this.#line();
    if (line === this.#last) return;
    this.#last = line;
    this.#terminal.writeSync(new TextEncoder().encode(this.#live ? `\r\x1b[2K${line}` : `${line}\n`));
  }

  /** Ends the progress; on a terminal its line is erased. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    if (this.#live) this.#terminal.writeSync(new TextEncoder().encode("\r\x1b[2K"));
  }
}

/** Estimates the time left of work whose cost is only roughly known, from its speed so far. */
export class Estimate {
  readonly #total: number;
  readonly #now: () => number;
  readonly #start: number;
  #done = 0;

  /** `total` is the expected cost in seconds. */
  constructor(total: number, now: () => number = () => performance.now()) {
    this.#total = total;
    this.#now = now;
    this.#start = now();
  }

  /** Adds finished work, by its expected cost in seconds. */
  add(seconds: number): void {
    this.#done = Math.min(this.#total, this.#done + seconds);
  }

  /** E.g. `43 %, about 4 min left`. */
  toString(): string {
    const elapsed = (this.#now() - this.#start) / 1000;
    const share = this.#total === 0 ? 1 : this.#done / this.#total;
    // The first packages say little about the machine's speed: the known cost fades out over the first tenth.
    const trust = Math.min(1, share * 10);
    const pace = trust * (this.#done > 0 ? elapsed / this.#done : 1) + (1 - trust);
    const left = (this.#total - this.#done) * pace;
    const time = left < 60 ? `${Math.max(5, Math.ceil(left / 5) * 5)} s` : `${Math.round(left / 60)} min`;
    return `${Math.floor(share * 100)} %, about ${time} left`;
  }
}
