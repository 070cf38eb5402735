/** From `allowedDestinations` to the egress rules that open exactly them. */
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

/** What names stand for, and what a grant opens only when it is named, or never. */
export interface DestinationWorld {
  /** The way to the node of a realm. */
  realmPeersOf: (realm: string) => RealmPeers;
  /** What a DNS name resolves to, or a sentence that says why to nothing. */
  addressesOfName: (name: string) => readonly string[] | { error: string };
  specialRanges: SpecialRanges;
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
  // The name was free before it became a word: a Realm that has it must not open the internet.
  if (terms.realmPeersOf(internetWord).closed?.reason !== "GranteeUnknown") {
    return {
      error:
        `${text} stays closed: there is a Realm named ${internetWord}, so it could mean two things. Give that Realm ` +
        "another name, or write 0.0.0.0/0 and ::/0 for the internet.",
    };
  }
  return allOf(internetRanges(terms.specialRanges.nat64).map((range) => blockOf(text, range, terms)));
}

function ofRange(text: string, range: Range, terms: Terms): Opened {
  // Around what has been given out all is private, so nothing is lost; and network plugins differ on `::/0`: kube-router
  // reads it as 2000::/3 and fd00::/8, which no wider `except` takes out again.
  const opened = contains(range, givenOut) ? givenOut : range;
  const block = blockOf(text, opened, terms);
  if ("error" in block) return block;
  // What is behind a translator's prefix belongs to the internet, though the space around it is nobody's.
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
  const isPrivate = positionOf(range, terms.specialRanges).inside;
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

/** Why a range opens less than it says, if people may think otherwise: it used to open what is private in it. */
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
