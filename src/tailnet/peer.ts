/** A node of the tailnet: the fields of tailscaled's status that a Realm needs, validated. */
import { contains, parseAddress, parseRange } from "../core/address.ts";
import { canonicalName, stableIDForm } from "../core/realm/identity.ts";
import { dateFrom, type PeerStatus, type TailscaleStatus } from "../../lib/tailscale/mod.ts";

/**
 * Capabilities under `keystone.io/cap/` by name, each with its arguments from the policy's `app`. Those that the
 * policy doesn't grant are absent.
 */
export type Capabilities = Readonly<Record<string, readonly unknown[]>>;

/** A node of the tailnet. */
export interface TailnetPeer {
  stableID: string;
  /** Canonical: lower case, no trailing dot. */
  dnsName: string;
  /** Host name that the node reports: unverified. */
  hostName: string;
  /** IPv4 first, each family sorted as text. */
  addresses: string[];
  /** True while the control server has a connection to it. */
  online: boolean;
  os?: string;
  ownerLogin?: string;
  /** RFC 3339; absent if the key doesn't expire. */
  keyExpiry?: string;
  /** True if the key has expired. */
  expired: boolean;
  /** Time at which the control server last saw it, RFC 3339: of offline nodes only; Headscale never reports it. */
  lastSeen?: string;
  /** Path of packets; absent while none are sent. */
  path?: "direct" | "relay";
  /** First hop: `ip:port` of a direct path, otherwise the relay's region code or a peer relay's `ip:port:vni:…`. */
  via?: string;
  /**
   * Capabilities that the policy grants it on this node; absent unless watched (`Tailnet.watch`) and already queried.
   */
  capabilities?: Capabilities;
  /** True for this node itself. */
  self: boolean;
  tags?: string[];
}

/** The default ranges of tailnets; control servers may have others. */
const usualRanges = ["100.64.0.0/10", "fd7a:115c:a1e0::/48"];
const octet = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const tailnetIPv4 = new RegExp(`^100\\.(6[4-9]|[7-9]\\d|1[01]\\d|12[0-7])\\.${octet}\\.${octet}$`);
const tailnetIPv6 = "fd7a:115c:a1e0:";
/** The form of addresses that control servers assign, matched without a parser because a status has thousands. */
const usualIPv6 = /^fd7a:115c:a1e0((:[0-9a-f]{1,4}){5}|::[0-9a-f]{1,4})$/;

/**
 * Reports whether a node of a tailnet can have this address. The address may end up in a network policy, so the
 * daemon isn't trusted with it: `0.0.0.0/0`, a private address or `100.100.100.100`, the resolver of every node, must
 * not pass.
 */
export function isTailnetAddress(text: string): boolean {
  if (!text.includes(":")) return tailnetIPv4.test(text) && text !== "100.100.100.100";
  return usualIPv6.test(text) || text.startsWith(tailnetIPv6) && parseAddress(text) !== undefined;
}

/** Returns the same check for a tailnet with these ranges. */
export function addressesIn(texts: readonly string[]): (text: string) => boolean {
  if (texts.join() === usualRanges.join()) return isTailnetAddress;
  const ranges = texts.map(parseRange).filter((range) => range !== undefined);
  return (text) => {
    const address = text.includes("/") || text === "100.100.100.100" ? undefined : parseRange(text);
    return address !== undefined && ranges.some((range) => contains(range, address));
  };
}

/** Formats an instant as the API server accepts it; undefined if there is none. */
function rfc3339(timestamp: string | null | undefined): string | undefined {
  const text = dateFrom(timestamp)?.toISOString();
  // Years beyond 9999 have a sign and more digits.
  return text?.length === 24 ? text : undefined;
}

/** Reads a node from a status. */
export function peerFrom(
  node: PeerStatus,
  self: boolean,
  { User }: TailscaleStatus,
  isAddress = isTailnetAddress,
): TailnetPeer {
  const peer: TailnetPeer = {
    stableID: stableIDForm.test(node.ID ?? "") ? node.ID! : "",
    dnsName: canonicalName(node.DNSName ?? ""),
    hostName: node.HostName ?? "",
    addresses: (node.TailscaleIPs ?? []).filter(isAddress)
      .sort((a, b) => Number(a.includes(":")) - Number(b.includes(":")) || compare(a, b)).slice(0, 16),
    online: node.Online ?? false,
    expired: node.Expired ?? false,
    self,
  };
  if (node.OS) peer.os = node.OS.slice(0, 64);
  const ownerLogin = User?.[String(node.UserID)]?.LoginName;
  if (ownerLogin) peer.ownerLogin = ownerLogin.slice(0, 253);
  const keyExpiry = rfc3339(node.KeyExpiry);
  if (keyExpiry) peer.keyExpiry = keyExpiry;
  const lastSeen = peer.online ? undefined : rfc3339(node.LastSeen);
  if (lastSeen) peer.lastSeen = lastSeen;
  Object.assign(peer, pathOf(node, self));
  if (node.Tags?.length) peer.tags = node.Tags.toSorted(compare);
  return peer;
}

function pathOf(node: PeerStatus, self: boolean): Pick<TailnetPeer, "path" | "via"> {
  if (node.CurAddr) return { path: "direct", via: node.CurAddr.slice(0, 64) };
  if (self || !node.Active) return {};
  const via = node.PeerRelay || node.Relay;
  return { path: "relay", ...(via ? { via: via.slice(0, 64) } : {}) };
}

const compare = (a: string, b: string): number => a < b ? -1 : a > b ? 1 : 0;
