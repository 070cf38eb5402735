/** IP addresses and ranges, strict and canonical. */
import ipaddr from "ipaddr.js";

/** A range of addresses: a network address and how many leading bits are fixed. */
export interface Range {
  address: ipaddr.IPv4 | ipaddr.IPv6;
  prefix: number;
}

const octet = "(0|[1-9][0-9]{0,2})";
const ipv4 = new RegExp(`^${octet}(\\.${octet}){3}$`);

/**
 * Reads an address. Only the strict forms: leading zeros (octal to some readers), IPv4-mapped IPv6 and zone identifiers
 * are refused, since implementations of NetworkPolicy disagree on what they mean (CVE-2021-29923).
 */
export function parseAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  if (ipv4.test(text)) return ipaddr.IPv4.isValid(text) ? ipaddr.IPv4.parse(text) : undefined;
  if (!text.includes(":") || text.includes("%") || text.includes(".") || !ipaddr.IPv6.isValid(text)) return undefined;
  const address = ipaddr.IPv6.parse(text);
  return address.isIPv4MappedAddress() ? undefined : address;
}

/** Reads `address/prefix`, or an address as the range of itself. Host bits are cleared. */
export function parseRange(text: string): Range | undefined {
  const [host = "", prefixText, ...rest] = text.split("/");
  const address = parseAddress(host);
  if (!address || rest.length > 0) return undefined;
  const bits = address.kind() === "ipv4" ? 32 : 128;
  if (prefixText === undefined) return { address, prefix: bits };
  if (!/^(0|[1-9][0-9]{0,2})$/.test(prefixText) || Number(prefixText) > bits) return undefined;
  const prefix = Number(prefixText);
  const bytes = address.toByteArray().map((byte, index) => {
    const kept = Math.min(8, Math.max(0, prefix - index * 8));
    return byte & (0xff << (8 - kept)) & 0xff;
  });
  return { address: ipaddr.fromByteArray(bytes), prefix };
}

/** Canonical CIDR notation (RFC 4632, RFC 5952), `/32` and `/128` included. */
export const cidr = (range: Range): string =>
  `${
    range.address.kind() === "ipv6" ? (range.address as ipaddr.IPv6).toRFC5952String() : range.address.toString()
  }/${range.prefix}`;

/** Whether every address of `inner` is in `outer`. */
export function contains(outer: Range, inner: Range): boolean {
  if (outer.address.kind() !== inner.address.kind() || outer.prefix > inner.prefix) return false;
  // The two kinds are the same, which the types of ipaddr.js can't see.
  return (inner.address as ipaddr.IPv4).match(outer.address as ipaddr.IPv4, outer.prefix);
}

/** By family (IPv4 first), then address, then prefix: the order in which lists are written. */
export function compareRanges(a: Range, b: Range): number {
  const [x, y] = [a.address.toByteArray(), b.address.toByteArray()];
  if (x.length !== y.length) return x.length - y.length;
  const at = x.findIndex((byte, index) => byte !== y[index]);
  return at < 0 ? a.prefix - b.prefix : x[at]! - y[at]!;
}

/** The ranges that lie in none of the others, each once, sorted. Of two CIDRs one holds the other, or they are disjoint. */
export function outermost(ranges: readonly Range[]): Range[] {
  const out: Range[] = [];
  for (const range of ranges.toSorted(compareRanges)) {
    const last = out.at(-1);
    if (!last || !contains(last, range)) out.push(range);
  }
  return out;
}
