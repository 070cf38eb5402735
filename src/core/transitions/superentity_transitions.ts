/** Transitions of a SuperEntity. */
import type { SuperEntityStatus } from "../../api/mod.ts";
import { conditionOf } from "../conditions.ts";
import type { SuperEntityFacts } from "../facts.ts";
import { because, changedConditions, conditionTransition, goneTransition, type Transition } from "./transition.ts";

/** Returns the transitions between two observations of a SuperEntity. */
export function superEntityTransitions(
  before: SuperEntityFacts | undefined,
  after: SuperEntityFacts | undefined,
): Transition[] {
  if (!after) return before ? [goneTransition(`SuperEntity ${before.name}`, ".")] : [];
  const old = before?.uid === after.uid ? before.status : {};
  const { status } = after;
  if (status.phase === undefined) return [];
  const subject = `SuperEntity ${after.name}`;
  const changes = changedConditions(old, status);
  const said = [...phaseTransition(subject, old, status), ...memberTransitions(subject, old, status)];
  const reasons = new Set(said.map(({ reason }) => reason));
  const others = changes.filter(({ type, old, now }) =>
    type !== "Ready" && now && now.status !== "Unknown" && !reasons.has(now.reason) &&
    (now.status === "False" || (old !== undefined && old.status !== "Unknown"))
  );
  const lines = [
    ...said,
    ...others.map((change) => conditionTransition(subject, change, change.now?.status === "False")),
  ];
  return lines.length > 0 || changes.length === 0
    ? lines
    : changes.map((change) => ({ ...conditionTransition(subject, change, false), level: "debug" }));
}

function phaseTransition(subject: string, old: SuperEntityStatus, status: SuperEntityStatus): Transition[] {
  const [before, ready] = [conditionOf(old, "Ready"), conditionOf(status, "Ready")];
  if (old.phase === status.phase && before?.reason === ready?.reason && before?.status === ready?.status) return [];
  const { reason, message } = ready ?? { reason: "Unknown", message: "" };
  const isOk = status.phase === "Active" || reason === "QuorumMissing";
  return [{
    level: isOk ? "info" : "warn",
    transition: status.phase!.toLowerCase(),
    reason,
    message: `${subject} is ${status.phase}${status.phase === "Active" ? "" : ` (${reason})`}${because({ message })}`,
  }];
}

function memberTransitions(subject: string, old: SuperEntityStatus, status: SuperEntityStatus): Transition[] {
  const agreed = (of: SuperEntityStatus) =>
    new Set((of.members ?? []).flatMap(({ realm, approved }) => approved ? realm : []));
  const [before, after] = [agreed(old), agreed(status)];
  return [
    ...[...after.difference(before)].sort().map((realm): Transition => ({
      level: "info",
      transition: "approved",
      message: `${subject}: Realm ${realm} has approved ${status.digest}.`,
    })),
    ...[...before.difference(after)].sort().map((realm): Transition => ({
      level: "warn",
      transition: "approval-void",
      message: `${subject}: the approval of Realm ${realm} was withdrawn or is void.`,
    })),
  ];
}
