/** The operator's current state, for metrics: read at each scrape, so that nothing must be kept in sync. */
import type { EntityPhase } from "../api/mod.ts";
import type { GrantFacts, GuestWrites, QuotaFacts, RealmFacts } from "../core/facts.ts";
import type { ReconcileRecord } from "../../lib/controller/mod.ts";
import type { Circumstances, OperatorStage } from "./operator_stage.ts";

export interface Snapshot {
  grants(): readonly GrantFacts[];
  realms(): readonly RealmFacts[];
  /** Phases of the SuperEntities. */
  superEntities(): readonly (EntityPhase | undefined)[];
  /** The quotas of the guest namespaces. */
  quotas(): readonly (QuotaFacts & { realm: string })[];
  /** Guest namespaces that are being drained, with their unfinished pods. */
  drains(): readonly { realm: string; running: number; terminating: number }[];
  /** Number of unreadable objects of each watched kind. */
  unreadable(): ReadonlyMap<string, number>;
  storage(): StorageSnapshot;
  tailnet(): TailnetSnapshot;
  queues: Readonly<Record<string, { readonly depth: number; readonly waiting: number; readonly failing: number }>>;
  /** Milliseconds by which the API server's clock is ahead. */
  skewMs(): number;
  /** Obstacles and limitations at this moment; absent: none. */
  circumstances?(): Circumstances;
}

export interface StorageSnapshot {
  /** Size of the API server's database; undefined if it isn't read. */
  bytes: number | undefined;
  /** Configured quota; null: none. */
  quotaBytes: number | null;
  guestWrites: GuestWrites;
}

export interface TailnetSnapshot {
  /** `none`, `running`, or the reason it is unavailable. */
  state: string;
  online: number;
  offline: number;
}

/** Listener for the operator's status. */
export interface StatusListener {
  /** Called with each new stage. */
  stage(stage: OperatorStage): void;
  /** Called once, before anything is reconciled. */
  snapshot(view: Snapshot): void;
  /** Called after each reconcile. */
  reconciled(record: ReconcileRecord): void;
}
