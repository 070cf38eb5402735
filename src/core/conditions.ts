/** Conditions as a fold over what was there before (KEP-1623): a transition time moves only when the status does. */
import type { Condition } from "../api/mod.ts";
import { rfc3339 } from "./instants.ts";

/** What a planner says about one condition; the fold adds the times. */
export interface DesiredCondition {
  type: string;
  status: "True" | "False" | "Unknown";
  /** CamelCase, stable. */
  reason: string;
  /** A sentence. */
  message: string;
}

/**
 * The conditions to write: each verdict with the time of its last change of status, sorted by type. Conditions of
 * types that no verdict names are dropped.
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

/** The condition of a type in a status; undefined: it has none, or there is no status. */
export const conditionOf = (
  status: { readonly conditions?: readonly Condition[] | undefined } | undefined,
  type: string,
): Condition | undefined => status?.conditions?.find((condition) => condition.type === type);

const longestMessage = 32_768;

/** A message as long as the API server takes one (KEP-1623): a longer one would keep the whole status from being written. */
export const bounded = (message: string): string =>
  message.length <= longestMessage ? message : `${message.slice(0, longestMessage - 1)}…`;
