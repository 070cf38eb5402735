/** Resolves `allowedDestinations` to the egress rules that open exactly these destinations. */
import type {
  NetworkPolicyEgressRule,
  NetworkPolicyPeer,
  NetworkPolicyPort,
} from "../../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import type { ResolvedDestination } from "../../api/mod.ts";
import { cidr, compareRanges, contains, outermost, parseRange, type Range } from "../address.ts";
import { type Destination, internetWord, parseDestination } from "./destination.ts";
import { carried } from "./embedded.ts";
import {
  alwaysPrivate,
  givenOut,
  internetRanges,
  positionOf,
  type SpecialRanges,
  withForms,
} from "./special_ranges.ts";
import type { RealmPeers } from "./realm_peers.ts";

/** Input for resolving destinations: names and special ranges. */
export interface DestinationWorld {
  /** Returns the peers of a realm. */
  realmPeersOf: (realm: string) => RealmPeers;
  /** Returns the addresses of a DNS name, or a sentence with the reason that there are none. */
  addressesOfName: (name: string) => readonly string[] | { error: string };
  specialRanges: SpecialRanges;
  /** True if an entry inside a protected range opens it, because it was named on purpose. */
  mayNameProtected: boolean;
  /** The grant's ranges that are excluded from all destinations but realms' nodes. */
  except?: readonly string[];
  /** The grant's private ranges that DNS names may resolve to. */
  within?: readonly string[];
  /** Reason that some protected ranges are unknown; then only realms' addresses are opened. */
  rangesUnknown?: string;
}

/** A range, with the parts that stay closed. */
interface Block {
  range: Range;
  except: readonly Range[];
}

interface Opening {
  blocks: readonly Block[];
  /** Proxy pods to the destination. */
  proxies: readonly NetworkPolicyPeer[];
  destination: Destination;
  /** Reason that it opens less than it names. */
  narrowed?: string;
}

/** The parsed terms of one grant. */
interface Terms extends Omit<DestinationWorld, "except" | "within"> {
  except: readonly Range[];
  within: readonly Range[];
  /** Sentence about the first entry of each list that can't be parsed. */
  unreadable: { except?: string; within?: string };
}

/** Returns the addresses of each destination and the egress rules. Destinations that can't be resolved open nothing. */
export function resolveDestinations(
  list: readonly string[],
  world: DestinationWorld,
): { resolved: ResolvedDestination[]; egress: NetworkPolicyEgressRule[] } {
  const resolved: ResolvedDestination[] = [];
  const openings: Opening[] = [];
  const terms = termsOf(world);
  for (const text of list) {
    const destination = parseDestination(text);
    const opening = "error" in destination ? destination : openingOf(destination, terms);
    if ("error" in opening) {
      resolved.push({ destination: text, error: opening.error });
      continue;
    }
    openings.push(opening);
    const { blocks, narrowed } = opening;
    const ports = portsText(opening.destination);
    resolved.push({
      destination: text,
      addresses: blocks.map(({ range }) => cidr(range)),
      ...(ports ? { ports } : {}),
      ...(narrowed ? { narrowed } : {}),
    });
  }
  return { resolved, egress: egressRules(openings) };
}

function termsOf({ except = [], within = [], ...world }: DestinationWorld): Terms {
  const read = (list: readonly string[]) => list.map(parseRange).filter((range) => range !== undefined);
  const unreadable = (field: string, list: readonly string[]) => {
    const index = list.findIndex((text) => parseRange(text) === undefined);
    return index < 0 ? {} : {
      [field]: `spec.networkPolicy.${field}[${index}] is ${list[index]}; it must be a CIDR or an IP address, such as ` +
        "192.168.1.0/24.",
    };
  };
  return {
    ...world,
    except: withForms(read(except), world.specialRanges),
    within: read(within),
    unreadable: { ...unreadable("except", except), ...unreadable("within", within) },
  };
}

