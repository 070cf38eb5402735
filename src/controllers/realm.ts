/** The Realm controller: pins the node that answers to the name and shows whether it is there. */
import { isDeepStrictEqual } from "node:util";
import type { Next } from "../../lib/controller/mod.ts";
import { ResourceApi } from "../../lib/kubernetes/mod.ts";
import { realms } from "../../lib/kubernetes_apis/keystone.io@v1alpha1.ts";
import { trustedNodeAnnotation } from "../api/mod.ts";
import { operatorName } from "../core/names.ts";
import { canonicalName } from "../core/realm/identity.ts";
import { planRealm, type TailnetFacts } from "../core/realm/plan.ts";
import type { TailnetState } from "../tailnet/tailnet.ts";
import type { Context } from "./context.ts";
import { record } from "./record.ts";

export async function reconcileRealm(context: Context, name: string, signal: AbortSignal): Promise<Next> {
  const { stores, tailnet, local, clock, lastSeenEveryMs } = context;
  const realm = stores.realms.get(name);
  if (!realm || realm.deleting) return {};
  const known = local();
  const plan = planRealm({
    realm,
    tailnet: tailnetFacts(tailnet.state, realm.spec.identity),
    local: known.kind === "known" && known.name === name,
    lastSeenEveryMs,
    now: clock.now(),
  });
  const api = new ResourceApi(context.rest, realms);
  const metadata = { name, uid: realm.uid };
  // Pinned before its addresses are shown: what enters a policy is pinned.
  if (plan.pin !== undefined) {
    const annotations = { [trustedNodeAnnotation]: plan.pin };
    // Not forced, and of a manager of its own: a person who sets the annotation at the same moment wins, and keeps it.
    const written = await api.apply({ ...head, metadata: { ...metadata, annotations } }, {
      fieldManager: operatorName,
      signal,
    });
    stores.realms.observe(written);
  }
  if (!isDeepStrictEqual(plan.status, realm.status)) {
    const written = await api.applyStatus({ ...head, metadata, status: plan.status }, {
      fieldManager: operatorName,
      force: true,
      signal,
    });
    stores.realms.observe(written);
    record(context, { ...head, name, uid: realm.uid }, plan.events);
  }
  return plan.wakeAt === undefined ? {} : { wakeAt: plan.wakeAt };
}

const head = { apiVersion: "keystone.io/v1alpha1", kind: "Realm" } as const;

function tailnetFacts(state: TailnetState, identity: string): TailnetFacts {
  if (state.kind !== "running") return state;
  return {
    kind: "running",
    nodes: state.peers.get(canonicalName(identity)) ?? [],
    ...(state.controlURL === undefined ? {} : { controlServer: state.controlURL }),
  };
}
