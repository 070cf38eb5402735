/**
 * The guest flow loop, with a single key: maintains the FlowSchema that limits the concurrency of guests' requests
 * and decides if guests may write.
 */
import { isDeepStrictEqual } from "node:util";
import { type FlowGrantee, type GuestFlowWorld, planGuestFlow } from "../core/plan_guest_flow.ts";
import { guestFlowName } from "../core/names.ts";
import { guestWritesAt } from "../core/database_storage.ts";
import { defineLoop } from "../engine/loop.ts";
import type { KeyRequest } from "../engine/triggers.ts";
import type { Context } from "./context.ts";
import { onStore } from "./sources.ts";

/** A burst of new Realms is written at most once a second, because one object contains the whole list. */
const gatherMs = 1000;

/** Nothing is planned before the FlowSchema has been read. */
const one = ({ knowsFlows }: Context): string[] => knowsFlows ? [guestFlowName] : [];
const atOnce = (_: unknown, context: Context): KeyRequest[] => one(context);
const gathered = (context: Context): KeyRequest[] => one(context).map((key) => ({ key, afterMs: gatherMs }));

export const guestFlowLoop = defineLoop({
  name: "guestFlows",
  keyName: "flowschema",
  concurrency: 1,
  keys: one,
  triggers: [
    onStore("flowsKnown", atOnce),
    onStore("flowSchemas", atOnce),
    onStore("priorityLevels", atOnce),
    onStore("storage", atOnce),
    // Subjects of this cluster's own realm are no guests.
    onStore("local", atOnce),
    onStore(
      "realms",
      ({ old, new: now }, context) =>
        old && now && isDeepStrictEqual(old.spec.subjects, now.spec.subjects) ? [] : gathered(context),
    ),
    onStore("superEntities", ({ old, new: now }, context) => old && now ? [] : gathered(context)),
  ],
  observe: observeGuestFlow,
  plan: planGuestFlow,
});

function observeGuestFlow(context: Context): GuestFlowWorld {
  const { stores, settings, storage } = context;
  const present = stores.flowSchemas.get(guestFlowName);
  return {
    grantees: granteesOf(context),
    present,
    hasLevel: stores.priorityLevels.get(guestFlowName) !== undefined,
    guestWrites: guestWritesAt(storage.bytes, present?.guestWrites ?? "Open", settings.storage),
  };
}

/** Returns all grantees: every Realm except this cluster's own, and every SuperEntity. */
function granteesOf({ stores, local }: Context): FlowGrantee[] {
  const here = local();
  const realms = stores.realms.list().filter(({ name }) => here.kind !== "known" || here.name !== name);
  return [
    ...realms.map(({ name, spec }) => ({ name, subjects: spec.subjects })),
    ...stores.superEntities.list().map(({ name }) => ({ name })),
  ];
}
