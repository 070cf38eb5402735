/** The end of pods that have no room any more. */
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
import { heldText, isHeld, isThere, remainingText, withoutTracking } from "./remaining.ts";
import type { Situation } from "./situation.ts";

/** Between two tries to evict a pod that a PodDisruptionBudget keeps. */
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

/** Plans the end of pods; where that can't be planned it isn't known that none is left. */
export function drainOf(guest: Situation, faults: Faults): Drain {
  if (guest.isLeftAlone) return noDrain;
  const unknown: Drain = { effects: [], draining: true, needsPods: false };
  return faults.attempt("the drain of pods", () => planDrain(guest), unknown);
}

/**
 * Ends pods once what is granted has been taken away: those above what remains, and where nothing remains all of them,
 * without counting. In a namespace that is being deleted they are deleted, since nothing can be made there, evictions
 * included; and all of them where the default deny is gone, which can't be made again either.
 */
function planDrain(guest: Situation): Drain {
  const { grantee, sums, hard, whole, freeze, active, leaving } = guest;
  const { namespace, policies, quota, pods, podsError, skewMs, now } = guest;
  const { drainUntil, lastDrainUntil, unsure } = sums;
  // Without an end nobody is evicted, whatever the use is: a quota that somebody lowered by hand ends no pods.
  // Nor while it isn't sure that nothing is granted.
  const all = (!active && !unsure) || (leaving && !isClosedByDefault(grantee, policies));
  if (drainUntil === undefined && !all) return unsure ? noDrain : planStrays(guest);
  // Pods that no known end has left behind, as after a restore, get the usual time.
  const deadline = drainUntil ?? deadlineWithoutEnd(namespace, now, lastDrainUntil);
  const counts = quota !== undefined && sameQuantities(quota.specHard, shown(hard)) &&
    sameQuantities(quota.statusHard, shown(hard));
  // Where admission doesn't count against what remains others would come in their place; but not for ever.
  if (!counts && !leaving && now < deadline) {
    return { ...noDrain, draining: drainUntil !== undefined, ...wakeIn(deadline) };
  }
  const used = quota?.used ?? {};
  // What is on notice goes on running, also a pod that came before it was counted.
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
      obstacle: { reason: "PodsUnknown", message: `Its pods can't be looked at: ${podsError}` },
    };
  }
  return endPods(pods, { all, atOnce: leaving && all, leaving, counts, deadline, now, hard: room, used });
}

/** Ends pods that use a device that nobody was ever given: no notice was promised for it, and nothing may put it off. */
function planStrays({ quota, pods, skewMs, now, hard, sums: { granted } }: Situation): Drain {
  // While the clocks disagree it isn't sure that no grant of it has begun.
  if (skewMs !== 0 || !quota || !sameQuantities(quota.statusHard, shown(hard))) return noDrain;
  const keys = neverGranted(hard, granted, quota.used);
  if (keys.length === 0) return noDrain;
  const effects = usersOf(keys, pods ?? []).map((pod): Effect => ({
    delete: { kind: "Pod", ...target(pod) },
    graceSeconds: Math.min(pod.graceSeconds, maxGraceSeconds),
  }));
  return { ...noDrain, effects, needsPods: true, ...(effects.length > 0 ? wakeIn(now + evictAgainMs) : {}) };
}

/** Tells whether it is known that no pod is left where none may be. The quota doesn't count those whose time is over. */
function isEmpty(quota: QuotaFacts | undefined, drainUntil: number | undefined, counts: boolean): boolean {
  if (!quota || !counts) return false;
  return quota.used["count/pods"] === "0" || (drainUntil === undefined && quota.used["pods"] === "0");
}

interface Leaving {
  all: boolean;
  /** The deadline isn't waited for. */
  atOnce: boolean;
  leaving: boolean;
  /** Admission counts against what remains. */
  counts: boolean;
  deadline: number;
  now: number;
  hard: ResourceList;
  used: Readonly<Record<string, string>>;
}

/** Time after the deadline at which a pod that doesn't go is named: by then its grace is over too. */
const overdueMs = 60_000;

function endPods(pods: readonly PodFacts[], ending: Leaving): Drain {
  const { all, atOnce, leaving, counts, deadline, now, hard, used } = ending;
  const left = all ? pods.filter(isThere) : pods;
  // Where admission doesn't count against what remains, others may come: they are looked out for.
  if (all && left.length === 0) return { ...noDrain, needsPods: !counts };
  const isPast = atOnce || now >= deadline;
  const chosen = all ? left.filter(({ terminating }) => !terminating) : victims(pods, hard);
  const effects = chosen.map((pod): Effect => {
    const graceSeconds = Math.min(pod.graceSeconds, maxGraceSeconds);
    const of = { kind: "Pod" as const, ...target(pod) };
    return isPast || leaving ? { delete: of, graceSeconds } : { evict: of, graceSeconds };
  });
  // When time is up, that is cut short too.
  const lingering = pods.filter(isLingering);
  if (isPast) {
    const graceSeconds = maxGraceSeconds;
    effects.push(...lingering.map((pod) => ({ delete: { kind: "Pod" as const, ...target(pod) }, graceSeconds })));
  }
  const held = (all ? left : left.map(withoutTracking)).filter(isHeld);
  const rest = all ? left.filter((pod) => !isHeld(pod)) : [];
  // One that only a finalizer keeps takes no room any more, but it is still there. Until then it is being ended like any
  // other, and nobody is told that it isn't there any more.
  const isHeldOnly = all ? rest.length === 0 : !podsInExcess(hard, used);
  const again = [
    ...(chosen.length > 0 ? [now + evictAgainMs] : []),
    ...(now < deadline ? [deadline] : rest.length > 0 && now < deadline + overdueMs ? [deadline + overdueMs] : []),
  ].filter(Number.isFinite);
  return {
    effects,
    draining: now < deadline || !isHeldOnly,
    needsPods: true,
    ...obstacleOf(held, rest, now - deadline),
    ...wakeIn(...again),
  };
}

function obstacleOf(held: readonly PodFacts[], rest: readonly PodFacts[], lateMs: number): { obstacle?: Obstacle } {
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
