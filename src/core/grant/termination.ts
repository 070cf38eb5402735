/** Termination of a grant: notice, end, drain. All instants follow from its terms, its status and one clock. */
import type { GrantStatus, TrustRules as AllTrustRules } from "../../api/mod.ts";
import type { GrantFacts } from "../facts.ts";
import { fromNow } from "../instants.ts";
import { validityOf } from "./validity.ts";
import { conditionOf } from "../conditions.ts";

/** Trust rules that affect the end of a grant. */
type TrustRules = Pick<AllTrustRules, "maxNoticeSeconds" | "maxValidityDays">;

/**
 * Reason for the end of a grant. `TrustLowered`: its validity exceeds the limit of its grantee's trust level, which was
 * lowered. `PartyDeleted`: the SuperEntity that is its grantor or grantee was deleted.
 */
export type EndReason = "Expired" | "Revoked" | "Deleted" | "TrustLowered" | "PartyDeleted";

/** An upcoming end. */
export interface GrantEnd {
  why: EndReason;
  /** Epoch milliseconds: time from which the grant is not in force. Infinity: undecided until the clocks agree. */
  at: number;
  /** Epoch milliseconds: start of the notice, during which the grant is in force but usage can't grow. */
  noticeFrom: number;
  /** Set if the grantor ends it at once, whatever the clocks say. */
  immediate?: true;
}

const defaultNoticeSeconds = 300;
const defaultDrainSeconds = 120;
const dayMs = 86_400_000;

/** Length of the notice. */
export function noticeMs(
  { spec }: Pick<GrantFacts, "spec">,
  { maxNoticeSeconds }: Pick<TrustRules, "maxNoticeSeconds">,
): number {
  const asked = spec.termination?.noticeSeconds ?? defaultNoticeSeconds;
  return 1000 * Math.min(asked, maxNoticeSeconds ?? asked);
}

/** Length of the drain, during which PodDisruptionBudgets are respected. */
export const drainMs = ({ spec }: Pick<GrantFacts, "spec">): number =>
  1000 * (spec.termination?.drainSeconds ?? defaultDrainSeconds);

/** Reason of the conditions that the uninstaller writes. */
export const uninstalledReason = "Uninstalled";

/**
 * Reports whether the grant has been in force, also before Keystone was uninstalled. A grant that never was ends without
 * notice.
 */
export const wasActive = ({ status }: Pick<GrantFacts, "status">): boolean =>
  status.phase === "Active" ||
  (status.phase === "Pending" && conditionOf(status, "AccessApplied")?.reason === uninstalledReason);

/** Reports whether the grant has ended permanently. */
export const isPermanent = ({ phase }: Pick<GrantStatus, "phase">): boolean =>
  phase === "Revoked" || phase === "Expired";

/** The clock and its skew. While there is a skew, no instant that is relative to now is recorded. */
export interface Now {
  /** Epoch milliseconds. */
  now: number;
  /** As in LifecycleWorld. */
  skewMs: number;
}

/**
 * Returns the first upcoming end; undefined: none is known. A revoked grant ends as revoked even if its validity is
 * over before its notice.
 */
export function endOf(grant: GrantFacts, rules: TrustRules, clock: Now): GrantEnd | undefined {
  const terms = [expiryOf(grant, rules), trustEndOf(grant, rules, clock)];
  const revocation = revocationOf(grant, rules, clock);
  // It may have ended already, before anybody saw that.
  if (revocation?.immediate) return { ...revocation, at: first([revocation, ...terms, deletionOf(grant, rules)])!.at };
  if (revocation) {
    return first([
      { ...first([revocation, ...terms])!, why: "Revoked", noticeFrom: -Infinity },
      deletionOf(grant, rules),
    ]);
  }
  return first([...terms, deletionOf(grant, rules)]);
}

/** Returns the earliest of the ends. */
export const first = (ends: readonly (GrantEnd | undefined)[]): GrantEnd | undefined =>
  ends.filter((end) => end !== undefined).sort((a, b) => a.at === b.at ? 0 : a.at - b.at)[0];

