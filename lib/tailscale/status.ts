import { z } from "zod";

/**
 * One node in a {@linkcode Status}: the fields of Go's `ipnstate.PeerStatus` that this library vouches for. Others are
 * kept as they came.
 */
export const peerStatusSchema = z.looseObject({
  /** Stable identifier of the node: outlives key rotation and renaming, not removal from the tailnet. */
  ID: z.string().nullish(),
  /** MagicDNS name with a trailing dot; empty when the node has none. */
  DNSName: z.string().nullish(),
  /** What the node calls itself: neither unique nor verified. */
  HostName: z.string().nullish(),
  OS: z.string().nullish(),
  /** Key into {@linkcode Status}'s `User`. */
  UserID: z.number().nullish(),
  TailscaleIPs: z.array(z.string()).nullish(),
  Tags: z.array(z.string()).nullish(),
  /** Whether the control server has a connection to the node. */
  Online: z.boolean().nullish(),
  /** RFC 3339; year 1 when unknown, see `instantFrom`. */
  LastSeen: z.string().nullish(),
  /** RFC 3339; absent when the key doesn't expire. */
  KeyExpiry: z.string().nullish(),
  Expired: z.boolean().nullish(),
  /** Whether packets were sent to it in the last minutes. */
  Active: z.boolean().nullish(),
  /** `ip:port` of the direct path in use; empty when there is none. */
  CurAddr: z.string().nullish(),
  /** Code of the DERP region that the node is reachable through. */
  Relay: z.string().nullish(),
  /** `ip:port:vni` of the peer relay in use; empty when there is none. */
  PeerRelay: z.string().nullish(),
  /** Whether it is here only because one of its user's nodes is shared with us; clients usually hide it. */
  ShareeNode: z.boolean().nullish(),
  /** Capabilities of the node with their values. */
  CapMap: z.record(z.string(), z.array(z.unknown()).nullable()).nullish(),
});

/** One node: this one (`Self`) or a peer. Source: `ipnstate.PeerStatus` of the Go module tailscale.com. */
export type PeerStatus = z.infer<typeof peerStatusSchema>;

export const statusSchema = z.looseObject({
  /** Version of the daemon. */
  Version: z.string().nullish(),
  /** `NoState`, `InUseOtherUser`, `NeedsLogin`, `NeedsMachineAuth`, `Stopped`, `Starting` or `Running`. */
  BackendState: z.string(),
  /** Where a person logs this node in, when that is needed. */
  AuthURL: z.string().nullish(),
  TailscaleIPs: z.array(z.string()).nullish(),
  Self: peerStatusSchema.nullish(),
  /** Peers by their current node key. */
  Peer: z.record(z.string(), peerStatusSchema).nullish(),
  /** Owners by UserID. */
  User: z.record(z.string(), z.looseObject({ LoginName: z.string().nullish(), DisplayName: z.string().nullish() }))
    .nullish(),
  /** Problems in words; empty when there are none. */
  Health: z.array(z.string()).nullish(),
  /** Parent domain of the nodes' names, without dots around it. */
  MagicDNSSuffix: z.string().nullish(),
});

/** This node and its peers. Source: `ipnstate.Status` of the Go module tailscale.com. Unknown fields are kept. */
export type Status = z.infer<typeof statusSchema>;
