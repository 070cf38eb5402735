/** Statuses of objects after Keystone was uninstalled: nobody updates them any more, so they say what stays. */
import type { GrantSpec, GrantStatus } from "../../api/mod.ts";
import { conditionOf, type DesiredCondition, foldConditions } from "../conditions.ts";
import { uninstalledReason, wasActive } from "./termination.ts";
import { rfc3339 } from "../instants.ts";
import { guestNamespace } from "../names.ts";

/** A Grant, as the uninstaller reads it. */
export interface UninstalledGrant {
  generation: number;
  spec: Pick<GrantSpec, "granteeRealm">;
  status: GrantStatus;
}

/**
 * Returns the status of a grant without an operator; undefined: the present one stays true. The record of what was in
 * force stays too, so that an operator that is installed again continues from it.
 */
export function uninstalledStatus(
  { generation, spec, status }: UninstalledGrant,
  now: number,
): GrantStatus | undefined {
  const at = `Keystone was uninstalled at ${rfc3339(now)}`;
  const { phase } = status;
  if (phase === "Revoked" || phase === "Expired") {
    if (conditionOf(status, "Draining")?.status !== "True") return undefined;
    const message = `${at}, before all pods of this grant were evicted; the rest keep running, without access.`;
    const left: DesiredCondition = { type: "Draining", status: "False", reason: uninstalledReason, message };
    return { ...status, state: phase, message, conditions: changed(status, [left], generation, now) };
  }
  const wasInForce = wasActive({ status });
  const message = wasInForce
    ? `${at}: guests have no access, and nothing new is admitted. Pods and volumes in ` +
      `${guestNamespace(spec.granteeRealm)} stay. The grant continues if Keystone is installed again.`
    : `${at}: this grant is not in force. It is processed if Keystone is installed again.`;
  const not = (type: string): DesiredCondition => ({ type, status: "False", reason: uninstalledReason, message });
  const lost = wasInForce ? ["AccessApplied", "QuotaApplied", "Ready"] : ["Ready"];
  return {
    ...status,
    phase: "Pending",
    state: "Pending",
    message,
    conditions: changed(status, lost.map(not), generation, now),
  };
}

/** A status with conditions, of any kind. */
type WithConditions = Pick<GrantStatus, "conditions">;

/** Returns the status of a Realm or SuperEntity that nobody watches any more. */
export function unwatchedStatus<S extends WithConditions>(status: S, generation: number, now: number): S {
  const message = `Keystone was uninstalled at ${rfc3339(now)}; this status is from before that.`;
  const ready: DesiredCondition = { type: "Ready", status: "False", reason: uninstalledReason, message };
  return { ...status, conditions: changed(status, [ready], generation, now) };
}

/** Returns the conditions with some of them replaced, sorted by type. */
function changed(
  { conditions = [] }: WithConditions,
  replaced: readonly DesiredCondition[],
  generation: number,
  now: number,
): NonNullable<WithConditions["conditions"]> {
  const others = conditions.filter(({ type }) => !replaced.some((each) => each.type === type));
  return [...others, ...foldConditions(conditions, replaced, generation, now)].sort((a, b) => a.type < b.type ? -1 : 1);
}
