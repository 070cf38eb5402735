/** Enforcement of each grant in the observed guest namespace, for the grants' status. */
import { countText } from "../plain_text.ts";
import type { ResolvedDestination } from "../../api/mod.ts";
import { type Effect, effectsOf, writtenBy } from "../effects.ts";
import type { GrantFacts } from "../facts.ts";
import { type Fault, Faults, faultText } from "../faults.ts";
import {
  type AppliedState,
  destinationReason,
  type Failure,
  type GrantEnforcement,
  listed,
} from "../grant/enforcement.ts";
import { validityOf } from "../grant/validity.ts";
import { guestNamespace } from "../names.ts";
import { allot, type Claim, countsStandardObjects, overused, quotaKey, shown } from "../resources/quota_lists.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import type { Entitlement } from "./entitlement.ts";
import { sameQuantities } from "../resources/same_quantities.ts";
import { ownershipOf } from "./namespace/ownership.ts";
import { destinationsOf, grantPolicyName } from "./objects/grant_policy.ts";
import { isInForce, isOptional, uncounted } from "./objects/quota.ts";
import type { GuestPlan } from "./plan_guest.ts";

import type { GuestWorld } from "./guest_world.ts";
import { realmPeersOf } from "../network/realm_peers.ts";

const applied = (message: string): AppliedState => ({ status: "True", reason: "Applied", message });
const lacking = (reason: string, message: string): AppliedState => ({ status: "False", reason, message });

/**
 * Returns the enforcement of each grant, by its name.
 *
 * @param plan result of `planGuest` for the same world: objects that it still writes aren't applied yet
 * @param failures failed writes of the plan
 * @param faults collects failures here. A grant with one may be enforced in part, and its recorded terms stay
 */
export function enforcementsOf(
  world: GuestWorld,
  plan: GuestPlan,
  failures: readonly Failure[] = [],
  faults = new Faults(),
): Map<string, GrantEnforcement> {
  const entitlements = new Map(plan.sums.entitlements.map((entitlement) => [entitlement.grant.name, entitlement]));
  const nothing: ReturnType<typeof allot> = new Map();
  const usage = faults.attempt(
    "the usage",
    () => allot([...entitlements.values()].map(claimOf), world.quota?.used ?? {}),
    nothing,
  );
  const verdict = (part: string, of: () => AppliedState): AppliedState => faults.attempt(part, of, unplanned);
  const conflict = faults.attempt("the namespace's owner", () => conflictOf(world), unplanned);
  const refusal = failures.find(({ reason }) => reason === "WriteRefused")?.message;
  const all: Shared = {
    conflict,
    refusal,
    failures: [...plan.faults.filter(({ isShown }) => !isShown).map(failureOf), ...failures],
    quota: conflict ?? refused(verdict("the state of the quota", () => quotaApplied(world, plan)), refusal),
    access: conflict ?? refused(verdict("the state of access", () => accessApplied(world)), refusal),
    overcommitted: verdict("the usage", () => overcommittedOf(world, plan)),
    pending: new Set(effectsOf(plan).flatMap(pendingName)),
  };
  return new Map(world.grants.map((grant): [string, GrantEnforcement] => {
    const about = { part: `the status of grant ${grant.name}`, grant: grant.name };
    const holding = entitlements.get(grant.name);
    const enforcement = faults.attempt(
      about,
      () =>
        holding
          ? heldEnforcement(world, plan, holding, all, usage.get(grant.name) ?? new Map())
          : endedEnforcement(grant, plan, all, isClosed(world, plan, grant.name)),
      undefined,
    );
    return [grant.name, enforcement ?? unplannedEnforcement(grant, plan, all, holding)];
  }));
}

const unplanned = lacking("PlanFailed", "Planning it failed; the operator's log names the error.");

