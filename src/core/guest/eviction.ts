/** Eviction and deletion of pods that exceed the remaining grants. */
import type { Effect } from "../effects.ts";
import type { NamespaceFacts, PodFacts, QuotaFacts } from "../facts.ts";
import type { Faults } from "../faults.ts";
import type { Obstacle } from "../grant/enforcement.ts";
import { wakeIn } from "../instants.ts";
import { shown } from "../resources/quota_lists.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import { sameQuantities } from "../resources/same_quantities.ts";
import { isLingering, maxGraceSeconds, neverGranted, podsInExcess, usersOf, victims } from "./drain.ts";
import { guestEndedAt } from "./namespace/retention.ts";
import { isClosedByDefault } from "./objects/network_policies.ts";
import { budgetText, heldText, isHeld, isThere, remainingText, withoutTracking } from "./remaining.ts";
import type { Situation } from "./situation.ts";

/** Time between two attempts to evict a pod that a PodDisruptionBudget protects. */
const evictAgainMs = 2000;

export interface Drain {
  effects: Effect[];
  draining: boolean;
  looking?: true;
  needsPods: boolean;
  obstacle?: Obstacle;
  wakeAt?: number;
}

const noDrain: Drain = { effects: [], draining: false, needsPods: false };

/** Plans the end of pods. If planning fails, pods are assumed to be left. */
export function drainOf(guest: Situation, faults: Faults): Drain {
  if (guest.isLeftAlone) return noDrain;
  const unknown: Drain = { effects: [], draining: true, needsPods: false };
  return faults.attempt("the drain of pods", () => planDrain(guest), unknown);
}

/**
 * Ends pods after a reduction or end of grants: those that exceed the remaining grants, or all if no grant remains. In
 * a namespace in deletion they are deleted, because no objects can be created there, evictions included; all of them if
 * the default deny is gone, because it can't be created again either.
 */
function planDrain(guest: Situation): Drain {
  const { grantee, sums, hard, whole, freeze, active, leaving } = guest;
  const { namespace, policies, quota, pods, podsError, skewMs, now } = guest;
  const { drainUntil, lastDrainUntil, unsure } = sums;
  // Without an end no pod is evicted, whatever the usage: a quota lowered by hand ends no pods. Neither is any evicted
  // while it is uncertain that no grant is in force.
  const all = (!active && !unsure) || (leaving && !isClosedByDefault(grantee, policies));
  if (drainUntil === undefined && !all) return unsure ? noDrain : planStrays(guest);
  // Pods without a known end, as after a restore, get the default drain time.
  const deadline = drainUntil ?? deadlineWithoutEnd(namespace, now, lastDrainUntil);
  const counts = quota !== undefined && sameQuantities(quota.specHard, shown(hard)) &&
    sameQuantities(quota.statusHard, shown(hard));
  // Until admission enforces the remaining quota, new pods would replace evicted ones. Don't wait beyond the deadline.
  if (!counts && !leaving && now < deadline) {
    return { ...noDrain, draining: drainUntil !== undefined, ...wakeIn(deadline) };
  }
  const used = quota?.used ?? {};
  // During a notice pods keep running, including one created before the quota counted it.
  const room = freeze ? whole : hard;
  if (
    all ? isEmpty(quota, drainUntil, counts) : !podsInExcess(room, used) && !pods?.map(withoutTracking).some(isHeld)
  ) {
    return noDrain;
  }
  // A clock that jumped ahead would be past every deadline.
  if (skewMs !== 0) return { ...noDrain, draining: true };
  if (!pods) {
    return podsError === undefined ? { ...noDrain, draining: true, looking: true, needsPods: true } : {
      ...noDrain,
      draining: true,
      needsPods: true,
      obstacle: { reason: "PodsUnknown", message: `Its pods can't be listed: ${podsError}` },
    };
  }
  return endPods(pods, { all, atOnce: leaving && all, leaving, counts, deadline, now, hard: room, used });
}

/** Ends pods that use a device no grant ever included: there is no notice for it, and nothing may delay it. */
function planStrays({ quota, pods, skewMs, now, hard, sums: { granted } }: Situation): Drain {
  // While the clocks disagree, a grant that includes it may have started.
  if (skewMs !== 0 || !quota || !sameQuantities(quota.statusHard, shown(hard))) return noDrain;
  const keys = neverGranted(hard, granted, quota.used);
  if (keys.length === 0) return noDrain;
  const effects = usersOf(keys, pods ?? []).map((pod): Effect => ({
    delete: { kind: "Pod", ...target(pod) },
    graceSeconds: Math.min(pod.graceSeconds, maxGraceSeconds),
  }));
  return { ...noDrain, effects, needsPods: true, ...(effects.length > 0 ? wakeIn(now + evictAgainMs) : {}) };
}

