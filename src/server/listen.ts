/** Serves health and metrics. */
import { isLoopback } from "./is_loopback.ts";

/** Address of a server; without a hostname all addresses, IPv4 and IPv6. */
export interface ListenAddress {
  hostname?: string;
  port: number;
}

export interface ListenOptions {
  address: ListenAddress;
  answer: (request: Request) => Promise<Response>;
  /** True to continue without the server if the port can't be opened. */
  optional: boolean;
  log: Record<"info" | "warn", (message: string, properties?: Record<string, unknown>) => void>;
}

const anywhere = ["::", "0.0.0.0"];
const written = (hostname: string, port: number) => `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;

/** Returns the hosts that may be opened for an address and need permission. */
export const listenHosts = ({ hostname, port }: ListenAddress): string[] =>
  (hostname === undefined ? anywhere : [hostname]).map((name) => written(name, port));

/**
 * Serves until the server is shut down. Returns undefined and logs a warning if an optional port can't be opened.
 *
 * @throws {Error} if a required port can't be opened: a sentence with the remedy
 */
export function listen({ address, answer, optional, log }: ListenOptions): Deno.HttpServer<Deno.NetAddr> | undefined {
  try {
    const server = open(address, answer);
    const { hostname, port } = server.addr;
    log.info("Health and metrics are at {url}.", { url: `http://${written(hostname, port)}` });
    return server;
  } catch (error) {
    const said = error instanceof Error ? error.message : error;
    const sentence =
      `Health and metrics can't be served at ${written(address.hostname ?? "*", address.port)}: ${said}. ` +
      `Choose another port with --listen or KEYSTONE_LISTEN, or off`;
    if (!optional) throw new Error(`${sentence}.`);
    log.warn("{sentence}; continuing without them.", { sentence });
    return undefined;
  }
}

/**
 * Serves an address that may be on loopback, and stops while there is a reason to close it. Returns a function that takes
 * that reason (a sentence without its period) or undefined.
 *
 * @throws {Error} as {@linkcode listen}
 */
export function listenUnlessClosed(options: ListenOptions): (closed: string | undefined) => void {
  const { address, log } = options;
  if (!isLoopback(address.hostname)) {
    listen(options);
    return () => {};
  }
  let server: Deno.HttpServer<Deno.NetAddr> | undefined;
  let said: string | undefined;
  return (closed) => {
    if (closed === undefined) {
      server ??= listen(options);
      return;
    }
    server?.shutdown();
    server = undefined;
    if (closed === said) return;
    said = closed;
    const where = written(address.hostname ?? "*", address.port);
    log.warn("Health and metrics at {where} are closed: {reason}.", { where, reason: closed });
  };
}

function open({ hostname, port }: ListenAddress, answer: (request: Request) => Promise<Response>) {
  const options = { port, onListen: () => {} };
  if (hostname !== undefined) return Deno.serve({ ...options, hostname }, answer);
  try {
    // Accepts IPv4 as well.
    return Deno.serve({ ...options, hostname: anywhere[0]! }, answer);
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) throw error;
    // The machine has no IPv6.
    return Deno.serve({ ...options, hostname: anywhere[1]! }, answer);
  }
}
