/** From `allowedDestinations` to the egress rules that open exactly them. */
import type {
  NetworkPolicyEgressRule,
  NetworkPolicyPeer,
  NetworkPolicyPort,
} from "../../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import type { ResolvedDestination } from "../../api/mod.ts";
import { cidr, compareRanges, contains, outermost, parseRange, type Range } from "./address.ts";
import { carried } from "./embedded.ts";
import { alwaysPrivate, givenOut, type Ground, internetRanges, positionOf, withForms } from "./tiers.ts";
import type { Way } from "./way.ts";

export type Protocol = "TCP" | "UDP" | "SCTP";

/** What one entry of allowedDestinations says. */
export interface Destination {
  text: string;
  /** Where to: a range, a name yet to be resolved, or all that is neither protected nor private. */
  to: { range: Range } | { realm: string } | { dns: string } | { internet: true };
  protocol?: Protocol;
  port?: number;
  endPort?: number;
}

/** The word for all public addresses. No Realm may have it as its name. */
export const internetWord = "internet";

const label = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?";
const realmPattern = new RegExp(`^${label}$`);
const dnsPattern = new RegExp(`^${label}(\\.${label})+\\.?$`, "i");

const mappedPattern = /^\[?::ffff:\d+\.\d+\.\d+\.\d+/i;

/**
 * Reads `host[:port[-endPort]][/protocol]`, where host is a CIDR, an IP address, `internet`, a realm or a DNS name. IPv6
 * takes a port only in brackets, `[2001:db8::1]:443` or `[2001:db8::/32]:443`; without brackets it never has one. A port
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
  if (rest === internetWord) return { ...out, to: { internet: true } };
  if (realmPattern.test(rest)) return { ...out, to: { realm: rest } };
  if (dnsPattern.test(rest)) return { ...out, to: { dns: rest.toLowerCase().replace(/\.$/, "") } };
  return fail(`${text}: ${rest} is not a CIDR, an IP address, a realm name or a DNS name.`);
}

/** What names stand for, and what a grant opens only when it is named, or never. */
export interface DestinationWorld {
  /** The way to the node of a realm. */
  wayTo: (realm: string) => Way;
  /** What a DNS name resolves to, or a sentence that says why to nothing. */
  addressesOfName: (name: string) => readonly string[] | { error: string };
  ground: Ground;
  /** Whether an entry that lies in a protected range opens it, because it was named on purpose. */
  mayNameProtected: boolean;
  /** Ranges that are taken out of all that is opened but realms' nodes, as the grant has them. */
  except?: readonly string[];
  /** Private ranges in which DNS names are opened, as the grant has them. */
  within?: readonly string[];
  /** Why not all protected ranges are known; then no entry opens addresses but a realm's. */
  rangesUnknown?: string;
}

/** A range, and the parts of it that stay closed. */
interface Block {
  range: Range;
  except: readonly Range[];
}

interface Opening {
  blocks: readonly Block[];
  /** Pods that stand for the destination. */
  proxies: readonly NetworkPolicyPeer[];
  destination: Destination;
  /** Why it opens less than it says. */
  narrowed?: string;
}

/** The terms of one grant, read. */
interface Terms extends Omit<DestinationWorld, "except" | "within"> {
  except: readonly Range[];
  within: readonly Range[];
  /** The first entry of each list that can't be read, in a sentence. */
  unreadable: { except?: string; within?: string };
}

/** What each destination stands for, and the egress rules that open it; those that can't be resolved open nothing. */
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
      [field]:
        `spec.networkPolicy.${field}[${index}] is ${list[index]}, which is not a CIDR or an IP address; write for ` +
        "example 192.168.1.0/24.",
    };
  };
  return {
    ...world,
    except: withForms(read(except), world.ground),
    within: read(within),
    unreadable: { ...unreadable("except", except), ...unreadable("within", within) },
  };
}

