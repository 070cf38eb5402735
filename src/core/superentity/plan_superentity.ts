/** Plans a SuperEntity's status, events and finalizer. */
import { countText, isOrAre } from "../plain_text.ts";
import { isDeepStrictEqual } from "node:util";
import { parseQuantity } from "../../../lib/quantity/mod.ts";
import { defaultGraceSeconds, type EntityPhase, type SuperEntityStatus } from "../../api/mod.ts";
import { bounded, conditionOf, type DesiredCondition, foldConditions } from "../conditions.ts";
import { type Effect, type EffectStage, type Plan, stagesOf } from "../effects.ts";
import type { EventFact, LocalRealm, RealmFacts, SuperEntityFacts } from "../facts.ts";
import { shown } from "../resources/quota_lists.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import { earliest, rfc3339 } from "../instants.ts";
import { type Consent, consentOf, contributionOf, memberSubjects } from "./consent.ts";
import { lostAt, type Member, membersOf } from "./members.ts";

export interface SuperEntityWorld {
  entity: SuperEntityFacts;
  realmNamed: (name: string) => RealmFacts | undefined;
  /** Sentence with the reason that its name belongs to another object, if it does. */
  conflict: string | undefined;
  /** True if any grant from it or to it is in force or may still be enforced in part. */
  isHeld: boolean;
  local: LocalRealm;
  /** Capacity of this cluster's nodes by quota key; undefined: unknown. */
  capacity: ResourceList | undefined;
  /** Epoch milliseconds. */
  now: number;
}

export interface SuperEntityPlan extends Plan {
  /** Added before any grant is in force, removed when no grant from it or to it has to be ended. */
  finalizer?: "add" | "remove";
  /** The complete status; undefined: leave it unchanged. */
  status?: SuperEntityStatus;
  events: EventFact[];
}

/** Plans one SuperEntity. */
export function planSuperEntity(world: SuperEntityWorld): SuperEntityPlan {
  const plan = decide(world);
  return { ...plan, stages: stagesFor(world, plan) };
}

type Decision = Omit<SuperEntityPlan, "stages">;

function stagesFor(
  { entity }: SuperEntityWorld,
  { finalizer, status = entity.status, events }: Decision,
): EffectStage[] {
  const { name, uid, otherFinalizers: others, resourceVersion } = entity;
  const of = { kind: "SuperEntity", name, uid } as const;
  const about = { apiVersion: "keystone.io/v1alpha1", ...of };
  const added: Effect[] = finalizer === "add" ? [{ finalizer, of }] : [];
  const removed: Effect[] = finalizer === "remove" ? [{ finalizer, of, others, resourceVersion }] : [];
  const shown: Effect[] = isDeepStrictEqual(status, entity.status)
    ? []
    : [{ status, of, events: events.map((event) => ({ event, about })) }];
  return [...stagesOf("close", [removed]), ...stagesOf("open", [added]), ...stagesOf("report", [shown])];
}

function decide(seen: SuperEntityWorld): Decision {
  const entity = { ...seen.entity, subjects: memberSubjects(seen.entity, seen.realmNamed) };
  const world = { ...seen, entity };
  const { conflict, now } = world;
  if (entity.deletingSince !== undefined && !world.isHeld) {
    return { events: [], ...(entity.finalized ? { finalizer: "remove" } : {}) };
  }
  const consent = consentOf(entity);
  const needsFinalizer = consent.given && conflict === undefined && !entity.finalized &&
    entity.deletingSince === undefined;
  const members = membersOf(entity, world.realmNamed, now);
  const conditions = conflict === undefined
    ? superEntityConditions(world, consent, members)
    : conflictVerdicts(conflict);
  const ready = conditions.find(({ type }) => type === "Ready")!;
  const phase = phaseOf(consent, ready);
  const status: SuperEntityStatus = {
    phase: conflict === undefined ? phase : "Pending",
    message: bounded(ready.message),
    digest: consent.digest,
    approved: consent.approved.length,
    needed: consent.needed,
    memberCount: entity.spec.members.length,
    // Left out when empty: server-side apply makes a null of a map that loses its last key.
    ...(consent.pool.size > 0 ? { pooled: shown(consent.pool) } : {}),
    members,
    ...approvalsOf(entity, consent, now),
    observedGeneration: entity.generation,
    conditions: foldConditions(entity.status.conditions, conditions, entity.generation, now),
  };
  const wakeAt = earliest(...members.map((member) => graceEnd(world, member)));
  return {
    ...(needsFinalizer ? { finalizer: "add" } : {}),
    status,
    events: eventsOf(entity, status, members),
    ...(wakeAt === undefined ? {} : { wakeAt }),
  };
}