function openingOf(destination: Destination, terms: Terms): Opening | { error: string } {
  const { to, text } = destination;
  if ("realm" in to) {
    const { ranges, proxies, closed } = terms.realmPeersOf(to.realm);
    // A rule without a peer would allow everything.
    return ranges.length + proxies.length > 0
      ? { blocks: ranges.map((range) => ({ range, except: [] })), proxies, destination }
      : { error: closed?.message ?? `Realm ${to.realm} has no address.` };
  }
  const wrong = terms.rangesUnknown ?? terms.unreadable.except ?? ("dns" in to ? terms.unreadable.within : undefined);
  if (wrong !== undefined) return { error: `${text} stays closed: ${wrong}` };
  const opened = "dns" in to
    ? ofName(text, to.dns, terms)
    : "range" in to
    ? ofRange(text, to.range, terms)
    : ofInternet(text, terms);
  return "error" in opened ? opened : { ...opened, proxies: [], destination };
}

type Opened = Pick<Opening, "blocks" | "narrowed"> | { error: string };

function ofInternet(text: string, terms: Terms): Opened {
  // The name wasn't always reserved: if a Realm has it, the keyword must not open the internet.
  if (terms.realmPeersOf(internetWord).closed?.reason !== "GranteeUnknown") {
    return {
      error:
        `${text} stays closed, because it is ambiguous: there is a Realm named ${internetWord}. Give that Realm another ` +
        "name, or write 0.0.0.0/0 and ::/0 for the internet.",
    };
  }
  return allOf(internetRanges(terms.specialRanges.nat64).map((range) => blockOf(text, range, terms)));
}

function ofRange(text: string, range: Range, terms: Terms): Opened {
  // All IPv6 outside the allocated range is private, so nothing is lost. Network plugins differ on `::/0`: kube-router
  // treats it as 2000::/3 and fd00::/8, from which no wider `except` removes anything.
  const opened = contains(range, givenOut) ? givenOut : range;
  const block = blockOf(text, opened, terms);
  if ("error" in block) return block;
  // Addresses behind a NAT64 prefix belong to the internet, although the space around the prefix is unallocated.
  const translators = terms.specialRanges.nat64.filter((prefix) =>
    contains(range, prefix) &&
    (!contains(opened, prefix) || block.except.some((hole) => contains(hole, prefix)))
  );
  const narrowed = narrowedText(text, range, terms);
  return {
    ...allOf([block, ...translators.map((prefix) => blockOf(text, prefix, terms))]),
    ...(narrowed ? { narrowed } : {}),
  };
}

/** Returns the open blocks, or the first error if there are none: a rule without a peer would allow everything. */
function allOf(blocks: readonly (Block | { error: string })[]): { blocks: Block[] } | { error: string } {
  const open = blocks.flatMap((block) => "error" in block ? [] : [block]);
  return open.length > 0 ? { blocks: open } : blocks[0] as { error: string };
}

function ofName(text: string, name: string, terms: Terms): Opened {
  const addresses = terms.addressesOfName(name);
  if ("error" in addresses) return addresses as { error: string };
  const ranges = (addresses as readonly string[]).map(parseRange).filter((range) => range !== undefined)
    .sort(compareRanges);
  const all = ranges.map((range) => answerOf(text, range, terms));
  const open = all.flatMap((block) => "error" in block ? [] : [block]);
  const closed = all.flatMap((block) => "error" in block && !block.isMeant ? [block.error] : []);
  if (open.length > 0) {
    return { blocks: open, ...(closed.length > 0 ? { narrowed: someOf(closed) } : {}) };
  }
  const [first] = all;
  return first && "error" in first ? { error: first.error } : { error: `${name} resolves to no address.` };
}

/**
 * Judges an address that a DNS name resolves to. The zone's owner must not choose internal addresses, at any trust
 * level.
 */
function answerOf(name: string, range: Range, terms: Terms): Block | { error: string; isMeant?: true } {
  const text = `${name} (${cidr(range)})`;
  const block = blockOf(text, range, { ...terms, mayNameProtected: false });
  if ("error" in block) return block;
  const isPrivate = positionOf(range, terms.specialRanges).inside;
  const isWithin = terms.within.some((wide) =>
    contains(wide, range) && isPrivate.every((each) => contains(each.range, wide))
  );
  if (isPrivate.length === 0 || isWithin) return block;
  return {
    error:
      `${text} lies in ${cidr(isPrivate.at(-1)!.range)}, which is private (DestinationPrivate): a DNS name opens it ` +
      "only if a range in spec.networkPolicy.within contains the address and lies inside that private range.",
  };
}

