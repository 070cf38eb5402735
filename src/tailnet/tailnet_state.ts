/** The state of the tailnet: projections of tailscaled's status with the fields that a Realm needs. Pure. */
import { isEqual } from "es-toolkit";
import type { LocalApiError, PeerStatus, TailscaleStatus } from "../../lib/tailscale/mod.ts";
import { type Capabilities, isTailnetAddress, peerFrom, type TailnetPeer } from "./peer.ts";

export type { Capabilities, TailnetPeer } from "./peer.ts";

/** Reason why the tailnet's state is unknown. */
export type UnavailableReason = "TailscaledUnreachable" | "NeedsLogin" | "Stopped" | "Starting";

/** State of the tailnet. */
export type TailnetState =
  /** No TS_SOCKET is configured. */
  | { kind: "none" }
  /** tailscaled can't be queried or isn't connected to a tailnet; the message is a sentence with the remedy. */
  | { kind: "unavailable"; reason: UnavailableReason; message: string; tun?: boolean }
  | {
    kind: "running";
    /** True if tailscaled has a network device, false in userspace mode, absent if it didn't report its mode. */
    tun?: boolean;
    self: TailnetPeer;
    /** Peers by dnsName, including this node. Control servers keep names unique, but nothing here depends on it. */
    peers: ReadonlyMap<string, readonly TailnetPeer[]>;
    /** URL of the configured control server. */
    controlURL?: string;
    magicDNSSuffix?: string;
  };

/** Difference between two states. */
export interface TailnetChange {
  /** dnsNames whose peers differ. */
  names: ReadonlySet<string>;
  /**
   * True if everything is affected: the kind of state or its reason, this node, the control server or the suffix
   * changed.
   */
  all: boolean;
}

/** Known capabilities of nodes, by stableID. */
export type KnownCapabilities = ReadonlyMap<string, Capabilities>;

/**
 * Returns all nodes with a name and an ID by name, including this one; nodes that share a name are sorted by
 * stableID.
 */
export function peersFrom(
  status: TailscaleStatus,
  known: KnownCapabilities = new Map(),
  isAddress = isTailnetAddress,
): Map<string, TailnetPeer[]> {
  const peers = new Map<string, TailnetPeer[]>();
  const add = (node: PeerStatus, self: boolean) => {
    const peer = knowing(peerFrom(node, self, status, isAddress), known);
    if (!peer.dnsName || !peer.stableID) return;
    const namesakes = peers.get(peer.dnsName);
    if (namesakes) namesakes.push(peer);
    else peers.set(peer.dnsName, [peer]);
  };
  if (status.Self) add(status.Self, true);
  for (const node of Object.values(status.Peer ?? {})) {
    // Such a node is listed only because its owner was given access to one of this tailnet's.
    if (!node.ShareeNode) add(node, false);
  }
  for (const namesakes of peers.values()) namesakes.sort((a, b) => a.stableID < b.stableID ? -1 : 1);
  return peers;
}

/** Inputs other than the status. */
export interface Beside {
  /** URL of the control server, from tailscaled's preferences. */
  controlURL?: string | undefined;
  capabilities?: KnownCapabilities;
  /** Reports whether a node can have an address; default: the ranges of all tailnets. */
  isAddress?: (text: string) => boolean;
}

/** Interprets tailscaled's status; `socket` appears in messages. */
export function stateFrom(
  status: TailscaleStatus,
  socket: string,
  { controlURL, capabilities, isAddress }: Beside = {},
): TailnetState {
  const tun = typeof status.TUN === "boolean" ? { tun: status.TUN } : {};
  const unavailable = (reason: UnavailableReason, message: string): TailnetState => ({
    kind: "unavailable",
    reason,
    message: `tailscaled at ${socket} ${message} (its state is ${status.BackendState.slice(0, 32)})`,
    ...tun,
  });
  switch (status.BackendState) {
    case "Running": {
      if (!status.Self?.DNSName) return unavailable("Starting", "has no name for this node yet; wait a moment");
      const state: TailnetState = {
        kind: "running",
        ...tun,
        self: peerFrom(status.Self, true, status, isAddress),
        peers: peersFrom(status, capabilities, isAddress),
      };
      if (controlURL) state.controlURL = controlURL.slice(0, 253);
      if (status.MagicDNSSuffix) state.magicDNSSuffix = status.MagicDNSSuffix;
      return state;
    }
    case "NeedsLogin":
      if (status.Self?.Expired) {
        return unavailable(
          "NeedsLogin",
          "is logged out because its key has expired; run tailscale up --force-reauth there",
        );
      }
      return unavailable("NeedsLogin", "is not logged in; run tailscale up there, or renew its TS_AUTHKEY");
    case "NeedsMachineAuth":
      return unavailable(
        "NeedsLogin",
        "is waiting for approval; an administrator of the tailnet has to approve this machine",
      );
    case "Stopped":
      return unavailable("Stopped", "is stopped; run tailscale up there");
    default:
      return unavailable("Starting", "is not connected yet; wait a moment, then see its log");
  }
}

/** Returns the state with the known capabilities: one pass over the peers. */
export function withCapabilities(state: TailnetState, known: KnownCapabilities): TailnetState {
  if (state.kind !== "running") return state;
  const peers = new Map<string, readonly TailnetPeer[]>();
  for (const [name, namesakes] of state.peers) {
    const same = namesakes.every(({ stableID, self, capabilities }) => self || capabilities === known.get(stableID));
    peers.set(name, same ? namesakes : namesakes.map((peer) => knowing(peer, known)));
  }
  return { ...state, peers };
}

function knowing({ capabilities: _, ...peer }: TailnetPeer, known: KnownCapabilities): TailnetPeer {
  const capabilities = peer.self ? undefined : known.get(peer.stableID);
  return capabilities ? { ...peer, capabilities } : peer;
}

/** Returns the state for a status request that failed. */
export function unreachable(error: LocalApiError): TailnetState {
  return { kind: "unavailable", reason: "TailscaledUnreachable", message: error.message };
}

const byID = new WeakMap<ReadonlyMap<string, readonly TailnetPeer[]>, ReadonlyMap<string, TailnetPeer>>();

/** Returns the node with this stableID, whatever its name. The first call for a state makes one pass over its peers. */
export function peerByID(state: TailnetState, stableID: string): TailnetPeer | undefined {
  if (state.kind !== "running") return undefined;
  let known = byID.get(state.peers);
  if (!known) {
    known = new Map([...state.peers.values()].flat().map((peer) => [peer.stableID, peer]));
    byID.set(state.peers, known);
  }
  return known.get(stableID);
}

/** Returns the difference between two states: one pass over their peers. */
export function tailnetChange(before: TailnetState, after: TailnetState): TailnetChange {
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

function peersOf(state: TailnetState): ReadonlyMap<string, readonly TailnetPeer[]> {
  return state.kind === "running" ? state.peers : new Map();
}
