/** What the tailnet looks like: projections of tailscaled's status that keep only what a Realm needs. Pure. */
import { isEqual } from "es-toolkit";
import { canonicalName } from "../core/realm/identity.ts";
import { instantFrom, type LocalApiError, type PeerStatus, type Status } from "../../lib/tailscale/mod.ts";

/**
 * Capabilities under `keystone.io/cap/` by name, each with its arguments as the policy's `app` states them. Those that
 * the policy doesn't grant are absent.
 */
export type Capabilities = Readonly<Record<string, readonly unknown[]>>;

/** One node of the tailnet. */
export interface Peer {
  stableID: string;
  /** Canonical: lower case, no trailing dot. */
  dnsName: string;
  /** What the node calls itself: unverified. */
  hostName: string;
  /** IPv4 first, each family in the order of its text. */
  addresses: string[];
  /** Whether the control server has a connection to it. */
  online: boolean;
  os?: string;
  ownerLogin?: string;
  /** RFC 3339; absent when the key doesn't expire. */
  keyExpiry?: string;
  /** Whether the key has expired. */
  expired: boolean;
  /** When the control server last saw it, RFC 3339: of offline nodes only, and Headscale never tells. */
  lastSeen?: string;
  /** The way packets take; absent while none are sent. */
  path?: "direct" | "relay";
  /** Where they go first: `ip:port` of a direct path, else the relay's region code or a peer relay's `ip:port:vni:…`. */
  via?: string;
  /** What the tailnet's policy grants it towards this node; absent unless watched (`Tailnet.watch`) and asked already. */
  capabilities?: Capabilities;
  /** Whether it is this node. */
  self: boolean;
  tags?: string[];
}

/** Why nothing is known of the tailnet. */
export type UnavailableReason = "TailscaledUnreachable" | "NeedsLogin" | "Stopped" | "Starting";

/** What is known of the tailnet. */
export type TailnetState =
  /** No TS_SOCKET is configured. */
  | { kind: "none" }
  /** tailscaled can't be asked, or isn't connected to a tailnet; the message is a sentence with the remedy. */
  | { kind: "unavailable"; reason: UnavailableReason; message: string }
  | {
    kind: "running";
    self: Peer;
    /** By dnsName, self included. Control servers keep names unique, but nothing here relies on it. */
    peers: ReadonlyMap<string, readonly Peer[]>;
    /** The control server that tailscaled is configured for. */
    controlURL?: string;
    magicDNSSuffix?: string;
  };

/** What differs between two states. */
export interface TailnetChange {
  /** dnsNames whose peers differ. */
  names: ReadonlySet<string>;
  /** Whether it concerns everyone: the kind of state or its reason, this node, the control server or the suffix. */
  all: boolean;
}

/** What is known of the capabilities of nodes, by stableID. */
export type KnownCapabilities = ReadonlyMap<string, Capabilities>;

/** Every named node by its name, self included; nodes that share a name are in the order of their stableID. */
export function peersFrom(status: Status, known: KnownCapabilities = new Map()): Map<string, Peer[]> {
  const peers = new Map<string, Peer[]>();
  const add = (node: PeerStatus, self: boolean) => {
    const peer = knowing(peerFrom(node, self, status), known);
    if (!peer.dnsName) return;
    const namesakes = peers.get(peer.dnsName);
    if (namesakes) namesakes.push(peer);
    else peers.set(peer.dnsName, [peer]);
  };
  if (status.Self) add(status.Self, true);
  for (const node of Object.values(status.Peer ?? {})) {
    // Such a node is listed only because its owner was given access to one of ours.
    if (!node.ShareeNode) add(node, false);
  }
  for (const namesakes of peers.values()) namesakes.sort((a, b) => compare(a.stableID, b.stableID));
  return peers;
}

