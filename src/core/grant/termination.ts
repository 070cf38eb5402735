/** The rungs on which a grant ends: notice, end, drain. All instants follow from its terms, its status and one clock. */
import type { TrustRules as AllTrustRules } from "../../api/mod.ts";
import type { GrantFacts } from "../facts.ts";
import { fromNow } from "../instants.ts";
import { validityOf } from "./validity.ts";
import { conditionOf } from "../conditions.ts";

/** What of a trust bears on ends. */
type TrustRules = Pick<AllTrustRules, "maxNoticeSeconds" | "maxValidityDays">;

/**
 * Why a grant ends. `TrustLowered`: it holds longer than its grantee is trusted with by now. `PartyDeleted`: the
 * SuperEntity that gives or receives was deleted.
 */
export type EndReason = "Expired" | "Revoked" | "Deleted" | "TrustLowered" | "PartyDeleted";

/** An end that is in sight. */
export interface GrantEnd {
  why: EndReason;
  /** Epoch milliseconds: from then on nothing of the grant holds. Infinity: not said before the clocks agree. */
  at: number;
  /** Epoch milliseconds: from then on it holds, but nothing may grow. */
  noticeFrom: number;
}

const defaultNoticeSeconds = 300;
const defaultDrainSeconds = 120;
const dayMs = 86_400_000;

/** How long before an end the grant is on notice. */
export function noticeMs({ spec }: GrantFacts, { maxNoticeSeconds }: TrustRules): number {
  const asked = spec.termination?.noticeSeconds ?? defaultNoticeSeconds;
  return 1000 * Math.min(asked, maxNoticeSeconds ?? asked);
}

/** How long after the end PodDisruptionBudgets are respected. */
export const drainMs = ({ spec }: GrantFacts): number => 1000 * (spec.termination?.drainSeconds ?? defaultDrainSeconds);

/** Whether the grant has been in force: one that never was ends without notice. */
export const wasActive = ({ status }: GrantFacts): boolean => status.phase === "Active";

/** One clock, and whether it is to be trusted: an instant that counts from now isn't written down while it is not. */
export interface Now {
  /** Epoch milliseconds. */
  now: number;
  /** As in StandingWorld. */
  skewMs: number;
}

/**
 * The first end in sight; undefined: the grant holds until somebody says otherwise. One that is revoked ends as revoked,
 * also where its validity is over before its notice.
 */
export function endOf(grant: GrantFacts, rules: TrustRules, clock: Now): GrantEnd | undefined {
  const terms = [expiryOf(grant, rules), trustEndOf(grant, rules, clock)];
  const revocation = revocationOf(grant, rules, clock);
  if (revocation) {
    return first([
      { ...first([revocation, ...terms])!, why: "Revoked", noticeFrom: -Infinity },
      deletionOf(grant, rules),
    ]);
  }
  return first([...terms, deletionOf(grant, rules)]);
}

/** The first to come. */
export const first = (ends: readonly (GrantEnd | undefined)[]): GrantEnd | undefined =>
  ends.filter((end) => end !== undefined).sort((a, b) => a.at === b.at ? 0 : a.at - b.at)[0];

/** An end that nothing in the object dates, so that it is written down the first time it is seen. */
export const fromFirstSeen = (recorded: number | undefined, { now, skewMs }: Now, noticeMs: number): number =>
  recorded ?? (skewMs === 0 ? fromNow(now, noticeMs) : Infinity);

/** A trust that was lowered while the grant was in force gives it an end of its own. */
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
  // A short grant isn't on notice from its first second.
  const notice = Math.min(noticeMs(grant, rules), Math.max(0, (until - from) / 2));
  return { why: "Expired", at: until, noticeFrom: until - notice };
}

/** Terms that were made unreadable take no end away from what is in force. */
function lastKnownEnd(grant: GrantFacts): number | undefined {
  const { invalid } = validityOf(grant);
  return invalid && wasActive(grant) ? grantEndedAt(grant) : undefined;
}

function revocationOf(grant: GrantFacts, rules: TrustRules, clock: Now): GrantEnd | undefined {
  if (!grant.spec.revocation) return undefined;
  if (!wasActive(grant)) return { why: "Revoked", at: -Infinity, noticeFrom: -Infinity };
  const at = fromFirstSeen(recordedEnd(grant, "Revoked"), clock, noticeMs(grant, rules));
  return { why: "Revoked", at, noticeFrom: -Infinity };
}

function deletionOf(grant: GrantFacts, rules: TrustRules): GrantEnd | undefined {
  if (grant.deletingSince === undefined) return undefined;
  const notice = wasActive(grant) ? noticeMs(grant, rules) : 0;
  return { why: "Deleted", at: grant.deletingSince + notice, noticeFrom: grant.deletingSince };
}

/** The end that is on record; undefined where there is none, or none that can be read. */
function recordOf({ status }: GrantFacts): number | undefined {
  const at = Date.parse(status.effectiveUntil ?? "");
  return Number.isNaN(at) ? undefined : at;
}

/** The end of a deleted grant that is shown as over already: it doesn't come back, whatever the clock says later. */
export function leftAt(grant: GrantFacts): number | undefined {
  if (grant.deletingSince === undefined) return undefined;
  const ready = conditionOf(grant.status, "Ready");
  return ready?.reason === "Deleted" ? recordOf(grant) : undefined;
}

/** The end that was written down when this reason for it was first seen. */
function recordedEnd(grant: GrantFacts, why: EndReason): number | undefined {
  const draining = conditionOf(grant.status, "Draining");
  return draining?.reason === why ? recordOf(grant) : undefined;
}

/** The instant at which an ended grant did end, as far as it is known. */
export function grantEndedAt(grant: GrantFacts): number | undefined {
  // One that was revoked before it was in force has no end: that of its validity may be years ahead.
  const until = grant.status.phase === "Revoked" ? undefined : validityOf(grant).until;
  return recordOf(grant) ?? until ?? grant.deletingSince;
}