/** Returns the range without the parts that stay closed, or an error if all of it does. */
function blockOf(
  text: string,
  range: Range,
  { specialRanges, except, mayNameProtected }: Pick<Terms, "specialRanges" | "except" | "mayNameProtected">,
): Block | { error: string; isMeant?: true } {
  const taken = except.find((outer) =>
    [range, carried(range, specialRanges.nat64)?.range].some((each) => each !== undefined && contains(outer, each))
  );
  if (taken) {
    return {
      error: `${text} lies in ${cidr(taken)} of spec.networkPolicy.except, so it stays closed (DestinationExcepted).`,
      isMeant: true,
    };
  }
  const { inside, parts } = positionOf(range, specialRanges);
  const by = inside.find(({ tier }) => tier === "protected");
  if (by && !mayNameProtected) {
    return {
      error: `${text} lies in ${
        cidr(by.range)
      }, which no grant opens (DestinationProtected); name a realm to reach its node.`,
    };
  }
  const holes = except.filter((inner) => contains(range, inner));
  return { range, except: outermost([...parts.map(({ range }) => range), ...holes]) };
}

/** Returns the reason that a range opens less than it names: earlier versions also opened the private ranges in it. */
function narrowedText(text: string, range: Range, { specialRanges, except }: Terms): string | undefined {
  const behind = carried(range, specialRanges.nat64)?.range ?? range;
  const { special } = specialRanges;
  const closed = alwaysPrivate.filter((each) =>
    contains(behind, each) && !contains(each, behind) && !except.some((outer) => contains(outer, each)) &&
    !special.some(({ tier, range }) => tier === "protected" && contains(range, each))
  ).map(cidr);
  if (closed.length === 0) return undefined;
  const more = closed.length - mostNamed;
  return `${text} opens no private addresses: ${closed.slice(0, mostNamed).join(", ")}${
    more > 0 ? ` and ${more} more` : ""
  } in it stay closed. To open one of them or a part of it, add it as a separate destination${
    range.prefix === 0 ? "; if only the internet is meant, write internet" : ""
  }.`;
}

const mostNamed = 4;

/** Joins the first sentences and counts the rest, to fit the status. */
function someOf(sentences: readonly string[]): string {
  const more = sentences.length - 2;
  return [...sentences.slice(0, 2), ...(more > 0 ? [`The same applies to ${more} more of its addresses.`] : [])].join(
    " ",
  );
}

const portsText = ({ protocol, port, endPort }: Destination): string | undefined =>
  protocol === undefined
    ? undefined
    : port === undefined
    ? protocol
    : `${endPort === undefined ? port : `${port}-${endPort}`}/${protocol}`;

/** Builds one rule for each set of ports, with sorted and unique peers, so that equal terms give equal policies. */
function egressRules(openings: readonly Opening[]): NetworkPolicyEgressRule[] {
  const byPorts = new Map<
    string,
    { ports?: NetworkPolicyPort[]; blocks: Map<string, Block>; proxies: Map<string, NetworkPolicyPeer> }
  >();
  for (const { destination, blocks, proxies } of openings) {
    const key = portsText(destination) ?? "";
    const { protocol, port, endPort } = destination;
    const rule = byPorts.get(key) ?? {
      ...(protocol
        ? {
          ports: [{ protocol, ...(port === undefined ? {} : { port }), ...(endPort === undefined ? {} : { endPort }) }],
        }
        : {}),
      blocks: new Map(),
      proxies: new Map(),
    };
    for (const block of blocks) rule.blocks.set(cidr(block.range), block);
    for (const proxy of proxies) rule.proxies.set(JSON.stringify(proxy), proxy);
    byPorts.set(key, rule);
  }
  return [...byPorts].sort(([a], [b]) => a < b ? -1 : 1).map(([, rule]) => ({
    ...(rule.ports ? { ports: rule.ports } : {}),
    to: [
      ...[...rule.blocks.values()].sort((a, b) => compareRanges(a.range, b.range)).map(ipBlock),
      ...[...rule.proxies].sort(([a], [b]) => a < b ? -1 : 1).map(([, proxy]) => proxy),
    ],
  }));
}

const ipBlock = ({ range, except }: Block): NetworkPolicyPeer => ({
  ipBlock: { cidr: cidr(range), ...(except.length > 0 ? { except: except.map(cidr) } : {}) },
});
