/** Users whose processes have opened connections to a port of 127.0.0.1, by the kernel's table of sockets. */
import { readSync } from "node:fs";
import { type Clock, sleep } from "../../../lib/clock/mod.ts";
import { hasListener, ownersOf } from "./socket_table.ts";

/** Returns the rows of the table from an offset in bytes, as whole lines; an empty text at its end. */
export type TableReader = (offset: number) => string;

/** Answer about a connection: the user's ID; `nobody`: no process has it open; `unknown`: the table can't be used. */
export type ConnectionOwner = number | "nobody" | "unknown";

/** Pages of the table that are read in one go: some milliseconds. */
const pagesAtOnce = 64;
/** Rest after a reading, as a multiple of its time, so that a table with many sockets takes at most half a processor. */
const restFactor = 1;
/** Readings for a connection. One row can be missed, because the table changes between two pages. */
const readings = 2;

interface Question {
  port: number;
  readingsLeft: number;
  signal: AbortSignal;
  answer: (owner: ConnectionOwner) => void;
}

/**
 * Answers about all connections that wait with one reading of the table. While connections come one by one, an answer
 * takes about a millisecond; beside tens of thousands of sockets, some hundred.
 */
export class SocketOwners {
  readonly #read: TableReader;
  readonly #port: number;
  readonly #clock: Clock;
  #questions: Question[] = [];
  #isReading = false;
  /** Monotonic time of the next reading. */
  #readsAt = 0;
  readonly #never = new AbortController().signal;

  /** @param port port of 127.0.0.1 at which this process listens */
  constructor({ read, port, clock }: { read: TableReader; port: number; clock: Clock }) {
    this.#read = read;
    this.#port = port;
    this.#clock = clock;
  }

  /**
   * Returns the owner of the other end of a connection. Rejects only with the signal's reason.
   *
   * @param signal aborts when the connection closes, so that a closed one is not looked for
   */
  of(port: number, signal: AbortSignal): Promise<ConnectionOwner> {
    const { promise, resolve, reject } = Promise.withResolvers<ConnectionOwner>();
    signal.throwIfAborted();
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    this.#questions.push({ port, readingsLeft: readings, signal, answer: resolve });
    if (!this.#isReading) void this.#answerAll();
    return promise;
  }

  async #answerAll(): Promise<void> {
    this.#isReading = true;
    while (this.#questions.length > 0) {
      const restMs = this.#readsAt - this.#clock.monotonic();
      if (restMs > 0) await sleep(this.#clock, restMs, this.#never);
      const asked = this.#questions.filter(({ signal }) => !signal.aborted);
      this.#questions = [];
      if (asked.length === 0) continue;
      const began = this.#clock.monotonic();
      const owners = await this.#ownersOf(new Set(asked.map(({ port }) => port)));
      for (const question of asked) {
        const owner = owners?.get(question.port);
        if (owners === undefined) question.answer("unknown");
        else if (owner !== undefined) question.answer(owner);
        else if (--question.readingsLeft === 0) question.answer("nobody");
        else this.#questions.push(question);
      }
      const ended = this.#clock.monotonic();
      this.#readsAt = ended + (ended - began) * restFactor;
    }
    this.#isReading = false;
  }

  /**
   * Reads the table until it has all ports. Returns undefined if it can't be read, or isn't that of this process's
   * network: then it doesn't have this process's listener, which is among its first rows.
   */
  async #ownersOf(ports: ReadonlySet<number>): Promise<Map<number, number> | undefined> {
    const found = new Map<number, number>();
    let isOurs = false;
    let offset = 0;
    try {
      for (let page = 1;; page++) {
        const rows = this.#read(offset);
        if (rows === "") return isOurs ? found : undefined;
        offset += rows.length;
        isOurs ||= hasListener(rows, this.#port);
        for (const { port, user } of ownersOf(rows, this.#port)) if (ports.has(port)) found.set(port, user);
        if (isOurs && found.size === ports.size) return found;
        if (page % pagesAtOnce === 0) await sleep(this.#clock, 0, this.#never);
      }
    } catch {
      return undefined;
    }
  }
}

/**
 * Reads the table from standard input, where the launcher has opened it, because Deno opens files of `/proc` only with all
 * permissions. Where it has not, every answer is `unknown`.
 */
export function standardInput(): TableReader {
  // The kernel answers with whole rows, of up to a page.
  const buffer = new Uint8Array(65_536);
  const decoder = new TextDecoder();
  return (offset) => decoder.decode(buffer.subarray(0, readSync(0, buffer, 0, buffer.length, offset)));
}
