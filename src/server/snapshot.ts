/** What the operator knows at this moment, for metrics: read when somebody asks, so nothing has to be kept in step. */
import type { EntityPhase } from "../api/mod.ts";
import type { GrantFacts, GuestWrites, QuotaFacts, RealmFacts } from "../core/facts.ts";
import type { ReconcileRecord } from "../../lib/controller/mod.ts";
import type { OperatorStage } from "./operator_stage.ts";

export interface Snapshot {
  grants(): readonly GrantFacts[];
  realms(): readonly RealmFacts[];
  /** Phases of the SuperEntities. */
  superEntities(): readonly (EntityPhase | undefined)[];
  /** The quotas of the guest namespaces. */
  quotas(): readonly (QuotaFacts & { realm: string })[];
  /** The guest namespaces that are being drained, with their pods that haven't finished. */
  drains(): readonly { realm: string; running: number; terminating: number }[];
  /** How many objects of each kind that is watched are there and can't be read. */
  unreadable(): ReadonlyMap<string, number>;
  storage(): StorageSnapshot;
  tailnet(): TailnetSnapshot;
  queues: Readonly<Record<string, { readonly depth: number; readonly waiting: number; readonly failing: number }>>;
  /** By how much the API server's clock is ahead, in milliseconds. */
  skewMs(): number;
}

export interface StorageSnapshot {
  /** Size of the API server's database; undefined where it isn't read. */
  bytes: number | undefined;
  /** As the settings say; null: none. */
  quotaBytes: number | null;
  guestWrites: GuestWrites;
}

export interface TailnetSnapshot {
  /** `none`, `running`, or why it is unavailable. */
  state: string;
  online: number;
  offline: number;
}

/** Who is told how the operator fares. */
export interface StatusListener {
  /** Where it stands from now on. */
  stage(stage: OperatorStage): void;
  /** Once, before anything is reconciled. */
  snapshot(view: Snapshot): void;
  /** One reconcile that has ended. */
  reconciled(record: ReconcileRecord): void;
}
