import { z } from "zod";
import { type Prefs, prefsSchema } from "./prefs.ts";
import type { SchemaShape } from "./shape.ts";

/**
 * What to be told on the bus; add up what is wanted. Daemons ignore bits that they don't know.
 * Source: `ipn.NotifyWatchOpt` of the Go module tailscale.com.
 */
export const NotifyMask = {
  /** An `Engine` line every 2 s, which nothing else guarantees: the sign that the daemon lives. */
  EngineUpdates: 1 << 0,
  /** The first line carries `State` and `SessionID`, so there always is one at once. */
  InitialState: 1 << 1,
  /** The first line carries `Prefs`. */
  InitialPrefs: 1 << 2,
  /**
   * Nodes that come, go or change. From about version 1.100 on, Linux daemons say nothing at all of peers without
   * it; older ones send a whole `NetMap` anyhow, and with it narrow `PeerChanges`.
   */
  PeerChanges: 1 << 12,
  /** Changes of single fields (online, endpoints) come as narrow `PeerChangedPatch` instead of whole nodes. */
  PeerPatches: 1 << 15,
} as const;

/** A node that came or changed. Source: `tailcfg.Node` of tailscale.com. Unknown fields are kept. */
export interface ChangedNode {
  /** Identifier of the node: outlives key rotation and renaming, not removal from the tailnet. */
  StableID?: string | null | undefined;
  /** MagicDNS name with a trailing dot. */
  Name?: string | null | undefined;
  /** What else the daemon tells, as it came. */
  [field: string]: unknown;
}

/** Single fields of a node that changed. Source: `tailcfg.PeerChange` of tailscale.com. Unknown fields are kept. */
export interface NodePatch {
  /** Numeric ID of the node, as in `PeersRemoved`. */
  NodeID?: number | null | undefined;
  /** Whether the control server has a connection to the node; absent when that didn't change. */
  Online?: boolean | null | undefined;
  /** What else the daemon tells, as it came. */
  [field: string]: unknown;
}

/**
 * One line of the bus: what isn't null has changed. The two dialects of daemons differ in how they tell of peers
 * (see the fields), so the robust use is to take any line that is no heartbeat as the occasion to ask `status`.
 * Source: `ipn.Notify` of tailscale.com. Unknown fields are kept.
 */
export interface Notify {
  /** Version of the daemon. */
  Version?: string | null | undefined;
  /** Only in the first line of a connection. */
  SessionID?: string | null | undefined;
  /** A critical error of the daemon, in words; in state 1 only who uses it. */
  ErrMessage?: string | null | undefined;
  /** 0 NoState, 1 InUseOtherUser, 2 NeedsLogin, 3 NeedsMachineAuth, 4 Stopped, 5 Starting, 6 Running. */
  State?: number | null | undefined;
  /** All settings, of which some changed. */
  Prefs?: Prefs | null | undefined;
  /** Nodes that came or changed, whole (daemons from about 1.100 on). */
  PeersChanged?: ChangedNode[] | null | undefined;
  /** Numeric IDs of nodes that are gone (daemons from about 1.100 on). */
  PeersRemoved?: number[] | null | undefined;
  /** Single fields that changed (daemons from about 1.100 on). */
  PeerChangedPatch?: NodePatch[] | null | undefined;
  /** Single fields that changed (daemons up to 1.98, beside a whole `NetMap`). */
  PeerChanges?: NodePatch[] | null | undefined;
  /** What else the daemon tells, as it came. */
  [field: string]: unknown;
}

const nodeSchema: z.ZodType<ChangedNode> = z.looseObject(
  { StableID: z.string().nullish(), Name: z.string().nullish() } satisfies SchemaShape<ChangedNode>,
);

const patchSchema: z.ZodType<NodePatch> = z.looseObject(
  { NodeID: z.number().nullish(), Online: z.boolean().nullish() } satisfies SchemaShape<NodePatch>,
);

export const notifySchema: z.ZodType<Notify> = z.looseObject(
  {
    Version: z.string().nullish(),
    SessionID: z.string().nullish(),
    ErrMessage: z.string().nullish(),
    State: z.number().nullish(),
    Prefs: prefsSchema.nullish(),
    PeersChanged: z.array(nodeSchema).nullish(),
    PeersRemoved: z.array(z.number()).nullish(),
    PeerChangedPatch: z.array(patchSchema).nullish(),
    PeerChanges: z.array(patchSchema).nullish(),
  } satisfies SchemaShape<Notify>,
);

/**
 * Whether a line says no more than that the daemon lives: its version, or the engine's counters beside it.
 * A field that this library has never heard of counts as news.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { isHeartbeat } from "./mod.ts";
 *
 * assert(isHeartbeat({ Version: "1.101.0", State: null, Engine: { NumLive: 1 } }));
 * assert(!isHeartbeat({ Version: "1.101.0", PeersRemoved: [7] }));
 * ```
 */
export function isHeartbeat(notify: Notify): boolean {
  return Object.entries(notify).every(([field, value]) =>
    value === null || value === undefined || field === "Version" || field === "Engine"
  );
}
