/** A transition of an object: found in the change of its status, so that no writer of a status has to report it. */
import type { Condition } from "../../api/mod.ts";
import { conditionOf } from "../conditions.ts";

export interface Transition {
  /** `warn` needs a person's attention, `debug` is explained by another line. */
  level: "debug" | "info" | "warn";
  /** One word, stable, such as `active` or `notice`. */
  transition: string;
  /** Reason of the condition that shows it, CamelCase. */
  reason?: string;
  /** A sentence that begins with the object. */
  message: string;
}

/** A condition whose status or reason differs. */
export interface ConditionChange {
  type: string;
  old: Condition | undefined;
  /** Undefined: the condition is gone. */
  now: Condition | undefined;
}

type WithConditions = { readonly conditions?: readonly Condition[] | undefined };

/** Returns the conditions whose status or reason differ. Messages and times are no transition. */
export function changedConditions(before: WithConditions, after: WithConditions): ConditionChange[] {
  const types = new Set([...before.conditions ?? [], ...after.conditions ?? []].map(({ type }) => type));
  return [...types].sort().flatMap((type) => {
    const [old, now] = [conditionOf(before, type), conditionOf(after, type)];
    return old?.status === now?.status && old?.reason === now?.reason ? [] : [{ type, old, now }];
  });
}

/** Returns a condition's message as the end of a sentence that names the object. */
export const because = ({ message }: Pick<Condition, "message">): string => message === "" ? "." : `: ${message}`;

/** Describes a changed condition that has no word of its own. */
export function conditionTransition(subject: string, { type, now }: ConditionChange, isBad: boolean): Transition {
  return {
    level: isBad ? "warn" : "info",
    transition: "condition",
    ...(now ? { reason: now.reason } : {}),
    message: now
      ? `${subject}: ${type} is ${now.status} (${now.reason})${because(now)}`
      : `${subject}: ${type} no longer applies.`,
  };
}

/** Describes an object that no longer exists. */
export const goneTransition = (subject: string, rest: string): Transition => ({
  level: "info",
  transition: "deleted",
  message: `${subject} is deleted${rest}`,
});
