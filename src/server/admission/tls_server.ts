/** HTTPS with a certificate that can be changed while requests are under way. */
import { createServer, type Server } from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface KeyPair {
  /** PEM. */
  certificate: string;
  key: string;
}

export interface TlsServerOptions {
  /** Default: all addresses. */
  hostname?: string;
  port: number;
  answer: (request: Request) => Promise<Response>;
}

export class TlsServer implements AsyncDisposable {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Listens; rejects when the port can't be opened. */
  static async listen({ certificate, key }: KeyPair, options: TlsServerOptions): Promise<TlsServer> {
    const server = createServer({ cert: certificate, key, minVersion: "TLSv1.2" }, (request, response) => {
      serve(request, response, options.answer).catch(() => response.destroy());
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(options.port, options.hostname, () => {
        server.off("error", reject);
        resolve();
      });
    });
    // A client that breaks off is no error of the server's.
    server.on("error", () => {});
    server.on("tlsClientError", () => {});
    return new TlsServer(server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** New connections get this certificate; those that are open go on. */
  use({ certificate, key }: KeyPair): void {
    this.#server.setSecureContext({ cert: certificate, key, minVersion: "TLSv1.2" });
  }

  /** Waits for what is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    const patience = setTimeout(() => this.#server.closeAllConnections(), 2000);
    await closed;
    clearTimeout(patience);
  }
}

async function serve(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  answer: (request: Request) => Promise<Response>,
): Promise<void> {
  const { method = "GET", url = "/", headers } = incoming;
  const hasBody = method !== "GET" && method !== "HEAD";
  const request = new Request(new URL(url, "https://localhost"), {
    method,
    headers: Object.entries(headers).flatMap(([name, value]): [string, string][] =>
      name.startsWith(":") || value === undefined ? [] : [[name, String(value)]]
    ),
    ...(hasBody ? { body: bodyOf(incoming) } : {}),
  });
  const response = await answer(request);
  const body = new Uint8Array(await response.arrayBuffer());
  outgoing.writeHead(response.status, {
    ...Object.fromEntries(response.headers),
    "content-length": String(body.byteLength),
  });
  outgoing.end(body);
}

function bodyOf(incoming: IncomingMessage): ReadableStream<Uint8Array> {
  const chunks = incoming[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await chunks.next();
        if (done) controller.close();
        else controller.enqueue(new Uint8Array(value));
      } catch (error) {
        controller.error(error);
      }
    },
    async cancel() {
      await chunks.return?.();
    },
  });
}
