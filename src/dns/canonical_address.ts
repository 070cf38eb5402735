/** Addresses as texts that are equal when the addresses are. */
import type { IPv6 } from "ipaddr.js";
import { compareRanges, parseAddress, parseRange } from "../core/address.ts";

/** The canonical text (RFC 5952) of an address; undefined for what isn't one that a policy can name. */
export function canonicalAddress(text: string): string | undefined {
  const address = parseAddress(text);
  return address?.kind() === "ipv6" ? (address as IPv6).toRFC5952String() : address?.toString();
}

/** Sorted by family (IPv4 first) and address. */
export function sortAddresses(addresses: Iterable<string>): string[] {
  return [...addresses]
    .map((text) => ({ text, range: parseRange(text)! }))
    .sort((a, b) => compareRanges(a.range, b.range))
    .map(({ text }) => text);
}
