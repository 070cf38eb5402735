/** The loops of the operator. What each looks at, plans and is woken by stands in its own file. */
import type { Loop } from "../engine/loop.ts";
import { approverLoop } from "./approver.ts";
import type { Context } from "./context.ts";
import { resolveNames, watchIdentities } from "./demands.ts";
import { connect, enterAll } from "../engine/run.ts";
import type { KeyQueue } from "../engine/triggers.ts";
import { grantLoop } from "./grant.ts";
import { guestLoop, observeGuest } from "./guest.ts";
import { guestFlowLoop } from "./guest_flow.ts";
import { realmLoop } from "./realm.ts";
import { recallPools } from "./recall.ts";
import { superEntityLoop } from "./superentity.ts";
import { watchLocal } from "./triggers.ts";
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

/** Finds the queue of a loop. */
export type QueueOf = (loop: string) => KeyQueue;

/** Connects the loops with what they are triggered by: from then on each change wakes just those keys that it concerns. */
export function connectLoops(context: Context, queueOf: QueueOf): void {
  connect(loops, context, queueOf);
  watchLocal(context);
  resolveNames(context);
  watchIdentities(context);
}

/** Takes note that the FlowSchema of guests has been read: from then on it is kept. */
export function knowFlows(context: Context): void {
  context.knowsFlows = true;
  context.signals.flowsKnown.emit();
}

/**
 * Begins to lead: forgets what another operator may have changed, and enters all keys.
 *
 * @param report told what of it can't be restored; nothing waits for that
 */
export function beginToLead(
  context: Context,
  queueOf: QueueOf,
  report: (what: string, restore: () => void) => void,
): void {
  const { pools, shares, unwritten } = context;
  pools.forget();
  shares.forget();
  unwritten.grants.forgetAll();
  unwritten.realms.forgetAll();
  // Without it nothing new is given of pools.
  report("what pools have given", () => recallPools(context, (grantee) => observeGuest(context, grantee)));
  enterAll(loops, context, queueOf);
}