function peerFrom(node: PeerStatus, self: boolean, { User }: Status): Peer {
  const peer: Peer = {
    stableID: node.ID ?? "",
    dnsName: canonicalName(node.DNSName ?? ""),
    hostName: node.HostName ?? "",
    addresses: (node.TailscaleIPs ?? []).toSorted((a, b) =>
      Number(a.includes(":")) - Number(b.includes(":")) || compare(a, b)
    ),
    online: node.Online ?? false,
    expired: node.Expired ?? false,
    self,
  };
  if (node.OS) peer.os = node.OS;
  const ownerLogin = User?.[String(node.UserID)]?.LoginName;
  if (ownerLogin) peer.ownerLogin = ownerLogin;
  const keyExpiry = instantFrom(node.KeyExpiry);
  if (keyExpiry) peer.keyExpiry = keyExpiry.toISOString();
  const lastSeen = instantFrom(node.LastSeen);
  if (lastSeen && !peer.online) peer.lastSeen = lastSeen.toISOString();
  Object.assign(peer, pathOf(node, self));
  if (node.Tags?.length) peer.tags = node.Tags.toSorted(compare);
  return peer;
}

function pathOf(node: PeerStatus, self: boolean): Pick<Peer, "path" | "via"> {
  if (node.CurAddr) return { path: "direct", via: node.CurAddr };
  if (self || !node.Active) return {};
  const via = node.PeerRelay || node.Relay;
  return { path: "relay", ...(via ? { via } : {}) };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** What is known beside a status. */
export interface Beside {
  /** The control server, from tailscaled's preferences. */
  controlURL?: string | undefined;
  capabilities?: KnownCapabilities;
}

/** What tailscaled's status means; `socket` is for the messages. */
export function stateFrom(status: Status, socket: string, { controlURL, capabilities }: Beside = {}): TailnetState {
  const unavailable = (reason: UnavailableReason, message: string): TailnetState => ({
    kind: "unavailable",
    reason,
    message: `tailscaled at ${socket} ${message} (its state is ${status.BackendState})`,
  });
  switch (status.BackendState) {
    case "Running": {
      if (!status.Self?.DNSName) return unavailable("Starting", "has no name for this node yet; wait a moment");
      const state: TailnetState = {
        kind: "running",
        self: peerFrom(status.Self, true, status),
        peers: peersFrom(status, capabilities),
      };
      if (controlURL) state.controlURL = controlURL;
      if (status.MagicDNSSuffix) state.magicDNSSuffix = status.MagicDNSSuffix;
      return state;
    }
    case "NeedsLogin":
      return unavailable("NeedsLogin", "is not logged in; run tailscale up there, or renew its TS_AUTHKEY");
    case "NeedsMachineAuth":
      return unavailable("NeedsLogin", "waits until an administrator of the tailnet approves this machine");
    case "Stopped":
      return unavailable("Stopped", "is disconnected on purpose; run tailscale up there");
    default:
      return unavailable("Starting", "is not connected yet; wait a moment, then see its log");
  }
}

/** The same state with what is known of capabilities by now: one pass over the peers. */
export function withCapabilities(state: TailnetState, known: KnownCapabilities): TailnetState {
  if (state.kind !== "running") return state;
  const peers = new Map<string, readonly Peer[]>();
  for (const [name, namesakes] of state.peers) {
    const same = namesakes.every(({ stableID, self, capabilities }) => self || capabilities === known.get(stableID));
    peers.set(name, same ? namesakes : namesakes.map((peer) => knowing(peer, known)));
  }
  return { ...state, peers };
}

function knowing({ capabilities: _, ...peer }: Peer, known: KnownCapabilities): Peer {
  const capabilities = peer.self ? undefined : known.get(peer.stableID);
  return capabilities ? { ...peer, capabilities } : peer;
}

/** The state when the status can't be had. */
export function unreachable(error: LocalApiError): TailnetState {
  return { kind: "unavailable", reason: "TailscaledUnreachable", message: error.message };
}

/** What differs between two states: one pass over their peers. */
export function diff(before: TailnetState, after: TailnetState): TailnetChange {
  const [peersBefore, peersAfter] = [peersOf(before), peersOf(after)];
  const names = new Set<string>();
  for (const [name, peers] of peersAfter) {
    if (!isEqual(peersBefore.get(name), peers)) names.add(name);
  }
  for (const name of peersBefore.keys()) {
    if (!peersAfter.has(name)) names.add(name);
  }
  return { names, all: !isEqual({ ...before, peers: undefined }, { ...after, peers: undefined }) };
}

function peersOf(state: TailnetState): ReadonlyMap<string, readonly Peer[]> {
  return state.kind === "running" ? state.peers : new Map();
}
