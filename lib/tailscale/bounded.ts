/** Reads a daemon's responses with bounded memory. */
import { LocalApiError } from "./local_api_error.ts";

/** A body, with the maximum size of the whole or of a line. */
export interface BoundedBody {
  bytes: AsyncIterable<Uint8Array>;
  maxBytes: number;
}

/** Size of the buffer that is kept for the next line; longer lines are rare. */
const keptRoom = 2 ** 20;

/** Collects the parts of a body. They are copied at once: a chunk is a small view of a much larger buffer. */
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

  /** Returns the collected text and starts again. */
  take(): string {
    const text = new TextDecoder().decode(this.#room.subarray(0, this.#size));
    this.#size = 0;
    if (this.#room.length > keptRoom) this.#room = new Uint8Array(2 ** 13);
    return text;
  }
}

/** Reads the whole body as text. @throws {LocalApiError} `Protocol` as soon as it is too long */
export async function textOf({ bytes, maxBytes }: BoundedBody): Promise<string> {
  const text = new Gathered(maxBytes);
  for await (const chunk of bytes) text.add(chunk);
  return text.take();
}

/**
 * Yields the body's lines without their line feeds, as soon as they are complete.
 *
 * @throws {LocalApiError} `Protocol` as soon as a line is too long; `NotRunning` if the body ends within a line
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
  if (!line.empty) throw new LocalApiError("NotRunning", "it ended in the middle of a line");
}