/** Returns an end that no field of the object dates: the recorded one, else a notice from now, to be recorded. */
export const fromFirstSeen = (recorded: number | undefined, { now, skewMs }: Now, noticeMs: number): number =>
  recorded ?? (skewMs === 0 ? fromNow(now, noticeMs) : Infinity);

/** Returns the end that follows from a trust level lowered while the grant is in force. */
function trustEndOf(grant: GrantFacts, rules: TrustRules, clock: Now): GrantEnd | undefined {
  if (rules.maxValidityDays === null || !wasActive(grant)) return undefined;
  const { from = grant.createdAt, until = Infinity } = validityOf(grant);
  const limit = from + rules.maxValidityDays * dayMs;
  if (until <= limit) return undefined;
  const notice = noticeMs(grant, rules);
  if (clock.now < limit - notice) return { why: "TrustLowered", at: limit, noticeFrom: limit - notice };
  const at = Math.max(limit, fromFirstSeen(recordedEnd(grant, "TrustLowered"), clock, notice));
  return { why: "TrustLowered", at, noticeFrom: -Infinity };
}

function expiryOf(grant: GrantFacts, rules: TrustRules): GrantEnd | undefined {
  const { from = grant.createdAt, until = lastKnownEnd(grant) } = validityOf(grant);
  if (until === undefined) return undefined;
  // At most half of the validity, so that a short grant isn't on notice from its start.
  const notice = Math.min(noticeMs(grant, rules), Math.max(0, (until - from) / 2));
  return { why: "Expired", at: until, noticeFrom: until - notice };
}

/** Returns the recorded end of a grant in force whose validity can't be parsed any more. */
function lastKnownEnd(grant: GrantFacts): number | undefined {
  const { invalid } = validityOf(grant);
  return invalid && wasActive(grant) ? grantEndedAt(grant) : undefined;
}

function revocationOf(grant: GrantFacts, rules: TrustRules, clock: Now): GrantEnd | undefined {
  if (!grant.spec.revocation) return undefined;
  const known = { why: "Revoked" as const, noticeFrom: -Infinity };
  if (!wasActive(grant)) return { ...known, at: -Infinity };
  const recorded = recordedEnd(grant, "Revoked");
  if (grant.spec.revocation.immediate) {
    // By the earlier of two clocks that disagree, so that the drain is not longer than announced.
    const present = clock.now + Math.min(0, clock.skewMs);
    return { ...known, at: Math.min(recorded ?? present, present), immediate: true };
  }
  return { ...known, at: fromFirstSeen(recorded, clock, noticeMs(grant, rules)) };
}

function deletionOf(grant: GrantFacts, rules: TrustRules): GrantEnd | undefined {
  if (grant.deletingSince === undefined) return undefined;
  const notice = wasActive(grant) ? noticeMs(grant, rules) : 0;
  return { why: "Deleted", at: grant.deletingSince + notice, noticeFrom: grant.deletingSince };
}

/** Returns the recorded end; undefined if there is none or it can't be parsed. */
function recordOf({ status }: GrantFacts): number | undefined {
  const at = Date.parse(status.effectiveUntil ?? "");
  return Number.isNaN(at) ? undefined : at;
}

/** Returns the end of a deleted grant whose status shows it as ended. It stays ended, whatever the clock says later. */
export function leftAt(grant: GrantFacts): number | undefined {
  if (grant.deletingSince === undefined) return undefined;
  const ready = conditionOf(grant.status, "Ready");
  return ready?.reason === "Deleted" ? recordOf(grant) : undefined;
}

/** Returns the end that was recorded when this reason was first seen. */
export function recordedEnd(grant: GrantFacts, why: EndReason): number | undefined {
  const draining = conditionOf(grant.status, "Draining");
  return draining?.reason === why ? recordOf(grant) : undefined;
}

/** Returns the time at which an ended grant ended, if known. */
export function grantEndedAt(grant: GrantFacts): number | undefined {
  // A grant revoked before it was in force has no end: its validUntil may be years ahead.
  const until = grant.status.phase === "Revoked" ? undefined : validityOf(grant).until;
  return recordOf(grant) ?? until ?? grant.deletingSince;
}
