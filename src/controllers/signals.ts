/** Signals: changes outside the caches. */
import { Feed } from "../engine/triggers.ts";

/** Changes outside the caches. */
export interface Signals {
  /** This cluster's realm has changed or become known. */
  local: Feed<void>;
  /** Namespace whose pods have changed or can be watched again. */
  pods: Feed<string>;
  /** Realm whose ping has ended, and the instant at which it is due; absent: at once. */
  pinged: Feed<{ key: string; at?: number }>;
  /** The guests' FlowSchema has been read for the first time. */
  flowsKnown: Feed<void>;
  /** A reading of the database's size changes guests' write access. */
  storage: Feed<void>;
  /** The webhook's certificates and configuration have been read. */
  webhook: Feed<void>;
  /** The database accepts writes again. */
  writable: Feed<void>;
}

export const createSignals = (): Signals => ({
  local: new Feed(),
  pods: new Feed(),
  pinged: new Feed(),
  flowsKnown: new Feed(),
  storage: new Feed(),
  webhook: new Feed(),
  writable: new Feed(),
});
