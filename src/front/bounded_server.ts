/**
 * HTTPS server for strangers: connections, memory and the time of each step are bounded, whatever clients send. The
 * certificate can be changed while requests are under way.
 */
import { STATUS_CODES } from "node:http";
import { createServer, type Server, type TLSSocket } from "node:tls";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { HeadReader } from "./http/head_reader.ts";
import { BadRequest } from "./http/malformed.ts";
import { parseHead, type RequestHead } from "./request_head.ts";
import { connectionToClose, type OpenConnection } from "./connections.ts";

export interface ServingKeyPair {
  /** PEM. */
  certificate: string;
  key: string;
}

export interface BoundedResponse {
  status: number;
  /** Content type. */
  type: string;
  body: string;
}

/** Answers requests one at a time, so that a slow request delays others only by its own duration. */
export interface Handler {
  /** Checks a head before the body is read. Returns a response to refuse the request. */
  refuse(head: RequestHead): BoundedResponse | undefined;
  answer(body: Uint8Array, head: RequestHead): BoundedResponse;
  /** Answers a request whose body is longer than {@linkcode Bounds.body}, from the beginning of the body. */
  tooLong(beginning: Uint8Array, head: RequestHead): BoundedResponse;
}

export interface Bounds {
  connections: number;
  /** Maximum bytes of a head. */
  head: number;
  /** Maximum bytes of a body that is read as a whole. */
  body: number;
  /** Maximum bytes of a body; if it is longer than `body`, only its beginning is read. */
  longestBody: number;
  /**
   * Maximum bytes of all long bodies in memory. Bodies up to `shortBody` don't count: there is always room for them.
   */
  kept: number;
  shortBody: number;
  requestsPerConnection: number;
  handshakeMs: number;
  headMs: number;
  /** Time from a head's first byte to the body's last. */
  requestMs: number;
  /**
   * Longer than the API server keeps an idle connection (90 s), so that no connection is closed while a review
   * arrives.
   */
  idleMs: number;
}

export const defaultBounds: Bounds = {
  connections: 64,
  head: 16 * 1024,
  body: 4 * 1024 * 1024,
  longestBody: 16 * 1024 * 1024,
  kept: 16 * 1024 * 1024,
  shortBody: 64 * 1024,
  requestsPerConnection: 10_000,
  handshakeMs: 2000,
  headMs: 2000,
  requestMs: 3000,
  idleMs: 120_000,
};

/** Reason to refuse a client. */
export type RequestRefusal = "full" | "slow" | "memory" | "malformed";

export interface BoundedServerOptions {
  /** Default: all addresses. */
  hostname?: string;
  port: number;
  handler: Handler;
  bounds?: Partial<Bounds>;
  /** Called for each client that is refused before its request reaches the handler. */
  onRefusal?: (why: RequestRefusal) => void;
}

/** Bytes of a long body that are read: a review's uid is at its beginning. */
const beginningBytes = 8 * 1024;
const sweepMs = 100;
/** Time for a client to read the response to an unread body. */
const lingerMs = 2000;

type Phase = "handshake" | "idle" | "head" | "body" | "waiting" | "answering" | "leaving";

interface Connection extends OpenConnection {
  raw: Socket;
  socket: TLSSocket | undefined;
  phase: Phase;
  /** Milliseconds on the clock of `performance.now`. */
  deadline: number;
  /** Start of the request that is being read. */
  requestAt: number;
  reader: HeadReader;
  /** Bytes of the body that were read. */
  chunks: Uint8Array[];
  size: number;
  head: RequestHead | undefined;
  requests: number;
}

