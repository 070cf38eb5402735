/** Grants that have ended or are about to, as the commands that change grants describe them. */
import type { Grant } from "../api/client/keystone.io@v1alpha1.ts";
import { reasonOf } from "../core/grant/end_text.ts";
import { fewOf, sentence } from "../core/plain_text.ts";

/** State of a grant that its lender has ended, or that has ended by itself. */
export type GrantOver = "ended" | "deleted" | "revoked";

/** Returns that state; undefined: the grant goes on. */
export function overOf({ metadata, spec, status }: Grant): GrantOver | undefined {
  if (status?.phase === "Revoked" || status?.phase === "Expired") return "ended";
  if (metadata?.deletionTimestamp !== undefined) return "deleted";
  return spec.revocation === undefined ? undefined : "revoked";
}

/** Describes a grant that has ended or ends. */
export function overText(grant: Grant): string {
  const { metadata, spec, status } = grant;
  const over = overOf(grant);
  const name = `Grant ${metadata?.name}`;
  if (over === "ended") return `${name} has ended. ${sentence(status?.message ?? "")}`.trim();
  const what = over === "deleted" ? "is being deleted" : "is revoked";
  const because = reasonOf(spec);
  return `${name} ${what}${because === undefined ? "" : `, with the reason "${because}"`}; ${endPart(grant)}.`;
}

/** Returns the end as a clause: the recorded one, or that the operator still has to set it. */
export function endPart({ spec, status }: Grant): string {
  if (spec.revocation?.immediate) return "it ends at once";
  const ends = status?.state === "Ending" ? status.effectiveUntil : undefined;
  if (ends !== undefined) return `it ends at ${ends}`;
  const notice = spec.termination?.noticeSeconds ?? 300;
  return notice === 0 ? "it ends at once" : `it ends after at most ${notice} s of notice`;
}

/** Returns the command that lends the same amounts again. */
export const lendAgain = ({ spec }: Grant): string =>
  `keystone grant create NEW-NAME --to ${spec.granteeRealm} --hard ` +
  Object.entries(spec.hard).map(([key, amount]) => `${key}=${amount}`).join(",");

/** Returns the paths of fields that were sent but came back with other values, such as after a mutating webhook. */
export function changedFields(sent: unknown, answered: unknown, path = "spec"): string[] {
  if (sent === null || typeof sent !== "object") {
    return sameValue(sent, answered) ? [] : [`${path} is ${valueText(answered)} instead of ${valueText(sent)}`];
  }
  if (Array.isArray(sent)) {
    return JSON.stringify(sent) === JSON.stringify(answered)
      ? []
      : [`${path} is ${valueText(answered)} instead of ${valueText(sent)}`];
  }
  const present = (answered ?? {}) as Record<string, unknown>;
  return Object.entries(sent).flatMap(([key, value]) => changedFields(value, present[key], `${path}.${key}`));
}

/** Reports whether two values are equal; instants may be written in different ways, and null is an absent field. */
function sameValue(a: unknown, b: unknown): boolean {
  if ((a ?? undefined) === (b ?? undefined) || String(a) === String(b)) return true;
  const [at, bt] = [Date.parse(String(a)), Date.parse(String(b))];
  return /^\d{4}-\d{2}-\d{2}T/.test(String(a)) && at === bt;
}

const valueText = (value: unknown): string => value === undefined ? "absent" : JSON.stringify(value);

/** Describes what the API server stored differently; undefined: it stored what was sent. */
export function changedText(sent: Grant["spec"] | Partial<Grant["spec"]>, answered: Grant["spec"]): string | undefined {
  const changed = changedFields(sent, answered);
  return changed.length === 0
    ? undefined
    : `The API server stored other terms, because a webhook or another client changed them: ${fewOf(changed, 5)}.`;
}
