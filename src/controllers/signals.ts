/** Signals: changes of what isn't in a cache. */
import { Feed } from "../engine/triggers.ts";

/** Changes of what isn't in a cache. */
export interface Signals {
  /** Another realm is this cluster's own, or it is known now. */
  local: Feed<void>;
  /** Namespace of which the pods have changed, or can be watched again. */
  pods: Feed<string>;
  /** Realm whose ping has ended, and when to look at it. */
  pinged: Feed<{ key: string; at: number }>;
  /** The FlowSchema of guests has been read for the first time. */
  flowsKnown: Feed<void>;
  /** A reading of the database's size changes what guests may write. */
  storage: Feed<void>;
  /** The webhook's certificates and configuration have been read. */
  webhook: Feed<void>;
  /** The database takes writes again. */
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
