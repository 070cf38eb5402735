/** The Realm controller: pins the node that answers to the name and shows whether it is there. */
import { isDeepStrictEqual } from "node:util";
import type { Next } from "../../lib/controller/mod.ts";
import { ResourceApi } from "../../lib/kubernetes/mod.ts";
import { realms } from "../api/client/keystone.io@v1alpha1.ts";
import { realmCapability, trustedNodeAnnotation } from "../api/mod.ts";
import type { RealmFacts } from "../core/facts.ts";
import { operatorName } from "../core/names.ts";
import { canonicalName, rivalsOf } from "../core/realm/identity.ts";
import { realmConflict } from "../core/superentity/conflict.ts";
import { planRealm } from "../core/realm/plan.ts";
import type { NodeFacts, TailnetFacts } from "../core/realm/world.ts";
import { type Peer, peerByID, type TailnetState } from "../tailnet/tailnet.ts";
import type { Context } from "./context.ts";
import { record } from "./record.ts";

export async function reconcileRealm(context: Context, name: string, signal: AbortSignal): Promise<Next> {
  const { stores, tailnet, pings, local, clock, lastSeenEveryMs, unwritten } = context;
  const written = stores.realms.get(name);
  if (!written) {
    pings.forget(name);
    context.missingSince.delete(name);
    unwritten.realms.forget(name);
  }
  if (!written || written.deleting) return {};
  const realm = unwritten.realms.decided(written);
  const known = local();
  const facts = tailnetFacts(tailnet.state, realm);
  const plan = planRealm({
    realm,
    conflict: realmConflict(realm, stores.superEntities.get(name), known),
    rivals: rivalsOf(stores.realms.index("identity", canonicalName(realm.spec.identity)), realm),
    tailnet: facts,
    missingSince: missingSince(context, name, facts),
    ping: pings.get(name),
    local: known.kind === "known" && known.name === name,
    lastSeenEveryMs,
    now: clock.now(),
  });
  if (plan.ping) pings.ask(name, plan.ping);
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
  if (!isDeepStrictEqual(plan.status, written.status)) {
    const options = { fieldManager: operatorName, force: true, signal };
    try {
      stores.realms.observe(await api.applyStatus({ ...head, metadata, status: plan.status }, options));
      if (unwritten.realms.forget(name)) wakeGuestsOf(context, name);
    } catch (error) {
      // Who isn't trusted any more loses what is open to them, whether that can be shown or not.
      unwritten.realms.keep(realm, plan.status);
      if (!isDeepStrictEqual(plan.status, realm.status)) wakeGuestsOf(context, name);
      throw error;
    }
    record(context, { ...head, name, uid: realm.uid }, plan.events);
  } else if (unwritten.realms.forget(name)) {
    // It was written after all, and only the answer was lost.
    wakeGuestsOf(context, name);
  }
  return plan.wakeAt === undefined ? {} : { wakeAt: plan.wakeAt };
}

/** Those whose policies are open to the realm's node. */
function wakeGuestsOf({ stores, queues }: Context, name: string): void {
  queues.guests.add(name);
  for (const { spec } of stores.grants.index("destination", name)) queues.guests.add(spec.granteeRealm);
  for (const entity of stores.superEntities.index("member", name)) queues.guests.add(entity.name);
}

const head = { apiVersion: "keystone.io/v1alpha1", kind: "Realm" } as const;

/** Remembers since when a realm's node is missing. */
function missingSince(context: Context, name: string, facts: TailnetFacts): number | undefined {
  if (facts.kind !== "running" || facts.nodes.length > 0) context.missingSince.delete(name);
  else if (!context.missingSince.has(name)) context.missingSince.set(name, context.clock.now());
  return context.missingSince.get(name);
}

function tailnetFacts(state: TailnetState, { spec, trustedNode }: RealmFacts): TailnetFacts {
  if (state.kind !== "running") return state;
  const nodes = (state.peers.get(canonicalName(spec.identity)) ?? []).map(nodeFacts);
  const isThere = trustedNode === undefined || nodes.some(({ stableID }) => stableID === trustedNode);
  const trustedElsewhere = isThere ? undefined : peerByID(state, trustedNode)?.dnsName;
  return {
    kind: "running",
    nodes,
    current: state.self.online,
    ...(trustedElsewhere === undefined ? {} : { trustedElsewhere }),
    ...(state.controlURL === undefined ? {} : { controlServer: state.controlURL }),
  };
}

/** Until it was asked what the policy grants a node, nothing is known of that. */
const nodeFacts = ({ capabilities, ...peer }: Peer): NodeFacts => ({
  ...peer,
  ...(capabilities ? { realmCapability: capabilities[realmCapability] ?? null } : {}),
});
