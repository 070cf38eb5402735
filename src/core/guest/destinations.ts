/** From `allowedDestinations` to the egress rules that open exactly them. */
import type {
  NetworkPolicyEgressRule,
  NetworkPolicyPeer,
  NetworkPolicyPort,
} from "../../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import type { ResolvedDestination } from "../../api/mod.ts";
import { cidr, compareRanges, contains, parseRange, type Range } from "./address.ts";
import type { Way } from "./way.ts";

export type Protocol = "TCP" | "UDP" | "SCTP";

/** What one entry of allowedDestinations says. */
export interface Destination {
  text: string;
  /** Where to: a range, or a name yet to be resolved. */
  to: { range: Range } | { realm: string } | { dns: string };
  protocol?: Protocol;
  port?: number;
  endPort?: number;
}

const label = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?";
const realmPattern = new RegExp(`^${label}$`);
const dnsPattern = new RegExp(`^${label}(\\.${label})+\\.?$`, "i");

const mappedPattern = /^\[?::ffff:\d+\.\d+\.\d+\.\d+/i;

/**
 * Reads `host[:port[-endPort]][/protocol]`, where host is a CIDR, an IP address, a realm or a DNS name. IPv6 takes a
 * port only in brackets, `[2001:db8::1]:443` or `[2001:db8::/32]:443`; without brackets it never has one. A port
 * without a protocol is TCP, as in a Kubernetes Service.
 *
 * @returns the destination, or a sentence that says what is wrong with which part and what to write
 */
export function parseDestination(text: string): Destination | { text: string; error: string } {
  const fail = (error: string) => ({ text, error });
  let rest = text;
  let protocol: Protocol | undefined;
  const protocolAt = rest.match(/\/([A-Za-z]+)$/);
  if (protocolAt) {
    const name = protocolAt[1]!.toUpperCase();
    if (name !== "TCP" && name !== "UDP" && name !== "SCTP") {
      return fail(`${text}: ${protocolAt[1]} is not a protocol; write tcp, udp or sctp.`);
    }
    protocol = name;
    rest = rest.slice(0, protocolAt.index);
  }
  let ports: string | undefined;
  if (rest.startsWith("[")) {
    const close = rest.match(/^\[([^\]]*)\](?::(.*))?$/);
    if (!close) return fail(`${text}: write IPv6 with a port as [address]:port.`);
    rest = close[1]!;
    ports = close[2];
    if (!rest.includes(":")) return fail(`${text}: only IPv6 is written in brackets.`);
  } else if (rest.split(":").length === 2) {
    [rest, ports] = rest.split(":") as [string, string];
  }
  const out: Omit<Destination, "to"> = { text };
  if (ports !== undefined) {
    const match = ports.match(/^(\d{1,5})(?:-(\d{1,5}))?$/);
    const [first, last] = [Number(match?.[1]), match?.[2] === undefined ? undefined : Number(match[2])];
    if (!match || first < 1 || first > 65535 || (last !== undefined && (last < first || last > 65535))) {
      return fail(`${text}: ${ports} is not a port; write 1 to 65535, or first-last.`);
    }
    out.port = first;
    if (last !== undefined && last !== first) out.endPort = last;
    protocol ??= "TCP";
  }
  if (protocol) out.protocol = protocol;
  const range = parseRange(rest);
  if (range) return { ...out, to: { range } };
  if (mappedPattern.test(rest)) return fail(`${text}: write an IPv4-mapped address as plain IPv4.`);
  if (/^[\d.]+(\/.*)?$/.test(rest) || rest.includes(":") || rest.includes("/")) {
    return fail(
      `${text}: ${rest} is not an IP address or CIDR; write for example 203.0.113.0/24, without leading zeros.`,
    );
  }
  if (realmPattern.test(rest)) return { ...out, to: { realm: rest } };
  if (dnsPattern.test(rest)) return { ...out, to: { dns: rest.toLowerCase().replace(/\.$/, "") } };
  return fail(`${text}: ${rest} is not a CIDR, an IP address, a realm name or a DNS name.`);
}

/** What names stand for, and what no grant opens. */
export interface DestinationWorld {
  /** The way to the node of a realm. */
  wayTo: (realm: string) => Way;
  /** What a DNS name resolves to, or a sentence that says why to nothing. */
  addressesOfName: (name: string) => readonly string[] | { error: string };
  protectedRanges: readonly Range[];
  /** Whether an entry that lies in a protected range opens it, since it was named on purpose. */
  mayNameProtected: boolean;
  /** Why not all protected ranges are known; then no entry opens addresses but a realm's. */
  rangesUnknown?: string;
}

/**
 * Ranges that no destination opens by covering them: link-local with the clouds' metadata services, loopback and "this
 * host" (RFC 6890), multicast, and the tailnet, whose nodes are opened by the name of their realm only.
 */
export const alwaysProtected: readonly Range[] = [
  "0.0.0.0/8",
  "127.0.0.0/8",
  "168.63.129.16/32",
  "169.254.0.0/16",
  "100.64.0.0/10",
  "224.0.0.0/4",
  "::/127",
  "fe80::/10",
  "fd00:ec2::254/128",
  "fd7a:115c:a1e0::/48",
  "ff00::/8",
].map((text) => parseRange(text)!);

interface Opening {
  ranges: readonly Range[];
  /** Pods that stand for the destination. */
  proxies: readonly NetworkPolicyPeer[];
  destination: Destination;
}