/** Returns the enforcement of a grant that can't be planned. Reductions keep their dates, so that they end nevertheless. */
const unplannedEnforcement = (
  { name, uid, generation, status }: GrantFacts,
  { draining }: GuestPlan,
  { failures }: Shared,
  entitlement: Entitlement | undefined,
): GrantEnforcement => ({
  uid,
  generation,
  enforced: true,
  draining,
  failure: { reason: "PlanFailed", message: unplanned.message },
  ...failureIn(failures, name),
  quota: unplanned,
  network: unplanned,
  access: unplanned,
  overcommitted: unplanned,
  usage: status.actualUsage ?? {},
  except: status.except ?? [],
  ...(entitlement && !entitlement.asShown
    ? {
      hard: shown(entitlement.terms),
      destinations: (status.resolvedDestinations ?? [])
        .filter(({ destination }) => entitlement.destinations.includes(destination)),
      reductions: entitlement.reductions,
    }
    : { asShown: true, hard: status.hard ?? {}, destinations: status.resolvedDestinations ?? [], reductions: [] }),
});

const failureOf = ({ grant, ...fault }: Fault): Failure => ({
  ...(grant === undefined ? {} : { grant }),
  reason: "PlanFailed",
  message: faultText(fault),
});

const pendingName = (effect: Effect): string[] => {
  if ("delete" in effect) return effect.delete.kind === "NetworkPolicy" ? [effect.delete.name] : [];
  const name = writtenBy(effect)?.metadata?.name;
  return name === undefined ? [] : [name];
};

/** State that all grants of the namespace share. */
interface Shared {
  conflict: AppliedState | undefined;
  refusal: string | undefined;
  failures: readonly Failure[];
  quota: AppliedState;
  access: AppliedState;
  overcommitted: AppliedState;
  /** Names of objects that still have to be written, and of policies that still have to be deleted. */
  pending: ReadonlySet<string>;
}

/** Replaces Applying by the refusal, if the API server refuses a write. */
const refused = (verdict: AppliedState, refusal: string | undefined): AppliedState =>
  refusal !== undefined && verdict.reason === "Applying" ? lacking("WriteRefused", refusal) : verdict;

function claimOf({ grant, held, notice, endsAt }: Entitlement): Claim {
  const end = notice?.endsAt ?? endsAt ?? validityOf(grant).until;
  return { name: grant.name, hard: held, ...(end === undefined ? {} : { endsAt: end }) };
}

function conflictOf(world: GuestWorld): AppliedState | undefined {
  const ownership = ownershipOf(world);
  return "message" in ownership ? lacking("NamespaceConflict", ownership.message) : undefined;
}

/**
 * Reports whether the grant is no longer enforced: its amounts are out of the quota's status, which admission reads,
 * and its destinations are closed. For the last grant, also access and all other policies that open something are
 * removed. Other pending writes in the namespace don't matter.
 */
function isClosed(world: GuestWorld, { hard, sums }: GuestPlan, grant: string): boolean {
  const { namespace, quota, policies, binding } = world;
  // The cache may have objects of a namespace before the namespace itself.
  if (namespace === undefined) return quota === undefined && policies.length === 0 && !binding;
  // In a namespace that is left alone there is no quota of ours; in one in deletion none is needed.
  const counts = hard === undefined || namespace.deleting ||
    quota !== undefined && sameQuantities(quota.specHard, shown(hard)) &&
      sameQuantities(quota.statusHard, shown(hard));
  const last = sums.entitlements.length === 0;
  const open = policies.filter(({ name }) => last ? name !== "default-deny" : name === grantPolicyName(grant));
  return counts && open.length === 0 && !(last && binding);
}

/** Returns the failure to show for a grant: its own before one of the namespace. */
const failureIn = (failures: readonly Failure[], name: string): { failure?: Failure } => {
  const failure = failures.find(({ grant }) => grant === name) ?? failures.find(({ grant }) => grant === undefined);
  return failure ? { failure } : {};
};

function endedEnforcement(
  { name, uid, generation }: GrantFacts,
  { draining, looking, obstacle, hard }: GuestPlan,
  { overcommitted, failures, conflict }: Shared,
  closed: boolean,
): GrantEnforcement {
  const not = lacking("NotInForce", "The grant is not in force.");
  return {
    uid,
    generation,
    enforced: !closed,
    draining,
    ...(looking ? { looking } : {}),
    ...(obstacle ? { obstacle } : {}),
    ...failureIn(failures, name),
    // The namespace is not Keystone's any more; only its new owner can remove the remaining objects.
    ...(!closed && hard === undefined && conflict
      ? { failure: { reason: "NamespaceConflict", message: conflict.message } }
      : {}),
    quota: not,
    network: not,
    access: not,
    overcommitted,
    hard: {},
    usage: {},
    destinations: [],
    except: [],
    reductions: [],
  };
}

