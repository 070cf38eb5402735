/** Lifecycle of a grant: ordered checks, of which the first failure gives the reason. */
import type { Settings, TrustLevel, TrustRules } from "../../api/mod.ts";
import type { GrantFacts, LocalRealm, RealmFacts } from "../facts.ts";
import { earliest, rfc3339 } from "../instants.ts";
import { excessOf, excessText } from "./ceiling.ts";
import { revokedMessage } from "./end_text.ts";
import {
  endOf,
  type EndReason,
  first,
  type GrantEnd,
  grantEndedAt,
  leftAt,
  noticeMs,
  wasActive,
} from "./termination.ts";
import { departureOf, grantorObstacle, noPooling, type Pooling, type Waits } from "./parties.ts";
import { validityOf } from "./validity.ts";

export type PendingReason =
  | "ClockSkew"
  | "ExceedsTrustCeiling"
  | "GranteeUnknown"
  | "GrantorNotLocal"
  | "InvalidValidity"
  | "LocalRealmUnknown"
  | "NotYetValid"
  | "PlanFailed"
  | Waits["reason"];

/** State of a grant at one instant, independent of what is already enforced. */
export type Lifecycle =
  /** Not in force: must not be enforced. */
  | { is: "pending"; reason: PendingReason; message: string; wakeAt?: number }
  /** In force: must be enforced completely until wakeAt. `endsAt`: its end, if that is before the end of its validity. */
  | { is: "active"; notice?: Notice; endsAt?: number; wakeAt?: number }
  /** Ended permanently. */
  | { is: "ended"; phase: "Expired" | "Revoked"; message: string; at?: number }
  /** Deleted and ended: its enforcement is removed, then its finalizer. */
  | { is: "terminating"; at?: number };

/** Notice of the grant's end: it is still in force, but usage can't grow. */
export interface Notice {
  why: EndReason;
  /** Epoch milliseconds; undefined: undecided until this clock and the API server's agree. */
  endsAt?: number;
  /** True if the end is past or undecided, and delayed because this clock and the API server's disagree. */
  skewed: boolean;
}

export interface LifecycleWorld {
  grant: GrantFacts;
  /** The grantee, if the Realm or SuperEntity exists. */
  realm: RealmFacts | undefined;
  local: LocalRealm;
  /** The SuperEntities; absent: none exist. */
  pooling?: Pooling;
  settings: Settings;
  /** Milliseconds by which the API server's clock is ahead of this one; 0: they agree. */
  skewMs: number;
  /** Epoch milliseconds. */
  now: number;
}

/** Returns the Realm's trust level. For a missing Realm it is unknown, so the strictest level applies. */
export const trustOf = (realm: Pick<RealmFacts, "spec"> | undefined): TrustLevel => realm?.spec.trustLevel ?? "public";

export const rulesOf = (settings: Settings, realm: RealmFacts | undefined): TrustRules =>
  settings.trust[trustOf(realm)];

/** Returns the grant's state now. A recorded terminal phase is final, whatever the clock says later. */
export function lifecycleOf(world: LifecycleWorld): Lifecycle {
  const { grant, now, skewMs } = world;
  if (grant.status.phase === "Revoked" || grant.status.phase === "Expired") {
    return ended(grant, grant.status.phase, grantEndedAt(grant));
  }
  // The same for a deleted grant, for which there is no separate phase.
  if (leftAt(grant) !== undefined) return ended(grant, "Deleted", leftAt(grant));
  const rules = terminationRules(world.settings, world.realm);
  const own = endOf(grant, rules, { now, skewMs });
  const departure = departureOf(grant, world.pooling ?? noPooling, noticeMs(grant, rules));
  if (own?.immediate) return ended(grant, own.why, Math.min(own.at, departure?.at ?? Infinity));
  const end = first([own, departure]);
  if (end !== undefined && now >= end.at) {
    // A clock that jumped ahead must not end every grant permanently.
    if (skewMs === 0) return ended(grant, end.why, end.at);
    if (wasActive(grant)) return { is: "active", notice: { why: end.why, endsAt: end.at, skewed: true } };
    if (end.why === "Expired") return pending("ClockSkew", skewText(skewMs));
    return ended(grant, end.why, end.at);
  }
  // No wake-up for an end without a date: the revocation or deletion itself triggers the grant.
  const until = end && Number.isFinite(end.at) ? end.at : undefined;
  const obstacle = obstacleTo(world);
  if (obstacle) return { ...obstacle, ...wake(earliest(obstacle.wakeAt, until)) };
  return { is: "active", ...onNotice(end, now) };
}

/**
 * Returns the grant's state even if its parties or terms can't be read: then only the end in its terms counts, and if
 * that can't be read either, the grant stays as it is.
 */
export function lifecycleIn(world: LifecycleWorld): { lifecycle: Lifecycle; error?: unknown } {
  try {
    return { lifecycle: lifecycleOf(world) };
  } catch (error) {
    const { grant } = world;
    const stays: Lifecycle = wasActive(grant) ? { is: "active" } : pending("PlanFailed", "The grant can't be read.");
    try {
      return { lifecycle: endOnly(world) ?? stays, error };
    } catch {
      return { lifecycle: stays, error };
    }
  }
}

