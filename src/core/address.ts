/** IP addresses and ranges, strict and canonical. */
import ipaddr from "ipaddr.js";

/** A range of addresses: a network address and the length of its prefix. */
export interface Range {
  readonly address: ipaddr.IPv4 | ipaddr.IPv6;
  readonly prefix: number;
}

const octet = "(0|[1-9][0-9]{0,2})";
const ipv4 = new RegExp(`^${octet}(\\.${octet}){3}$`);

/**
 * Parses an address in strict form only: leading zeros (octal to some parsers), IPv4-mapped IPv6 and zone identifiers
 * are rejected, because implementations of NetworkPolicy disagree on their meaning (CVE-2021-29923).
 */
export function parseAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  if (ipv4.test(text)) return ipaddr.IPv4.isValid(text) ? ipaddr.IPv4.parse(text) : undefined;
  if (!text.includes(":") || text.includes("%") || text.includes(".") || !ipaddr.IPv6.isValid(text)) return undefined;
  const address = ipaddr.IPv6.parse(text);
  return address.isIPv4MappedAddress() ? undefined : address;
}

/**
 * Parses `address/prefix`, or an address as a range of one address. Host bits are cleared. Equal texts share one range,
 * which must not be modified.
 */
export function parseRange(text: string): Range | undefined {
  const known = recent.get(text);
  if (known) return known;
  const range = rangeFrom(text);
  if (!range) return undefined;
  if (recent.size === mostRecent) recent.clear();
  recent.set(text, range);
  return range;
}

/** Cache, because every plan reads the same few ranges. */
const recent = new Map<string, Range>();
const mostRecent = 4096;

function rangeFrom(text: string): Range | undefined {
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

/** Formats a range in canonical CIDR notation (RFC 4632, RFC 5952), including `/32` and `/128`. */
export const cidr = (range: Range): string =>
  `${
    range.address.kind() === "ipv6" ? (range.address as ipaddr.IPv6).toRFC5952String() : range.address.toString()
  }/${range.prefix}`;

/** Reports whether every address of `inner` is in `outer`. */
export function contains(outer: Range, inner: Range): boolean {
  if (outer.address.kind() !== inner.address.kind() || outer.prefix > inner.prefix) return false;
  // Both have the same kind, which the types of ipaddr.js can't express.
  return (inner.address as ipaddr.IPv4).match(outer.address as ipaddr.IPv4, outer.prefix);
}

/** Compares ranges by family (IPv4 first), address and prefix, the order of all written lists. */
export function compareRanges(a: Range, b: Range): number {
  const [x, y] = [a.address.toByteArray(), b.address.toByteArray()];
  if (x.length !== y.length) return x.length - y.length;
  const at = x.findIndex((byte, index) => byte !== y[index]);
  return at < 0 ? a.prefix - b.prefix : x[at]! - y[at]!;
}

/** Returns the ranges that lie in none of the others, unique and sorted. Two CIDRs are either nested or disjoint. */
export function outermost(ranges: readonly Range[]): Range[] {
  const out: Range[] = [];
  for (const range of ranges.toSorted(compareRanges)) {
    const last = out.at(-1);
    if (!last || !contains(last, range)) out.push(range);
  }
  return out;
}
