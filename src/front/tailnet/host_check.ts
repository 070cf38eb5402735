/**
 * Guard against other web sites: a node of the tailnet is known by its connection alone, so a page in its browser must not
 * be able to use that, by another name of this address (DNS rebinding) or by a request to another site.
 */

/** Names and addresses by which this server is known, in lower case and without ports. */
export type HostNames = ReadonlySet<string>;

/** Names of this machine, for forwarders. A page of another site never has one of them. */
const ownMachine = ["localhost", "127.0.0.1", "[::1]"];

/**
 * Returns the names for this node.
 *
 * @param dnsName MagicDNS name, with or without its dot
 * @param addresses tailnet addresses
 */
export function hostNames(dnsName: string, addresses: readonly string[]): HostNames {
  const name = dnsName.toLowerCase().replace(/\.$/, "");
  return new Set([
    ...(name === "" ? [] : [name, name.split(".")[0]!]),
    ...addresses.map((address) => address.includes(":") ? `[${address}]` : address),
    ...ownMachine,
  ]);
}

/** Returns the reason, as a sentence with its status, to refuse a request by its headers; undefined: there is none. */
export function foreignSite(
  headers: ReadonlyMap<string, string>,
  names: HostNames,
): { status: 403 | 421; sentence: string } | undefined {
  const host = (headers.get("host") ?? "").toLowerCase();
  if (!names.has(host.replace(/:\d+$/, "").replace(/\.$/, ""))) {
    const own = [...names].filter((name) => !ownMachine.includes(name)).join(", ");
    return { status: 421, sentence: `The host ${host} is not this server; use one of ${own}.` };
  }
  const site = headers.get("sec-fetch-site");
  const origin = headers.get("origin");
  if (
    (site !== undefined && site !== "same-origin" && site !== "none") || (origin !== undefined && !isFrom(origin, host))
  ) {
    return { status: 403, sentence: "Requests from the pages of another site are not allowed." };
  }
  return undefined;
}

const isFrom = (origin: string, host: string): boolean =>
  origin.toLowerCase() === `http://${host}` || origin.toLowerCase() === `https://${host}`;
