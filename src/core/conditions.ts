/** Conditions (KEP-1623), updated from their previous values: lastTransitionTime changes only when status changes. */
import type { Condition } from "../api/mod.ts";
import { rfc3339 } from "./instants.ts";

/** A condition as a planner produces it, without times. */
export interface DesiredCondition {
  type: string;
  status: "True" | "False" | "Unknown";
  /** CamelCase, stable. */
  reason: string;
  /** A sentence. */
  message: string;
}

/**
 * Returns the conditions to write, sorted by type, each with the time of its last change of status. Previous conditions
 * of other types are dropped.
 */
export function foldConditions(
  previous: readonly Condition[] | undefined,
  conditions: readonly DesiredCondition[],
  observedGeneration: number,
  now: number,
): Condition[] {
  const before = new Map(previous?.map((condition) => [condition.type, condition]));
  return conditions
    .map((verdict) => {
      const old = before.get(verdict.type);
      const lastTransitionTime = old?.status === verdict.status ? old.lastTransitionTime : rfc3339(now);
      return { ...verdict, message: bounded(verdict.message), observedGeneration, lastTransitionTime };
    })
    .sort((a, b) => a.type < b.type ? -1 : 1);
}

/** Returns the condition of a type; undefined if the status is missing or has none. */
export const conditionOf = (
  status: { readonly conditions?: readonly Condition[] | undefined } | undefined,
  type: string,
): Condition | undefined => status?.conditions?.find((condition) => condition.type === type);

const longestMessage = 32_768;

/** Truncates a message to the API server's limit (KEP-1623): a longer one would make the whole status unwritable. */
export const bounded = (message: string): string =>
  message.length <= longestMessage ? message : `${message.slice(0, longestMessage - 1)}…`;
