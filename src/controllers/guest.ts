/** The guest controller, keyed by grantee: folds all grants to it into the objects of its namespace. */
import type { Next } from "../../lib/controller/mod.ts";
import { isApiError } from "../../lib/kubernetes/mod.ts";
import { type Effect, effectText, endsPod } from "../core/effects.ts";
import type { GuestWorld } from "../core/guest/world.ts";
import { type Fault, Faults, faultText } from "../core/faults.ts";
import { type GuestPlan, planGuest } from "../core/guest/plan.ts";
import { sharesOf } from "../core/guest/share.ts";
import type { Failure } from "../core/grant/share.ts";
import { aboutGrant, isFoundation } from "../core/guest/writes.ts";
import { guestNamespace } from "../core/names.ts";
import { type Context, nextOf } from "./context.ts";
import { lookFor } from "./looks.ts";
import { withRemedy } from "./remedy.ts";
import { poolingOf, readParties, realmNamed } from "./pools.ts";
import { singlesIn } from "./stores.ts";

export async function reconcileGuest(context: Context, grantee: string, signal: AbortSignal): Promise<Next> {
  const first = planned(context, grantee);
  const { world: seen, plan } = asks(first.plan) ? await lookedUp(context, first, signal) : first;
  // What only tells others must not keep anything from being closed, whatever it comes to.
  const faults = new Faults();
  context.pods.want(guestNamespace(grantee), plan.needsPods);
  const mayOpen = faults.attempt("what is about to be enforced", () => announce(context, seen, plan), false);
  // Without a moment in between when there is nothing to write: what wakes it in that moment would not have been looked at.
  const { failed, isPutOff } = plan.stages.length === 0 ? nothingToDo : await carryOut(context, plan, mayOpen, signal);
  if (isPutOff) {
    context.queues.guests.add(grantee);
    return {};
  }
  // Also after a failure: what stands and what doesn't is shown as it is.
  const then = plan.stages.length === 0 ? { world: seen, plan } : planned(context, grantee);
  const { world, plan: after } = plan.stages.length > 0 && asks(then.plan)
    ? await lookedUp(context, then, signal)
    : then;
  context.pods.want(guestNamespace(grantee), after.needsPods);
  faults.attempt(
    "the status of its grants",
    () => report(context, world, after, failed.map(failureOf), faults),
    undefined,
  );
  const error = failed[0]?.error ?? errorOf([...after.faults, ...faults.all]) ?? unlisted(world);
  if (error !== undefined) {
    // A failure must not cost an instant.
    if (after.wakeAt !== undefined) context.queues.guests.addAt(grantee, after.wakeAt, { urgent: true });
    throw error;
  }
  if (after.stages.length === 0) context.queues.guests.looked(grantee);
  // An end that is due goes before all that only opens or repairs.
  return { ...nextOf(context, after.wakeAt), urgent: true };
}

interface Planned {
  world: GuestWorld;
  plan: GuestPlan;
}

function planned(context: Context, grantee: string): Planned {
  const world = observeGuest(context, grantee);
  return { world, plan: planGuest(world) };
}

/** Whether the plan asks for what isn't watched. */
const asks = ({ needsServices, needsStored }: GuestPlan): boolean => needsServices || needsStored;

/** Lists what the plan asks for, and plans again. */
async function lookedUp(context: Context, { world, plan }: Planned, signal: AbortSignal): Promise<Planned> {
  const { grantee } = world;
  const look = await lookFor(plan, context.rest, guestNamespace(grantee), signal);
  const seen = { ...observeGuest(context, grantee), ...look };
  return { world: seen, plan: planGuest(seen) };
}

/** An error of the key, where something could not be listed, so that it is logged and tried again. */
function unlisted({ grantee, servicesError, storedError }: GuestWorld): Error | undefined {
  const error = servicesError ?? storedError;
  return error === undefined ? undefined : new Error(`Listing what is in ${guestNamespace(grantee)} failed: ${error}`);
}

