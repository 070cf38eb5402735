/** Transitions of a Realm. */
import type { RealmStatus } from "../../api/mod.ts";
import { conditionOf } from "../conditions.ts";
import type { RealmFacts } from "../facts.ts";
import {
  because,
  changedConditions,
  type ConditionChange,
  conditionTransition,
  goneTransition,
  type Transition,
} from "./transition.ts";

/** Reasons that concern the whole tailnet: its own line reports them once. */
const ofTailnet = new Set([
  "ControlServerUnreachable",
  "NeedsLogin",
  "NoTailnet",
  "Starting",
  "Stopped",
  "TailscaledUnreachable",
]);

/** Words for conditions that have their own: when they become bad, and when they are good again. */
const words: Readonly<Record<string, { bad: string; isBad: string; good: string; isGood: string }>> = {
  KeyExpiring: {
    bad: "key-expiring",
    isBad: "has a key that expires",
    good: "key-renewed",
    isGood: "has a key that doesn't expire soon",
  },
  IdentityVerified: {
    bad: "unverified",
    isBad: "is not trusted at present",
    good: "verified",
    isGood: "has its trusted node",
  },
};

/** Returns the transitions between two observations of a realm. */
export function realmTransitions(before: RealmFacts | undefined, after: RealmFacts | undefined): Transition[] {
  if (!after) return before ? [goneTransition(`Realm ${before.name}`, "; access of its people is closed.")] : [];
  const old = before?.uid === after.uid ? before.status : {};
  const { status } = after;
  if (status.connectionState === undefined) return [];
  const subject = `Realm ${after.name}`;
  const changes = changedConditions(old, status);
  const said = [
    ...stateTransitions(subject, old, status),
    ...trustTransitions(subject, old, status),
  ];
  const reasons = new Set(said.map(({ reason }) => reason));
  const others = changes.filter((change) => isOwnLine(change, reasons));
  const lines = [...said, ...others.map((change) => lineOf(subject, change))];
  return lines.length > 0 || changes.length === 0
    ? lines
    : changes.map((change) => ({ ...conditionTransition(subject, change, false), level: "debug" }));
}

const isBad = ({ type, now }: ConditionChange): boolean => now?.status === (type === "KeyExpiring" ? "True" : "False");

function isOwnLine(change: ConditionChange, reasons: ReadonlySet<string | undefined>): boolean {
  const { type, old, now } = change;
  if (type === "Ready" || type === "Reachable" || !now || now.status === "Unknown") return false;
  if (reasons.has(now.reason) || ofTailnet.has(now.reason)) return false;
  if (isBad(change)) return true;
  // Good from the start, or after the tailnet was away, is no news.
  return old !== undefined && old.status !== "Unknown" && old.status !== now.status;
}

function lineOf(subject: string, change: ConditionChange): Transition {
  const word = words[change.type];
  const { now } = change;
  if (!word || !now) return conditionTransition(subject, change, isBad(change));
  const { reason } = now;
  if (!isBad(change)) {
    return { level: "info", transition: word.good, reason, message: `${subject} ${word.isGood}${because(now)}` };
  }
  const transition = reason === "NodeReplaced" ? "node-replaced" : word.bad;
  return { level: "warn", transition, reason, message: `${subject} ${word.isBad}${because(now)}` };
}

function stateTransitions(subject: string, old: RealmStatus, status: RealmStatus): Transition[] {
  const state = status.connectionState!;
  const [before, ready] = [conditionOf(old, "Ready"), conditionOf(status, "Ready")];
  if (old.connectionState === state && before?.reason === ready?.reason) return [];
  const { reason, message } = ready ?? { reason: state, message: "" };
  const text = `${subject} is ${state}${state === reason ? "" : ` (${reason})`}${because({ message })}`;
  if (ofTailnet.has(reason)) return [{ level: "debug", transition: "unknown", reason, message: text }];
  if (state === "Connected") {
    const isOk = ready?.status === "True";
    // The line of the tailnet says that it is back.
    const isBack = before !== undefined && ofTailnet.has(before.reason);
    const level = isOk ? isBack ? "debug" : "info" : "warn";
    const transition = reason === "NodeReplaced" ? "node-replaced" : isOk ? "connected" : "unverified";
    return [{ level, transition, reason, message: text }];
  }
  return [{ level: "warn", transition: reason === "NodeReplaced" ? "node-replaced" : "lost", reason, message: text }];
}

function trustTransitions(subject: string, old: RealmStatus, { trustedNode }: RealmStatus): Transition[] {
  if (old.trustedNode === undefined || old.trustedNode === trustedNode) return [];
  const to = trustedNode === undefined ? "no node any more" : `node ${trustedNode}`;
  return [{
    level: "warn",
    transition: "trusted-node",
    message: `${subject} trusts ${to}; before ${old.trustedNode}.`,
  }];
}