function openingOf(destination: Destination, terms: Terms): Opening | { error: string } {
  const { to, text } = destination;
  if ("realm" in to) {
    const { ranges, proxies, closed } = terms.wayTo(to.realm);
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
  // The name was free before it became a word: a Realm that has it must not open the internet.
  if (terms.wayTo(internetWord).closed?.reason !== "GranteeUnknown") {
    return {
      error:
        `${text} stays closed: there is a Realm named ${internetWord}, so it could mean two things. Give that Realm ` +
        "another name, or write 0.0.0.0/0 and ::/0 for the internet.",
    };
  }
  return allOf(internetRanges(terms.ground.nat64).map((range) => blockOf(text, range, terms)));
}

function ofRange(text: string, range: Range, terms: Terms): Opened {
  // Around what has been given out all is private, so nothing is lost; and network plugins differ on `::/0`: kube-router
  // reads it as 2000::/3 and fd00::/8, which no wider `except` takes out again.
  const opened = contains(range, givenOut) ? givenOut : range;
  const block = blockOf(text, opened, terms);
  if ("error" in block) return block;
  // What is behind a translator's prefix belongs to the internet, though the space around it is nobody's.
  const translators = terms.ground.nat64.filter((prefix) =>
    contains(range, prefix) &&
    (!contains(opened, prefix) || block.except.some((hole) => contains(hole, prefix)))
  );
  const narrowed = narrowedText(text, range, terms);
  return {
    ...allOf([block, ...translators.map((prefix) => blockOf(text, prefix, terms))]),
    ...(narrowed ? { narrowed } : {}),
  };
}

/** All that is open; a rule without a peer would allow everything. */
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
  return first && "error" in first ? { error: first.error } : { error: `${name} stands for no address.` };
}

/** Whoever runs a name's zone must not choose what opens inside, however much the grantee is trusted. */
function answerOf(name: string, range: Range, terms: Terms): Block | { error: string; isMeant?: true } {
  const text = `${name} (${cidr(range)})`;
  const block = blockOf(text, range, { ...terms, mayNameProtected: false });
  if ("error" in block) return block;
  const isPrivate = positionOf(range, terms.ground).inside;
  const isWithin = terms.within.some((wide) =>
    contains(wide, range) && isPrivate.every((each) => contains(each.range, wide))
  );
  if (isPrivate.length === 0 || isWithin) return block;
  return {
    error:
      `${text} lies in ${cidr(isPrivate.at(-1)!.range)}, which is private (DestinationPrivate): a DNS name opens it ` +
      "only if spec.networkPolicy.within has a range of it that holds the address.",
  };
}

/** The range less all in it that stays closed, unless all of it does. */
function blockOf(
  text: string,
  range: Range,
  { ground, except, mayNameProtected }: Pick<Terms, "ground" | "except" | "mayNameProtected">,
): Block | { error: string; isMeant?: true } {
  const taken = except.find((outer) =>
    [range, carried(range, ground.nat64)?.range].some((each) => each !== undefined && contains(outer, each))
  );
  if (taken) {
    return {
      error: `${text} lies in ${cidr(taken)} of spec.networkPolicy.except, so it stays closed (DestinationExcepted).`,
      isMeant: true,
    };
  }
  const { inside, parts } = positionOf(range, ground);
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

/** Why a range opens less than it says, if people may think otherwise: it used to open what is private in it. */
function narrowedText(text: string, range: Range, { ground, except }: Terms): string | undefined {
  const behind = carried(range, ground.nat64)?.range ?? range;
  const { special } = ground;
  const closed = alwaysPrivate.filter((each) =>
    contains(behind, each) && !contains(each, behind) && !except.some((outer) => contains(outer, each)) &&
    !special.some(({ tier, range }) => tier === "protected" && contains(range, each))
  ).map(cidr);
  if (closed.length === 0) return undefined;
  const more = closed.length - mostNamed;
  return `${text} opens no private addresses: ${closed.slice(0, mostNamed).join(", ")}${
    more > 0 ? ` and ${more} more` : ""
  } in it stay closed. To open one of them, or a part of it, name that as a destination of its own${
    range.prefix === 0 ? "; if only the internet is meant, write internet" : ""
  }.`;
}

const mostNamed = 4;

/** The first of some sentences, as long as a status takes them. */
function someOf(sentences: readonly string[]): string {
  const more = sentences.length - 2;
  return [...sentences.slice(0, 2), ...(more > 0 ? [`So do ${more} more of its addresses.`] : [])].join(" ");
}

const portsText = ({ protocol, port, endPort }: Destination): string | undefined =>
  protocol === undefined
    ? undefined
    : port === undefined
    ? protocol
    : `${endPort === undefined ? port : `${port}-${endPort}`}/${protocol}`;

/** One rule for each set of ports, peers sorted and unique, so that equal terms give equal policies. */
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
