/** Reading what a daemon sends without letting it fill the memory. */
import { LocalApiError } from "./local_api_error.ts";

/** What a daemon sends, and how long the whole, or a line of it, may be. */
export interface BoundedBody {
  bytes: AsyncIterable<Uint8Array>;
  maxBytes: number;
}

/** What is kept of the room for the next line; the longest ones are rare. */
const keptRoom = 2 ** 20;

/** Parts are copied at once: a chunk of a body is a small view of a buffer that is several times as big. */
class Gathered {
  readonly #maxBytes: number;
  #room = new Uint8Array(2 ** 13);
  #size = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  add(part: Uint8Array): void {
    const size = this.#size + part.length;
    if (size > this.#maxBytes) throw new LocalApiError("Protocol", `it is longer than ${this.#maxBytes} bytes`);
    if (size > this.#room.length) {
      const room = new Uint8Array(Math.max(size, Math.min(2 * this.#room.length, this.#maxBytes)));
      room.set(this.#room.subarray(0, this.#size));
      this.#room = room;
    }
    this.#room.set(part, this.#size);
    this.#size = size;
  }

  get empty(): boolean {
    return this.#size === 0;
  }

  /** The text gathered so far; gathering starts anew. */
  take(): string {
    const text = new TextDecoder().decode(this.#room.subarray(0, this.#size));
    this.#size = 0;
    if (this.#room.length > keptRoom) this.#room = new Uint8Array(2 ** 13);
    return text;
  }
}

/** The whole body as text. @throws {LocalApiError} `Protocol` as soon as it is too long */
export async function textOf({ bytes, maxBytes }: BoundedBody): Promise<string> {
  const text = new Gathered(maxBytes);
  for await (const chunk of bytes) text.add(chunk);
  return text.take();
}

/**
 * The body's lines, each without its line feed, as they become whole, however the chunks fall.
 *
 * @throws {LocalApiError} `Protocol` as soon as a line is too long; `NotRunning` when the body
 * ends within a line
 */
export async function* linesOf({ bytes, maxBytes }: BoundedBody): AsyncGenerator<string, void, void> {
  const line = new Gathered(maxBytes);
  for await (const chunk of bytes) {
    let start = 0;
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, start)) {
      line.add(chunk.subarray(start, end));
      yield line.take();
      start = end + 1;
    }
    line.add(chunk.subarray(start));
  }
  if (!line.empty) throw new LocalApiError("NotRunning", "it ends in the middle of a line");
}
