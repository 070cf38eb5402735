/** Reads the head of an HTTP message from chunks of any size, in bounded memory and linear time. */
import { malformed, type MessageSide } from "./malformed.ts";

/** Maximum bytes of a head. */
export const longestHead = 64 * 1024;

const lineFeed = 10, carriageReturn = 13;

/** Returns one character for each byte (Latin-1). */
export function latin1Text(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  return text;
}

/** Returns one byte for each character: the inverse of {@linkcode latin1Text}. */
export function latin1Bytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

/** Accumulates one head. Refuses a byte that no head may have as soon as it arrives. */
export class HeadReader {
  readonly #side: MessageSide;
  readonly #longest: number;
  #buffer = new Uint8Array(1024);
  #length = 0;
  /** Number of bytes of the final CR LF CR LF that have been read. */
  #matched = 0;

  constructor(side: MessageSide = "request", longest = longestHead) {
    this.#side = side;
    this.#longest = longest;
  }

  /** True until the first byte. */
  get isEmpty(): boolean {
    return this.#length === 0;
  }

  /**
   * Reads more bytes. Returns the head without its final empty line, and the bytes after it, once it is complete.
   *
   * @throws {MalformedMessage}
   */
  read(bytes: Uint8Array): { text: string; rest: Uint8Array } | undefined {
    const room = this.#longest - this.#length;
    const most = Math.min(bytes.length, room);
    let at = 0;
    while (at < most && this.#matched < 4) this.#check(bytes[at++]!);
    this.#append(bytes.subarray(0, at));
    if (this.#matched === 4) {
      return { text: latin1Text(this.#buffer.subarray(0, this.#length - 4)), rest: bytes.subarray(at) };
    }
    if (this.#length === this.#longest) {
      throw malformed(this.#side, `The head is too long: at most ${this.#longest} bytes are allowed.`, 431);
    }
    return undefined;
  }

  #check(byte: number): void {
    const expectsLineFeed = this.#matched % 2 === 1;
    if (byte === lineFeed && expectsLineFeed) this.#matched++;
    else if (byte === carriageReturn && !expectsLineFeed) this.#matched++;
    else if (expectsLineFeed || byte < 32 || byte === 127 || (byte > 127 && this.#side === "request")) {
      throw malformed(this.#side, "The head has a byte that is not allowed: lines end in CR LF, and text is ASCII.");
    } else this.#matched = 0;
  }

  #append(bytes: Uint8Array): void {
    const needed = this.#length + bytes.length;
    if (needed > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(needed, this.#buffer.length * 2));
      larger.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = larger;
    }
    this.#buffer.set(bytes, this.#length);
    this.#length = needed;
  }
}
