/** The guest controller, keyed by grantee: folds all grants to it into the objects of its namespace. */
import type { Next } from "../../lib/controller/mod.ts";
import { isApiError } from "../../lib/kubernetes/mod.ts";
import type { IdentityFacts } from "../core/facts.ts";
import type { GuestWorld } from "../core/guest/plan.ts";
import { type GuestPlan, planGuest } from "../core/guest/plan.ts";
import { guideName, limitRangeName, quotaName } from "../core/guest/objects.ts";
import { sharesOf } from "../core/guest/share.ts";
import { guestNamespace, guestRole, realmIdentity, systemNamespace } from "../core/names.ts";
import { type Context, nextOf } from "./context.ts";
import { withRemedy } from "./remedy.ts";
import { granteeNamed, poolingOf, realmNamed } from "./pools.ts";
import { keyIn } from "./stores.ts";
import { perform } from "./write.ts";

export async function reconcileGuest(context: Context, grantee: string, signal: AbortSignal): Promise<Next> {
  const seen = observeGuest(context, grantee);
  const plan = planGuest(seen);
  context.pods.want(guestNamespace(grantee), plan.needsPods);
  // What is being enforced must not be taken for closed by what was seen before.
  context.shares.announce(grantee, plan.holdings.holdings.map(({ grant }) => grant.name));
  context.pools.announce(seen, plan);
  // Without a moment in between when there is nothing to write: what wakes it in that moment would not have been looked at.
  const { errors, isPutOff } = plan.stages.length === 0 ? nothingToDo : await carryOut(context, plan, signal);
  if (isPutOff) {
    context.queues.guests.add(grantee);
    return {};
  }
  // Also after a failure: what stands and what doesn't is shown as it is.
  const world = plan.stages.length === 0 ? seen : observeGuest(context, grantee);
  const after = plan.stages.length === 0 ? plan : planGuest(world);
  context.pods.want(guestNamespace(grantee), after.needsPods);
  for (const grant of context.shares.set(grantee, sharesOf(world, after, refusalIn(errors)), world.now)) {
    context.queues.grants.add(grant);
  }
  context.pools.settle(world, after);
  wakePools(context, grantee);
  if (errors.length > 0) {
    // A failure must not cost an instant.
    if (after.wakeAt !== undefined) context.queues.guests.addAt(grantee, after.wakeAt, { urgent: true });
    throw errors[0];
  }
  if (after.stages.length === 0) context.queues.guests.looked(grantee);
  // An end that is due goes before all that only opens or repairs.
  return { ...nextOf(context, after.wakeAt), urgent: true };
}

interface Outcome {
  /** What failed. */
  errors: unknown[];
  /** Ends of others are due: what only opens, tidies up or tells comes after all that closes. */
  isPutOff: boolean;
}

const nothingToDo: Outcome = { errors: [], isPutOff: false };

/** Makes the writes of a plan, stage by stage. */
async function carryOut(context: Context, plan: GuestPlan, signal: AbortSignal): Promise<Outcome> {
  const { guests } = context.queues;
  const errors: unknown[] = [];
  for (const [index, stage] of plan.stages.entries()) {
    if (index >= plan.closing) {
      // What closes is closed as far as it can be; nothing opens after a failure.
      if (errors.length > 0) break;
      if (guests.hasUrgent) return { errors, isPutOff: true };
    }
    errors.push(...await failures(stage.map((write) => perform(context, write, signal))));
  }
  return { errors, isPutOff: errors.length === 0 && plan.closing > 0 && guests.hasUrgent };
}

/** What a look at one grantee needs. */
export interface GuestSources extends Pick<Context, "stores" | "settings" | "local" | "pools" | "skewMs"> {
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
  return {
    grantee,
    realm: granteeNamed(context, grantee),
    grants: stores.grants.index("grantee", grantee),
    local: context.local(),
    pooling: poolingOf(context),
    settings,
    cluster: cluster.facts,
    realmNamed: (name) => realmNamed(context, name),
    addressesOfName: (name) => {
      const known = names.get(name);
      return known && (known.error === undefined ? known.addresses : { error: known.error });
    },
    namespace: stores.namespaces.get(namespace),
    quota: stores.quotas.get(keyIn(namespace, quotaName)),
    limitRange: stores.limitRanges.get(keyIn(namespace, limitRangeName)),
    serviceAccount: stores.serviceAccounts.get(keyIn(namespace, "default")),
    binding: stores.bindings.get(keyIn(namespace, guestRole)),
    guide: stores.guides.get(keyIn(namespace, guideName)),
    ...withIdentity(stores.identities.get(keyIn(systemNamespace, realmIdentity(grantee)))),
    policies: policies.filter(({ ours }) => ours),
    otherPolicies: policies.filter(({ ours }) => !ours).map(({ name }) => name).sort(),
    pods: pods.get(namespace),
    ...podsError(pods.errorOf(namespace)),
    skewMs: context.skewMs(),
    now: clock.now(),
  };
}

const podsError = (error: unknown): { podsError?: string } =>
  error === undefined ? {} : { podsError: withRemedy(error) };

/** What the API server refuses for a reason that a person has to see to, in a sentence. */
function refusalIn(errors: readonly unknown[]): string | undefined {
  const refusal = errors.find((error) => [400, 403, 404, 413, 422].some((code) => isApiError(error, code)));
  return refusal === undefined ? undefined : withRemedy(refusal);
}

const withIdentity = (identity: IdentityFacts | undefined) => identity ? { identity } : {};

/** What is enforced may be less now, or known. */
export function wakePools({ stores, queues }: Pick<Context, "stores" | "queues">, grantee: string): void {
  if (stores.superEntities.size === 0) return;
  const parties = stores.grants.index("grantee", grantee).map(({ spec }) => spec.grantorRealm);
  for (const name of new Set([grantee, ...parties])) {
    if (stores.superEntities.get(name)) queues.superEntities.add(name);
  }
}

/** Waits for all, so that no write is left under way; returns what failed. */
async function failures(writes: Promise<void>[]): Promise<unknown[]> {
  return (await Promise.allSettled(writes)).flatMap((result) => result.status === "rejected" ? [result.reason] : []);
}
