import { z } from "zod";
import { type Prefs, prefsSchema } from "./prefs.ts";
import type { SchemaShape } from "./shape.ts";

/**
 * Notifications to request on the bus; add the wanted ones. Daemons ignore unknown bits. Source: `ipn.NotifyWatchOpt`
 * of the Go module tailscale.com.
 */
export const NotifyMask = {
  /** An `Engine` line every 2 s, which nothing else guarantees: proof that the daemon is alive. */
  EngineUpdates: 1 << 0,
  /** `State` and `SessionID` in the first line, so that there always is one at once. */
  InitialState: 1 << 1,
  /** `Prefs` in the first line. */
  InitialPrefs: 1 << 2,
  /**
   * Nodes that are added, removed or changed. From about version 1.100 on, Linux daemons report no peers without it;
   * older ones always send a whole `NetMap`, and with it narrow `PeerChanges`.
   */
  PeerChanges: 1 << 12,
  /** Changes of single fields (online, endpoints) as narrow `PeerChangedPatch` instead of whole nodes. */
  PeerPatches: 1 << 15,
} as const;

/** An added or changed node. Source: `tailcfg.Node` of tailscale.com. Unknown fields are kept. */
export interface ChangedNode {
  /** Identifier of the node: outlives key rotation and renaming, not removal from the tailnet. */
  StableID?: string | null | undefined;
  /** MagicDNS name with a trailing dot. */
  Name?: string | null | undefined;
  /** Other fields, unchanged. */
  [field: string]: unknown;
}

/** Changed fields of a node. Source: `tailcfg.PeerChange` of tailscale.com. Unknown fields are kept. */
export interface NodePatch {
  /** Numeric ID of the node, as in `PeersRemoved`. */
  NodeID?: number | null | undefined;
  /** True while the control server has a connection to the node; absent if that didn't change. */
  Online?: boolean | null | undefined;
  /** Other fields, unchanged. */
  [field: string]: unknown;
}

/**
 * One line of the bus: fields that aren't null have changed. The two dialects of daemons report peers differently
 * (see the fields), so the robust use is to poll `status` after any line that is no heartbeat. Source: `ipn.Notify`
 * of tailscale.com. Unknown fields are kept.
 */
export interface Notify {
  /** Version of the daemon. */
  Version?: string | null | undefined;
  /** Only in the first line of a connection. */
  SessionID?: string | null | undefined;
  /** A critical error of the daemon, as text; in state 1 only the user who uses it. */
  ErrMessage?: string | null | undefined;
  /** 0 NoState, 1 InUseOtherUser, 2 NeedsLogin, 3 NeedsMachineAuth, 4 Stopped, 5 Starting, 6 Running. */
  State?: number | null | undefined;
  /** All settings, if any of them changed. */
  Prefs?: Prefs | null | undefined;
  /** Added or changed nodes, with all fields (daemons from about 1.100 on). */
  PeersChanged?: ChangedNode[] | null | undefined;
  /** Numeric IDs of removed nodes (daemons from about 1.100 on). */
  PeersRemoved?: number[] | null | undefined;
  /** Changed fields (daemons from about 1.100 on). */
  PeerChangedPatch?: NodePatch[] | null | undefined;
  /** Changed fields (daemons up to 1.98, in addition to a whole `NetMap`). */
  PeerChanges?: NodePatch[] | null | undefined;
  /** Other fields, unchanged. */
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
 * Reports whether a line only shows that the daemon is alive: its version, with or without the engine's counters. An
 * unknown field counts as news.
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