function heldEnforcement(
  world: GuestWorld,
  plan: GuestPlan,
  holding: Entitlement,
  { conflict, refusal, failures, quota, access, overcommitted, pending }: Shared,
  usage: ResourceList,
): GrantEnforcement {
  const destinations = destinationsOf(world, holding).resolved;
  const { grant, notice, reductions } = holding;
  return {
    uid: grant.uid,
    generation: grant.generation,
    enforced: true,
    ...(holding.asShown ? { asShown: true } : {}),
    draining: plan.draining,
    ...(notice?.skewed ? { skewed: true } : {}),
    ...(plan.looking ? { looking: true } : {}),
    ...(plan.obstacle ? { obstacle: plan.obstacle } : {}),
    ...failureIn(failures, grant.name),
    quota: namingUncounted(world, holding, quota),
    network: conflict ?? refused(networkApplied(world, grant, destinations, pending), refusal),
    access,
    overcommitted,
    ...hintOf(plan),
    hard: shown(holding.terms),
    usage: usageOf(grant, usage),
    destinations,
    except: grant.spec.networkPolicy?.except ?? [],
    reductions,
  };
}

/** Every container gets some cpu and memory by default (limits.ts), so without cpu, memory or pods no pod can start. */
function hintOf({ sums: { granted } }: GuestPlan): { hint?: string } {
  const without = ["cpu", "memory", "pods"].filter((name) => {
    const [most, limit] = name === "pods" ? ["pods", "pods"] : [`requests.${name}`, `limits.${name}`];
    return [most, limit].some((key) => (granted.get(key!)?.sign() ?? 0) === 0);
  });
  return without.length === 0
    ? {}
    : { hint: `No pod can start in the namespace: no grant includes ${without.join(" or ")}.` };
}

const usageOf = (grant: GrantFacts, enforcement: ResourceList): Record<string, string> =>
  Object.fromEntries(
    Object.keys(grant.spec.hard).sort().flatMap((key) => {
      const used = enforcement.get(quotaKey(key));
      return used ? [[key, used.toString()]] : [];
    }),
  );

/**
 * Reports the state of the quota. Admission enforces the quota's *status*, so the quota is applied only when its status
 * has the values and a count for each key (pkg/quota/v1/resource_quota_controller).
 */
function quotaApplied(world: GuestWorld, { hard }: GuestPlan): AppliedState {
  const { quota, grantee } = world;
  const name = `ResourceQuota ${guestNamespace(grantee)}/keystone`;
  if (!quota || !hard || !sameQuantities(quota.specHard, shown(hard))) return lacking("Applying", `Writing ${name}.`);
  if (!sameQuantities(quota.statusHard, shown(hard))) {
    return lacking("QuotaPending", `${name} is written; the controller manager has not applied it yet.`);
  }
  if (!isInForce(quota, hard)) {
    const missing = uncounted(quota, hard).filter((key) => !isOptional(key));
    return lacking("QuotaPending", `${name} has no usage yet for ${missing.join(", ")}.`);
  }
  return applied(`${name} is in force.`);
}

/** Adds the grant's keys that the cluster can't count, because it lacks the kind; they don't delay anything. */
function namingUncounted({ quota }: GuestWorld, { grant }: Entitlement, verdict: AppliedState): AppliedState {
  if (verdict.status !== "True" || !quota) return verdict;
  const never = Object.keys(grant.spec.hard).filter((key) => quota.used[quotaKey(key)] === undefined);
  if (never.length === 0) return verdict;
  return { ...verdict, message: `${verdict.message} This cluster has no resources to count for ${never.join(", ")}.` };
}

