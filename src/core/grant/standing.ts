/** Where a grant stands: ordered checks of which the first that fails gives the reason. */
import type { GrantFacts, LocalRealm, RealmFacts } from "../facts.ts";
import { earliest } from "../facts.ts";

export type PendingReason =
  | "GranteeUnknown"
  | "GrantorNotLocal"
  | "LocalRealmUnknown"
  | "InvalidValidity"
  | "NotYetValid";

/** What has to be done about a grant at one instant, before looking at what is enforced already. */
export type Standing =
  /** Not in force: nothing of it may be enforced. */
  | { is: "pending"; reason: PendingReason; message: string; wakeAt?: number }
  /** In force: all of it has to be enforced until wakeAt. */
  | { is: "due"; wakeAt?: number }
  /** Over for good. */
  | { is: "ended"; phase: "Expired" | "Revoked"; message: string; at?: number }
  /** Being deleted: its enforcement goes, then its finalizer. */
  | { is: "leaving" };

export interface StandingWorld {
  grant: GrantFacts;
  /** The grantee, if there is such a Realm. */
  realm: RealmFacts | undefined;
  local: LocalRealm;
  /** Epoch milliseconds. */
  now: number;
}

/** Start and end in epoch milliseconds; undefined is open. `invalid` says why the terms can't be read. */
export function validityOf(grant: GrantFacts): { from?: number; until?: number; invalid?: string } {
  const { validity } = grant.spec;
  if (validity === null) return { invalid: "spec.validity is null; remove it or write validUntil" };
  const out: { from?: number; until?: number } = {};
  for (const [field, key] of [["validFrom", "from"], ["validUntil", "until"]] as const) {
    const text = validity?.[field];
    if (text === undefined) continue;
    // A null would read as "no end": whoever wrote it may have meant the opposite.
    if (text === null) return { invalid: `spec.validity.${field} is null; remove it or write an instant (RFC 3339)` };
    const instant = Date.parse(text);
    if (Number.isNaN(instant)) {
      return {
        invalid: `spec.validity.${field} is ${text}, which is not an instant (RFC 3339, such as 2026-01-01T00:00:00Z)`,
      };
    }
    out[key] = instant;
  }
  return out;
}

/** Where the grant stands now. Terminal phases that were once written are final, whatever the clock says later. */
export function standingOf({ grant, realm, local, now }: StandingWorld): Standing {
  if (grant.deleting) return { is: "leaving" };
  const { phase } = grant.status;
  const { from, until, invalid } = validityOf(grant);
  if (phase === "Revoked" || (phase !== "Expired" && grant.spec.revocation)) {
    const why = grant.spec.revocation?.reason;
    return {
      is: "ended",
      phase: "Revoked",
      message: why ? `Revoked by the grantor: ${why}` : "Revoked by the grantor.",
    };
  }
  if (phase === "Expired" || (until !== undefined && now >= until)) {
    const at = grant.spec.validity?.validUntil;
    return {
      is: "ended",
      phase: "Expired",
      message: at ? `Ended at ${at}.` : "Ended.",
      ...(until === undefined ? {} : { at: until }),
    };
  }
  if (invalid) return { is: "pending", reason: "InvalidValidity", message: `${invalid}.` };
  if (from !== undefined && now < from) {
    return {
      is: "pending",
      reason: "NotYetValid",
      message: `Begins at ${grant.spec.validity?.validFrom}.`,
      ...wake(earliest(from, until)),
    };
  }
  // What is in force stays in force while a fact is missing: nothing new is activated, nothing torn down.
  const inForce = phase === "Active";
  if (!inForce) {
    const { grantorRealm, granteeRealm } = grant.spec;
    if (local.kind === "unknown") {
      return { is: "pending", reason: "LocalRealmUnknown", message: `Waiting: ${local.message}.`, ...wake(until) };
    }
    if (local.kind === "known" && local.name !== grantorRealm) {
      return {
        is: "pending",
        reason: "GrantorNotLocal",
        message:
          `The grantor ${grantorRealm} is not this cluster, which is ${local.name}: the grant is enforced there, not here.`,
        ...wake(until),
      };
    }
    if (!realm || realm.deleting) {
      return {
        is: "pending",
        reason: "GranteeUnknown",
        message: `There is no Realm ${granteeRealm}; create it, and this grant goes on by itself.`,
        ...wake(until),
      };
    }
  }
  return { is: "due", ...wake(until) };
}

const wake = (at: number | undefined): { wakeAt?: number } => at === undefined ? {} : { wakeAt: at };
