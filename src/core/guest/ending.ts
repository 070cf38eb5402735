/** The end of what runs and is stored in a guest namespace, once it has been taken away. */
import type { Effect } from "../effects.ts";
import type { Faults } from "../faults.ts";
import type { Obstacle } from "../grant/enforcement.ts";
import { wakeIn } from "../instants.ts";
import type { Drain } from "./eviction.ts";
import { claimsIn, deletesVolumes, emptySince, guestEndedAt, keptBecause } from "./namespace/retention.ts";
import { isInForce } from "./objects/quota.ts";
import { type ExposedPlan, planExposed } from "./services.ts";
import type { Situation } from "./situation.ts";

export interface Ending {
  /** In their order: of Services that let the world in, of pods, and of what is stored. */
  stages: readonly (readonly Effect[])[];
  /** Pods have to go, or it isn't known yet that none has. */
  draining: boolean;
  /** That isn't known yet, but is about to be. */
  looking?: true;
  /** The pods of the namespace have to be observed. */
  needsPods: boolean;
  /** The Services of the namespace have to be listed. */
  needsServices: boolean;
  /** Volume claims and snapshots have to be listed. */
  needsStored: boolean;
  /** The namespace is known to be empty, which is to be written down. */
  isEmpty?: true;
  /** Obstacle to the end of the drain. */
  obstacle?: Obstacle;
  wakeAt?: number;
}

const none: Ending = { stages: [], draining: false, needsPods: false, needsServices: false, needsStored: false };

/**
 * Plans each part by itself: where one can't be planned it isn't known that nothing is left.
 *
 * @param drain the end of pods
 */
export function endingOf(guest: Situation, drain: Drain, faults: Faults): Ending {
  if (guest.isLeftAlone) return none;
  const unseen: ExposedPlan = { effects: [], isOver: true, needsServices: false };
  const exposed = faults.attempt("the way in from the world", () => planWorld(guest), unseen);
  const draining = drain.draining || exposed.isOver;
  const stays: After = { effects: [], needsStored: false };
  const after = isOver(guest, draining)
    ? faults.attempt("the end of the namespace", () => planAfter(guest), stays)
    : stays;
  const obstacle = drain.obstacle ??
    (exposed.obstacle === undefined ? undefined : { reason: "ServicesUnknown" as const, message: exposed.obstacle });
  return {
    stages: [exposed.effects, drain.effects, after.effects],
    draining,
    ...(drain.looking ? { looking: true } : {}),
    needsPods: drain.needsPods,
    needsServices: exposed.needsServices,
    needsStored: after.needsStored,
    ...(after.isEmpty ? { isEmpty: true } : {}),
    ...(obstacle ? { obstacle } : {}),
    ...wakeIn(drain.wakeAt, after.wakeAt),
  };
}

/** Closes Services that let the world in once nothing is granted for them; at once, because there is nothing to finish. */
function planWorld({ quota, services, servicesError, sums, hard, active }: Situation): ExposedPlan {
  const isDue = active ? sums.drainUntil !== undefined : !sums.unsure;
  return isDue
    ? planExposed(quota, services, servicesError, active ? hard : undefined)
    : { effects: [], isOver: false, needsServices: false };
}

/** Tells whether nothing is granted, nobody is let in and no pod is left, so that it is time for what comes after. */
const isOver = ({ binding, active, leaving, sums }: Situation, draining: boolean): boolean =>
  !active && !leaving && !sums.unsure && !sums.waiting && !binding && !draining;

interface After {
  effects: Effect[];
  needsStored: boolean;
  isEmpty?: true;
  wakeAt?: number;
}

/**
 * Ends a namespace in which nothing is granted and nothing runs. It goes when it was known to be empty
 * for long enough, and is empty still: what is stored is listed for both, since the quota's count lags behind a restore.
 */
function planAfter(guest: Situation): After {
  const { namespace, quota, hard, stored, storedError, settings, now, skewMs } = guest;
  const none: After = { effects: [], needsStored: false };
  // A quota in force is what keeps others from storing anything between a look and what follows from it.
  if (skewMs !== 0 || !namespace || !isInForce(quota, hard) || guestEndedAt(namespace) === undefined) return none;
  if (claimsIn(quota, stored) > 0) {
    return deletesVolumes(namespace)
      ? { ...none, effects: [{ deleteAll: { kind: "PersistentVolumeClaim", namespace: namespace.name } }] }
      : none;
  }
  if (keptBecause(namespace, 0) !== undefined) return none;
  const since = emptySince(namespace);
  const goesAt = since === undefined ? now : since + settings.namespaceRetentionSeconds * 1000;
  if (now < goesAt) return { ...none, wakeAt: goesAt };
  if (!stored) return { ...none, needsStored: storedError === undefined };
  if (stored.snapshots > 0) return none;
  if (since !== undefined) {
    return { ...none, effects: [{ delete: { kind: "Namespace", name: namespace.name, uid: namespace.uid } }] };
  }
  return { ...none, isEmpty: true };
}
