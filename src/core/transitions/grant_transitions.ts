/** Transitions of a Grant. */
import { isDeepStrictEqual } from "node:util";
import type { Condition, GrantStatus } from "../../api/mod.ts";
import { conditionOf } from "../conditions.ts";
import type { GrantFacts } from "../facts.ts";
import { isQuantity, parseQuantity } from "../../../lib/quantity/mod.ts";
import {
  because,
  changedConditions,
  type ConditionChange,
  conditionTransition,
  goneTransition,
  type Transition,
} from "./transition.ts";

/** Conditions that are good news while they are True; the others are bad news. */
const wanted = new Set(["AccessApplied", "FitsCluster", "GranteeKnown", "NetworkApplied", "QuotaApplied", "Ready"]);

/** Reasons of Pending that need nobody's attention. */
const waiting = new Set(["Applying", "GrantorNotLocal", "NotYetValid", "PoolPending", "QuotaPending"]);
/** Reasons of Draining while a drain doesn't finish. */
const held = new Set(["HeldByFinalizers", "PodsRemain", "PodsUnknown", "ServicesUnknown"]);

/** Delay of an end from which the line mentions it. */
const lateMs = 5000;

/**
 * Returns the transitions between two observations of a grant.
 *
 * @param now epoch milliseconds, to find ends that came late
 */
export function grantTransitions(
  before: GrantFacts | undefined,
  after: GrantFacts | undefined,
  now: number,
): Transition[] {
  if (!after) {
    if (!before) return [];
    const wasInForce = before.status.phase === "Active";
    return [goneTransition(
      `Grant ${before.name}`,
      wasInForce ? "; nothing of it is enforced any more." : ".",
    )];
  }
  const old = before?.uid === after.uid ? before.status : {};
  const { status } = after;
  if (status.phase === undefined) return [];
  const subject = `Grant ${after.name}`;
  const changes = changedConditions(old, status);
  const isNotice = isOnNotice(conditionOf(status, "Draining"));
  const said = [
    ...phaseTransitions(subject, old, status, now),
    ...drainTransitions(subject, old, status),
    ...isNotice || isOnNotice(conditionOf(old, "Draining")) ? [] : endTransitions(subject, old, status),
    ...amountTransitions(subject, old, status),
  ];
  const reasons = new Set(said.map(({ reason }) => reason));
  const others = changes.filter((change) => isOwnLine(change, old.phase === status.phase, reasons));
  const lines = [...said, ...others.map((change) => conditionTransition(subject, change, isBad(change)))];
  // So that nothing is forgotten.
  return lines.length > 0 || changes.length === 0
    ? lines
    : changes.map((change) => ({ ...conditionTransition(subject, change, false), level: "debug" }));
}

const isBad = ({ type, now }: ConditionChange): boolean =>
  now !== undefined && (wanted.has(type) ? now.status === "False" : now.status === "True");

const isOnNotice = (draining: Condition | undefined): boolean =>
  draining?.status === "True" && draining.reason !== "Evicting" && draining.reason !== "Reduced" &&
  !held.has(draining.reason);

/** Reports whether a changed condition needs a separate line. */
function isOwnLine(
  change: ConditionChange,
  samePhase: boolean,
  reasons: ReadonlySet<string | undefined>,
): boolean {
  const { type, old, now } = change;
  if (type === "Ready" || type === "Draining") return false;
  if (now && (reasons.has(now.reason) || waiting.has(now.reason))) return false;
  // A phase brings its conditions along; only what is wrong besides is news.
  if (!samePhase || !old) return isBad(change);
  return !now || !waiting.has(old.reason) || isBad(change);
}

function phaseTransitions(subject: string, old: GrantStatus, status: GrantStatus, now: number): Transition[] {
  const ready = conditionOf(status, "Ready") ?? { status: "Unknown", reason: "Unknown", message: "" };
  const before = conditionOf(old, "Ready");
  const { reason } = ready;
  const isWaiting = waiting.has(reason);
  if (old.phase !== status.phase) {
    switch (status.phase) {
      case "Active":
        return [{
          level: ready.status === "True" || isWaiting ? "info" : "warn",
          transition: "active",
          reason,
          message: `${subject} is Active${because(ready)}`,
        }];
      case "Pending":
        return [{
          level: isWaiting ? "info" : "warn",
          transition: "pending",
          reason,
          message: `${subject} is Pending (${reason})${because(ready)}`,
        }];
      default:
        return [{
          level: "info",
          transition: "ended",
          reason,
          message: `${subject} is ${status.phase}${because(ready)}${lateText(status, now)}`,
        }];
    }
  }
  const isSame = before?.status === ready.status && before.reason === reason;
  if (isSame || !conditionOf(status, "Ready")) return [];
  const isPending = status.phase === "Pending";
  if (reason === "Deleted") {
    return [{ level: "info", transition: "ended", reason, message: `${subject} has ended${because(ready)}` }];
  }
  if (ready.status === "True") {
    return [{
      level: "info",
      transition: "enforced",
      reason,
      message: `${subject} is enforced again${because(ready)}`,
    }];
  }
  return [{
    level: isWaiting ? "info" : "warn",
    transition: isPending ? "pending" : "impaired",
    reason,
    message: `${subject} is ${status.phase}${isPending ? "" : ", but not Ready"} (${reason})${because(ready)}`,
  }];
}

