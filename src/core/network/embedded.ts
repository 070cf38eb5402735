/** IPv6 addresses with an embedded IPv4 address, to which a translator or tunnel delivers. */
import ipaddr from "ipaddr.js";
import { contains, parseRange, type Range } from "../address.ts";

/** RFC 3056: the IPv4 address follows the first 16 bits. */
const sixToFour = parseRange("2002::/16")!;

/** Returns the IPv6 form of an IPv4 range behind a 96-bit prefix (RFC 6052). */
export const translated = (prefix: Range, { address, prefix: length }: Range): Range => ({
  address: ipaddr.fromByteArray([...prefix.address.toByteArray().slice(0, 12), ...address.toByteArray()]),
  prefix: 96 + length,
});

/** Returns the IPv6 ranges that deliver to an IPv4 range, by each NAT64 prefix and by 6to4. */
export function formsOf(range: Range, nat64: readonly Range[]): Range[] {
  if (range.address.kind() !== "ipv4") return [];
  const tail = new Array<number>(10).fill(0);
  const bytes = [...sixToFour.address.toByteArray().slice(0, 2), ...range.address.toByteArray(), ...tail];
  return [
    ...nat64.map((prefix) => translated(prefix, range)),
    { address: ipaddr.fromByteArray(bytes), prefix: sixToFour.prefix + range.prefix },
  ];
}

/**
 * Returns the IPv4 range in the last 32 bits of an IPv6 range, and the 96 bits before it: for NAT64, and for ISATAP
 * (RFC 5214), whose interface identifiers can follow any prefix.
 */
export function carried(range: Range, nat64: readonly Range[]): { prefix: Range; range: Range } | undefined {
  if (range.address.kind() !== "ipv6" || range.prefix < 96) return undefined;
  const bytes = range.address.toByteArray();
  const isISATAP = (bytes[8]! & 0xfd) === 0 && bytes[9] === 0 && bytes[10] === 0x5e && bytes[11] === 0xfe;
  if (!isISATAP && !nat64.some((prefix) => contains(prefix, range))) return undefined;
  return {
    prefix: { address: ipaddr.fromByteArray([...bytes.slice(0, 12), 0, 0, 0, 0]), prefix: 96 },
    range: { address: ipaddr.fromByteArray(bytes.slice(12)), prefix: range.prefix - 96 },
  };
}