export class BoundedServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #handler: Handler;
  readonly #bounds: Bounds;
  readonly #onRefusal: (why: RequestRefusal) => void;
  readonly #connections = new Map<string, Connection>();
  readonly #waiting = new Set<Connection>();
  #turn: ReturnType<typeof setImmediate> | undefined;
  readonly #sweep: ReturnType<typeof setInterval>;
  /** True once each response closes its connection. */
  #leaving = false;
  #closing = false;
  /** True once a request has been answered. */
  #used = false;

  private constructor(server: Server, { handler, bounds, onRefusal }: BoundedServerOptions) {
    this.#server = server;
    this.#handler = handler;
    this.#bounds = { ...defaultBounds, ...bounds };
    this.#onRefusal = onRefusal ?? (() => {});
    this.#sweep = setInterval(() => this.#cutLate(), sweepMs);
    server.on("connection", (raw: Socket) => this.#opened(raw));
    server.on("secureConnection", (socket: TLSSocket) => this.#secured(socket));
    server.on("tlsClientError", (_: Error, socket: Socket) => socket.destroy());
    // A client's error is no error of the server.
    server.on("error", () => {});
  }

  /** Listens; rejects if the port can't be opened. */
  static async listen(keys: ServingKeyPair, options: BoundedServerOptions): Promise<BoundedServer> {
    const server = createServer({ ...secureContext(keys), handshakeTimeout: defaultBounds.handshakeMs });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(options.port, options.hostname, () => {
        server.off("error", reject);
        resolve();
      });
    });
    return new BoundedServer(server, options);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** Bytes of bodies in memory. */
  get kept(): number {
    return [...this.#connections.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** Sets the certificate of new connections; open connections continue. */
  use(keys: ServingKeyPair): void {
    this.#server.setSecureContext(secureContext(keys));
  }

  /**
   * Keeps serving for `ms` milliseconds, including new connections, and closes each connection with its next
   * response: a Service takes a moment to direct clients elsewhere, and no request should meet a closing connection.
   * Returns at once if no request was ever answered. Dispose of the server afterwards.
   */
  async leave(ms: number): Promise<void> {
    this.#leaving = true;
    if (this.#used) await delay(ms);
  }

  /** Answers requests that have been read, then closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const each of this.#connections.values()) {
      if (["handshake", "idle", "leaving"].includes(each.phase)) this.#cut(each);
    }
    // The remaining connections end by their deadlines.
    await closed;
    clearInterval(this.#sweep);
    clearImmediate(this.#turn);
  }

  #opened(raw: Socket): void {
    raw.on("error", () => {});
    const key = keyOf(raw);
    if (key === undefined || this.#closing) return void raw.destroy();
    const now = performance.now();
    const connection: Connection = {
      source: raw.remoteAddress!,
      proven: false,
      busy: false,
      since: now,
      raw,
      socket: undefined,
      phase: "handshake",
      deadline: now + this.#bounds.handshakeMs,
      requestAt: now,
      reader: new HeadReader("request", this.#bounds.head),
      chunks: [],
      size: 0,
      head: undefined,
      requests: 0,
    };
    if (this.#connections.size >= this.#bounds.connections) {
      this.#onRefusal("full");
      this.#cut(connectionToClose(this.#connections.values())!);
    }
    this.#connections.set(key, connection);
    raw.on("close", () => this.#cut(connection));
  }

  #secured(socket: TLSSocket): void {
    socket.on("error", () => {});
    const connection = this.#connections.get(keyOf(socket) ?? "");
    if (!connection || connection.phase !== "handshake") return void socket.destroy();
    connection.socket = socket;
    socket.on("close", () => this.#cut(connection));
    // A client that connects and sends nothing has the time of a head.
    this.#enter(connection, "head", this.#bounds.headMs);
    connection.requestAt = connection.since;
    socket.on("data", (chunk: Uint8Array) => this.#received(connection, chunk));
  }

  #enter(connection: Connection, phase: Phase, withinMs: number): void {
    connection.phase = phase;
    connection.since = performance.now();
    connection.deadline = connection.since + withinMs;
    connection.busy = phase !== "idle";
  }

  #received(connection: Connection, chunk: Uint8Array): void {
    switch (connection.phase) {
      case "leaving":
        return;
      case "idle":
        this.#enter(connection, "head", this.#bounds.headMs);
        connection.requestAt = connection.since;
        break;
      case "head":
      case "body":
        break;
      default:
        // The API server waits for a response before it sends the next request.
        this.#onRefusal("malformed");
        return this.#cut(connection);
    }
    try {
      if (connection.phase === "head") this.#readHead(connection, chunk);
      else this.#keep(connection, chunk);
      if (connection.phase === "body") this.#readBody(connection);
    } catch (error) {
      if (!(error instanceof BadRequest)) throw error;
      this.#onRefusal("malformed");
      this.#leave(connection, { status: error.status, type: plain, body: `${error.message}\n` });
    }
  }

  #readHead(connection: Connection, chunk: Uint8Array): void {
    const found = connection.reader.read(chunk);
    if (!found) return;
    connection.reader = new HeadReader("request", this.#bounds.head);
    const head = parseHead(found.text);
    if (head.length > this.#bounds.longestBody) {
      throw new BadRequest(413, `The body is too long: at most ${this.#bounds.longestBody} bytes are allowed.`);
    }
    const refusal = this.#handler.refuse(head);
    if (refusal) {
      this.#onRefusal("malformed");
      return this.#leave(connection, refusal);
    }
    connection.head = head;
    const { requestAt } = connection;
    this.#enter(connection, "body", 0);
    connection.deadline = requestAt + this.#bounds.requestMs;
    this.#keep(connection, found.rest);
  }

  #keep(connection: Connection, bytes: Uint8Array): void {
    // Copied, because the bytes may be a view of a shared buffer.
    connection.chunks.push(new Uint8Array(bytes));
    connection.size += bytes.length;
  }

  #readBody(connection: Connection): void {
    const head = connection.head!;
    const arrived = connection.size;
    if (arrived > head.length) throw new BadRequest(400, "The body is longer than content-length.");
    if (head.length > this.#bounds.body) {
      if (arrived < Math.min(head.length, beginningBytes)) return;
      return this.#leave(connection, this.#handler.tooLong(whole(connection), head));
    }
    if (arrived === head.length) {
      connection.phase = "waiting";
      // The request waits for its turn; the time of the response counts from then.
      connection.deadline = Infinity;
      this.#waiting.add(connection);
      this.#turn ??= setImmediate(() => this.#answerNext());
    }
    this.#keepWithin(connection);
  }

  /** Drops the largest requests until the memory limit is met. */
  #keepWithin(last: Connection): void {
    const charge = ({ head, size }: Connection) => (head?.length ?? 0) > this.#bounds.shortBody ? size : 0;
    if (charge(last) === 0) return;
    const all = [...this.#connections.values()];
    for (let kept = all.reduce((sum, each) => sum + charge(each), 0); kept > this.#bounds.kept;) {
      const reading = all.filter((each) => each.phase === "body" && charge(each) > 0);
      const unproven = reading.filter(({ proven }) => !proven);
      const [largest = last] = (unproven.length > 0 ? unproven : reading).sort((a, b) => charge(b) - charge(a));
      kept -= charge(largest);
      this.#waiting.delete(largest);
      this.#onRefusal("memory");
      this.#leave(largest, { status: 503, type: plain, body: "Too many long requests at the same time; try again.\n" });
      if (largest === last) return;
    }
  }

  /** Answers the shortest request first: valid reviews are short, and long ones must not delay them. */
  #answerNext(): void {
    this.#turn = undefined;
    let next: Connection | undefined;
    for (const each of this.#waiting) if (!next || each.head!.length < next.head!.length) next = each;
    if (!next) return;
    this.#waiting.delete(next);
    const head = next.head!;
    const answer = this.#answerOf(next, head);
    forget(next);
    if (answer.status === 200) next.proven = true;
    this.#used = true;
    const isLast = this.#leaving || this.#closing || ++next.requests >= this.#bounds.requestsPerConnection;
    if (isLast || head.close || answer.status !== 200) {
      this.#leave(next, answer);
    } else {
      const connection = next;
      this.#enter(connection, "answering", this.#bounds.requestMs);
      connection.socket!.write(written(answer, false), () => {
        if (connection.phase === "answering") this.#enter(connection, "idle", this.#bounds.idleMs);
      });
    }
    if (this.#waiting.size > 0) this.#turn = setImmediate(() => this.#answerNext());
  }

  #answerOf(connection: Connection, head: RequestHead): BoundedResponse {
    try {
      return this.#handler.answer(whole(connection), head);
    } catch {
      return { status: 500, type: plain, body: "Internal error; the request could not be answered.\n" };
    }
  }

  /** Responds and closes. Discards further input for a time, so that the client can read the response. */
  #leave(connection: Connection, answer: BoundedResponse): void {
    forget(connection);
    this.#enter(connection, "leaving", lingerMs);
    const { socket } = connection;
    socket!.end(written(answer, true));
  }

  #cutLate(): void {
    const now = performance.now();
    for (const each of [...this.#connections.values()]) {
      if (now < each.deadline) continue;
      if (each.phase === "handshake" || each.phase === "head" || each.phase === "body") this.#onRefusal("slow");
      this.#cut(each);
    }
  }

  #cut(connection: Connection): void {
    const key = keyOf(connection.raw) ?? "";
    if (this.#connections.get(key) === connection) this.#connections.delete(key);
    else {
      // The socket's address is unknown once it has closed.
      for (const [key, each] of this.#connections) if (each === connection) this.#connections.delete(key);
    }
    this.#waiting.delete(connection);
    forget(connection);
    connection.phase = "leaving";
    connection.socket?.destroy();
    connection.raw.destroy();
  }
}

const plain = "text/plain; charset=utf-8";

const secureContext = ({ certificate, key }: ServingKeyPair) => ({
  cert: certificate,
  key,
  minVersion: "TLSv1.2" as const,
});

const keyOf = ({ remoteAddress, remotePort }: Socket): string | undefined =>
  remoteAddress === undefined ? undefined : `${remoteAddress} ${remotePort}`;

function forget(connection: Connection): void {
  connection.chunks = [];
  connection.size = 0;
  connection.head = undefined;
}

/** Joins all bytes that were read. */
function whole(connection: Connection): Uint8Array {
  if (connection.chunks.length !== 1) {
    const bytes = new Uint8Array(connection.size);
    let at = 0;
    for (const chunk of connection.chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    connection.chunks = [bytes];
  }
  return connection.chunks[0]!;
}

function written({ status, type, body }: BoundedResponse, close: boolean): Uint8Array {
  const bytes = new TextEncoder().encode(body);
  const head = new TextEncoder().encode(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\ncontent-type: ${type}\r\ncontent-length: ${bytes.length}\r\n` +
      `${close ? "connection: close\r\n" : ""}\r\n`,
  );
  const all = new Uint8Array(head.length + bytes.length);
  all.set(head);
  all.set(bytes, head.length);
  return all;
}