/** Returns the delay of an end that came late, for example because the API server was unreachable. */
function lateText({ effectiveUntil = "" }: GrantStatus, now: number): string {
  const lateBy = now - Date.parse(effectiveUntil);
  return lateBy >= lateMs ? ` It ended ${Math.round(lateBy / 1000)} s late.` : "";
}

function drainTransitions(subject: string, old: GrantStatus, status: GrantStatus): Transition[] {
  const [before, draining] = [conditionOf(old, "Draining"), conditionOf(status, "Draining")];
  const reductions = (status.reductions ?? []).filter(({ until }) =>
    !(old.reductions ?? []).some((each) => each.until === until)
  );
  const isSame = before?.status === draining?.status && before?.reason === draining?.reason;
  if (!draining || (isSame && !(draining.reason === "Reduced" && reductions.length > 0))) return [];
  const { reason } = draining;
  const line = (level: Transition["level"], transition: string, text: string): Transition[] => [
    { level, transition, reason, message: `${subject} ${text}${because(draining)}` },
  ];
  if (draining.status === "True") {
    if (held.has(reason)) return line("warn", "drain-held", "doesn't finish draining");
    if (reason === "Evicting") return line("info", "drain", "drains");
    if (reason === "Reduced") return line("info", "reduced", "is reduced");
    return line("info", "notice", "is on notice");
  }
  if (before?.status !== "True") return [];
  if (reason === "Drained") return line("info", "drained", "is drained");
  if (!isOnNotice(before)) return line("info", "drained", "has nothing left to drain");
  return [{
    level: "info",
    transition: "reopened",
    reason,
    message: `${subject} is no longer on notice and ${endText(status)}.`,
  }];
}

const endText = ({ effectiveUntil }: GrantStatus): string =>
  effectiveUntil === undefined ? "has no end" : `ends at ${effectiveUntil}`;

function endTransitions(subject: string, old: GrantStatus, status: GrantStatus): Transition[] {
  const [from, to] = [old.effectiveUntil, status.effectiveUntil];
  const isOpen = (phase: GrantStatus["phase"]) => phase === "Active" || phase === "Pending";
  if (from === to || !isOpen(old.phase) || !isOpen(status.phase)) return [];
  const isLater = to === undefined || (from !== undefined && Date.parse(to) > Date.parse(from));
  const before = from === undefined ? "had no end before" : `ended at ${from} before`;
  return [{
    level: "info",
    transition: isLater ? "extended" : "shortened",
    message: `${subject} ${endText(status)}; it ${before}.`,
  }];
}

/** Amounts in a line. */
const mostAmounts = 8;

function amountTransitions(subject: string, old: GrantStatus, status: GrantStatus): Transition[] {
  const { hard: from, phase } = old;
  const { hard: to } = status;
  if (phase !== "Active" || status.phase !== "Active" || isDeepStrictEqual(from, to)) return [];
  const lines = { reduced: [] as string[], extended: [] as string[] };
  for (const key of [...new Set([...Object.keys(from ?? {}), ...Object.keys(to ?? {})])].sort()) {
    const [was, is] = [from?.[key], to?.[key]];
    if (was === is) continue;
    const order = amountOf(is) - amountOf(was);
    lines[order < 0 ? "reduced" : "extended"].push(`${key} ${is ?? "not granted"} (was ${was ?? "not granted"})`);
  }
  return (["extended", "reduced"] as const).flatMap((transition) => {
    const all = lines[transition];
    if (all.length === 0) return [];
    const more = all.length > mostAmounts ? `, ${all.length - mostAmounts} more` : "";
    return [{
      level: "info" as const,
      transition,
      message: `${subject} has now ${all.slice(0, mostAmounts).join(", ")}${more}.`,
    }];
  });
}

const amountOf = (text: string | undefined): number =>
  text !== undefined && isQuantity(text) ? Number(parseQuantity(text).nanos) : 0;
