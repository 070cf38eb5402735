/** Parser for the entries of `allowedDestinations`. */
import { parseRange, type Range } from "../address.ts";

export type Protocol = "TCP" | "UDP" | "SCTP";

/** A parsed entry of `allowedDestinations`. */
export interface Destination {
  text: string;
  /** Target: a range, a name yet to be resolved, or all public addresses. */
  to: { range: Range } | { realm: string } | { dns: string } | { internet: true };
  protocol?: Protocol;
  port?: number;
  endPort?: number;
}

/** Keyword for all public addresses; no Realm may have it as name. */
export const internetWord = "internet";

const label = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?";
const realmPattern = new RegExp(`^${label}$`);
const dnsPattern = new RegExp(`^${label}(\\.${label})+\\.?$`, "i");

const mappedPattern = /^\[?::ffff:\d+\.\d+\.\d+\.\d+/i;

/**
 * Parses `host[:port[-endPort]][/protocol]`, where host is a CIDR, an IP address, `internet`, a realm or a DNS name.
 * IPv6 with a port needs brackets: `[2001:db8::1]:443` or `[2001:db8::/32]:443`. A port without a protocol is TCP, as
 * in a Kubernetes Service.
 *
 * @returns the destination, or a sentence with the invalid part and the remedy
 */
export function parseDestination(text: string): Destination | { text: string; error: string } {
  const fail = (error: string) => ({ text, error });
  let rest = text;
  let protocol: Protocol | undefined;
  const protocolAt = rest.match(/\/([A-Za-z]+)$/);
  if (protocolAt) {
    const name = protocolAt[1]!.toUpperCase();
    if (name !== "TCP" && name !== "UDP" && name !== "SCTP") {
      return fail(`${text}: ${protocolAt[1]} is not a protocol; use tcp, udp or sctp.`);
    }
    protocol = name;
    rest = rest.slice(0, protocolAt.index);
  }
  let ports: string | undefined;
  if (rest.startsWith("[")) {
    const close = rest.match(/^\[([^\]]*)\](?::(.*))?$/);
    if (!close) return fail(`${text}: IPv6 with a port must be written as [address]:port.`);
    rest = close[1]!;
    ports = close[2];
    if (!rest.includes(":")) return fail(`${text}: only IPv6 may be in brackets.`);
  } else if (rest.split(":").length === 2) {
    [rest, ports] = rest.split(":") as [string, string];
  }
  const out: Omit<Destination, "to"> = { text };
  if (ports !== undefined) {
    const match = ports.match(/^(\d{1,5})(?:-(\d{1,5}))?$/);
    const [first, last] = [Number(match?.[1]), match?.[2] === undefined ? undefined : Number(match[2])];
    if (!match || first < 1 || first > 65535 || (last !== undefined && (last < first || last > 65535))) {
      return fail(`${text}: ${ports} is not a port; use 1 to 65535, or first-last.`);
    }
    out.port = first;
    if (last !== undefined && last !== first) out.endPort = last;
    protocol ??= "TCP";
  }
  if (protocol) out.protocol = protocol;
  const range = parseRange(rest);
  if (range) return { ...out, to: { range } };
  if (mappedPattern.test(rest)) return fail(`${text}: an IPv4-mapped address must be written as plain IPv4.`);
  if (/^[\d.]+(\/.*)?$/.test(rest) || rest.includes(":") || rest.includes("/")) {
    return fail(
      `${text}: ${rest} is not an IP address or CIDR, such as 203.0.113.0/24, without leading zeros.`,
    );
  }
  if (rest === internetWord) return { ...out, to: { internet: true } };
  if (realmPattern.test(rest)) return { ...out, to: { realm: rest } };
  if (dnsPattern.test(rest)) return { ...out, to: { dns: rest.toLowerCase().replace(/\.$/, "") } };
  return fail(`${text}: ${rest} is not a CIDR, an IP address, a realm name or a DNS name.`);
}
