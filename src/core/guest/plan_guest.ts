/** Plans the guest namespace of one grantee: the effects that lead to the desired objects, in a safe order. */
import type { Plan } from "../effects.ts";
import { type Fault, Faults } from "../faults.ts";
import { wakeIn } from "../instants.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import { desired } from "./desired.ts";
import { changesTo } from "./diff.ts";
import { type Ending, endingOf } from "./ending.ts";
import { drainOf } from "./eviction.ts";
import { type EntitlementSums, entitlementSums } from "./entitlement.ts";
import { order } from "./order.ts";
import { situationOf } from "./situation.ts";
import type { GuestWorld } from "./guest_world.ts";

export interface GuestPlan extends Plan, Omit<Ending, "isEmpty" | "stages"> {
  faults: readonly Fault[];
  /** The sum of the grants. */
  sums: EntitlementSums;
  /** The desired quota; undefined if the namespace is left alone. */
  hard?: ResourceList;
}

/**
 * Plans the guest namespace. Without grants it stays, closed, so that no stored data is lost.
 *
 * Closing never depends on opening, not even on whether opening can be planned: a part that throws is a fault of that
 * part only (see {@linkcode GuestPlan.faults}).
 */
export function planGuest(world: GuestWorld): GuestPlan {
  const faults = new Faults(world.unread);
  const entitlements = entitlementSums(world, faults);
  const guest = situationOf(world, entitlements, faults);
  const { stages: ends, isEmpty = false, ...ending } = endingOf(guest, drainOf(guest, faults), faults);
  const changes = changesTo(guest, desired({ ...guest, isEmpty }, faults), faults);
  return {
    ...ending,
    stages: order(changes, ends, guest.leaving),
    faults: faults.all,
    sums: entitlements,
    ...(guest.isLeftAlone ? {} : { hard: guest.hard }),
    ...wakeIn(entitlements.wakeAt, ending.wakeAt),
  };
}
