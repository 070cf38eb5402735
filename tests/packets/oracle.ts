/**
 * Decides whether a flow may pass, from the text of the Grants alone: without the operator's code and without
 * NetworkPolicies.
 */
import { address, type Block, block, covers, isIn, sameAddress, type TestAddress } from "../fixtures/test_addresses.ts";
import { type GrantText, NAMES, REALMS, type RealmTerms } from "./packet_contracts.ts";

/** One end of a flow. */
export interface Place {
  ip: string;
  /** The realm whose guest it is. */
  guestOf?: string;
  /** True for a pod of the cluster's DNS. */
  isDns?: true;
}

export interface PacketFlow {
  from: Place;
  to: Place;
  port: number;
  protocol: "TCP" | "UDP";
}

const blocks = (...texts: string[]): Block[] => texts.map(block);

/** Protected ranges, which only grants to internal realms can open, by naming them. The cluster's own are added. */
const NEVER = blocks(
  ..."0.0.0.0/8 127.0.0.0/8 169.254.0.0/16 224.0.0.0/4 255.255.255.255 168.63.129.16 192.0.0.192".split(" "),
  ..."100.64.0.0/10 fd7a:115c:a1e0::/48 fe80::/10 ff00::/8 ::/127 fd00:ec2::254".split(" "),
);

/** Private ranges, which only a destination inside them opens. */
const PRIVATE = blocks(
  ..."10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 192.0.0.0/24 198.18.0.0/15 240.0.0.0/4".split(" "),
  ..."fc00::/7 2001::/23 2002::/16 ::/3 4000::/2 8000::/1".split(" "), // the last three are unassigned
);

const NAT64 = block("64:ff9b::/96");

export class Oracle {
  readonly #never: readonly Block[];

  /** @param own the cluster's ranges: pods, Services, nodes, API server */
  constructor(own: readonly string[]) {
    const all = [...NEVER, ...blocks(...own)];
    this.#never = [...all, ...all.filter(({ family }) => family === 4).flatMap(translations)];
  }

  mayPass({ from, to, port, protocol }: PacketFlow): boolean {
    const [source, target] = [from, to].map(({ guestOf }) => REALMS.find(({ name }) => name === guestOf));
    return (!source || this.#mayLeave(source, to, port, protocol)) && (!target || mayEnter(target, from));
  }

  /** Allows the realm's own addresses, DNS queries, and destinations of active grants. */
  #mayLeave(realm: RealmTerms, to: Place, port: number, protocol: string): boolean {
    if (isOwn(realm, to)) return true;
    if (to.isDns && port === 53 && realm.trust !== "public") return true;
    return realm.grants.some((grant) =>
      !grant.later && (grant.egressAllowed ?? true) &&
      (grant.destinations ?? []).some((text) => this.#says(text, grant, realm, address(to.ip), port, protocol))
    );
  }

  #says(text: string, grant: GrantText, realm: RealmTerms, at: TestAddress, port: number, protocol: string): boolean {
    const { host, ports } = read(text);
    if (ports && (ports.protocol !== protocol || port < ports.first || ports.last < port)) return false;
    const other = REALMS.find(({ name }) => name === host);
    if (other) return isAny(other.addresses, at);
    if ((grant.except ?? []).map(block).some((hole) => isIn(at, hole))) return false;
    const isNever = this.#never.some((each) => isIn(at, each));
    if (host in NAMES) {
      const within = (grant.within ?? []).map(block);
      return isAny(NAMES[host]!, at) && !isNever && (!isPrivate(at) || within.some((each) => isIn(at, each)));
    }
    if (host === "internet") return !isNever && !isPrivate(at);
    if (!/^[\d.]+(\/\d+)?$/.test(host) && !host.includes(":")) return false; // an unknown name
    const said = block(host);
    if (!isIn(at, said)) return false;
    if (isNever) return realm.trust === "internal" && this.#never.some((each) => isIn(at, each) && covers(each, said));
    return !isPrivate(at) || PRIVATE.filter((each) => isIn(at, each)).every((each) => covers(each, said));
  }
}

/** Allows the realm's own addresses. */
const mayEnter = (realm: RealmTerms, from: Place): boolean => isOwn(realm, from);

const isOwn = (realm: RealmTerms, { ip, guestOf }: Place): boolean =>
  guestOf === realm.name || isAny(realm.addresses, address(ip));

const isAny = (texts: readonly string[], at: TestAddress): boolean =>
  texts.some((text) => sameAddress(address(text), at));

/** A NAT64 address is private if its IPv4 address is. */
const isPrivate = (at: TestAddress): boolean =>
  isIn(at, NAT64) ? isPrivate({ family: 4, value: at.value - NAT64.first }) : PRIVATE.some((each) => isIn(at, each));

/** Returns the NAT64 and 6to4 ranges of an IPv4 range. */
function translations({ first, last }: Block): Block[] {
  const sixToFour = address("2002::").value;
  return [
    { family: 6, first: NAT64.first + first, last: NAT64.first + last },
    { family: 6, first: sixToFour + (first << 80n), last: sixToFour + ((last + 1n) << 80n) - 1n },
  ];
}

interface Ports {
  protocol: string;
  first: number;
  last: number;
}

/** Reads `host[:port[-port]][/protocol]`, with IPv6 in brackets if it has ports. */
export function read(text: string): { host: string; ports?: Ports } {
  const [, rest = "", named] = /^(.*?)(?:\/(tcp|udp|sctp))?$/.exec(text)!;
  const [, bracketed, plain, first, last] = /^(?:\[([^\]]+)\]|([^:]+|[^:]*:.*:.*?))(?::(\d+)(?:-(\d+))?)?$/.exec(rest)!;
  const host = bracketed ?? plain!;
  if (first === undefined && named === undefined) return { host };
  const ports = { first: Number(first ?? 1), last: Number(last ?? first ?? 65_535) };
  return { host, ports: { protocol: named?.toUpperCase() ?? "TCP", ...ports } };
}
