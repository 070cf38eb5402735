import { z } from "zod";
import { prefsSchema } from "./prefs.ts";

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

const nodes = z.array(z.looseObject({ StableID: z.string().nullish(), Name: z.string().nullish() })).nullish();
const patches = z.array(z.looseObject({ NodeID: z.number().nullish(), Online: z.boolean().nullish() })).nullish();

export const notifySchema = z.looseObject({
  /** Version of the daemon. */
  Version: z.string().nullish(),
  /** Only in the first line of a connection. */
  SessionID: z.string().nullish(),
  ErrMessage: z.string().nullish(),
  /**
   * 0 NoState, 1 InUseOtherUser, 2 NeedsLogin, 3 NeedsMachineAuth, 4 Stopped, 5 Starting, 6 Running.
   */
  State: z.number().nullish(),
  Prefs: prefsSchema.nullish(),
  /** Nodes that came or changed, whole (daemons from about 1.100 on). */
  PeersChanged: nodes,
  /** Numeric IDs of nodes that are gone (daemons from about 1.100 on). */
  PeersRemoved: z.array(z.number()).nullish(),
  /** Single fields that changed (daemons from about 1.100 on). */
  PeerChangedPatch: patches,
  /** Single fields that changed (daemons up to 1.98, beside a whole `NetMap`). */
  PeerChanges: patches,
});

/**
 * One line of the bus: what isn't null has changed. The two dialects of daemons differ in how they tell of peers
 * (see the fields), so the robust use is to take any line that is no heartbeat as the occasion to ask `status`.
 * Source: `ipn.Notify` of tailscale.com. Unknown fields are kept.
 */
export type Notify = z.infer<typeof notifySchema>;

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
