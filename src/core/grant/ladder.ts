/** The rungs on which a grant ends: notice, end, drain. All instants follow from its terms, its status and one clock. */
import type { TrustRules } from "../../api/mod.ts";
import type { GrantFacts } from "../facts.ts";
import { fromNow } from "../instants.ts";
import { validityOf } from "./validity.ts";

/** Why a grant ends. */
export type EndReason = "Expired" | "Revoked" | "Deleted";

/** An end that is in sight. */
export interface End {
  why: EndReason;
  /** Epoch milliseconds: from then on nothing of the grant holds. */
  at: number;
  /** Epoch milliseconds: from then on it holds, but nothing may grow. */
  noticeFrom: number;
}

const defaultNoticeSeconds = 300;
const defaultDrainSeconds = 120;

/** How long before an end the grant is on notice. */
export function noticeMs({ spec }: GrantFacts, { maxNoticeSeconds }: TrustRules): number {
  const asked = spec.termination?.noticeSeconds ?? defaultNoticeSeconds;
  return 1000 * Math.min(asked, maxNoticeSeconds ?? asked);
}

/** How long after the end PodDisruptionBudgets are respected. */
export const drainMs = ({ spec }: GrantFacts): number => 1000 * (spec.termination?.drainSeconds ?? defaultDrainSeconds);

/** Whether the grant has been in force: one that never was ends without notice. */
export const wasActive = ({ status }: GrantFacts): boolean => status.phase === "Active";

/** The first end in sight; undefined: the grant holds until somebody says otherwise. */
export function endOf(grant: GrantFacts, rules: TrustRules, now: number): End | undefined {
  const ends = [expiryOf(grant, rules), revocationOf(grant, rules, now), deletionOf(grant, rules)];
  return ends.filter((end) => end !== undefined).sort((a, b) => a.at - b.at)[0];
}

function expiryOf(grant: GrantFacts, rules: TrustRules): End | undefined {
  const { from = grant.createdAt, until = lastKnownEnd(grant) } = validityOf(grant);
  if (until === undefined) return undefined;
  // A short grant isn't on notice from its first second.
  const notice = Math.min(noticeMs(grant, rules), Math.max(0, (until - from) / 2));
  return { why: "Expired", at: until, noticeFrom: until - notice };
}

/** Terms that were made unreadable take no end away from what is in force. */
function lastKnownEnd(grant: GrantFacts): number | undefined {
  const { invalid } = validityOf(grant);
  return invalid && wasActive(grant) ? endedAt(grant) : undefined;
}

function revocationOf(grant: GrantFacts, rules: TrustRules, now: number): End | undefined {
  if (!grant.spec.revocation) return undefined;
  if (!wasActive(grant)) return { why: "Revoked", at: -Infinity, noticeFrom: -Infinity };
  // Nothing in the object says when it was revoked, so the end is written down the first time it is seen.
  return {
    why: "Revoked",
    at: recordedRevocation(grant) ?? fromNow(now, noticeMs(grant, rules)),
    noticeFrom: -Infinity,
  };
}

function deletionOf(grant: GrantFacts, rules: TrustRules): End | undefined {
  if (grant.deletingSince === undefined) return undefined;
  const notice = wasActive(grant) ? noticeMs(grant, rules) : 0;
  const at = Math.min(grant.deletingSince + notice, recordedLeave(grant) ?? Infinity);
  return { why: "Deleted", at, noticeFrom: grant.deletingSince };
}

/** The end of a deleted grant that is shown as over already: it doesn't come back, whatever its end was. */
function recordedLeave({ status }: GrantFacts): number | undefined {
  const ready = status.conditions?.find(({ type }) => type === "Ready");
  return ready?.reason === "Deleted" && status.effectiveUntil !== undefined
    ? Date.parse(status.effectiveUntil)
    : undefined;
}

/** The end that was written down when the revocation was first seen. */
function recordedRevocation({ status }: GrantFacts): number | undefined {
  const draining = status.conditions?.find(({ type }) => type === "Draining");
  return draining?.reason === "Revoked" && status.effectiveUntil !== undefined
    ? Date.parse(status.effectiveUntil)
    : undefined;
}

/** The instant at which an ended grant did end, as far as it is known. */
export function endedAt({ status, deletingSince, ...grant }: GrantFacts): number | undefined {
  const recorded = status.effectiveUntil === undefined ? undefined : Date.parse(status.effectiveUntil);
  return recorded ?? validityOf({ status, ...grant }).until ?? deletingSince;
}
