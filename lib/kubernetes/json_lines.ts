/**
 * Splits a stream of bytes into lines, wherever the chunks are cut: within a line, within a multi-byte character, or
 * with several lines in one. Watches send one JSON object on each line.
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
  /** Pieces of the incomplete line; an array, because appending to a string for each chunk can cost O(n²). */
  #partial: string[] = [];
  #partialLength = 0;
  readonly #maxLength: number;

  /** Takes the maximum length of a line in UTF-16 code units: its UTF-8 has at least as many bytes. */
  constructor(maxLength = Infinity) {
    this.#maxLength = maxLength;
  }

  /**
   * Returns the lines that this chunk completes, without newlines and empty lines.
   *
   * @throws {RangeError} as soon as a line is too long; the rest can't be read then
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
