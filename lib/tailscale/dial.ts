/** Connections into the tailnet: an upgraded request, after which the socket carries the connection's bytes. */
import { Deadline } from "./deadline.ts";
import { LocalApiError } from "./local_api_error.ts";
import { type Call, errorOf, signature } from "./transport.ts";

/** A TCP connection to a node of the tailnet. */
export interface TailnetConnection extends Disposable {
  /** The peer's bytes, read from the daemon only as fast as they are read from here. */
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Bytes to the peer. A write ends once the daemon has taken the chunk. */
  readonly writable: WritableStream<Uint8Array>;
  /** Ends the connection in both directions, at once. */
  close(): void;
}

/** Limits of a connection, and the texts of its errors. */
export interface DialContext {
  socket: string;
  signal: AbortSignal | undefined;
  timeoutMs: number;
  /** Returns the error to throw. */
  failure(call: Call, error: unknown, deadline: Pick<Deadline, "passed">): unknown;
}

const call: Call = { method: "POST", endpoint: "dial" };
const maxHeadBytes = 16 * 1024;
const chunkBytes = 64 * 1024;
const hostForm = /^[A-Za-z0-9._:-]{1,253}$/;

/** Opens a connection; `signal` ends it at any time, the deadline only while it opens. */
export async function dial(host: string, port: number, context: DialContext): Promise<TailnetConnection> {
  const { socket, signal, timeoutMs } = context;
  using deadline = new Deadline(timeoutMs, signal);
  let connection: Deno.UnixConn | undefined;
  const stop = () => end(connection);
  try {
    deadline.signal.throwIfAborted();
    const head = requestHead(host, port);
    connection = await Deno.connect({ transport: "unix", path: socket });
    deadline.signal.addEventListener("abort", stop, { once: true });
    deadline.signal.throwIfAborted();
    await writeAll(connection, new TextEncoder().encode(head));
    const rest = await readHead(connection, host);
    deadline.signal.throwIfAborted();
    return new Dialled(connection, rest, context);
  } catch (error) {
    stop();
    throw context.failure(call, error, deadline);
  } finally {
    deadline.signal.removeEventListener("abort", stop);
  }
}

function requestHead(host: string, port: number): string {
  // Either would end up in the head.
  if (!hostForm.test(host)) throw new LocalApiError("Refused", `${JSON.stringify(host.slice(0, 253))} is no host`);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new LocalApiError("Refused", `${port} is no port`);
  return [
    "POST /localapi/v0/dial HTTP/1.1",
    "Host: local-tailscaled.sock",
    "Connection: upgrade",
    "Upgrade: ts-dial",
    `Dial-Host: ${host}`,
    `Dial-Port: ${port}`,
    "Content-Length: 0",
    "",
    "",
  ].join("\r\n");
}

/** Reads the response's head; returns the bytes of the connection that came with it. Throws if it is refused. */
async function readHead(connection: Deno.Conn, host: string): Promise<Uint8Array<ArrayBuffer>> {
  let received = new Uint8Array();
  for (let from = 0;; from = Math.max(0, received.length - 3)) {
    received = await readMore(connection, received);
    const end = endOfHead(received, from);
    if (end < 0) continue;
    const text = new TextDecoder().decode(received.subarray(0, end));
    const { status, headers } = parseHead(text);
    const rest = received.slice(end + 4);
    if (status === 101 && headers.has(signature) && headers.get("upgrade") === "ts-dial") return rest;
    throw await refusal(connection, rest, { status, headers }, host);
  }
}

async function readMore(connection: Deno.Conn, received: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const chunk = new Uint8Array(4096);
  const length = await connection.read(chunk);
  if (length === null) throw new LocalApiError("NotRunning", "it closed the connection before it answered");
  const all = new Uint8Array(received.length + length);
  all.set(received);
  all.set(chunk.subarray(0, length), received.length);
  if (all.length > maxHeadBytes) throw new LocalApiError("Protocol", `its answer is longer than ${maxHeadBytes} bytes`);
  return all;
}