function accessApplied({ grantee, realm, binding }: GuestWorld): AppliedState {
  if (!realm || realm.deleting) {
    return lacking("GranteeUnknown", `There is no Realm ${grantee}; nobody has access until it exists.`);
  }
  return binding
    ? applied(`The realm's subjects have access to ${guestNamespace(grantee)}.`)
    : lacking("Applying", `Access to ${guestNamespace(grantee)} waits for its quota and NetworkPolicies.`);
}

function networkApplied(
  world: GuestWorld,
  grant: GrantFacts,
  destinations: readonly ResolvedDestination[],
  pending: ReadonlySet<string>,
): AppliedState {
  const needed = ["default-deny", "guest-internal", "dns", "realm", grantPolicyName(grant.name)];
  if (needed.some((name) => pending.has(name))) {
    return lacking("Applying", `Writing the NetworkPolicies of ${guestNamespace(world.grantee)}.`);
  }
  const { ranges, proxies, closed } = realmPeersOf(world.grantee, world.realm, world);
  const unresolved = destinations.flatMap(({ error }) => error ?? []);
  if (closed?.wrong) {
    return lacking(closed.reason, listed([`${closedText(world.grantee)} ${closed.message}`, ...unresolved]));
  }
  if (unresolved.length > 0) return lacking(unresolvedReason(world, unresolved), listed(unresolved));
  const open = [
    ...(ranges.length + proxies.length > 0 ? [`the node of ${world.grantee}`] : []),
    ...(destinations.length > 0 ? [countText(destinations.length, "allowed destination")] : []),
  ];
  const peers = closed ? ` ${closedText(world.grantee)} ${closed.message}` : "";
  const { egressAllowed = false, allowedDestinations = [] } = grant.spec.networkPolicy ?? {};
  const unused = !egressAllowed && allowedDestinations.length > 0
    ? " spec.networkPolicy.egressAllowed is false, so allowedDestinations open nothing."
    : "";
  const ways = ["between the guests' own pods", ...open.map((what) => `to ${what}`)];
  return applied(
    `Egress is denied except ${[ways.slice(0, -1).join(", "), ways.at(-1)].filter(Boolean).join(" and ")}.` +
      `${unused}${peers}${others(world)}`,
  );
}

const closedText = (grantee: string): string => `Traffic to and from the node of ${grantee} is denied:`;

/** NetworkPolicies are additive, so one from somebody else can open destinations beyond the grants. */
function others({ otherPolicies }: GuestWorld): string {
  if (otherPolicies.length === 0) return "";
  return ` NetworkPolicies not made by Keystone may open more: ${otherPolicies.slice(0, 8).join(", ")}${
    otherPolicies.length > 8 ? ", …" : ""
  }.`;
}

function unresolvedReason({ cluster }: GuestWorld, unresolved: readonly string[]): string {
  if (cluster.rangesUnknown !== undefined) return "ClusterRangesUnknown";
  const reasons = new Set(unresolved.map(destinationReason));
  return reasons.size === 1 ? [...reasons][0]! : "DestinationUnresolved";
}

/** Reports usage beyond the grants, as after a reduction. Stored data is never deleted because of it. */
function overcommittedOf({ quota, grantee }: GuestWorld, { sums, hard }: GuestPlan): AppliedState {
  if (!quota || !hard) return lacking("WithinGrants", "No resources are used.");
  const granted = sums.entitlements.length > 0
    ? new Map([...hard].map(([key, most]) => {
      const sum = sums.granted.get(key);
      return [key, sum ?? most];
    }))
    : hard;
  const keys = overused(granted, quota.used).filter((key) => !countsStandardObjects(key));
  if (keys.length === 0) return lacking("WithinGrants", "Usage is within the grants.");
  const storage = keys.every((key) =>
    key.includes("storage") && !key.includes("ephemeral") || key === "persistentvolumeclaims"
  );
  const list = keys.map((key) => `${quota.used[key]} of ${granted.get(key)} ${key}`).join(", ");
  return {
    status: "True",
    reason: storage ? "StorageOverGrant" : "UseOverGrant",
    message: `${guestNamespace(grantee)} uses ${list}; nothing new is admitted until usage falls below that${
      storage ? ", and stored data is not deleted" : ""
    }.`,
  };
}
