/** What every controller is given: the stores it observes, the client it writes with, and the queues it wakes. */
import type { Clock } from "../../lib/clock/mod.ts";
import type { EventRecorder, RestClient } from "../../lib/kubernetes/mod.ts";
import type { GrantStatus, RealmStatus, Settings } from "../api/mod.ts";
import type { LocalRealm } from "../core/facts.ts";
import type { NameResolver } from "../dns/create_names.ts";
import type { Executor } from "../engine/execute.ts";
import type { Tailnet } from "../tailnet/tailnet.ts";
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
  /** Fenced: refuses to write when this operator doesn't hold the Lease. */
  rest: RestClient;
  /** Carries out what plans want, with that client. */
  executor: Executor;
  events: EventRecorder;
  stores: Stores;
  cluster: ClusterWatch;
  pods: PodWatches;
  /** Objects that are there and can't be read. */
  unreadable: UnreadableObjects;
  names: NameResolver;
  /** Room in the API server's database. */
  storage: Pick<StorageWatch, "bytes">;
  enforcements: EnforcementCache;
  pings: Pings;
  /** Since when no node answers to the identity of a realm, epoch milliseconds, by the realm's name. */
  missingSince: Map<string, number>;
  pools: Pools;
  /** What was decided of Grants and Realms and can't be written. */
  unwritten: { grants: Unwritten<GrantStatus>; realms: Unwritten<RealmStatus> };
  tailnet: Tailnet;
  settings: Settings;
  /** Which realm this cluster is, as of now. */
  local: () => LocalRealm;
  /** By how much the API server's clock is ahead, in milliseconds; 0 while the two agree. */
  skewMs: () => number;
  clock: Clock;
  lastSeenEveryMs: number;
  /** Absent: there is none. */
  webhook?: WebhookMemory;
  /** Reports what isn't in a cache. */
  signals: Signals;
  /** Whether the FlowSchema of guests has been read; before that nothing can be said about it. */
  knowsFlows: boolean;
}
