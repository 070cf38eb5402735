import { z } from "zod";
import type { SchemaShape } from "./shape.ts";
import { type UserProfile, userProfileSchema } from "./status.ts";

/** A node's report of itself. Source: `tailcfg.Hostinfo` of tailscale.com. Unknown fields are kept. */
export interface WhoIsHostinfo {
  /** True for a node of another tailnet that is known only because a node of this one is shared with its user. */
  ShareeNode?: boolean | null | undefined;
  /** Other fields, unchanged. */
  [field: string]: unknown;
}

/** The node behind an address. Source: `tailcfg.Node` of tailscale.com. Unknown fields are kept. */
export interface WhoIsNode {
  /** Identifier of the node: outlives key rotation and renaming, not removal from the tailnet. */
  StableID: string;
  /** MagicDNS name with a trailing dot. */
  Name?: string | null | undefined;
  /** Public key of the node, `nodekey:…`; changes when the node logs in again. */
  Key?: string | null | undefined;
  /** User who shared a node of another tailnet with this one, if it isn't the owner. */
  Sharer?: number | null | undefined;
  /** The node's own report, and what the control server adds to it. */
  Hostinfo?: WhoIsHostinfo | null | undefined;
  /** The node's own addresses as prefixes, such as `100.64.0.2/32`. */
  Addresses?: string[] | null | undefined;
  /** Tags such as `tag:server`; a tagged node acts as its tags, not as a user. */
  Tags?: string[] | null | undefined;
  /** True while the control server has a connection to the node; absent if this node may not know. */
  Online?: boolean | null | undefined;
  /** RFC 3339; year 1 or absent if the key doesn't expire. */
  KeyExpiry?: string | null | undefined;
  /** Other fields, unchanged. */
  [field: string]: unknown;
}

/** The node and user behind an address. Source: `apitype.WhoIsResponse` of tailscale.com. Unknown fields are kept. */
export interface WhoIs {
  /** The node that the address belongs to. */
  Node: WhoIsNode;
  /** The node's owner or creator; a tagged node doesn't act as that user. */
  UserProfile: UserProfile;
  /** Capabilities that the tailnet's policy grants the node on this one, by name, with their arguments. */
  CapMap?: Record<string, unknown[] | null> | null | undefined;
  /** Other fields, unchanged. */
  [field: string]: unknown;
}

const hostinfoSchema: z.ZodType<WhoIsHostinfo> = z.looseObject(
  { ShareeNode: z.boolean().nullish() } satisfies SchemaShape<WhoIsHostinfo>,
);

const nodeSchema: z.ZodType<WhoIsNode> = z.looseObject(
  {
    StableID: z.string(),
    Name: z.string().nullish(),
    Key: z.string().nullish(),
    Sharer: z.number().nullish(),
    Hostinfo: hostinfoSchema.nullish(),
    Addresses: z.array(z.string()).nullish(),
    Tags: z.array(z.string()).nullish(),
    Online: z.boolean().nullish(),
    KeyExpiry: z.string().nullish(),
  } satisfies SchemaShape<WhoIsNode>,
);

export const whoIsSchema: z.ZodType<WhoIs> = z.looseObject(
  {
    Node: nodeSchema,
    UserProfile: userProfileSchema,
    CapMap: z.record(z.string(), z.array(z.unknown()).nullable()).nullish(),
  } satisfies SchemaShape<WhoIs>,
);