const noLimits = { maxNoticeSeconds: null, maxValidityDays: null };

function endOnly({ grant, now, skewMs }: LifecycleWorld): Lifecycle | undefined {
  const { phase } = grant.status;
  if (phase === "Revoked" || phase === "Expired") return ended(grant, phase, grantEndedAt(grant));
  if (leftAt(grant) !== undefined) return ended(grant, "Deleted", leftAt(grant));
  const end = endOf(grant, noLimits, { now, skewMs });
  if (end?.immediate || (end && now >= end.at && skewMs === 0)) return ended(grant, end.why, end.at);
  return wasActive(grant) ? { is: "active", ...onNotice(end, now) } : undefined;
}

/** Returns the trust rules for the end. If the Realm is gone, the announced notice and end stay. */
function terminationRules(settings: Settings, realm: RealmFacts | undefined): TrustRules {
  const rules = rulesOf(settings, realm);
  return realm ? rules : { ...rules, ...noLimits };
}

function onNotice(end: GrantEnd | undefined, now: number): { notice?: Notice; endsAt?: number; wakeAt?: number } {
  if (end === undefined) return {};
  if (now < end.noticeFrom) {
    return { ...(end.why === "Expired" ? {} : { endsAt: end.at }), wakeAt: end.noticeFrom };
  }
  if (end.at === Infinity) return { notice: { why: end.why, skewed: true } };
  return { notice: { why: end.why, endsAt: end.at, skewed: false }, wakeAt: end.at };
}

type Pending = Extract<Lifecycle, { is: "pending" }>;

const pending = (reason: PendingReason, message: string, wakeAt?: number): Pending => ({
  is: "pending",
  reason,
  message,
  ...wake(wakeAt),
});

/** Returns the reason that the grant can't come into force. A grant in force stays so while a fact is missing. */
function obstacleTo(world: LifecycleWorld): Pending | undefined {
  const { grant, realm, local, settings, now, skewMs } = world;
  if (wasActive(grant)) return undefined;
  const { from, invalid } = validityOf(grant);
  if (invalid) return pending("InvalidValidity", `${invalid}.`);
  if (from !== undefined && now < from) {
    return pending("NotYetValid", `Starts at ${grant.spec.validity?.validFrom}.`, from);
  }
  // A clock that is ahead must not start a grant early, so both have to agree that it has begun.
  if (from !== undefined && now + skewMs < from) {
    const behind = `the API server's clock is ${Math.round(-skewMs / 1000)} s behind the operator's`;
    const message = `Starts at ${grant.spec.validity?.validFrom}: ${behind}; synchronize both clocks with NTP.`;
    return pending("ClockSkew", message, from - skewMs);
  }
  const { grantorRealm, granteeRealm } = grant.spec;
  if (local.kind === "unknown") return pending("LocalRealmUnknown", `Waiting: ${local.message}.`);
  const pooling = world.pooling ?? noPooling;
  if (local.kind === "known" && local.name !== grantorRealm && !pooling.entityNamed(grantorRealm)) {
    return pending(
      "GrantorNotLocal",
      `The grantor ${grantorRealm} is not this cluster, which is ${local.name}; the grant is enforced there, not here.`,
    );
  }
  const waits = realm?.entity?.waits;
  if (waits) return pending(waits.reason, waits.message);
  if (!realm || realm.deleting) {
    return pending(
      "GranteeUnknown",
      `There is no Realm ${granteeRealm}; create it, and this grant continues automatically.`,
    );
  }
  const excess = excessOf(grant, rulesOf(settings, realm));
  if (excess) return pending("ExceedsTrustCeiling", excessText(excess, trustOf(realm)));
  const room = grantorObstacle(grant, local, pooling);
  return room && pending(room.reason, room.message);
}

function ended(grant: GrantFacts, why: EndReason, at: number | undefined): Lifecycle {
  // A grant that never was in force has no time of its end.
  const known = at === undefined || at === -Infinity ? {} : { at };
  if (why === "Deleted" || grant.deletingSince !== undefined) return { is: "terminating", ...known };
  if (why === "PartyDeleted" || (why === "Revoked" && !grant.spec.revocation)) {
    const message = "Ended because the SuperEntity that is its grantor or grantee was deleted.";
    return { is: "ended", phase: "Revoked", message, ...known };
  }
  if (why === "Revoked") {
    return { is: "ended", phase: "Revoked", message: revokedMessage(grant.spec), ...known };
  }
  const since = why === "TrustLowered" ? ", because its validity exceeds the limit of its grantee's trust level" : "";
  return {
    is: "ended",
    phase: "Expired",
    message: known.at === undefined ? "Ended." : `Ended at ${rfc3339(known.at)}${since}.`,
    ...known,
  };
}

/** Describes the skew. */
export const skewText = (skewMs: number): string =>
  `The API server's clock is ${Math.abs(Math.round(skewMs / 1000))} s ${skewMs > 0 ? "ahead of" : "behind"} ` +
  "the operator's, so no grant is ended permanently; synchronize both clocks with NTP.";

const wake = (at: number | undefined): { wakeAt?: number } => at === undefined ? {} : { wakeAt: at };