/** What each destination stands for, and the egress rules that open it; those that can't be resolved open nothing. */
export function resolveDestinations(
  list: readonly string[],
  world: DestinationWorld,
): { resolved: ResolvedDestination[]; egress: NetworkPolicyEgressRule[] } {
  const resolved: ResolvedDestination[] = [];
  const openings: Opening[] = [];
  for (const text of list) {
    const destination = parseDestination(text);
    const opening = "error" in destination ? destination : openingOf(destination, world);
    if ("error" in opening) {
      resolved.push({ destination: text, error: opening.error });
      continue;
    }
    openings.push(opening);
    const ports = portsText(opening.destination);
    resolved.push({ destination: text, addresses: opening.ranges.map(cidr), ...(ports ? { ports } : {}) });
  }
  return { resolved, egress: egressRules(openings, world.protectedRanges) };
}

function openingOf(destination: Destination, world: DestinationWorld): Opening | { error: string } {
  const { to, text } = destination;
  if ("realm" in to) {
    const { ranges, proxies, closed } = world.wayTo(to.realm);
    // A rule without a peer would allow everything.
    return ranges.length + proxies.length > 0
      ? { ranges, proxies, destination }
      : { error: closed?.message ?? `Realm ${to.realm} has no address.` };
  }
  const ranges = rangesOf({ to, text }, world);
  return "error" in ranges ? ranges : { ranges, proxies: [], destination };
}

function rangesOf(
  { to, text }: { to: Exclude<Destination["to"], { realm: string }>; text: string },
  world: DestinationWorld,
): Range[] | { error: string } {
  if (world.rangesUnknown !== undefined) return { error: `${text} stays closed: ${world.rangesUnknown}` };
  if ("range" in to) return guarded(text, to.range, world);
  const addresses = world.addressesOfName(to.dns);
  if ("error" in addresses) return addresses as { error: string };
  // Whoever runs the name's zone must not choose what opens inside, however much the grantee is trusted.
  const outside = { ...world, mayNameProtected: false };
  const all = rangesFrom(addresses as readonly string[]).map((range) =>
    guarded(`${text} (${cidr(range)})`, range, outside)
  );
  const open = all.flatMap((ranges) => "error" in ranges ? [] : ranges);
  // A rule without a peer would allow everything.
  return open.length > 0 ? open : all[0] ?? { error: `${to.dns} stands for no address.` };
}

const rangesFrom = (addresses: readonly string[]): Range[] =>
  addresses.map(parseRange).filter((range) => range !== undefined).sort(compareRanges);

/** The range, unless it lies in a protected one. */
function guarded(text: string, range: Range, world: DestinationWorld): Range[] | { error: string } {
  const by = world.protectedRanges.find((outer) => contains(outer, range));
  if (!by || world.mayNameProtected) return [range];
  return {
    error: `${text} lies in ${cidr(by)}, which no grant opens (DestinationProtected); name a realm to reach its node.`,
  };
}

const portsText = ({ protocol, port, endPort }: Destination): string | undefined =>
  protocol === undefined
    ? undefined
    : port === undefined
    ? protocol
    : `${endPort === undefined ? port : `${port}-${endPort}`}/${protocol}`;

/** One rule for each set of ports, peers sorted and unique, so that equal terms give equal policies. */
function egressRules(openings: readonly Opening[], protectedRanges: readonly Range[]): NetworkPolicyEgressRule[] {
  const byPorts = new Map<
    string,
    {
      ports?: NetworkPolicyPort[];
      ranges: Map<string, { range: Range; named: boolean }>;
      proxies: Map<string, NetworkPolicyPeer>;
    }
  >();
  for (const { destination, ranges, proxies } of openings) {
    const key = portsText(destination) ?? "";
    const { protocol, port, endPort } = destination;
    const rule = byPorts.get(key) ?? {
      ...(protocol
        ? {
          ports: [{ protocol, ...(port === undefined ? {} : { port }), ...(endPort === undefined ? {} : { endPort }) }],
        }
        : {}),
      ranges: new Map(),
      proxies: new Map(),
    };
    // A realm's address is in a protected range on purpose; a range that a person wrote gives way to them.
    for (const range of ranges) {
      const named = "realm" in destination.to || protectedRanges.some((outer) => contains(outer, range));
      rule.ranges.set(cidr(range), { range, named });
    }
    for (const proxy of proxies) rule.proxies.set(JSON.stringify(proxy), proxy);
    byPorts.set(key, rule);
  }
  return [...byPorts].sort(([a], [b]) => a < b ? -1 : 1).map(([, rule]) => ({
    ...(rule.ports ? { ports: rule.ports } : {}),
    to: [
      ...[...rule.ranges.values()]
        .sort((a, b) => compareRanges(a.range, b.range))
        .map(({ range, named }) => ipBlock(range, named ? [] : protectedRanges)),
      ...[...rule.proxies].sort(([a], [b]) => a < b ? -1 : 1).map(([, proxy]) => proxy),
    ],
  }));
}

/** A peer for the range less the protected ranges within it. An `except` lies strictly inside its CIDR. */
function ipBlock(range: Range, protectedRanges: readonly Range[]): NetworkPolicyPeer {
  const inside = protectedRanges
    .filter((inner) => contains(range, inner))
    .filter((inner, _, all) => !all.some((other) => other !== inner && contains(other, inner)))
    .sort(compareRanges);
  return { ipBlock: { cidr: cidr(range), ...(inside.length > 0 ? { except: [...new Set(inside.map(cidr))] } : {}) } };
}