/** Returns the index of the empty line; -1 if there is none yet. */
function endOfHead(bytes: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(13, from); at >= 0; at = bytes.indexOf(13, at + 1)) {
    if (bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at;
  }
  return -1;
}

interface Head {
  status: number;
  headers: Headers;
}

function parseHead(text: string): Head {
  const [statusLine = "", ...lines] = text.split("\r\n");
  const [, status] = /^HTTP\/1\.1 ([1-5][0-9]{2})(?: |$)/.exec(statusLine) ?? [];
  if (status === undefined) throw new LocalApiError("Protocol", "it didn't answer in HTTP");
  const headers = new Headers();
  for (const line of lines) {
    const [, name, value] = /^([!#$%&'*+.^_`|~A-Za-z0-9-]+):[ \t]*([^\r\n\0]*?)[ \t]*$/.exec(line) ?? [];
    if (name === undefined) throw new LocalApiError("Protocol", "it didn't answer in HTTP");
    headers.append(name, value!);
  }
  return { status: Number(status), headers };
}

/** Returns the error of a response other than 101. */
async function refusal(connection: Deno.Conn, rest: Uint8Array, { status, headers }: Head, host: string) {
  if (status === 200 && headers.has(signature) && headers.get("dial-self") === "true") {
    return new LocalApiError("NotFound", `${host} is not an address of the tailnet`);
  }
  const length = Math.min(Number(headers.get("content-length") ?? 0), maxHeadBytes);
  let body = rest;
  while (body.length < length) body = await readMore(connection, body);
  const text = new TextDecoder().decode(body.subarray(0, length));
  // The daemon has one status for both.
  if (status === 502 && headers.has(signature) && text.startsWith("resolve failure: ")) {
    return new LocalApiError("NotFound", text.trim());
  }
  return errorOf({ status, headers }, text);
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) written += await connection.write(bytes.subarray(written));
}

function end(connection: Deno.Conn | undefined): void {
  try {
    connection?.close();
  } catch { /* it has ended */ }
}

class Dialled implements TailnetConnection {
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly writable: WritableStream<Uint8Array>;
  readonly #connection: Deno.UnixConn;
  readonly #context: DialContext;
  #rest: Uint8Array<ArrayBuffer>;
  #isClosed = false;
  readonly #abort = () => this.close();

  constructor(connection: Deno.UnixConn, rest: Uint8Array<ArrayBuffer>, context: DialContext) {
    this.#connection = connection;
    this.#rest = rest;
    this.#context = context;
    this.readable = new ReadableStream({
      pull: (controller) => this.#pull(controller),
      cancel: () => this.close(),
    }, { highWaterMark: 0 });
    this.writable = new WritableStream({
      write: (chunk) => this.#work(() => writeAll(connection, chunk)),
      close: () => this.#work(() => connection.closeWrite()),
      abort: () => this.close(),
    });
    context.signal?.addEventListener("abort", this.#abort, { once: true });
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#context.signal?.removeEventListener("abort", this.#abort);
    end(this.#connection);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>): Promise<void> {
    const chunk = await this.#read();
    if (chunk) controller.enqueue(chunk);
    else {
      // The daemon has ended the other direction too.
      this.close();
      controller.close();
    }
  }

  async #read(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    this.#context.signal?.throwIfAborted();
    const rest = this.#rest;
    this.#rest = new Uint8Array();
    if (rest.length > 0) return rest;
    const chunk = new Uint8Array(chunkBytes);
    const length = this.#isClosed ? null : await this.#work(() => this.#connection.read(chunk)).catch((error) => {
      // Closed by this side.
      if (this.#isClosed && !this.#context.signal?.aborted) return null;
      throw error;
    });
    return length === null ? undefined : chunk.subarray(0, length);
  }

  /** Runs work on the socket; a failure ends the connection, for the signal's reason or as a {@linkcode LocalApiError}. */
  async #work<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const { signal } = this.#context;
      const reason = this.#context.failure(call, error, { passed: false });
      if (!signal?.aborted && !this.#isClosed) this.close();
      throw reason;
    }
  }
}
