/**
 * Cuts a stream of bytes into lines, however the network cut it into chunks: in the middle of a line, of a multi-byte
 * character, or several lines at once. Watches send one JSON object per line.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { LineSplitter } from "./json_lines.ts";
 *
 * const splitter = new LineSplitter();
 * const bytes = new TextEncoder().encode('{"é":1}\n{"par');
 * assert.deepEqual(splitter.push(bytes.subarray(0, 3)), []); // ends within the é
 * assert.deepEqual(splitter.push(bytes.subarray(3)), ['{"é":1}']);
 * ```
 */
export class LineSplitter {
  readonly #decoder = new TextDecoder();
  /** The pieces of the line that isn't complete; an array, since appending to one string per chunk can cost O(n²). */
  #partial: string[] = [];
  #partialLength = 0;
  readonly #maxLength: number;

  /** Takes how long a line may be, in UTF-16 code units: of UTF-8 there are at least as many bytes. */
  constructor(maxLength = Infinity) {
    this.#maxLength = maxLength;
  }

  /**
   * The lines that this chunk completes, without their newline and without empty ones.
   *
   * @throws {RangeError} as soon as a line is longer than it may be; the rest can't be read then
   */
  push(chunk: Uint8Array): string[] {
    const text = this.#decoder.decode(chunk, { stream: true });
    const lines: string[] = [];
    let start = 0;
    for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", start)) {
      this.#add(text.slice(start, end));
      const line = this.#partial.join("");
      if (line.trim() !== "") lines.push(line);
      this.#partial = [];
      this.#partialLength = 0;
      start = end + 1;
    }
    if (start < text.length) this.#add(text.slice(start));
    return lines;
  }

  #add(piece: string): void {
    this.#partialLength += piece.length;
    if (this.#partialLength > this.#maxLength) {
      throw new RangeError(`A line has more than ${this.#maxLength} characters.`);
    }
    this.#partial.push(piece);
  }
}