function graceEnd({ entity, now }: SuperEntityWorld, member: Member): number | undefined {
  const at = member.approved ? lostAt(member, entity.spec) : undefined;
  return at !== undefined && at > now ? at : undefined;
}

function phaseOf(consent: Consent, ready: DesiredCondition): EntityPhase {
  if (!consent.given) return "Pending";
  return ready.status === "True" ? "Active" : "Incomplete";
}

/** Returns the valid approvals, each with the time when it was first seen. */
function approvalsOf(
  { spec, status }: SuperEntityFacts,
  { approved }: Consent,
  now: number,
): Pick<SuperEntityStatus, "approvals"> {
  if (approved.length === 0) return {};
  // With the digest as given: it keeps approvals valid that are older than subjects in digests.
  const given = new Map(spec.approvals?.map((each) => [each.realm, each.digest]));
  const seen = new Map(status.approvals?.map(({ realm, digest, seenAt }) => [`${realm} ${digest}`, seenAt]));
  return {
    approvals: approved.map(({ realm }) => {
      const digest = given.get(realm)!;
      return { realm, digest, seenAt: seen.get(`${realm} ${digest}`) ?? rfc3339(now) };
    }),
  };
}

const conflictVerdicts = (message: string): DesiredCondition[] => [{
  type: "Ready",
  status: "False",
  reason: "NameConflict",
  message,
}];

function superEntityConditions(
  world: SuperEntityWorld,
  consent: Consent,
  members: readonly Member[],
): DesiredCondition[] {
  const all = [
    approvedCondition(world, consent),
    presentCondition(members),
    membersPresentCondition(world, members),
    coveredCondition(world),
  ];
  // Members that haven't approved don't matter for Ready.
  const [approved, known, present, covered] = all;
  const lacking = [approved, present, covered].find((condition) => condition!.status === "False");
  const { name, deletingSince } = world.entity;
  const leaving: DesiredCondition | undefined = deletingSince === undefined ? undefined : {
    type: "Ready",
    status: "False",
    reason: "Deleted",
    message: `SuperEntity ${name} was deleted; the grants from it and to it are ending.`,
  };
  return [
    ...all,
    leaving ?? {
      type: "Ready",
      status: lacking ? "False" : "True",
      reason: lacking?.reason ?? "Approved",
      message: lacking
        // Names missing Realms too, because their approvals will never arrive.
        ? lacking === approved && known!.status === "False" ? `${lacking.message} ${known!.message}` : lacking.message
        : `${approved!.message} All of them are present.`,
    },
  ];
}

const listed = (names: readonly string[]): string => names.join(", ");

function approvedCondition(
  { entity }: SuperEntityWorld,
  { digest, approved, needed, given }: Consent,
): DesiredCondition {
  const { spec } = entity;
  const agreed = new Set(approved.map(({ realm }) => realm));
  const open = spec.members.flatMap(({ realm }) => agreed.has(realm) ? [] : realm);
  const members = new Set(spec.members.map(({ realm }) => realm));
  const strangers = (spec.approvals ?? []).flatMap(({ realm }) => members.has(realm) ? [] : realm);
  const stale = (spec.approvals ?? []).flatMap(({ realm }) => members.has(realm) && !agreed.has(realm) ? realm : []);
  const notes = [
    ...(stale.length > 0
      ? [` Void, because the terms or a member's subjects have changed: the approval of ${listed(stale)}.`]
      : []),
    ...(strangers.length > 0 ? [` Not a member: ${listed(strangers)}.`] : []),
  ].join("");
  return given
    ? {
      type: "Approved",
      status: "True",
      reason: "QuorumReached",
      message: `${approved.length} of ${countText(spec.members.length, "member")} ${
        approved.length === 1 ? "has" : "have"
      } approved (${needed} ${isOrAre(needed)} needed).${notes}`,
    }
    : {
      type: "Approved",
      status: "False",
      reason: "QuorumMissing",
      message: `${approved.length} of ${needed} needed approvals: waiting for ${listed(open)} to approve ${digest}.` +
        notes,
    };
}

