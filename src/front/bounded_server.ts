/**
 * HTTPS for strangers: the number of connections, what is kept of them, and the time that each step may take are bounded,
 * whatever is sent. The certificate can be changed while requests are under way.
 */
import { createServer, type Server, type TLSSocket } from "node:tls";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { BadRequest, parseHead, type RequestHead } from "./request_head.ts";
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

/** Answers requests one at a time, so that one that takes long delays others by its own time only. */
export interface Handler {
  /** Looks at a head before the body is read. Returns an answer to a request that isn't wanted. */
  refuse(head: RequestHead): BoundedResponse | undefined;
  answer(body: Uint8Array, head: RequestHead): BoundedResponse;
  /** Answers a request whose body is longer than {@linkcode Bounds.body}, by its beginning. */
  tooLong(beginning: Uint8Array, head: RequestHead): BoundedResponse;
}

export interface Bounds {
  connections: number;
  /** Bytes of a head. */
  head: number;
  /** Bytes of a body that is read as a whole. */
  body: number;
  /** Bytes of a body of which the beginning is read; longer ones are refused. */
  longestBody: number;
  /** Bytes of all long bodies that are kept at one time. Those up to `shortBody` don't count: there is always room. */
  kept: number;
  shortBody: number;
  requestsPerConnection: number;
  handshakeMs: number;
  headMs: number;
  /** From a head's first byte to a body's last. */
  requestMs: number;
  /** Longer than the API server keeps an idle connection (90 s), so that it is never cut as a review comes. */
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

/** Why a client was turned away. */
export type RequestRefusal = "full" | "slow" | "memory" | "malformed";

export interface BoundedServerOptions {
  /** Default: all addresses. */
  hostname?: string;
  port: number;
  handler: Handler;
  bounds?: Partial<Bounds>;
  /** Told of each client that was turned away before its request reached the handler. */
  onRefusal?: (why: RequestRefusal) => void;
}

/** Bytes of a long body that are read: what tells one review from another is at its beginning. */
const beginningBytes = 8 * 1024;
const sweepMs = 100;
/** How long an answer to an unread body is left standing for the client to read. */
const lingerMs = 2000;

type Phase = "handshake" | "idle" | "head" | "body" | "waiting" | "answering" | "leaving";

interface Connection extends OpenConnection {
  raw: Socket;
  socket: TLSSocket | undefined;
  phase: Phase;
  /** On the clock of `performance.now`. */
  deadline: number;
  /** When the request that is being read began. */
  requestAt: number;
  chunks: Uint8Array[];
  size: number;
  head: RequestHead | undefined;
  /** Where the body begins in what was read. */
  bodyAt: number;
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
  /** Whether each answer asks for another connection. */
  #leaving = false;
  #closing = false;
  /** Whether anybody has been answered. */
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
    // What a client does is no error of the server's.
    server.on("error", () => {});
  }

  /** Listens; rejects when the port can't be opened. */
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

