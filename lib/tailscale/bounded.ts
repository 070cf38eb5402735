/** Reading what a daemon sends without letting it fill the memory. */
import { LocalApiError } from "./local_api_error.ts";

/** Longest answer and longest line, in bytes: some 20,000 nodes with all their fields. */
export const maxBytes = 64 * 2 ** 20;

class Gathered {
  #parts: Uint8Array[] = [];
  #size = 0;

  add(part: Uint8Array): void {
    if (part.length === 0) return;
    this.#size += part.length;
    if (this.#size > maxBytes) {
      throw new LocalApiError("Protocol", `it is longer than ${maxBytes} bytes`);
    }
    this.#parts.push(part);
  }

  get empty(): boolean {
    return this.#size === 0;
  }

  /** The text gathered so far; gathering starts anew. */
  take(): string {
    const bytes = new Uint8Array(this.#size);
    let at = 0;
    for (const part of this.#parts) {
      bytes.set(part, at);
      at += part.length;
    }
    this.#parts = [];
    this.#size = 0;
    return new TextDecoder().decode(bytes);
  }
}

/** The whole body as text. @throws {LocalApiError} `Protocol` as soon as it is longer than {@linkcode maxBytes} */
export async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const text = new Gathered();
  for await (const chunk of body) text.add(chunk);
  return text.take();
}

/**
 * The body's lines, each without its line feed, as they become whole, however the chunks fall.
 *
 * @throws {LocalApiError} `Protocol` as soon as a line is longer than {@linkcode maxBytes}; `NotRunning` when the body
 * ends within a line
 */
export async function* linesOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, void> {
  const line = new Gathered();
  for await (const chunk of body) {
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
