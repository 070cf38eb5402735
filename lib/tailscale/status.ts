import { z } from "zod";
import type { SchemaShape } from "./shape.ts";

/**
 * One node: this one (`Self`) or a peer. Source: `ipnstate.PeerStatus` of the Go module tailscale.com, of which these
 * are the fields that this library vouches for. Unknown fields are kept.
 */
export interface PeerStatus {
  /** Stable identifier of the node: outlives key rotation and renaming, not removal from the tailnet. */
  ID?: string | null | undefined;
  /** MagicDNS name with a trailing dot; empty when the node has none. */
  DNSName?: string | null | undefined;
  /** What the node calls itself: neither unique nor verified. */
  HostName?: string | null | undefined;
  /** Operating system in Go's words, such as `linux`, `macOS` or `windows`. */
  OS?: string | null | undefined;
  /** Key into {@linkcode TailscaleStatus}'s `User`. */
  UserID?: number | null | undefined;
  /** The node's own addresses, without a prefix length. */
  TailscaleIPs?: string[] | null | undefined;
  /** Such as `tag:server`; a tagged node acts as its tags, not as a user. */
  Tags?: string[] | null | undefined;
  /** Whether the control server has a connection to the node. */
  Online?: boolean | null | undefined;
  /** RFC 3339; year 1 when unknown, see `dateFrom`. */
  LastSeen?: string | null | undefined;
  /** RFC 3339; absent when the key doesn't expire. */
  KeyExpiry?: string | null | undefined;
  /** Whether the node's key has expired, as the control server or this node's clock says. */
  Expired?: boolean | null | undefined;
  /** Whether packets were sent to it in the last minutes. */
  Active?: boolean | null | undefined;
  /** `ip:port` of the direct path in use; empty when there is none. */
  CurAddr?: string | null | undefined;
  /** Code of the DERP region that the node is reachable through. */
  Relay?: string | null | undefined;
  /** `ip:port:vni` of the peer relay in use; empty when there is none. */
  PeerRelay?: string | null | undefined;
  /** Whether it is here only because one of its user's nodes is shared with us; clients usually hide it. */
  ShareeNode?: boolean | null | undefined;
  /** Capabilities of the node with their values. */
  CapMap?: Record<string, unknown[] | null> | null | undefined;
  /** What else the daemon tells, as it came. */
  [field: string]: unknown;
}

/** A user of the tailnet. Source: `tailcfg.UserProfile` of tailscale.com. Unknown fields are kept. */
export interface UserProfile {
  /** Such as `alice@example.com`; for people to read, since it doesn't name the identity provider. */
  LoginName?: string | null | undefined;
  /** A name for people, neither unique nor verified. */
  DisplayName?: string | null | undefined;
  /** What else the daemon tells, as it came. */
  [field: string]: unknown;
}

/** This node and its peers. Source: `ipnstate.Status` of the Go module tailscale.com. Unknown fields are kept. */
export interface TailscaleStatus {
  /** Version of the daemon. */
  Version?: string | null | undefined;
  /** `NoState`, `InUseOtherUser`, `NeedsLogin`, `NeedsMachineAuth`, `Stopped`, `Starting` or `Running`. */
  BackendState: string;
  /** Whether the daemon has a network device (TUN); false: it runs in userspace mode. */
  TUN?: boolean | null | undefined;
  /** Where a person logs this node in, when that is needed. */
  AuthURL?: string | null | undefined;
  /** This node's own addresses; none before it was logged in. */
  TailscaleIPs?: string[] | null | undefined;
  /** This node; there is little in it before it was logged in. */
  Self?: PeerStatus | null | undefined;
  /** Peers by their current node key. */
  Peer?: Record<string, PeerStatus> | null | undefined;
  /** Owners by UserID. */
  User?: Record<string, UserProfile> | null | undefined;
  /** Problems in words; empty when there are none. */
  Health?: string[] | null | undefined;
  /** Parent domain of the nodes' names, without dots around it. */
  MagicDNSSuffix?: string | null | undefined;
  /** What else the daemon tells, as it came. */
  [field: string]: unknown;
}

const peerStatusSchema: z.ZodType<PeerStatus> = z.looseObject(
  {
    ID: z.string().nullish(),
    DNSName: z.string().nullish(),
    HostName: z.string().nullish(),
    OS: z.string().nullish(),
    UserID: z.number().nullish(),
    TailscaleIPs: z.array(z.string()).nullish(),
    Tags: z.array(z.string()).nullish(),
    Online: z.boolean().nullish(),
    LastSeen: z.string().nullish(),
    KeyExpiry: z.string().nullish(),
    Expired: z.boolean().nullish(),
    Active: z.boolean().nullish(),
    CurAddr: z.string().nullish(),
    Relay: z.string().nullish(),
    PeerRelay: z.string().nullish(),
    ShareeNode: z.boolean().nullish(),
    CapMap: z.record(z.string(), z.array(z.unknown()).nullable()).nullish(),
  } satisfies SchemaShape<PeerStatus>,
);

export const userProfileSchema: z.ZodType<UserProfile> = z.looseObject(
  { LoginName: z.string().nullish(), DisplayName: z.string().nullish() } satisfies SchemaShape<UserProfile>,
);

export const statusSchema: z.ZodType<TailscaleStatus> = z.looseObject(
  {
    Version: z.string().nullish(),
    BackendState: z.string(),
    TUN: z.boolean().nullish(),
    AuthURL: z.string().nullish(),
    TailscaleIPs: z.array(z.string()).nullish(),
    Self: peerStatusSchema.nullish(),
    Peer: z.record(z.string(), peerStatusSchema).nullish(),
    User: z.record(z.string(), userProfileSchema).nullish(),
    Health: z.array(z.string()).nullish(),
    MagicDNSSuffix: z.string().nullish(),
  } satisfies SchemaShape<TailscaleStatus>,
);
