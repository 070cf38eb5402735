/** The nameservers of this computer: resolv.conf(5). */
import { canonicalAddress } from "./canonical_address.ts";

/** A nameserver. */
export interface Server {
  /** IP address. */
  hostname: string;
  /** 53 except in tests. */
  port: number;
}

/** Maximum number of servers, as in other resolvers (MAXNS). */
const maxServers = 3;

/** Formats a server as in Deno's permission `--allow-net`: `10.96.0.10:53`, `[fd00::a]:53`. */
export const hostPort = ({ hostname, port }: Server): string =>
  `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;

/**
 * Returns the nameservers in the text of a resolv.conf: the first three usable ones or, following resolv.conf(5),
 * this computer if there are none. Search domains and options don't apply to absolute names.
 */
export function serversFrom(resolvConf: string): Server[] {
  const found = new Set<string>();
  for (const line of resolvConf.split("\n")) {
    const [keyword, value = ""] = line.trim().split(/\s+/);
    // Addresses with a zone (fe80::1%eth0) are ignored: neither node:net nor a permission supports them.
    const hostname = keyword === "nameserver" ? canonicalAddress(value) : undefined;
    if (hostname !== undefined) found.add(hostname);
  }
  const hostnames = found.size > 0 ? [...found].slice(0, maxServers) : ["127.0.0.1"];
  return hostnames.map((hostname) => ({ hostname, port: 53 }));
}

/** Reads {@linkcode serversFrom} a file; a missing file counts as empty. */
export async function readServers(path = "/etc/resolv.conf"): Promise<Server[]> {
  try {
    return serversFrom(await Deno.readTextFile(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return serversFrom("");
    throw error;
  }
}
