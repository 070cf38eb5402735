/** The guest loop, keyed by grantee: folds all grants to it into the objects of its namespace. */
import { isApiError } from "../../lib/kubernetes/mod.ts";
import { conditionOf } from "../core/conditions.ts";
import { effectText } from "../core/effects.ts";
import type { GrantFacts } from "../core/facts.ts";
import type { Failure } from "../core/grant/enforcement.ts";
import { singles } from "../core/guest/objects/table.ts";
import { type GuestPlan, planGuest } from "../core/guest/plan_guest.ts";
import { enforcementsOf } from "../core/guest/enforcements.ts";
import type { GuestWorld } from "../core/guest/guest_world.ts";
import { aboutGrant, isFoundation } from "../core/guest/writes.ts";
import { guestNamespace, realmOfNamespace } from "../core/names.ts";
import { sameJson } from "../core/same_json.ts";
import { type ApplyOutcome, type Confirmed, defineLoop, type FailedEffect } from "../engine/loop.ts";
import type { KeyRequest } from "../engine/triggers.ts";
import { concernsParties, concernsPolicies, entitiesWith } from "./concerns.ts";
import type { Context } from "./context.ts";
import { type GuestPoll, pollFor } from "./guest_poll.ts";
import { realmNamed } from "./grantees.ts";
import { poolingOf, readParties } from "./pools.ts";
import { withRemedy } from "./remedy.ts";
import { realmsOf, singlesIn } from "./stores.ts";
import { onStore } from "./sources.ts";

const granteesOf = (grants: readonly GrantFacts[]): string[] => grants.map(({ spec }) => spec.granteeRealm);
const allGrantees = ({ stores }: Context): string[] => granteesOf(stores.grants.list());
const everyGrantee = (_: unknown, context: Context): string[] => allGrantees(context);

/** Returns the grantee of an object in a guest namespace. */
const ofNamespaced = ({ key }: { key: string }): string[] => ofNamespace(key.slice(0, key.indexOf("/")));

function ofNamespace(namespace: string): string[] {
  const grantee = realmOfNamespace(namespace);
  return grantee === undefined ? [] : [grantee];
}

export const guestLoop = defineLoop({
  name: "guests",
  keyName: "grantee",
  concurrency: 16,
  keys: (context: Context) => [
    ...allGrantees(context),
    ...context.stores.namespaces.list().flatMap((namespace) => namespace ? ofNamespace(namespace.name) : []),
    ...context.stores.identities.list().flatMap(realmsOf),
  ],
  triggers: [
    onStore("grants", concernedBy),
    onStore("realms", (change, context) =>
      concernsPolicies(change)
        ? [
          ...opensTo(context, change.key),
          ...entitiesWith(context, change.key).flatMap((name) => guestsWith(context, name)),
        ]
        : []),
    onStore("superEntities", (change, context) => concernsParties(change) ? guestsWith(context, change.key) : []),
    onStore("namespaces", ({ key }) => ofNamespace(key)),
    onStore("policies", ofNamespaced),
    ...singles.flatMap(([, { cache }]) => cache === "quotas" ? [] : [onStore(cache, ofNamespaced)]),
    // A grant that starts has been waiting only for this quota status, so it goes first.
    onStore("quotas", (change) => {
      const begun = !sameJson(change.old?.statusHard, change.new?.statusHard);
      return ofNamespaced(change).map((key) => ({ key, begun }));
    }),
    onStore("identities", ({ old, new: now }) => realmsOf((now ?? old)!)),
    onStore("pods", ofNamespace),
    onStore("names", (name, { stores }) => granteesOf(stores.grants.index("dnsName", name))),
    onStore(
      "pools",
      ({ entity, uids }, { stores }) =>
        granteesOf(stores.grants.index("grantor", entity).filter(({ uid }) => uids.has(uid))),
    ),
    onStore("decidedGrants", ({ key }, { stores }) => granteesOf([stores.grants.get(key) ?? []].flat())),
    onStore("decidedRealms", ({ key }, context) => [
      ...opensTo(context, key),
      ...context.stores.superEntities.index("member", key).map(({ name }) => name),
    ]),
    onStore("cluster", everyGrantee),
    onStore("local", everyGrantee),
    onStore("writable", everyGrantee),
  ],
  observe: (context: Context, grantee) => observeGuest(context, grantee),
  plan: planGuest,
  find: lookUp,
  reserve: reserveGuest,
  confirm: confirmGuest,
  replans: true,
  isFoundation,
  endsAtInstants: true,
  waitsForClock: true,
});

/** Returns the realm and the grantees that may reach its node. */
const opensTo = ({ stores }: Context, realm: string): string[] => [
  realm,
  ...granteesOf(stores.grants.index("destination", realm)),
];

/** Returns the SuperEntity and the grantees of grants from it. */
const guestsWith = ({ stores }: Context, entity: string): string[] => [
  entity,
  ...granteesOf(stores.grants.index("grantor", entity)),
];

/** Delay that gathers the grant loop's writes on many grants into one reconcile. */
const gatherMs = 200;

function concernedBy({ old, new: now }: { old?: GrantFacts; new?: GrantFacts }, context: Context): KeyRequest[] {
  if (!concernsGuest(old, now)) return [];
  const grantees = [...new Set(granteesOf([old, now].filter((grant) => grant !== undefined)))];
  return moreComes(context, old, now) ? grantees.map((key) => ({ key, afterMs: gatherMs })) : grantees;
}

