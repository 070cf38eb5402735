/** A connection that is read in order, ahead of need if wanted, in bounded memory. */

/** The part of a connection that is used here; `Deno.Conn` has it. */
export interface Connection {
  /** Fills the buffer; returns the number of bytes, or null at the end. */
  read(buffer: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  closeWrite(): Promise<void>;
  /** Ends reads and writes under way too. */
  close(): void;
}

/** Most bytes of one read: little for a quiet watch, more for a copy. */
const [smallest, largest] = [4 * 1024, 64 * 1024];

export class ByteStream {
  readonly #connection: Connection;
  #buffer = new Uint8Array(smallest);
  #held: Uint8Array | undefined;
  #reading: Promise<void> | undefined;
  #ended = false;
  #closed = false;
  /** Bytes read and written so far. */
  received = 0;
  sent = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** True once it has been closed here. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Returns the next bytes; undefined at the end. They are valid until the next call of `read` or `ahead`.
   *
   * @throws if the connection breaks or is closed
   */
  async read(): Promise<Uint8Array | undefined> {
    while (true) {
      const held = this.#held;
      if (held) {
        this.#held = undefined;
        return held;
      }
      if (this.#ended) return undefined;
      await this.#fetch();
    }
  }

  /** Puts bytes back, for the next `read`. */
  unread(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#held = bytes;
  }

  /** Waits for bytes or the end without consuming them. Returns false at the end; a broken connection counts as one. */
  async ahead(): Promise<boolean> {
    try {
      if (!this.#held && !this.#ended) await this.#fetch();
    } catch {
      return false;
    }
    return this.#held !== undefined;
  }

  /** Writes all bytes; returns when the connection has taken them. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const written = await this.#connection.write(at === 0 ? bytes : bytes.subarray(at));
      at += written;
      this.sent += written;
    }
  }

  /** Tells the other side that nothing follows. */
  async endWriting(): Promise<void> {
    await this.#connection.closeWrite();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      this.#connection.close();
    } catch { /* it has closed by itself */ }
  }

  /** One read at a time, so that `ahead` and `read` share it. */
  #fetch(): Promise<void> {
    return this.#reading ??= this.#fetchOnce().finally(() => this.#reading = undefined);
  }

  async #fetchOnce(): Promise<void> {
    const count = await this.#connection.read(this.#buffer);
    if (count === null) {
      this.#ended = true;
      return;
    }
    this.received += count;
    this.#held = this.#buffer.subarray(0, count);
    if (count === this.#buffer.length && count < largest) this.#buffer = new Uint8Array(count * 4);
  }
}
