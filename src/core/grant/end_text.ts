/** Texts about the end of a grant, the same in its status, in events and for guests. */
import type { GrantSpec } from "../../api/mod.ts";
import { sentence } from "../plain_text.ts";
import { rfc3339 } from "../instants.ts";
import type { EndReason } from "./termination.ts";

const causes: Readonly<Record<EndReason, string>> = {
  Expired: "its validity ends then",
  Revoked: "it was revoked",
  Deleted: "it was deleted",
  PartyDeleted: "the SuperEntity that is its grantor or grantee was deleted",
  TrustLowered: "its validity exceeds the limit of its grantee's trust level",
};

/** The end of a grant, as far as texts need it. */
export interface EndFacts {
  why: EndReason;
  /** Epoch milliseconds; undefined: undecided until the clocks agree. */
  endsAt?: number;
  /** The grantor's reason, if one is given. */
  because?: string | undefined;
}

/** Returns the grantor's reason in one line; undefined if none is given. */
export const reasonOf = ({ revocation }: Pick<GrantSpec, "revocation">): string | undefined =>
  revocation?.reason?.trim().replace(/\s+/g, " ") || undefined;

/** Returns the cause of an end as a clause. For an end that the grantor decided it has the reason, or says that none is given. */
export function causeOf({ why, because }: Pick<EndFacts, "why" | "because">): string {
  if (why !== "Revoked" && why !== "Deleted") return causes[why];
  return `${causes[why]}, ${because === undefined ? "without a reason" : `with the reason "${because}"`}`;
}

/** Returns the message of a notice, in the status and for guests. */
export const noticeMessage = (end: EndFacts): string =>
  `${endText(end)}: ${causeOf(end)}. Until then workloads keep running, but usage can't grow beyond ` +
  "the amounts of other grants; a rollout that needs more resources waits.";

/** Returns the beginning of a notice. */
const endText = ({ endsAt }: Pick<EndFacts, "endsAt">): string =>
  endsAt === undefined ? "Ends once the clocks agree" : `Ends at ${rfc3339(endsAt)}`;

/** Returns the message of a grant that was revoked. */
export function revokedMessage(spec: Pick<GrantSpec, "revocation">): string {
  const because = reasonOf(spec);
  const how = spec.revocation?.immediate ? ", with immediate effect" : "";
  return because === undefined
    ? `Revoked by the grantor${how}, without a reason.`
    : `Revoked by the grantor${how}: ${sentence(because)}`;
}

/** Returns the message of a grant that was deleted and has ended. */
export const deletedMessage = (spec: Pick<GrantSpec, "revocation">): string =>
  `Ended because ${causeOf({ why: "Deleted", because: reasonOf(spec) })}; its pods are being removed.`;