/** True if the guest namespace depends on the change. Of the status, only ends and announced dates matter. */
function concernsGuest(old: GrantFacts | undefined, now: GrantFacts | undefined): boolean {
  return !old || !now || old.uid !== now.uid || old.generation !== now.generation ||
    old.deletingSince !== now.deletingSince || old.finalized !== now.finalized ||
    !sameJson(terminationOf(old), terminationOf(now));
}

/** True for a write of the grant loop that no instant depends on and that others are likely to follow. */
function moreComes({ stores }: Context, old: GrantFacts | undefined, now: GrantFacts | undefined): boolean {
  if (!old || !now || old.uid !== now.uid || old.generation !== now.generation) return false;
  if (old.deletingSince !== now.deletingSince) return false;
  return old.finalized === now.finalized ||
    (now.finalized && stores.grants.index("grantee", now.spec.granteeRealm).some(({ finalized }) => !finalized));
}

const terminationOf = ({ status: { phase, hard, reductions, effectiveUntil, conditions } }: GrantFacts) => [
  phase,
  hard,
  reductions,
  effectiveUntil,
  conditionOf({ conditions }, "Draining")?.reason,
];

/** Lists objects that the plan asks for unless they have been listed (or listing them failed). */
function lookUp(
  { rest }: Context,
  world: GuestWorld,
  plan: GuestPlan,
  signal: AbortSignal,
): Promise<GuestPoll> | undefined {
  const needsServices = plan.needsServices && world.services === undefined && world.servicesError === undefined;
  const needsStored = plan.needsStored && world.stored === undefined && world.storedError === undefined;
  return needsServices || needsStored
    ? pollFor({ needsServices, needsStored }, rest, guestNamespace(world.grantee), signal)
    : undefined;
}

/**
 * Records the state that is about to be enforced, so that nobody takes it for closed because of an older observation.
 */
function reserveGuest({ pods, enforcements, pools }: Context, world: GuestWorld, plan: GuestPlan): void {
  if (plan.needsPods) pods.want(guestNamespace(world.grantee), true);
  enforcements.reserve(world.grantee, plan.sums.entitlements.map(({ grant }) => grant.name));
  pools.reserve(world, plan);
}

/** Passes the observed enforcement to the grants' status and freed capacity to the pools. */
function confirmGuest(
  { pods, enforcements, pools }: Context,
  { world, plan, failed, faults }: ApplyOutcome<GuestWorld, GuestPlan>,
): Confirmed {
  // A plan that failed comes again; with a watch that was stopped it would have to list the pods again.
  if (plan.needsPods || failed.length === 0) pods.want(guestNamespace(world.grantee), plan.needsPods);
  enforcements.set(world.grantee, enforcementsOf(world, plan, failed.map(failureOf), faults), world.now);
  pools.confirm(world, plan);
  const { servicesError, storedError } = world;
  const why = servicesError ?? storedError;
  // Returned as an error of the key, so that it is logged and retried.
  return why === undefined
    ? {}
    : { error: new Error(`Listing the objects of ${guestNamespace(world.grantee)} failed: ${why}`) };
}

/** Sources of the world of one grantee. */
export interface GuestSources
  extends Pick<Context, "stores" | "settings" | "local" | "pools" | "skewMs" | "servesTailnet"> {
  /** Absent: every decided status is written. */
  unwritten?: Context["unwritten"];
  cluster: Pick<Context["cluster"], "facts">;
  names: Pick<Context["names"], "get">;
  pods: Pick<Context["pods"], "get" | "errorOf">;
  clock: Pick<Context["clock"], "now">;
}

/** Reads everything that the sources know about one grantee. */
export function observeGuest(context: GuestSources, grantee: string): GuestWorld {
  const { stores, cluster, settings, names, pods, clock } = context;
  const namespace = guestNamespace(grantee);
  const policies = stores.policies.index("namespace", namespace).filter((policy) => policy !== undefined);
  const { realm, local, unread } = readParties(context, grantee);
  const grants = stores.grants.index("grantee", grantee);
  return {
    grantee,
    realm,
    grants: grants.map((grant) => context.unwritten?.grants.decided(grant) ?? grant),
    local,
    pooling: poolingOf(context),
    settings,
    cluster: cluster.facts,
    realmNamed: (name) => realmNamed(context, name),
    addressesOfName: (name) => {
      const known = names.get(name);
      return known && (known.error === undefined ? known.addresses : { error: known.error });
    },
    namespace: stores.namespaces.get(namespace),
    ...singlesIn(stores, namespace),
    accounts: stores.identities.index("realm", grantee),
    ...(context.servesTailnet ? { servesTailnet: true } : {}),
    policies: policies.filter(({ ours }) => ours),
    otherPolicies: policies.filter(({ ours }) => !ours).map(({ name }) => name).sort(),
    pods: pods.get(namespace),
    ...podsError(pods.errorOf(namespace)),
    unread,
    skewMs: context.skewMs(),
    now: clock.now(),
  };
}

const podsError = (error: unknown): { podsError?: string } =>
  error === undefined ? {} : { podsError: withRemedy(error) };

/** Describes a failed effect. A write that the API server refuses needs a person; other failures may pass. */
function failureOf({ effect, error }: FailedEffect): Failure {
  const isRefused = [400, 403, 404, 413, 422].some((code) => isApiError(error, code));
  return {
    ...aboutGrant(effect),
    reason: isRefused ? "WriteRefused" : "WriteFailed",
    message: `${effectText(effect)} failed: ${withRemedy(error)}`,
  };
}