function presentCondition(members: readonly Member[]): DesiredCondition {
  const unknown = members.filter(({ state }) => state === "NotFound").map(({ realm }) => realm);
  return unknown.length === 0
    ? { type: "MembersKnown", status: "True", reason: "RealmsFound", message: "The Realms of all members exist." }
    : {
      type: "MembersKnown",
      status: "False",
      reason: "MemberUnknown",
      message: `There is no Realm ${listed(unknown)}; create it, or remove it from spec.members.`,
    };
}

function membersPresentCondition({ entity, now }: SuperEntityWorld, members: readonly Member[]): DesiredCondition {
  const { spec } = entity;
  const lost = members.filter((member) => member.approved && (lostAt(member, spec) ?? Infinity) <= now);
  if (lost.length > 0) {
    const unknown = lost.some(({ state }) => state === "NotFound");
    return {
      type: "MembersPresent",
      status: "False",
      reason: unknown ? "MemberUnknown" : "MemberLost",
      message: `${lost.map(lostText).join(" ")} Grants in force stay; nothing new is granted until it is back.`,
    };
  }
  const going = members.filter((member) => member.approved && lostAt(member, spec) !== undefined);
  return {
    type: "MembersPresent",
    status: "True",
    reason: going.length > 0 ? "WithinGrace" : "Present",
    message: going.length > 0
      ? `${going.map(lostText).join(" ")} Incomplete after ${spec.graceSeconds ?? defaultGraceSeconds} s.`
      : "No approved member is lost.",
  };
}

function lostText({ realm, state, lostSince }: Member): string {
  const since = lostSince === undefined ? "" : ` since ${lostSince}`;
  return state === "NotFound" ? `There is no Realm ${realm}${since}.` : `Realm ${realm} is ${state}${since}.`;
}

/** Returns the condition for this cluster's contribution; each cluster checks only its own. */
function coveredCondition({ entity, local, capacity }: SuperEntityWorld): DesiredCondition {
  const own = local.kind === "known" ? contributionOf(entity, local.name) : undefined;
  if (!own || !capacity) {
    return {
      type: "ContributionCovered",
      status: "Unknown",
      reason: "NotJudged",
      message: "Not checked in this cluster.",
    };
  }
  const short = [...own].filter(([key, quantity]) =>
    (capacity.get(key) ?? quantity).compare(quantity) < 0 && quantity.compare(parseQuantity("0")) > 0
  );
  if (short.length === 0) {
    return {
      type: "ContributionCovered",
      status: "True",
      reason: "Covered",
      message: "This cluster has the resources that it contributes.",
    };
  }
  const list = short.map(([key, quantity]) => `${capacity.get(key)} of ${quantity} ${key}`).join(", ");
  return {
    type: "ContributionCovered",
    status: "False",
    reason: "BelowContribution",
    message: `The nodes of this cluster have ${list}, less than it contributes.`,
  };
}

/** Returns an event for each new or void approval, and for each change of the phase or the reason of Ready. */
function eventsOf(entity: SuperEntityFacts, status: SuperEntityStatus, members: readonly Member[]): EventFact[] {
  const before = entity.status;
  const ready = conditionOf(status, "Ready")!;
  const old = conditionOf(before, "Ready");
  const events: EventFact[] = [];
  const agreed = new Set(before.members?.flatMap(({ realm, approved }) => approved ? realm : []));
  for (const { realm, approved } of members) {
    if (approved === agreed.has(realm)) continue;
    events.push({
      type: "Normal",
      reason: approved ? "MemberApproved" : "ApprovalVoid",
      action: "Approve",
      note: approved
        ? `Realm ${realm} has approved ${status.digest}.`
        : `The approval of Realm ${realm} was withdrawn or is void; the present digest is ${status.digest}.`,
    });
  }
  if (before.phase !== status.phase || old?.reason !== ready.reason) {
    events.push({
      type: status.phase === "Active" || ready.reason === "QuorumMissing" ? "Normal" : "Warning",
      reason: status.phase === "Active" ? "Active" : ready.reason,
      action: "Reconcile",
      note: ready.message,
    });
  }
  return events;
}