/** Reports whether the quota's usage shows that no pod is left. Its key pods omits those past their grace period. */
function isEmpty(quota: QuotaFacts | undefined, drainUntil: number | undefined, counts: boolean): boolean {
  if (!quota || !counts) return false;
  return quota.used["count/pods"] === "0" || (drainUntil === undefined && quota.used["pods"] === "0");
}

interface Leaving {
  all: boolean;
  /** True if the deadline doesn't apply. */
  atOnce: boolean;
  leaving: boolean;
  /** True if admission enforces the remaining quota. */
  counts: boolean;
  deadline: number;
  now: number;
  hard: ResourceList;
  used: Readonly<Record<string, string>>;
}

/** Time after the deadline at which remaining pods are reported; their grace periods are over by then. */
const overdueMs = 60_000;

function endPods(pods: readonly PodFacts[], ending: Leaving): Drain {
  const { all, atOnce, leaving, counts, deadline, now, hard, used } = ending;
  const left = all ? pods.filter(isThere) : pods;
  // Until admission enforces the remaining quota, new pods may appear, so the watch goes on.
  if (all && left.length === 0) return { ...noDrain, needsPods: !counts };
  const isPast = atOnce || now >= deadline;
  const chosen = all ? left.filter(({ terminating }) => !terminating) : victims(pods, hard);
  const effects = chosen.map((pod): Effect => {
    const graceSeconds = Math.min(pod.graceSeconds, maxGraceSeconds);
    const of = { kind: "Pod" as const, ...target(pod) };
    return isPast || leaving ? { delete: of, graceSeconds } : { evict: of, graceSeconds };
  });
  // After the deadline, long grace periods are shortened.
  const lingering = pods.filter(isLingering);
  if (isPast) {
    const graceSeconds = maxGraceSeconds;
    effects.push(...lingering.map((pod) => ({ delete: { kind: "Pod" as const, ...target(pod) }, graceSeconds })));
  }
  const held = (all ? left : left.map(withoutTracking)).filter(isHeld);
  const rest = all ? left.filter((pod) => !isHeld(pod)) : [];
  // A pod kept only by a finalizer uses nothing any more, but it still exists, so it is reported after the deadline.
  // Until then it counts as draining like any other.
  const isHeldOnly = all ? rest.length === 0 : !podsInExcess(hard, used);
  const again = [
    ...(chosen.length > 0 ? [now + evictAgainMs] : []),
    ...(now < deadline ? [deadline] : rest.length > 0 && now < deadline + overdueMs ? [deadline + overdueMs] : []),
  ].filter(Number.isFinite);
  return {
    effects,
    draining: now < deadline || !isHeldOnly,
    needsPods: true,
    ...obstacleOf(
      held,
      rest,
      isPast || leaving ? [] : chosen.filter(({ budget }) => budget !== undefined),
      now - deadline,
    ),
    ...wakeIn(...again),
  };
}

/**
 * Returns the obstacle to report first.
 *
 * @param guarded pods that wait for a PodDisruptionBudget
 */
function obstacleOf(
  held: readonly PodFacts[],
  rest: readonly PodFacts[],
  guarded: readonly PodFacts[],
  lateMs: number,
): { obstacle?: Obstacle } {
  if (guarded.length > 0) return { obstacle: { reason: "HeldByBudgets", message: budgetText(guarded) } };
  if (lateMs >= 0 && held.length > 0) return { obstacle: { reason: "HeldByFinalizers", message: heldText(held) } };
  return lateMs >= overdueMs && rest.length > 0
    ? { obstacle: { reason: "PodsRemain", message: remainingText(rest) } }
    : {};
}

const target = ({ namespace, name, uid }: PodFacts) => ({ namespace, name, uid });

const usualDrainMs = 120_000;

function deadlineWithoutEnd(
  namespace: NamespaceFacts | undefined,
  now: number,
  lastDrainUntil: number | undefined,
): number {
  const ended = namespace && guestEndedAt(namespace);
  return ended === undefined ? lastDrainUntil ?? now : ended + usualDrainMs;
}