/** What is being enforced must not be taken for closed by what was seen before. */
function announce({ shares, pools }: Context, seen: GuestWorld, plan: GuestPlan): boolean {
  shares.announce(seen.grantee, plan.holdings.holdings.map(({ grant }) => grant.name));
  pools.announce(seen, plan);
  return true;
}

/** Hands what stands to the grants' own status, and what is free to the pools. */
function report(
  context: Context,
  world: GuestWorld,
  plan: GuestPlan,
  failures: readonly Failure[],
  faults: Faults,
): void {
  const { shares, pools, queues } = context;
  const seen = sharesOf(world, plan, failures, faults);
  for (const grant of shares.set(world.grantee, seen, world.now)) queues.grants.add(grant);
  pools.settle(world, plan);
  wakePools(context, world.grantee);
}

/** Of what can't be planned, an error of the key, so that it is logged, counted and tried again. */
function errorOf([fault]: readonly Fault[]): Error | undefined {
  return fault && new Error(faultText(fault), { cause: fault.error });
}

interface Outcome {
  /** The writes that failed. */
  failed: FailedWrite[];
  /** Ends of others are due: what only opens, tidies up or tells comes after all that closes. */
  isPutOff: boolean;
}

interface FailedWrite {
  effect: Effect;
  error: unknown;
}

const nothingToDo: Outcome = { failed: [], isPutOff: false };

/**
 * Makes the writes of a plan, stage by stage. One that fails holds up no other, but that nothing opens where the
 * namespace, its default deny or its quota could not be written.
 */
async function carryOut(context: Context, plan: GuestPlan, mayOpen: boolean, signal: AbortSignal): Promise<Outcome> {
  const { guests } = context.queues;
  const failed: FailedWrite[] = [];
  for (const { kind, effects } of plan.stages) {
    if (kind !== "close") {
      if (!mayOpen || failed.some(({ effect }) => isFoundation(effect))) break;
      if (guests.hasUrgent) return { failed, isPutOff: failed.length === 0 };
    }
    failed.push(...await failures(context, effects, signal));
  }
  const closes = plan.stages[0]?.kind === "close";
  return { failed, isPutOff: failed.length === 0 && closes && guests.hasUrgent };
}

/** Waits for all, so that no write is left under way; returns what failed. */
async function failures(context: Context, stage: readonly Effect[], signal: AbortSignal): Promise<FailedWrite[]> {
  const effects = context.skewMs() === 0 ? stage : stage.filter((effect) => !endsPod(effect));
  const results = await Promise.allSettled(effects.map((effect) => context.executor.execute(effect, signal)));
  return results.flatMap((result, index) =>
    result.status === "rejected" ? [{ effect: effects[index]!, error: result.reason }] : []
  );
}

/** What a look at one grantee needs. */
export interface GuestSources extends Pick<Context, "stores" | "settings" | "local" | "pools" | "skewMs"> {
  /** Absent: all that was decided is written. */
  unwritten?: Context["unwritten"];
  cluster: Pick<Context["cluster"], "facts">;
  names: Pick<Context["names"], "get">;
  pods: Pick<Context["pods"], "get" | "errorOf">;
  clock: Pick<Context["clock"], "now">;
}

/** Everything that the sources know about one grantee. */
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

/** The failure in sentences. What the API server refuses needs a person; all else may pass in a moment. */
function failureOf({ effect, error }: FailedWrite): Failure {
  const isRefused = [400, 403, 404, 413, 422].some((code) => isApiError(error, code));
  return {
    ...aboutGrant(effect),
    reason: isRefused ? "WriteRefused" : "WriteFailed",
    message: `${effectText(effect)} failed: ${withRemedy(error)}`,
  };
}

/** What is enforced may be less now, or known. */
export function wakePools({ stores, queues }: Pick<Context, "stores" | "queues">, grantee: string): void {
  if (stores.superEntities.size === 0) return;
  const parties = stores.grants.index("grantee", grantee).map(({ spec }) => spec.grantorRealm);
  for (const name of new Set([grantee, ...parties])) {
    if (stores.superEntities.get(name)) queues.superEntities.add(name);
  }
}
