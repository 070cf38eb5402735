/** The tailnet server: accepts connections from the tailnet, and cuts those that are late or may not continue. */
import type { TailnetIdentity } from "../../core/people/tailnet_identity.ts";
import type { Connection } from "./byte_stream.ts";
import { ClientConnection } from "./client_connection.ts";
import { Seats } from "./seats.ts";
import { type ServerParts, type TailnetBounds, tailnetBounds } from "./server_parts.ts";

/** Certificate and key of a listener, PEM. */
export interface TailnetKeyPair {
  certificate: string;
  key: string;
}

export interface TailnetServerOptions extends Omit<ServerParts, "seat" | "bounds" | "isSecure"> {
  /** Calls the listener with each change of a node that is followed; undefined: the node is gone. */
  onIdentity(listener: (stableId: string, identity: TailnetIdentity | undefined) => void): void;
  /** Calls the listener with realms whose access or people may have changed. */
  onAccess(listener: (realms: readonly string[]) => void): void;
  bounds?: Partial<TailnetBounds>;
}

const sweepMs = 250;

export class TailnetServer implements AsyncDisposable {
  readonly #parts: ServerParts;
  readonly #seats: Seats;
  readonly #connections = new Map<ClientConnection, Promise<void>>();
  readonly #listeners = new Map<Deno.Listener, Promise<void>>();
  readonly #sweep: ReturnType<typeof setInterval>;
  #isStopping = false;

  constructor({ onIdentity, onAccess, bounds, ...parts }: TailnetServerOptions) {
    const all = { ...tailnetBounds, ...bounds };
    this.#seats = new Seats({ node: all.connectionsPerNode, stranger: all.connectionsPerStranger });
    this.#parts = {
      ...parts,
      isSecure: false,
      bounds: all,
      seat: (node, isStranger) => this.#seats.take(node, isStranger),
    };
    onAccess((realms) => this.#parts.streams.review([...realms, ""]));
    onIdentity((node, identity) => {
      for (const each of this.#connections.keys()) if (each.node === node) each.identityChanged(identity);
      this.#parts.streams.reviewNode(node);
    });
    this.#sweep = setInterval(() => {
      const now = performance.now();
      for (const each of this.#connections.keys()) each.cutIfLate(now);
    }, sweepMs);
  }

  /** Number of open connections. */
  get connections(): number {
    return this.#connections.size;
  }

  /**
   * Listens at an address. Returns the port, and a function that stops listening; open connections continue. It resolves
   * once the port is free.
   *
   * @throws if the port can't be opened
   */
  listen(
    address: { hostname: string; port: number },
    keys?: TailnetKeyPair,
  ): { port: number; stop: () => Promise<void> } {
    const listener = keys
      ? Deno.listenTls({ ...address, cert: keys.certificate, key: keys.key, alpnProtocols: ["http/1.1"] })
      : Deno.listen(address);
    this.#listeners.set(listener, this.#accept(listener, keys !== undefined));
    return { port: (listener.addr as Deno.NetAddr).port, stop: () => this.#stopListening(listener) };
  }

  /** Ends idle connections at once, and others with their request, at the latest after `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    for (const listener of this.#listeners.keys()) void this.#stopListening(listener);
    for (const each of this.#connections.keys()) each.finish();
    const late = setTimeout(() => this.#parts.streams.end(), graceMs);
    const later = setTimeout(() => {
      for (const each of this.#connections.keys()) each.cutIfLate(Infinity);
    }, graceMs + sweepMs);
    await Promise.all([...this.#connections.values(), ...this.#listeners.values()]);
    clearTimeout(late);
    clearTimeout(later);
    clearInterval(this.#sweep);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop(0);
  }

  async #stopListening(listener: Deno.Listener): Promise<void> {
    try {
      listener.close();
    } catch { /* it has stopped already */ }
    // Until then the call that accepts holds the port.
    await this.#listeners.get(listener);
  }

  async #accept(listener: Deno.Listener, isSecure: boolean): Promise<void> {
    while (true) {
      let connection: Deno.Conn;
      try {
        connection = await listener.accept();
        // Else the second of two small writes waits 40 ms for the client. With TLS Deno offers no way.
        if ("setNoDelay" in connection) (connection as Deno.TcpConn).setNoDelay();
      } catch (error) {
        if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) break;
        // A client that has gone again, or no file descriptor left: others are accepted.
        await new Promise((resolve) => setTimeout(resolve, 10));
        continue;
      }
      this.#opened(connection, isSecure);
    }
    this.#listeners.delete(listener);
  }

  #opened(raw: Deno.Conn, isSecure: boolean): void {
    const { bounds, refused } = this.#parts;
    const unknown = this.#connections.size - this.#seats.size;
    if (this.#isStopping || this.#connections.size >= bounds.connections || unknown >= bounds.unknownConnections) {
      if (!this.#isStopping) refused("full");
      return raw.close();
    }
    const { hostname, port } = raw.remoteAddr as Deno.NetAddr;
    const address = hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
    const connection = new ClientConnection({ ...this.#parts, isSecure }, raw as unknown as Connection, address);
    this.#connections.set(connection, connection.run().finally(() => this.#connections.delete(connection)));
  }
}
