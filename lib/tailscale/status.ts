import { z } from "zod";
import type { SchemaShape } from "./shape.ts";

/**
 * A node: this one (`Self`) or a peer. Source: `ipnstate.PeerStatus` of the Go module tailscale.com; these fields are
 * checked by this library. Unknown fields are kept.
 */
export interface PeerStatus {
  /** Stable identifier of the node: outlives key rotation and renaming, not removal from the tailnet. */
  ID?: string | null | undefined;
  /** MagicDNS name with a trailing dot; empty if the node has none. */
  DNSName?: string | null | undefined;
  /** Host name that the node reports: neither unique nor verified. */
  HostName?: string | null | undefined;
  /** Operating system as Go names it, such as `linux`, `macOS` or `windows`. */
  OS?: string | null | undefined;
  /** Key into {@linkcode TailscaleStatus}'s `User`. */
  UserID?: number | null | undefined;
  /** The node's own addresses, without a prefix length. */
  TailscaleIPs?: string[] | null | undefined;
  /** Tags such as `tag:server`; a tagged node acts as its tags, not as a user. */
  Tags?: string[] | null | undefined;
  /** True while the control server has a connection to the node. */
  Online?: boolean | null | undefined;
  /** RFC 3339; year 1 if unknown, see `dateFrom`. */
  LastSeen?: string | null | undefined;
  /** RFC 3339; absent if the key doesn't expire. */
  KeyExpiry?: string | null | undefined;
  /** True if the node's key has expired, according to the control server or this node's clock. */
  Expired?: boolean | null | undefined;
  /** True if packets were sent to it in the last minutes. */
  Active?: boolean | null | undefined;
  /** `ip:port` of the direct path in use; empty if there is none. */
  CurAddr?: string | null | undefined;
  /** Code of the node's DERP region. */
  Relay?: string | null | undefined;
  /** `ip:port:vni` of the peer relay in use; empty if there is none. */
  PeerRelay?: string | null | undefined;
  /** True if it is listed only because one of its user's nodes is shared with this tailnet; clients usually hide it. */
  ShareeNode?: boolean | null | undefined;
  /** Capabilities of the node with their values. */
  CapMap?: Record<string, unknown[] | null> | null | undefined;
  /** Other fields, unchanged. */
  [field: string]: unknown;
}

/** A user of the tailnet. Source: `tailcfg.UserProfile` of tailscale.com. Unknown fields are kept. */
export interface UserProfile {
  /** Such as `alice@example.com`; for display only, because it doesn't name the identity provider. */
  LoginName?: string | null | undefined;
  /** Name for display, neither unique nor verified. */
  DisplayName?: string | null | undefined;
  /** Other fields, unchanged. */
  [field: string]: unknown;
}

/** This node and its peers. Source: `ipnstate.Status` of the Go module tailscale.com. Unknown fields are kept. */
export interface TailscaleStatus {
  /** Version of the daemon. */
  Version?: string | null | undefined;
  /** `NoState`, `InUseOtherUser`, `NeedsLogin`, `NeedsMachineAuth`, `Stopped`, `Starting` or `Running`. */
  BackendState: string;
  /** True if the daemon has a network device (TUN); false in userspace mode. */
  TUN?: boolean | null | undefined;
  /** URL at which a person logs this node in, if necessary. */
  AuthURL?: string | null | undefined;
  /** This node's own addresses; none before it was logged in. */
  TailscaleIPs?: string[] | null | undefined;
  /** This node; mostly empty before it was logged in. */
  Self?: PeerStatus | null | undefined;
  /** Peers by their current node key. */
  Peer?: Record<string, PeerStatus> | null | undefined;
  /** Owners by UserID. */
  User?: Record<string, UserProfile> | null | undefined;
  /** Problems, as text; empty if there are none. */
  Health?: string[] | null | undefined;
  /** Parent domain of the nodes' names, without leading or trailing dot. */
  MagicDNSSuffix?: string | null | undefined;
  /** Other fields, unchanged. */
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

/**
 * Reads the output of `tailscale status --json`.
 *
 * @throws {Error} if it is something else
 */
export const parseStatus = (text: string): TailscaleStatus => statusSchema.parse(JSON.parse(text));
