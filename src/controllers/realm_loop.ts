/** The realm loop: pins the realm's node and shows its connection and identity. */
import { realmCapability } from "../api/mod.ts";
import type { RealmFacts } from "../core/facts.ts";
import { canonicalName, rivalsOf } from "../core/realm/identity.ts";
import { planRealm, type RealmPlan } from "../core/realm/plan_realm.ts";
import type { NodeFacts, RealmWorld, TailnetFacts } from "../core/realm/realm_world.ts";
import { realmConflict } from "../core/superentity/conflict.ts";
import { type ApplyOutcome, defineLoop } from "../engine/loop.ts";
import { peerByID, type TailnetPeer, type TailnetState } from "../tailnet/tailnet.ts";
import { concernsParties } from "./concerns.ts";
import type { Context } from "./context.ts";
import { onStore } from "./sources.ts";

const allRealms = ({ stores }: Context): string[] => stores.realms.list().map(({ name }) => name);

export const realmLoop = defineLoop({
  name: "realms",
  keyName: "realm",
  concurrency: 4,
  keys: allRealms,
  triggers: [
    onStore("realms", ({ key, old, new: now }, { stores }) =>
      // Realms of the same identity are rivals.
      old?.deleting === now?.deleting && old?.spec.identity === now?.spec.identity
        ? [key]
        : [key, ...[old, now].flatMap((realm) => realm ? ofIdentity(stores, realm.spec.identity) : [])]),
    onStore(
      "superEntities",
      (change, { stores }) => concernsParties(change) && stores.realms.get(change.key) ? [change.key] : [],
    ),
    onStore(
      "tailnet",
      ({ names, all }, context) =>
        all ? allRealms(context) : [...names].flatMap((name) => ofIdentity(context.stores, name)),
    ),
    onStore("local", (_, context) => allRealms(context)),
    onStore("pinged", (wake) => [wake]),
  ],
  observe: observeRealm,
  plan: planRealm,
  forget: forgetRealm,
  confirm: confirmRealm,
});

const ofIdentity = (stores: Context["stores"], identity: string): string[] =>
  stores.realms.index("identity", canonicalName(identity)).map(({ name }) => name);

function observeRealm(context: Context, name: string): RealmWorld | undefined {
  const { stores, tailnet, pings, local, clock, lastSeenEveryMs, unwritten } = context;
  const written = stores.realms.get(name);
  if (!written || written.deleting) return undefined;
  const realm = unwritten.realms.decided(written);
  const known = local();
  const facts = tailnetFacts(tailnet.state, realm);
  return {
    realm,
    written: written.status,
    conflict: realmConflict(realm, stores.superEntities.get(name), known),
    rivals: rivalsOf(stores.realms.index("identity", canonicalName(realm.spec.identity)), realm),
    tailnet: facts,
    missingSince: missingSince(context, name, facts),
    ping: pings.get(name),
    local: known.kind === "known" && known.name === name,
    lastSeenEveryMs,
    now: clock.now(),
  };
}

function forgetRealm({ stores, pings, missingSince, unwritten }: Context, name: string): void {
  if (stores.realms.get(name)) return;
  pings.forget(name);
  missingSince.delete(name);
  unwritten.realms.forget(name);
}

/** Keeps a status that could not be written, so that a realm that is no longer trusted loses access anyway. */
function confirmRealm(
  { unwritten }: Context,
  { world: { realm }, plan, failed }: ApplyOutcome<RealmWorld, RealmPlan>,
): void {
  if (failed.length === 0) unwritten.realms.forget(realm.name);
  else if (failed.some(({ effect }) => "status" in effect)) unwritten.realms.keep(realm, plan.status);
}

/** Returns the instant at which the realm's node was first found missing, and remembers it. */
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

/** Until the tailnet has been asked for a node's capabilities they are unknown. */
const nodeFacts = ({ capabilities, ...peer }: TailnetPeer): NodeFacts => ({
  ...peer,
  ...(capabilities ? { realmCapability: capabilities[realmCapability] ?? null } : {}),
});