  /** Bytes of requests that are kept. */
  get kept(): number {
    return [...this.#connections.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** New connections get this certificate; those that are open go on. */
  use(keys: ServingKeyPair): void {
    this.#server.setSecureContext(secureContext(keys));
  }

  /**
   * Goes on for so long, with new connections too, and closes each one with its next answer: a Service takes a moment to
   * lead clients elsewhere, and a request must not meet a connection that is just being closed. Where nobody has been
   * answered it doesn't wait. To be disposed of then.
   */
  async leave(ms: number): Promise<void> {
    this.#leaving = true;
    if (this.#used) await delay(ms);
  }

  /** Answers what has been read, then closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const each of this.#connections.values()) {
      if (["handshake", "idle", "leaving"].includes(each.phase)) this.#cut(each);
    }
    // Those that are left end by their deadlines.
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
      chunks: [],
      size: 0,
      head: undefined,
      bodyAt: 0,
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
    // Who connects and says nothing has no more time than for a head.
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
        // The API server waits for an answer before it asks again.
        this.#onRefusal("malformed");
        return this.#cut(connection);
    }
    // A copy: the chunk may be a view of a buffer that others use.
    connection.chunks.push(new Uint8Array(chunk));
    connection.size += chunk.length;
    try {
      if (connection.phase === "head") this.#readHead(connection);
      if (connection.phase === "body") this.#readBody(connection);
    } catch (error) {
      if (!(error instanceof BadRequest)) throw error;
      this.#onRefusal("malformed");
      this.#leave(connection, { status: error.status, type: plain, body: `${error.message}\n` });
    }
  }

  #readHead(connection: Connection): void {
    const { head: longest, requestMs } = this.#bounds;
    const bytes = whole(connection);
    const end = endOfHead(bytes.subarray(0, longest));
    if (end < 0) {
      if (bytes.length >= longest) throw new BadRequest(431, `A head may have at most ${longest} bytes.`);
      return;
    }
    const head = parseHead(latin1(bytes.subarray(0, end)));
    if (head.length > this.#bounds.longestBody) {
      throw new BadRequest(413, `A body may have at most ${this.#bounds.longestBody} bytes.`);
    }
    const refusal = this.#handler.refuse(head);
    if (refusal) {
      this.#onRefusal("malformed");
      return this.#leave(connection, refusal);
    }
    connection.head = head;
    connection.bodyAt = end + 4;
    const { requestAt } = connection;
    this.#enter(connection, "body", 0);
    connection.deadline = requestAt + requestMs;
  }

  #readBody(connection: Connection): void {
    const head = connection.head!;
    const arrived = connection.size - connection.bodyAt;
    if (arrived > head.length) throw new BadRequest(400, "There is more than content-length said.");
    if (head.length > this.#bounds.body) {
      if (arrived < Math.min(head.length, beginningBytes)) return;
      return this.#leave(connection, this.#handler.tooLong(whole(connection).subarray(connection.bodyAt), head));
    }
    if (arrived === head.length) {
      connection.phase = "waiting";
      // The answer comes in its turn; only then is its time measured.
      connection.deadline = Infinity;
      this.#waiting.add(connection);
      this.#turn ??= setImmediate(() => this.#answerNext());
    }
    this.#keepWithin(connection);
  }

  /** What is too much to keep is let go of, the largest first. */
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
      this.#leave(largest, { status: 503, type: plain, body: "Too many long requests at a time.\n" });
      if (largest === last) return;
    }
  }

  /** The shortest goes first: a good review is short, and one that isn't delays no other. */
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
      return this.#handler.answer(whole(connection).subarray(connection.bodyAt), head);
    } catch {
      return { status: 500, type: plain, body: "The request could not be answered.\n" };
    }
  }

  /** Answers and closes. What the client still sends is thrown away, for long enough that it reads the answer. */
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
      // The socket forgets its address when it closes.
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
  connection.bodyAt = 0;
}

/** All that was read, in one piece. */
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

function endOfHead(bytes: Uint8Array): number {
  for (let at = bytes.indexOf(13); at >= 0; at = bytes.indexOf(13, at + 1)) {
    if (bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at;
  }
  return -1;
}

const latin1 = (bytes: Uint8Array): string => {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
};

const reasons: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  404: "Not Found",
  405: "Method Not Allowed",
  411: "Length Required",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

function written({ status, type, body }: BoundedResponse, close: boolean): Uint8Array {
  const bytes = new TextEncoder().encode(body);
  const head = new TextEncoder().encode(
    `HTTP/1.1 ${status} ${reasons[status] ?? ""}\r\ncontent-type: ${type}\r\ncontent-length: ${bytes.length}\r\n` +
      `${close ? "connection: close\r\n" : ""}\r\n`,
  );
  const all = new Uint8Array(head.length + bytes.length);
  all.set(head);
  all.set(bytes, head.length);
  return all;
}
