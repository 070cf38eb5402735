/** Access of a realm's guests to their namespace: open while a grant is in force and the operator lets them in. */
import type { Settings } from "../../api/mod.ts";
import type { BindingFacts, GrantFacts, LocalRealm, RealmFacts } from "../facts.ts";
import { lifecycleIn } from "../grant/lifecycle.ts";
import type { Pooling } from "../grant/parties.ts";
import { validityOf } from "../grant/validity.ts";
import { earliest } from "../instants.ts";
import { guestRole } from "../names.ts";
import { accountOf, accountRecord, boundAccount } from "./account.ts";
import { isPresent } from "./present.ts";

/** Reason that a realm's access is closed. */
export type AccessClosed = "AccessClosed" | "GrantEnded" | "RealmGone";

/** Access of a realm's guests at one instant. */
export type GuestAccess =
  | {
    is: "open";
    /** ServiceAccount that stands for the realm's people; another one means other people. */
    account: string;
    /** Epoch milliseconds: end of the last grant; undefined: none is known. */
    endsAt?: number;
    /** Epoch milliseconds: time of the next change without an external cause. */
    wakeAt?: number;
  }
  | { is: "closed"; reason: AccessClosed; message: string; wakeAt?: number };

export interface GuestAccessWorld {
  name: string;
  realm: RealmFacts | undefined;
  /** Grants to the realm. */
  grants: readonly GrantFacts[];
  /** The guests' binding. */
  binding: BindingFacts | undefined;
  local: LocalRealm;
  pooling?: Pooling;
  settings: Settings;
  /** Milliseconds by which the API server's clock is ahead of this one; 0: they agree. */
  skewMs: number;
  /** Epoch milliseconds. */
  now: number;
  /**
   * Returns the end of a grant on notice whose status has no date yet, as it was first seen: otherwise it would move
   * with the clock while no operator runs.
   */
  firstSeenEnd?: (grant: GrantFacts, end: number) => number;
}

/**
 * Returns the realm's access now. A grant's end counts by this clock as soon as it is reached, before the operator has
 * closed anything; access opens only with the operator's binding, which comes last.
 */
export function guestAccess(world: GuestAccessWorld): GuestAccess {
  const { name, realm, grants, binding, now } = world;
  if (!isPresent(realm)) {
    return { is: "closed", reason: "RealmGone", message: `There is no Realm ${name} in this cluster.` };
  }
  const ends: (number | undefined)[] = [];
  let wakeAt: number | undefined;
  for (const grant of grants) {
    const { lifecycle } = lifecycleIn({ ...world, grant, realm });
    if (lifecycle.is === "pending") wakeAt = earliest(wakeAt, lifecycle.wakeAt);
    if (lifecycle.is !== "active") continue;
    const { notice } = lifecycle;
    const dated = notice ? notice.endsAt : lifecycle.endsAt ?? validityOf(grant).until;
    const end = notice && dated !== undefined && grant.status.effectiveUntil === undefined
      ? world.firstSeenEnd?.(grant, dated) ?? dated
      : dated;
    // While the clocks disagree an end that is past is delayed.
    if (end !== undefined && now >= end && !notice?.skewed) continue;
    ends.push(end);
    wakeAt = earliest(wakeAt, lifecycle.wakeAt, end !== undefined && end > now ? end : undefined);
  }
  const wake = wakeAt === undefined ? {} : { wakeAt };
  if (ends.length === 0) {
    const message = grants.length === 0
      ? `There is no Grant to ${name}.`
      : `No Grant to ${name} is in force; its access has ended or has not begun.`;
    return { is: "closed", reason: "GrantEnded", message, ...wake };
  }
  // People who have changed have another account, before the operator has changed the binding.
  const account = accountOf(name, accountRecord(realm)).name;
  if (binding?.roleRef.name !== guestRole || boundAccount(name, binding) !== account) {
    return {
      is: "closed",
      reason: "AccessClosed",
      message: `The access of ${name} is closed or not open yet; see the condition AccessApplied of its Grants.`,
      ...wake,
    };
  }
  return {
    is: "open",
    account,
    ...(ends.includes(undefined) ? {} : { endsAt: Math.max(...ends as number[]) }),
    ...wake,
  };
}
