/** Canonical texts of IP addresses: equal texts for equal addresses. */
import type { IPv6 } from "ipaddr.js";
import { compareRanges, parseAddress, parseRange } from "../core/address.ts";

/** Returns the canonical text (RFC 5952) of an address; undefined if it is not an address that a policy can contain. */
export function canonicalAddress(text: string): string | undefined {
  const address = parseAddress(text);
  return address?.kind() === "ipv6" ? (address as IPv6).toRFC5952String() : address?.toString();
}

/** Sorts addresses by family (IPv4 first) and value. */
export function sortAddresses(addresses: Iterable<string>): string[] {
  return [...addresses]
    .map((text) => ({ text, range: parseRange(text)! }))
    .sort((a, b) => compareRanges(a.range, b.range))
    .map(({ text }) => text);
}
