/**
 * The guest flow controller, of one key: keeps the FlowSchema by which guests' requests share a few seats, and which says
 * whether they may write.
 */
import type { Next } from "../../lib/controller/mod.ts";
import { ResourceApi } from "../../lib/kubernetes/mod.ts";
import { flowSchemas } from "../../lib/kubernetes_apis/flowcontrol.apiserver.k8s.io@v1.ts";
import { type FlowGrantee, planGuestFlow } from "../core/guest_flow.ts";
import { guestWritesAt } from "../core/storage.ts";
import { guestFlowName, operatorName } from "../core/names.ts";
import type { Context } from "./context.ts";

/** A burst of new Realms is written once a second, because the whole list is one object. */
export const gatherFlowMs = 1000;

export async function reconcileGuestFlow(context: Context, _key: string, signal: AbortSignal): Promise<Next> {
  const { stores, rest, settings, storage } = context;
  const present = stores.flowSchemas.get(guestFlowName);
  const desired = planGuestFlow({
    grantees: granteesOf(context),
    present,
    hasLevel: stores.priorityLevels.get(guestFlowName) !== undefined,
    guestWrites: guestWritesAt(storage.bytes, present?.guestWrites ?? "Open", settings.storage),
  });
  if (!desired) return {};
  const options = { fieldManager: operatorName, force: true, signal };
  stores.flowSchemas.observe(await new ResourceApi(rest, flowSchemas).apply(desired, options));
  return {};
}

/** Every Realm but this cluster's own, whose people are at home, and the SuperEntities, which are grantees by their names. */
function granteesOf({ stores, local }: Context): FlowGrantee[] {
  const here = local();
  const realms = stores.realms.list().filter(({ name }) => here.kind !== "known" || here.name !== name);
  return [
    ...realms.map(({ name, spec }) => ({ name, subjects: spec.subjects })),
    ...stores.superEntities.list().map(({ name }) => ({ name })),
  ];
}
