/**
 * The ranges that are not the internet, in two tiers. *Protected* ones no grant opens, unless it names one exactly and the
 * grantee is trusted with that. *Private* ones are opened by a destination that lies inside them; one that is wider never
 * includes them.
 */
import type { Settings } from "../../api/mod.ts";
import { compareRanges, contains, outermost, parseRange, type Range } from "../address.ts";
import { carried, formsOf, translated } from "./embedded.ts";

export type Tier = "protected" | "private";

export interface SpecialRange {
  range: Range;
  tier: Tier;
}

/** The special ranges of one cluster, each followed by those that lie in it. */
export interface SpecialRanges {
  special: readonly SpecialRange[];
  /** NAT64 prefixes, of 96 bits: what is behind them is judged as the IPv4 that it is. */
  nat64: readonly Range[];
}

const ranges = (...texts: string[]): Range[] => texts.map((text) => parseRange(text)!);

/** Metadata services of clouds and what else they answer to instances only: it hands out credentials. */
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

/** The resolver that every node of a tailnet has for itself. */
export const tailnetResolvers: readonly Range[] = ranges("100.100.100.100", "fd7a:115c:a1e0::53");

/** Protected in every cluster, beside the tailnet and the cluster's own ranges. */
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
    "64:ff9b:1::/48", // NAT64 of a local translator, whose prefix in it nobody can know
    "2001::/32", // Teredo, which hides IPv4 addresses where no CIDR finds them
    "fe80::/10", // link-local
    "ff00::/8", // multicast
  ),
];

/**
 * Private in every cluster; what people have at home comes first. Documentation ranges aren't: nothing is there.
 * IPv6 that has not been given out (beyond 2000::/3) counts as private, because networks of one's own use it.
 */
export const alwaysPrivate: readonly Range[] = ranges(
  "10.0.0.0/8", // RFC 1918
  "172.16.0.0/12",
  "192.168.0.0/16",
  "fc00::/7", // unique local
  "100.64.0.0/10", // carriers' NAT: what of it isn't the tailnet
  "192.0.0.0/24", // IETF protocol assignments
  "192.88.99.0/24", // 6to4 relays
  "198.18.0.0/15", // benchmarks
  "240.0.0.0/4", // reserved
  "2001::/23", // IETF protocol assignments
  "2002::/16", // 6to4
  "fec0::/10", // site-local
  "::/3", // not given out
  "4000::/2",
  "8000::/1",
);

/** The IPv6 that has been given out. */
export const givenOut: Range = parseRange("2000::/3")!;

/** What `internet` stands for, before special ranges are taken out. */
export const internetRanges = (nat64: readonly Range[]): Range[] => [...ranges("0.0.0.0/0"), givenOut, ...nat64];

const parsed = (texts: readonly string[]): Range[] => texts.map(parseRange).filter((range) => range !== undefined);

/** The tailnet's own ranges: the only ones in which a realm's node has addresses. */
export const tailnetRanges = ({ tailnet }: Settings["clusterRanges"]): Range[] => parsed(tailnet);

const bySettings = new WeakMap<readonly Range[], { of: Settings["clusterRanges"]; specialRanges: SpecialRanges }>();

/** The special ranges of a cluster that has these ranges of its own, with the IPv6 forms of the IPv4 ones. */
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

/** How a range lies among special ones. */
export interface Position {
  /** Those that all of it lies in, the widest first. */
  inside: SpecialRange[];
  /** Those that are a part of it. */
  parts: SpecialRange[];
}

/** How a range lies: behind a NAT64 prefix only what lies there too counts, and ISATAP as the IPv4 that it carries. */
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

/** The ranges with the forms in which IPv6 reaches them: what is to stay closed stays so by every way. */
export const withForms = (list: readonly Range[], { nat64 }: SpecialRanges): Range[] =>
  outermost(list.flatMap((range) => [range, ...formsOf(range, nat64)]));
