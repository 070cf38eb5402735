/** What every controller is given: the stores it observes, the client it writes with, and the queues it wakes. */
import type { Clock } from "../../lib/clock/mod.ts";
import type { WorkQueue } from "../../lib/controller/mod.ts";
import type { EventRecorder, RestClient } from "../../lib/kubernetes/mod.ts";
import type { LocalRealm } from "../core/facts.ts";
import type { Tailnet } from "../tailnet/tailnet.ts";
import type { Shares } from "./shares.ts";
import type { Stores } from "./stores.ts";

export interface Context {
  /** Fenced: refuses to write when this operator doesn't hold the Lease. */
  rest: RestClient;
  events: EventRecorder;
  stores: Stores;
  shares: Shares;
  tailnet: Tailnet;
  /** Which realm this cluster is, as of now. */
  local: () => LocalRealm;
  clock: Clock;
  lastSeenEveryMs: number;
  queues: Queues;
}

/** Keys: a Grant's name, a Realm's name, a grantee's name. */
export interface Queues {
  grants: WorkQueue<string>;
  realms: WorkQueue<string>;
  guests: WorkQueue<string>;
}
