/** The operator's loops. The keys, triggers, observation and plan of each are in its own file. */
import type { Loop } from "../engine/loop.ts";
import { approverLoop } from "./approver_loop.ts";
import type { Context } from "./context.ts";
import { resolveNames, watchIdentities } from "./demands.ts";
import { connect, enterAll } from "../engine/run_loops.ts";
import type { KeyQueue } from "../engine/triggers.ts";
import { grantLoop } from "./grant_loop.ts";
import { guestLoop, observeGuest } from "./guest_loop.ts";
import { guestFlowLoop } from "./guest_flow_loop.ts";
import { realmLoop } from "./realm_loop.ts";
import { restorePools } from "./restore_pools.ts";
import { superEntityLoop } from "./superentity_loop.ts";
import { watchLocal } from "./sources.ts";
import { webhookLoop } from "./webhook_certificates.ts";

/** All loops. */
export const loops: readonly Loop<Context>[] = [
  guestLoop,
  grantLoop,
  realmLoop,
  superEntityLoop,
  approverLoop,
  guestFlowLoop,
  webhookLoop,
];

/** Returns a loop's queue. */
export type QueueOf = (loop: string) => KeyQueue;

/** Connects the loops with their triggers: from then on each change triggers only the keys that it concerns. */
export function connectLoops(context: Context, queueOf: QueueOf): void {
  connect(loops, context, queueOf);
  watchLocal(context);
  resolveNames(context);
  watchIdentities(context);
}

/** Notes that the guests' FlowSchema has been read: from then on it is maintained. */
export function knowFlows(context: Context): void {
  context.knowsFlows = true;
  context.signals.flowsKnown.emit();
}

/**
 * Begins to lead: forgets everything that another operator may have changed, and enters all keys.
 *
 * @param report called for parts that can't be restored; nothing waits for it
 */
export function beginToLead(
  context: Context,
  queueOf: QueueOf,
  report: (what: string, restore: () => void) => void,
): void {
  const { pools, enforcements, unwritten } = context;
  pools.forget();
  enforcements.forget();
  unwritten.grants.forgetAll();
  unwritten.realms.forgetAll();
  // Without the restored pools, nothing new is allocated from them.
  report("pool allocations", () => restorePools(context, (grantee) => observeGuest(context, grantee)));
  enterAll(loops, context, queueOf);
}
