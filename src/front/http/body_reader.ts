/** Bodies of HTTP messages, read strictly and written again, one piece at a time. */
import { malformed, type MessageSide } from "./malformed.ts";

/** Rule by which a body ends. `close`: with its connection, which only responses may have. */
export type BodyFraming =
  | { kind: "none" }
  | { kind: "length"; length: number }
  | { kind: "chunked" }
  | { kind: "close" };

/** Bytes of a body in one piece of input. */
export interface BodyPiece {
  /** May be empty. */
  data: Uint8Array;
  /** Bytes after the body's end; only set at its end. */
  rest?: Uint8Array;
}

const none = new Uint8Array(0);
/** Hexadecimal digits of a chunk's size: almost 4 GiB. */
const mostSizeDigits = 8;
const zero = 48, carriageReturn = 13, lineFeed = 10;

/** Returns the value of a hexadecimal digit, or -1. */
function hexValue(byte: number): number {
  if (byte >= zero && byte <= 57) return byte - zero;
  const letter = byte | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}

/**
 * Decodes a chunked body. Extensions and trailers are refused, because nothing here uses them and parsers differ about
 * them. Keeps no data.
 */
export class ChunkedReader {
  readonly #side: MessageSide;
  #state: "size" | "size end" | "data" | "data end" | "last end" | "done" = "size";
  #digits = 0;
  /** Bytes of the chunk that are still to come. */
  #left = 0;
  /** True if the line feed of a line's end is next. */
  #afterReturn = false;

  constructor(side: MessageSide = "request") {
    this.#side = side;
  }

  get isDone(): boolean {
    return this.#state === "done";
  }

  /** Decodes the next bytes. @throws {MalformedMessage} */
  read(bytes: Uint8Array): BodyPiece {
    const found: Uint8Array[] = [];
    let at = 0;
    while (at < bytes.length && this.#state !== "done") {
      if (this.#state === "data") {
        const data = bytes.subarray(at, at + this.#left);
        found.push(data);
        at += data.length;
        this.#left -= data.length;
        if (this.#left === 0) this.#state = "data end";
      } else this.#step(bytes[at++]!);
    }
    const data = found.length > 1 ? joined(found) : found[0] ?? none;
    return this.#state === "done" ? { data, rest: bytes.subarray(at) } : { data };
  }

  #step(byte: number): void {
    if (this.#state === "size" && !(byte === carriageReturn && this.#digits > 0)) {
      const value = hexValue(byte);
      if (value < 0 || this.#digits === mostSizeDigits) {
        throw malformed(this.#side, "The size of a chunk must be at most 8 hexadecimal digits, without extensions.");
      }
      this.#digits++;
      this.#left = this.#left * 16 + value;
      return;
    }
    if (byte !== (this.#afterReturn ? lineFeed : carriageReturn)) {
      throw malformed(this.#side, "A chunk must end in CR LF, and no trailer may follow the last one.");
    }
    if (this.#state === "size") this.#state = "size end";
    this.#afterReturn = byte === carriageReturn;
    if (this.#afterReturn) return;
    if (this.#state === "last end") this.#state = "done";
    else if (this.#state === "data end") {
      this.#state = "size";
      this.#digits = 0;
    } else this.#state = this.#left === 0 ? "last end" : "data";
  }
}

/** Reads one body up to its end. */
export class BodyReader {
  readonly #side: MessageSide;
  readonly #chunks: ChunkedReader | undefined;
  #left: number;

  constructor(framing: BodyFraming, side: MessageSide = "request") {
    this.#side = side;
    this.#chunks = framing.kind === "chunked" ? new ChunkedReader(side) : undefined;
    this.#left = framing.kind === "length" ? framing.length : framing.kind === "close" ? Infinity : 0;
  }

  get isDone(): boolean {
    return this.#chunks ? this.#chunks.isDone : this.#left === 0;
  }

  /** Reads the next bytes. @throws {MalformedMessage} */
  read(bytes: Uint8Array): BodyPiece {
    if (this.#chunks) return this.#chunks.read(bytes);
    const data = bytes.subarray(0, Math.min(bytes.length, this.#left));
    this.#left -= data.length;
    return this.#left === 0 ? { data, rest: bytes.subarray(data.length) } : { data };
  }

  /** Accepts the end of the connection. @throws {MalformedMessage} if the body is incomplete */
  end(): void {
    if (!this.isDone && this.#left !== Infinity) {
      throw malformed(this.#side, "The connection closed before the end of the body.");
    }
  }
}

const ascii = new TextEncoder();
const lastChunk = ascii.encode("0\r\n\r\n");
const lineEnd = ascii.encode("\r\n");

/**
 * Returns the bytes that carry a piece of a body, in pieces to write one after the other.
 *
 * @param data not empty in a chunked body, because an empty chunk ends it
 */
export const framed = (data: Uint8Array, { kind }: BodyFraming): Uint8Array[] =>
  data.length === 0
    ? []
    : kind === "chunked"
    ? [ascii.encode(`${data.length.toString(16)}\r\n`), data, lineEnd]
    : [data];

/** Returns the bytes after a body's last piece. */
export const framedEnd = ({ kind }: BodyFraming): Uint8Array[] => kind === "chunked" ? [lastChunk] : [];

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
