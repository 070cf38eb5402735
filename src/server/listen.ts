/** Opens the port of health and metrics. */

/** Where to listen; without a hostname on all addresses, IPv4 and IPv6. */
export interface Address {
  hostname?: string;
  port: number;
}

export interface ListenOptions {
  address: Address;
  answer: (request: Request) => Promise<Response>;
  /** Whether to go on without it when the port can't be opened. */
  optional: boolean;
  log: Record<"info" | "warn", (message: string, properties?: Record<string, unknown>) => void>;
}

const anywhere = ["::", "0.0.0.0"];
const written = (hostname: string, port: number) => `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;

/** What may have to be opened for an address, for the permission to do so. */
export const listenHosts = ({ hostname, port }: Address): string[] =>
  (hostname === undefined ? anywhere : [hostname]).map((name) => written(name, port));

/**
 * Serves until the server is shut down. Undefined when the port can't be opened and that was optional, which is said.
 *
 * @throws {Error} when the port can't be opened and wasn't optional: a sentence with the remedy
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
    log.warn("{sentence}; going on without.", { sentence });
    return undefined;
  }
}

function open({ hostname, port }: Address, answer: (request: Request) => Promise<Response>) {
  const options = { port, onListen: () => {} };
  if (hostname !== undefined) return Deno.serve({ ...options, hostname }, answer);
  try {
    // Takes IPv4 as well.
    return Deno.serve({ ...options, hostname: anywhere[0]! }, answer);
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) throw error;
    // A machine without IPv6.
    return Deno.serve({ ...options, hostname: anywhere[1]! }, answer);
  }
}
