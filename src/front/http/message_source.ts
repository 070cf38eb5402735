/**
 * HTTP messages on one connection, one after the other. Bytes are read only when somebody asks for them, so a slow
 * receiver slows its sender down, and memory holds one piece.
 */
import { type BodyFraming, BodyReader } from "./body_reader.ts";
import { HeadReader } from "./head_reader.ts";
import { malformed, type MessageSide } from "./malformed.ts";

const none = new Uint8Array(0);

export class MessageSource {
  readonly #receive: () => Promise<Uint8Array | undefined>;
  readonly #side: MessageSide;
  #rest: Uint8Array = none;
  /** True while a body has not been read to its end: what follows is no head. */
  #inBody = false;

  /** @param receive reads some bytes; undefined at the connection's end. The bytes must not change afterwards */
  constructor(receive: () => Promise<Uint8Array | undefined>, side: MessageSide) {
    this.#receive = receive;
    this.#side = side;
  }

  /** True if bytes of the next message have arrived. */
  get hasMore(): boolean {
    return this.#rest.length > 0;
  }

  /**
   * Reads a head. Returns undefined if the connection closes instead.
   *
   * @throws {MalformedMessage}
   */
  async head(): Promise<string | undefined> {
    if (this.#inBody) throw new Error("The body before this head has not been read.");
    const reader = new HeadReader(this.#side);
    for (;;) {
      const bytes = await this.#next();
      if (bytes === undefined) {
        if (reader.isEmpty) return undefined;
        throw malformed(this.#side, "The connection closed before the end of the head.");
      }
      const found = reader.read(bytes);
      if (!found) continue;
      this.#rest = found.rest;
      return found.text;
    }
  }

  /**
   * Reads the body of the last head.
   *
   * @throws {MalformedMessage}
   */
  async *body(framing: BodyFraming): AsyncGenerator<Uint8Array, void> {
    const reader = new BodyReader(framing, this.#side);
    this.#inBody = !reader.isDone;
    while (!reader.isDone) {
      const bytes = await this.#next();
      if (bytes === undefined) {
        reader.end();
        break;
      }
      const { data, rest } = reader.read(bytes);
      if (rest !== undefined) {
        this.#rest = rest;
        this.#inBody = false;
      }
      if (data.length > 0) yield data;
    }
    this.#inBody = false;
  }

  /** Reads bytes of a connection that has changed its protocol. Returns undefined at its end. */
  raw(): Promise<Uint8Array | undefined> {
    return this.#next();
  }

  async #next(): Promise<Uint8Array | undefined> {
    if (this.#rest.length === 0) return await this.#receive();
    const rest = this.#rest;
    this.#rest = none;
    return rest;
  }
}
