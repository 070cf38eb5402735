/** The context of all controllers: their stores, the client they write with, and the sources that trigger them. */
import type { Clock } from "../../lib/clock/mod.ts";
import type { EventRecorder, RestClient } from "../../lib/kubernetes/mod.ts";
import type { GrantStatus, RealmStatus, Settings } from "../api/mod.ts";
import type { LocalRealm } from "../core/facts.ts";
import type { NameResolver } from "../dns/create_names.ts";
import type { Executor } from "../engine/execute.ts";
import type { Tailnet } from "../tailnet/tailnet.ts";
import type { CapacityLedger } from "./capacity_ledger.ts";
import type { ClusterWatch } from "./cluster_watch.ts";
import type { PodWatches } from "./pod_watches.ts";
import type { Pings } from "./pings.ts";
import type { Pools } from "./pools.ts";
import type { EnforcementCache } from "./enforcement_cache.ts";
import type { StorageWatch } from "./storage_watch.ts";
import type { Stores } from "./stores.ts";
import type { Signals } from "./signals.ts";
import type { UnreadableObjects } from "./unreadable.ts";
import type { Unwritten } from "./unwritten.ts";
import type { WebhookMemory } from "./webhook_secret.ts";

export interface Context {
  /** Fenced: refuses writes while this operator doesn't hold the Lease. */
  rest: RestClient;
  /** Applies the effects of plans, with that client. */
  executor: Executor;
  events: EventRecorder;
  stores: Stores;
  cluster: ClusterWatch;
  /** Amounts that the nodes have and that grants promise. */
  capacity: Pick<CapacityLedger, "room" | "changes">;
  pods: PodWatches;
  /** Objects that exist but can't be read. */
  unreadable: UnreadableObjects;
  names: NameResolver;
  /** Size of the API server's database. */
  storage: Pick<StorageWatch, "bytes">;
  enforcements: EnforcementCache;
  pings: Pings;
  /** Epoch milliseconds at which a realm's node was first found missing, by the realm's name. */
  missingSince: Map<string, number>;
  pools: Pools;
  /** Statuses of Grants and Realms that were decided but can't be written. */
  unwritten: { grants: Unwritten<GrantStatus>; realms: Unwritten<RealmStatus> };
  tailnet: Tailnet;
  settings: Settings;
  /** This cluster's realm, as known now. */
  local: () => LocalRealm;
  /** Milliseconds by which the API server's clock is ahead; 0 while the clocks agree. */
  skewMs: () => number;
  clock: Clock;
  lastSeenEveryMs: number;
  /** True if a tailnet server runs, which needs the realms' accounts. */
  servesTailnet?: boolean;
  /** Absent: there is no webhook. */
  webhook?: WebhookMemory;
  /** Reports changes outside the caches. */
  signals: Signals;
  /** True once the guests' FlowSchema has been read; before that its state is unknown. */
  knowsFlows: boolean;
}
