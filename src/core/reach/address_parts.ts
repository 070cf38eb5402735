/** Parts of an address range with different verdicts. */
import ipaddr from "ipaddr.js";
import { contains, parseRange, type Range } from "../address.ts";
import type { PlacedPolicy } from "./reach.ts";

/** Returns all ranges that the rules of the policies name. */
export function rangesOf(policies: readonly PlacedPolicy[]): Range[] {
  const peers = policies.flatMap(({ spec }) => [
    ...(spec.egress ?? []).flatMap(({ to }) => to ?? []),
    ...(spec.ingress ?? []).flatMap(({ from }) => from ?? []),
  ]);
  const texts = peers.flatMap(({ ipBlock }) => ipBlock ? [ipBlock.cidr, ...ipBlock.except ?? []] : []);
  return [...new Set(texts)].map(parseRange).filter((range) => range !== undefined);
}

/** Returns the parts of a range that are allowed, in order and as wide as possible. */
export function allowedParts(range: Range, marks: readonly Range[], isAllowed: (part: Range) => boolean): Range[] {
  const inner = marks.filter((mark) => mark.prefix > range.prefix && contains(range, mark));
  if (inner.length === 0) return isAllowed(range) ? [range] : [];
  const parts = halves(range).map((half) => ({ half, parts: allowedParts(half, inner, isAllowed) }));
  const isWhole = parts.every(({ half, parts }) => parts.length === 1 && parts[0]!.prefix === half.prefix);
  return isWhole ? [range] : parts.flatMap(({ parts }) => parts);
}

function halves({ address, prefix }: Range): [Range, Range] {
  const upper = address.toByteArray();
  upper[prefix >> 3]! |= 0x80 >> (prefix & 7);
  return [{ address, prefix: prefix + 1 }, { address: ipaddr.fromByteArray(upper), prefix: prefix + 1 }];
}
