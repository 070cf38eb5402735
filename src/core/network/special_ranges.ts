/**
 * Ranges outside the internet, in two tiers. No grant opens *protected* ranges, unless a destination lies inside one
 * and the grantee's trust level permits it. *Private* ranges are opened by a destination that lies inside them; a wider
 * one doesn't include them.
 */
import type { Settings } from "../../api/mod.ts";
import { compareRanges, contains, outermost, parseRange, type Range } from "../address.ts";
import { carried, formsOf, translated } from "./embedded.ts";

export type Tier = "protected" | "private";

export interface SpecialRange {
  range: Range;
  tier: Tier;
}

/** Special ranges of one cluster, each followed by the ones inside it. */
export interface SpecialRanges {
  special: readonly SpecialRange[];
  /** NAT64 prefixes of 96 bits: addresses in them are judged as the embedded IPv4 address. */
  nat64: readonly Range[];
}

const ranges = (...texts: string[]): Range[] => texts.map((text) => parseRange(text)!);

/** Metadata services of clouds and other services for instances only, which hand out credentials. */
export const metadataServices: readonly Range[] = ranges(
  "169.254.169.254", // AWS, Azure, DigitalOcean, Google, Hetzner, IBM, Linode, OpenStack, Oracle, Vultr and others
  "169.254.170.2", // AWS ECS
  "169.254.170.23", // AWS EKS Pod Identity
  "169.254.42.42", // Scaleway
  "169.254.0.23", // Tencent
  "169.254.10.10", // Tencent
  "100.88.222.5", // Tencent, earlier
  "100.100.100.200", // Alibaba
  "168.63.129.16", // Azure WireServer
  "192.0.0.192", // Oracle Classic
  "192.80.8.124", // Equinix Metal
  "fd00:ec2::/32", // AWS: metadata, Pod Identity, DNS, time
  "fd20:ce::254", // Google
  "fd00:c1::a9fe:a9fe", // Oracle
  "fd00:42::42", // Scaleway
  "fd00:a9fe:a9fe::1", // Linode
  "fd00:100::100:200", // Alibaba
  "fe80::a9fe:a9fe", // OpenStack, Hetzner, Linode
);

/** Resolver that every node of a tailnet provides to itself. */
export const tailnetResolvers: readonly Range[] = ranges("100.100.100.100", "fd7a:115c:a1e0::53");

/** Ranges protected in every cluster, besides the tailnet and the cluster's own ranges. */
export const alwaysProtected: readonly Range[] = [
  ...metadataServices,
  ...tailnetResolvers,
  ...ranges(
    "0.0.0.0/8", // this host
    "127.0.0.0/8", // loopback
    "169.254.0.0/16", // link-local
    "224.0.0.0/4", // multicast
    "255.255.255.255", // broadcast
    "::/16", // this host, loopback, IPv4-compatible, IPv4-mapped
    "64:ff9b:1::/48", // NAT64 of a local translator, whose prefix length is unknown
    "2001::/32", // Teredo, whose obfuscated IPv4 addresses no CIDR can select
    "fe80::/10", // link-local
    "ff00::/8", // multicast
  ),
];

/**
 * Ranges private in every cluster, those of home networks first. Documentation ranges are not included, because they
 * are unused. Unallocated IPv6 (outside 2000::/3) counts as private, because private networks use it.
 */
export const alwaysPrivate: readonly Range[] = ranges(
  "10.0.0.0/8", // RFC 1918
  "172.16.0.0/12",
  "192.168.0.0/16",
  "fc00::/7", // unique local
  "100.64.0.0/10", // carrier-grade NAT, except for the tailnet
  "192.0.0.0/24", // IETF protocol assignments
  "192.88.99.0/24", // 6to4 relays
  "198.18.0.0/15", // benchmarks
  "240.0.0.0/4", // reserved
  "2001::/23", // IETF protocol assignments
  "2002::/16", // 6to4
  "fec0::/10", // site-local
  "::/3", // unallocated
  "4000::/2",
  "8000::/1",
);

/** Allocated IPv6 range. */
export const givenOut: Range = parseRange("2000::/3")!;

/** Returns the ranges of `internet`, before special ranges are excluded. */
export const internetRanges = (nat64: readonly Range[]): Range[] => [...ranges("0.0.0.0/0"), givenOut, ...nat64];

const parsed = (texts: readonly string[]): Range[] => texts.map(parseRange).filter((range) => range !== undefined);

/** Returns the tailnet's ranges, in which all addresses of realms' nodes lie. */
export const tailnetRanges = ({ tailnet }: Settings["clusterRanges"]): Range[] => parsed(tailnet);

const bySettings = new WeakMap<readonly Range[], { of: Settings["clusterRanges"]; specialRanges: SpecialRanges }>();

/** Returns the special ranges of a cluster with these own ranges, including the IPv6 forms of IPv4 ranges. */
export function specialRangesOf(own: readonly Range[], clusterRanges: Settings["clusterRanges"]): SpecialRanges {
  const known = bySettings.get(own);
  if (known?.of === clusterRanges) return known.specialRanges;
  const nat64 = parsed(clusterRanges.nat64).filter(({ prefix }) => prefix === 96);
  const all = (tier: Tier, list: readonly Range[]): SpecialRange[] =>
    list.flatMap((range) => [range, ...formsOf(range, nat64)]).map((range) => ({ range, tier }));
  const special = [
    ...all("protected", [...alwaysProtected, ...tailnetRanges(clusterRanges), ...own]),
    ...all("private", alwaysPrivate),
  ].sort((a, b) => compareRanges(a.range, b.range));
  const specialRanges = { special, nat64 };
  bySettings.set(own, { of: clusterRanges, specialRanges });
  return specialRanges;
}

/** Position of a range among the special ranges. */
export interface Position {
  /** Special ranges that contain it, the widest first. */
  inside: SpecialRange[];
  /** Special ranges that it contains. */
  parts: SpecialRange[];
}

/**
 * Returns a range's position. Inside a NAT64 prefix only special ranges in it count; ISATAP counts as its IPv4 address.
 */
export function positionOf(range: Range, specialRanges: SpecialRanges): Position {
  const { special, nat64 } = specialRanges;
  const translator = nat64.find((prefix) => contains(prefix, range));
  const inside = special.filter((each) =>
    contains(each.range, range) && (!translator || contains(translator, each.range))
  );
  const parts = special.filter((each) => contains(range, each.range) && !contains(each.range, range));
  const inner = translator ? undefined : carried(range, nat64);
  if (!inner) return { inside, parts };
  const { prefix, range: behind } = inner;
  const there = positionOf(behind, specialRanges);
  return {
    inside: [...inside, ...there.inside],
    parts: [...parts, ...there.parts.map(({ range, tier }) => ({ range: translated(prefix, range), tier }))],
  };
}

/** Adds the IPv6 forms of the ranges, so that closed ranges can't be reached through translators or tunnels. */
export const withForms = (list: readonly Range[], { nat64 }: SpecialRanges): Range[] =>
  outermost(list.flatMap((range) => [range, ...formsOf(range, nat64)]));
