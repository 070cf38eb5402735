/** End of exposed Services, pods and stored data in a guest namespace, after the grants have ended. */
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
  /** Effects on exposed Services, then on pods, then on stored data. */
  stages: readonly (readonly Effect[])[];
  /** True while pods have to go, or it isn't known that none has to. */
  draining: boolean;
  /** True while the pods are being listed, so `draining` isn't known yet. */
  looking?: true;
  /** True if the pods of the namespace have to be watched. */
  needsPods: boolean;
  /** True if the Services of the namespace have to be listed. */
  needsServices: boolean;
  /** True if volume claims and snapshots have to be listed. */
  needsStored: boolean;
  /** True if the namespace is known to be empty, which has to be recorded. */
  isEmpty?: true;
  /** Reason that the drain doesn't finish. */
  obstacle?: Obstacle;
  wakeAt?: number;
}

const none: Ending = { stages: [], draining: false, needsPods: false, needsServices: false, needsStored: false };

/**
 * Plans each part separately. If one can't be planned, the namespace isn't considered empty.
 *
 * @param drain plan for the pods
 */
export function endingOf(guest: Situation, drain: Drain, faults: Faults): Ending {
  if (guest.isLeftAlone) return none;
  const unseen: ExposedPlan = { effects: [], isOver: true, needsServices: false };
  const exposed = faults.attempt("exposed Services", () => planWorld(guest), unseen);
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

/** Makes Services internal that exceed the grants; at once, because nothing has to finish. */
function planWorld({ quota, services, servicesError, sums, hard, active }: Situation): ExposedPlan {
  const isDue = active ? sums.drainUntil !== undefined : !sums.unsure;
  return isDue
    ? planExposed(quota, services, servicesError, active ? hard : undefined)
    : { effects: [], isOver: false, needsServices: false };
}

/** Reports whether no grant, no access and no pod is left, so that the namespace's retention starts. */
const isOver = ({ binding, active, leaving, sums }: Situation, draining: boolean): boolean =>
  !active && !leaving && !sums.unsure && !sums.waiting && !binding && !draining;

interface After {
  effects: Effect[];
  needsStored: boolean;
  isEmpty?: true;
  wakeAt?: number;
}

/**
 * Plans the end of a namespace without grants and pods. It is deleted after it has been empty for the retention time
 * and is still empty. Stored data is listed for both checks, because the quota's usage lags behind a restore.
 */
function planAfter(guest: Situation): After {
  const { namespace, quota, hard, stored, storedError, settings, now, skewMs } = guest;
  const none: After = { effects: [], needsStored: false };
  // The closed quota prevents new data between the listing and the deletion.
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
