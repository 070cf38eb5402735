/**
 * A port of 127.0.0.1 for one user's kubectl. It takes TLS connections with the client certificate of the forwarder's
 * private folder only, and passes their bytes to the lender's tailnet server.
 */
import type { AddressInfo, Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import type { ForwarderKeys } from "./forwarder_keys.ts";

/** A connection to the lender. */
export interface LenderConnection {
  readable: ReadableStream<Uint8Array>;
  writable: WritableStream<Uint8Array>;
  close(): void;
}

/** Options of a {@linkcode Forwarder}. */
export interface ForwarderOptions {
  keys: Pick<ForwarderKeys, "authority" | "certificate" | "key">;
  /** Port of 127.0.0.1; 0 for any. */
  port: number;
  /** Connects to the lender, until the signal aborts. Rejects with a sentence, within its own time limit. */
  connect(signal: AbortSignal): Promise<LenderConnection>;
  /** Called when the number of accepted connections changes. */
  onConnections?: (count: number) => void;
}

/** Most connections of the owner. kubectl needs one or two. */
export const mostForwarded = 256;
/** Most connections that have not shown the certificate. */
const mostUnknown = 32;
const handshakeMs = 3000;

/** A running forwarder. */
export class Forwarder implements AsyncDisposable {
  readonly #options: ForwarderOptions;
  readonly #server: Server;
  readonly #unknown = new Map<string, { socket: Socket; timer: ReturnType<typeof setTimeout> }>();
  readonly #accepted = new Set<TLSSocket>();

  private constructor(options: ForwarderOptions) {
    this.#options = options;
    const { authority, certificate, key } = options.keys;
    this.#server = createServer(
      {
        // Without ALPN clients use HTTP/1.1, whose connections can be passed on as bytes.
        ca: [authority],
        cert: certificate,
        key,
        requestCert: true,
        rejectUnauthorized: true,
        minVersion: "TLSv1.3",
        // Else the second of two small pieces waits 40 ms for the client.
        noDelay: true,
      },
      (socket) => void this.#accept(socket),
    );
    this.#server.on("connection", (socket: Socket) => this.#greet(socket));
    // A client without the certificate; its connection ends by itself or in time.
    this.#server.on("tlsClientError", () => {});
  }

  /** Opens the port. Rejects with `Deno.errors.AddrInUse` or node's error if it is taken. */
  static async open(options: ForwarderOptions): Promise<Forwarder> {
    const forwarder = new Forwarder(options);
    await new Promise<void>((resolve, reject) => {
      forwarder.#server.once("error", reject);
      forwarder.#server.listen(options.port, "127.0.0.1", resolve);
    });
    return forwarder;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Number of connections of the owner. */
  get connections(): number {
    return this.#accepted.size;
  }

  /** Closes the port and ends all connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const { socket, timer } of this.#unknown.values()) {
      clearTimeout(timer);
      socket.destroy();
    }
    for (const socket of this.#accepted) socket.destroy();
    await closed;
  }

  /** Bounds connections of strangers, such as another user of this machine. */
  #greet(socket: Socket): void {
    const key = String(socket.remotePort);
    // The oldest gives way, so that a stranger who holds connections open doesn't keep the owner out.
    if (this.#unknown.size >= mostUnknown) this.#unknown.values().next().value!.socket.destroy();
    const forget = () => {
      clearTimeout(timer);
      if (this.#unknown.get(key)?.socket === socket) this.#unknown.delete(key);
    };
    const timer = setTimeout(() => {
      forget();
      socket.destroy();
    }, handshakeMs);
    this.#unknown.set(key, { socket, timer });
    socket.on("error", () => {});
    socket.once("close", forget);
  }

  async #accept(socket: TLSSocket): Promise<void> {
    const greeted = this.#unknown.get(String(socket.remotePort));
    if (greeted) {
      clearTimeout(greeted.timer);
      this.#unknown.delete(String(socket.remotePort));
    }
    socket.on("error", () => {});
    if (!socket.authorized || this.#accepted.size >= mostForwarded) return void socket.destroy();
    this.#accepted.add(socket);
    this.#options.onConnections?.(this.#accepted.size);
    const ended = new AbortController();
    socket.once("close", () => {
      ended.abort();
      this.#accepted.delete(socket);
      this.#options.onConnections?.(this.#accepted.size);
    });
    let lender: LenderConnection;
    try {
      lender = await this.#options.connect(ended.signal);
    } catch (error) {
      return answerUnreachable(socket, error instanceof Error ? error.message : String(error));
    }
    if (ended.signal.aborted) return lender.close();
    await joined(socket, lender);
  }
}

/** Passes bytes both ways until either side ends, no faster than the reader takes them. */
async function joined(socket: TLSSocket, lender: LenderConnection): Promise<void> {
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  const upwards = async () => {
    const writer = lender.writable.getWriter();
    for await (const chunk of socket) await writer.write(chunk as Uint8Array);
  };
  const downwards = async () => {
    const reader = lender.readable.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      if (!socket.write(value)) await Promise.race([once(socket, "drain"), closed]);
    }
  };
  // After the end of either direction the daemon closes both.
  await Promise.race([upwards(), downwards(), closed]).catch(() => {});
  // What the lender sent last is still on its way.
  socket.end(() => socket.destroySoon());
  lender.close();
  await closed;
}

const once = (socket: TLSSocket, event: string): Promise<void> =>
  new Promise((resolve) => socket.once(event, () => resolve()));

/**
 * Answers the first request with a sentence, and ends the connection. kubectl prints a text of every request; of a Status
 * it drops the message while it discovers the API, and of 503 always.
 */
function answerUnreachable(socket: TLSSocket, message: string): void {
  const body = new TextEncoder().encode(message);
  const head = [
    "HTTP/1.1 502 Bad Gateway",
    "Content-Type: text/plain; charset=utf-8",
    `Content-Length: ${body.length}`,
    "Connection: close",
  ];
  // Clients take an answer before their request for an error.
  socket.once("data", () => {
    socket.write(`${head.join("\r\n")}\r\n\r\n`);
    socket.end(body);
  });
}
