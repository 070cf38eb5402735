/** Which nameservers this computer asks: resolv.conf(5). */
import { canonicalAddress } from "./canonical_address.ts";

/** A nameserver. */
export interface Server {
  /** An IP address. */
  hostname: string;
  /** 53, but for tests. */
  port: number;
}

/** As many as every resolver looks at (MAXNS). */
const maxServers = 3;

/** A server as Deno's permission `--allow-net` names it: `10.96.0.10:53`, `[fd00::a]:53`. */
export const hostPort = ({ hostname, port }: Server): string =>
  `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;

/**
 * The nameservers in the text of a resolv.conf: the first three that can be connected to, or, as resolv.conf(5) has it,
 * this computer when there are none. Search domains and options are not for names that are absolute.
 */
export function serversFrom(resolvConf: string): Server[] {
  const found = new Set<string>();
  for (const line of resolvConf.split("\n")) {
    const [keyword, value = ""] = line.trim().split(/\s+/);
    // No address with a zone (fe80::1%eth0): neither node:net nor a permission can name it.
    const hostname = keyword === "nameserver" ? canonicalAddress(value) : undefined;
    if (hostname !== undefined) found.add(hostname);
  }
  const hostnames = found.size > 0 ? [...found].slice(0, maxServers) : ["127.0.0.1"];
  return hostnames.map((hostname) => ({ hostname, port: 53 }));
}

/** Reads {@linkcode serversFrom} a file; one that doesn't exist is an empty one. */
export async function readServers(path = "/etc/resolv.conf"): Promise<Server[]> {
  try {
    return serversFrom(await Deno.readTextFile(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return serversFrom("");
    throw error;
  }
}
