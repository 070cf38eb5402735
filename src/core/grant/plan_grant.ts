/** What a Grant's status says, and what has to happen to its finalizer. */
import { isDeepStrictEqual } from "node:util";
import { type GrantStatus, maxReductions, type Phase, type Settings } from "../../api/mod.ts";
import { bounded, conditionOf, type DesiredCondition, foldConditions } from "../conditions.ts";
import { type Effect, type EffectStage, type Plan, stagesOf } from "../effects.ts";
import type { EventFact, GrantFacts, GuestWrites, LocalRealm, QuotaFacts, RealmFacts } from "../facts.ts";
import { listFrom, shown } from "../resources/quota_lists.ts";
import { type AppliedState, destinationReason, type Failure, type GrantEnforcement, listed } from "./enforcement.ts";
import { earliest, rfc3339 } from "../instants.ts";
import { guestNamespace } from "../names.ts";
import { excessOf, excessText } from "./ceiling.ts";
import { wasActive } from "./termination.ts";
import { writesClosedCondition } from "../database_storage.ts";
import { givingEntity, grantorObstacle, noPooling, type Pooling } from "./parties.ts";
import { isDated, type Reduction, shownReductions } from "./reduction.ts";
import { type Fault, faultText } from "../faults.ts";
import { type Lifecycle, lifecycleIn, type Notice, rulesOf, skewText, trustOf } from "./lifecycle.ts";
import { validityOf } from "./validity.ts";

export interface GrantWorld {
  /** As it was decided last, written or not. */
  grant: GrantFacts;
  /** The status as it is written, where that is another. */
  written?: GrantStatus;
  /** The quota of its guest namespace, for events there; absent where none can be made. */
  quota?: Pick<QuotaFacts, "namespace" | "name" | "uid"> | undefined;
  realm: RealmFacts | undefined;
  local: LocalRealm;
  /** The parts of the two that could not be read. */
  unread?: readonly Fault[];
  /** As in StandingWorld. */
  pooling?: Pooling;
  settings: Settings;
  /** As in StandingWorld. */
  skewMs: number;
  /** What the guest namespace does for it; undefined until it has been looked at. */
  enforcement: GrantEnforcement | undefined;
  /** Writes that are open to guests; undefined: not known, and the status stays as it is. */
  guestWrites?: GuestWrites;
  /** Epoch milliseconds. */
  now: number;
}

export interface GrantPlan extends Plan {
  /** The finalizer comes before anything is enforced and goes when nothing is any more. */
  finalizer?: "add" | "remove";
  /** The whole status; undefined: leave it as it is. */
  status?: GrantStatus;
  /** About the Grant. */
  events: EventFact[];
  /** The same news for those in the guest namespace. */
  guestEvents: EventFact[];
}

/** A plan before it is put into effects. */
interface Decision extends Omit<GrantPlan, "stages" | "faults"> {
  /** What kept the status from being planned: all of it stays as it was, but that the grant isn't ready. */
  error?: unknown;
}

/** How long it isn't shown that something is being written, so that the usual case takes one write and not two. */
const quietMs = 2000;

/** For how long what may pass by itself isn't shown. */
const patienceMs = 10_000;

/** Plans one grant. Its finalizer comes and goes whether its status can be planned or not. */
export function planGrant(world: GrantWorld): GrantPlan {
  const { error, ...plan } = decide(world);
  const part = `the status of grant ${world.grant.name}`;
  const faults = [...error === undefined ? [] : [{ part, error }], ...world.unread ?? []];
  return { ...plan, stages: stagesFor(world, plan), ...(faults.length === 0 ? {} : { faults }) };
}

function stagesFor(
  { grant, written = grant.status, quota }: GrantWorld,
  { finalizer, status = grant.status, events, guestEvents }: Decision,
): EffectStage[] {
  const { name, uid, otherFinalizers: others, resourceVersion } = grant;
  const of = { kind: "Grant", name, uid } as const;
  const added: Effect[] = finalizer === "add" ? [{ finalizer, of }] : [];
  const removed: Effect[] = finalizer === "remove" ? [{ finalizer, of, others, resourceVersion }] : [];
  const reported = [
    ...events.map((event) => ({ event, about: { apiVersion: "keystone.io/v1alpha1", ...of } })),
    // About an object of the guest namespace, so that it shows where the guests look.
    ...quota
      ? guestEvents.map((event) => ({ event, about: { apiVersion: "v1", kind: "ResourceQuota", ...quota } }))
      : [],
  ];
  const shown: Effect[] = isDeepStrictEqual(status, written) ? [] : [{ status, of, events: reported }];
  return [...stagesOf("close", [removed]), ...stagesOf("open", [added]), ...stagesOf("report", [shown])];
}

function decide(world: GrantWorld): Decision {
  const { lifecycle, error } = lifecycleIn(world);
  const enforcement = currentEnforcement(world);
  const wake = "wakeAt" in lifecycle && lifecycle.wakeAt !== undefined ? { wakeAt: lifecycle.wakeAt } : {};
  const wait: Decision = { events: [], guestEvents: [], ...wake };
  const finalizer = finalizerOf(world.grant, lifecycle, enforcement);
  if (finalizer) return { ...wait, finalizer };
  if (error !== undefined) return { ...wait, ...unplanned(world, error) };
  const failure = failureShown(world, lifecycle, enforcement);
  if (failure) return { ...wait, ...notedPlan(world, failure, lifecycle, enforcement) };
  try {
    const plan = shownPlan(world, lifecycle, enforcement, wait);
    const shownAt = enforcement && shownFrom(enforcement);
    if (shownAt === undefined || shownAt <= world.now) return plan;
    return { ...plan, wakeAt: earliest(plan.wakeAt, shownAt)! };
  } catch (error) {
    return { ...wait, ...unplanned(world, error) };
  }
}

/** It comes before anything is enforced, and goes when nothing is any more. */
function finalizerOf(
  grant: GrantFacts,
  lifecycle: Lifecycle,
  enforcement: GrantEnforcement | undefined,
): GrantPlan["finalizer"] {
  if (lifecycle.is === "active") return grant.finalized ? undefined : "add";
  // The guest namespace closes and drains first and wakes this grant again.
  const isOver = lifecycle.is === "terminating" && grant.finalized && enforcement && !enforcement.enforced &&
    !enforcement.draining;
  return isOver ? "remove" : undefined;
}

/** What its status comes to, when it can be shown. */
function shownPlan(
  world: GrantWorld,
  lifecycle: Lifecycle,
  enforcement: GrantEnforcement | undefined,
  wait: Decision,
): Decision {
  const { grant, now } = world;
  switch (lifecycle.is) {
    case "terminating":
      // Whether pods have to go isn't known before that: to say that none is left would end their drain.
      if (!grant.finalized || !enforcement || enforcement.enforced || enforcement.looking) return wait;
      return wasActive(grant) ? { ...wait, ...statusPlan(world, lifecycle, enforcement) } : wait;
    case "ended":
      // The same: what ends is shown as ended only when it is taken away.
      if (grant.finalized && (!enforcement || enforcement.enforced || enforcement.looking)) return wait;
      // One that never was enforced has no pods to end, whatever is being ended beside it.
      return { ...wait, ...statusPlan(world, lifecycle, grant.finalized ? enforcement : undefined) };
    case "pending":
      // Whether there is room in a pool is known in a moment, also after a start: until then what is shown stays.
      if (lifecycle.reason === "PoolPending") {
        if (grant.status.phase !== undefined) return wait;
        if (now < grant.createdAt + quietMs) return { ...wait, wakeAt: grant.createdAt + quietMs };
      }
      return { ...wait, ...statusPlan(world, lifecycle, enforcement) };
    case "active": {
      // A share from before it came into force says nothing; the guest namespace is looked at again and wakes this grant.
      if (!enforcement || enforcement.quota.reason === "NotInForce") return wait;
      const plan = { ...wait, ...statusPlan(world, lifecycle, enforcement) };
      const sinceMs = now - (enforcement.writingSince ?? -Infinity);
      if (sinceMs < 0 || sinceMs >= quietMs || (wasActive(grant) && !sameTerms(plan.status, grant.status))) return plan;
      return { ...wait, wakeAt: earliest(now - sinceMs + quietMs, wait.wakeAt)! };
    }
  }
}

/** What fails of a grant, when its status can say no more than that: its terms can't be planned, or it doesn't end. */
function failureShown(
  { grant, now }: GrantWorld,
  lifecycle: Lifecycle,
  enforcement: GrantEnforcement | undefined,
): Failure | undefined {
  const failure = enforcement?.failure;
  if (!enforcement || !failure || !grant.finalized || shownFrom(enforcement) > now) return undefined;
  const isEnding = (lifecycle.is === "ended" || lifecycle.is === "terminating") && enforcement.enforced;
  return isEnding || (lifecycle.is === "active" && failure.reason === "PlanFailed") ? failure : undefined;
}

/** From when on a failure is shown. */
const shownFrom = ({ failure, failingSince }: GrantEnforcement): number =>
  failure?.reason === "WriteFailed" ? (failingSince ?? 0) + patienceMs : -Infinity;

const unplanned = (world: GrantWorld, error: unknown): Pick<Decision, "status" | "events" | "error"> => ({
  ...notedPlan(world, {
    reason: "PlanFailed",
    message: faultText({ part: `the status of grant ${world.grant.name}`, error }),
  }),
  error,
});

/**
 * The status as it was, but not ready: a failure to plan or to write doesn't touch what later plans read. The coming end and
 * the dates of cuts are recorded all the same, because what they close is closed by them.
 */
function notedPlan(
  world: GrantWorld,
  failure: Failure,
  lifecycle?: Lifecycle,
  enforcement?: GrantEnforcement,
): Pick<GrantPlan, "status" | "events"> {
  const { grant, now } = world;
  const { reason, message } = failure;
  const before = grant.status.conditions ?? [];
  // That it is over already is what its end is known by.
  if (before.some((condition) => condition.type === "Ready" && condition.reason === "Deleted")) return { events: [] };
  const notice = lifecycle?.is === "active" && lifecycle.notice ? lifecycle : undefined;
  const planned = lifecycle?.is === "active" && wasActive(grant) && !enforcement?.asShown ? enforcement : undefined;
  const isDraining = notice || (planned && reductionsShown(grant, planned).length > 0);
  const verdicts: DesiredCondition[] = [{ type: "Ready", status: "False", reason, message }];
  if (lifecycle && isDraining) verdicts.push({ type: "Draining", ...drainingOf(world, lifecycle, planned) });
  const said = foldConditions(before, verdicts, grant.generation, now);
  const others = before.filter(({ type }) => !verdicts.some((verdict) => verdict.type === type));
  const conditions = [...others, ...said].sort((a, b) => a.type < b.type ? -1 : 1);
  const until = notice && effectiveUntil(world, notice);
  const phase = grant.status.phase ?? "Pending";
  const ends = until === undefined ? {} : { effectiveUntil: until };
  const shown = planned ? { ...withoutTerms(grant.status), ...termsInForce(grant, planned) } : grant.status;
  const status: GrantStatus = { ...shown, phase, message: bounded(message), ...ends, conditions };
  return { status, events: readyEventsOf(grant, status) };
}

/** The share, if it is about this very grant and its present terms. */
function currentEnforcement({ grant, enforcement }: GrantWorld): GrantEnforcement | undefined {
  return enforcement?.uid === grant.uid && enforcement.generation === grant.generation ? enforcement : undefined;
}

/**
 * A destination that can't be resolved and a node that isn't verified never block the rest: the policies stand, and the
 * condition names it.
 */
const openable = new Set([
  "AddressNotOfTailnet",
  "ClusterRangesUnknown",
  "DestinationExcepted",
  "DestinationPrivate",
  "DestinationProtected",
  "DestinationUnresolved",
  "DuplicateIdentity",
  "NodeNotFound",
  "NodeReplaced",
  "NodeUnknown",
  "SeveralNodes",
  "TailnetInClusterRange",
]);

/** What keeps it from standing. */
const lackingIn = ({ quota, network, access }: GrantEnforcement): AppliedState[] =>
  [quota, network, access].filter(({ status, reason }) => status !== "True" && !openable.has(reason));

const stands = (enforcement: GrantEnforcement): boolean => lackingIn(enforcement).length === 0;

const takesAMoment = ({ reason }: Pick<AppliedState, "reason">): boolean =>
  reason === "Applying" || reason === "QuotaPending";

/** Whether all that keeps it from standing is that it is being written. */
export function isBeingWritten(enforcement: GrantEnforcement): boolean {
  const lacking = lackingIn(enforcement);
  return lacking.length > 0 && lacking.every(takesAMoment);
}

/** Whether two statuses differ only in what they say of how it goes: what later plans go by is the same. */
const sameTerms = (a: GrantStatus | undefined, b: GrantStatus): boolean => isDeepStrictEqual(termsIn(a), termsIn(b));

function termsIn(status: GrantStatus = {}): GrantStatus {
  const { conditions: _, message: __, ...terms } = status;
  return terms;
}

function statusPlan(
  world: GrantWorld,
  lifecycle: Lifecycle,
  enforcement: GrantEnforcement | undefined,
): Pick<GrantPlan, "status" | "events" | "guestEvents"> {
  const { grant } = world;
  const status = statusOf(world, lifecycle, enforcement);
  const drainEvents = drainEventsOf(grant, status);
  const events = [...readyEventsOf(grant, status), ...narrowedEventsOf(grant, status), ...drainEvents];
  return { status, events, guestEvents: drainEvents };
}

function statusOf(world: GrantWorld, lifecycle: Lifecycle, enforcement: GrantEnforcement | undefined): GrantStatus {
  const { grant, now } = world;
  const { spec } = grant;
  const verdicts = grantConditions(world, lifecycle, enforcement);
  const ready = verdicts.find(({ type }) => type === "Ready")!;
  const inForce = lifecycle.is === "active" && enforcement !== undefined;
  const until = effectiveUntil(world, lifecycle);
  return {
    phase: phaseOf(grant, lifecycle, enforcement),
    message: bounded(ready.message),
    ...(inForce ? { guestNamespace: guestNamespace(spec.granteeRealm) } : {}),
    ...(inForce ? { ...termsInForce(grant, enforcement), ...sharedFrom(world) } : hardIn(shown(listFrom(spec.hard)))),
    ...(inForce && Object.keys(enforcement.usage).length > 0 ? { actualUsage: enforcement.usage } : {}),
    ...(until === undefined ? {} : { effectiveUntil: until }),
    observedGeneration: grant.generation,
    conditions: foldConditions(grant.status.conditions, verdicts, grant.generation, now),
  };
}

/** Left out when empty: server-side apply makes a null of a map that loses its last key. */
const hardIn = (hard: Readonly<Record<string, string>>): Pick<GrantStatus, "hard"> =>
  Object.keys(hard).length > 0 ? { hard } : {};

/** The terms in force as the status records them: later plans find cuts by comparing with it. */
function termsInForce(
  grant: GrantFacts,
  enforcement: GrantEnforcement,
): Pick<GrantStatus, "hard" | "reductions" | "resolvedDestinations" | "except"> {
  const { hard, destinations, except } = enforcement;
  const reductions = reductionsShown(grant, enforcement);
  return {
    ...hardIn(hard),
    ...(reductions.length > 0 ? { reductions } : {}),
    ...(destinations.length > 0 ? { resolvedDestinations: destinations } : {}),
    ...(except.length > 0 ? { except: [...except] } : {}),
  };
}

function withoutTerms(status: GrantStatus): GrantStatus {
  const { hard: _, reductions: __, resolvedDestinations: ___, except: ____, ...others } = status;
  return others;
}

/** Which pool it takes from: known by what was seen before while nobody can be asked. */
function sharedFrom({ grant, local, pooling = noPooling }: GrantWorld): Pick<GrantStatus, "sharedFrom"> {
  const name = givingEntity(grant, local, pooling)?.name ?? grant.status.sharedFrom;
  return name === undefined ? {} : { sharedFrom: name };
}

function phaseOf(grant: GrantFacts, lifecycle: Lifecycle, enforcement: GrantEnforcement | undefined): Phase {
  switch (lifecycle.is) {
    case "ended":
      return lifecycle.phase;
    case "pending":
      return "Pending";
    case "terminating":
      return grant.status.phase ?? "Pending";
    case "active":
      // What was in force once stays Active while an object is being repaired; Ready says so.
      return wasActive(grant) || (enforcement && stands(enforcement)) ? "Active" : "Pending";
  }
}

/** The end that is in sight, or was: as the terms write it, else as it was first seen. */
function effectiveUntil({ grant }: GrantWorld, lifecycle: Lifecycle): string | undefined {
  const { invalid } = validityOf(grant);
  const written = invalid ? lastEnd(grant) : grant.spec.validity?.validUntil ?? undefined;
  const at = lifecycle.is === "active" ? lifecycle.notice?.endsAt : "at" in lifecycle ? lifecycle.at : undefined;
  if (at === undefined) {
    return lifecycle.is === "pending" || lifecycle.is === "active" ? written : grant.status.effectiveUntil;
  }
  // Up to the next whole second, since what is promised from then on must not be cut short.
  return written !== undefined && Date.parse(written) === at ? written : rfc3339(Math.ceil(at / 1000) * 1000);
}

/** The end that was last written, if it can be read. */
const lastEnd = ({ status: { effectiveUntil = "" } }: GrantFacts): string | undefined =>
  Number.isNaN(Date.parse(effectiveUntil)) ? undefined : effectiveUntil;

/** The cuts that are on notice, and while pods are still to go also those before them. */
function reductionsShown({ status }: GrantFacts, enforcement: GrantEnforcement | undefined): Reductions {
  const going = shownReductions(enforcement?.reductions ?? []);
  const first = going[0]?.until;
  const before = enforcement?.draining ? (status.reductions ?? []).filter(({ until }) => !first || until < first) : [];
  return [...before.slice(0, maxReductions - going.length), ...going];
}

type Reductions = NonNullable<GrantStatus["reductions"]>;

function grantConditions(
  world: GrantWorld,
  lifecycle: Lifecycle,
  enforcement: GrantEnforcement | undefined,
): DesiredCondition[] {
  const known = isGranteePresent(world);
  const draining: DesiredCondition = { type: "Draining", ...drainingOf(world, lifecycle, enforcement) };
  if (lifecycle.is === "active" && enforcement) {
    const { quota, network, access, overcommitted } = enforcement;
    const said = [validityRead(world), ceilingOf(world), grantorOf(world)];
    const failing = enforcement.failure && shownFrom(enforcement) <= world.now
      ? [{ status: "False" as const, reason: enforcement.failure.reason, message: enforcement.failure.message }]
      : [];
    const lacking = [known, quota, network, access, ...said, ...failing].find((verdict) => verdict?.status === "False");
    return [
      known,
      { type: "QuotaApplied", ...quota },
      { type: "NetworkApplied", ...network },
      ...narrowedOf(enforcement),
      { type: "AccessApplied", ...access },
      ...writesClosedOf(world),
      { type: "Overcommitted", ...overcommitted },
      draining,
      lacking ? { type: "Ready", status: "False", reason: lacking.reason, message: sentences(lacking, failing) } : {
        type: "Ready",
        status: "True",
        reason: "Enforced",
        message: inForceMessage(world, lifecycle.notice, enforcement.hint),
      },
    ];
  }
  const not = notInForce(lifecycle);
  return [
    known,
    ...["QuotaApplied", "NetworkApplied", "AccessApplied"].map((type) => ({ type, ...not })),
    draining,
    { type: "Ready", ...not },
  ];
}

/** The first thing that is lacking, and any failure beside it, which would not be said anywhere else. */
const sentences = (lacking: { message: string }, failing: readonly { message: string }[]): string =>
  [lacking.message, ...failing.map(({ message }) => message).filter((text) => text !== lacking.message)].join(" ");

/** The destinations that open less than they say; there is no such condition while there is none. */
function narrowedOf({ destinations }: GrantEnforcement): DesiredCondition[] {
  const closed = destinations.flatMap(({ narrowed, error }) =>
    narrowed ?? (error && destinationReason(error) === "DestinationPrivate" ? error : [])
  );
  if (closed.length === 0) return [];
  return [{ type: "NetworkNarrowed", status: "True", reason: "DestinationNarrowed", message: listed(closed) }];
}

/** There is no such condition while guests may write. */
function writesClosedOf({ grant, guestWrites, settings }: GrantWorld): DesiredCondition[] {
  if (guestWrites === undefined) return (grant.status.conditions ?? []).filter(({ type }) => type === "WritesClosed");
  return guestWrites === "Open" ? [] : [writesClosedCondition(guestWrites, settings.storage)];
}

function notInForce(lifecycle: Lifecycle): AppliedState {
  switch (lifecycle.is) {
    case "ended":
      return { status: "False", reason: lifecycle.phase, message: lifecycle.message };
    case "pending":
      return { status: "False", reason: lifecycle.reason, message: lifecycle.message };
    default:
      return { status: "False", reason: "Deleted", message: "The grant was deleted; its pods are being ended." };
  }
}

function isGranteePresent({ grant, realm }: GrantWorld): DesiredCondition {
  const { granteeRealm } = grant.spec;
  const waits = realm?.entity?.waits;
  if (waits) {
    const isKnown = waits.reason === "SuperEntityIncomplete";
    return { type: "GranteeKnown", status: isKnown ? "True" : "False", reason: waits.reason, message: waits.message };
  }
  if (realm?.entity) {
    return {
      type: "GranteeKnown",
      status: "True",
      reason: "SuperEntityFound",
      message: `The grantee is the SuperEntity ${granteeRealm}: ${realm.entity.members.join(", ")}.`,
    };
  }
  return realm && !realm.deleting
    ? {
      type: "GranteeKnown",
      status: "True",
      reason: "RealmFound",
      message: `The grantee is the Realm ${granteeRealm}.`,
    }
    : {
      type: "GranteeKnown",
      status: "False",
      reason: "GranteeUnknown",
      message: `There is no Realm ${granteeRealm}; create it, and this grant goes on by itself.`,
    };
}

/** Terms that can't be read any more: the end that was last known holds, and nobody may think that it is another. */
function validityRead({ grant }: GrantWorld): AppliedState | undefined {
  const { invalid } = validityOf(grant);
  return invalid === undefined
    ? undefined
    : { status: "False", reason: "InvalidValidity", message: `${invalid}. What is in force keeps its last known end.` };
}

/** A grant that was within the ceiling when it came into force and isn't any more, since the trust was lowered. */
function ceilingOf({ grant, realm, settings }: GrantWorld): AppliedState | undefined {
  if (!realm || realm.deleting) return undefined;
  const excess = excessOf(grant, rulesOf(settings, realm));
  return excess && {
    status: "False",
    reason: "ExceedsTrustCeiling",
    message: excessText(excess, trustOf(realm)),
  };
}

/** The SuperEntity that gave what is in force gives nothing new: its consent, its members or its room are lacking. */
function grantorOf({ grant, local, pooling = noPooling }: GrantWorld): AppliedState | undefined {
  const { sharedFrom } = grant.status;
  if (sharedFrom !== undefined && !givingEntity(grant, local, pooling)) {
    return {
      status: "False",
      reason: "SuperEntityUnknown",
      message: `There is no SuperEntity ${sharedFrom} any more: what was given of its pool stays as it is.`,
    };
  }
  const obstacle = grantorObstacle(grant, local, pooling);
  return obstacle && obstacle.reason !== "PoolPending" ? { status: "False", ...obstacle } : undefined;
}

const whyText = {
  Expired: "its validity ends then",
  Revoked: "it was revoked",
  Deleted: "it was deleted",
  PartyDeleted: "the SuperEntity that gives or receives was deleted",
  TrustLowered: "its grantee is trusted with no longer validity any more",
} as const;

function drainingOf(
  { grant }: GrantWorld,
  lifecycle: Lifecycle,
  enforcement: GrantEnforcement | undefined,
): Omit<DesiredCondition, "type"> {
  if (lifecycle.is === "active") {
    const { notice } = lifecycle;
    if (notice) {
      const reason = notice.why === "Expired" ? "Expiring" : notice.why;
      return {
        status: "True",
        reason,
        message: `${endText(notice)}: ${whyText[notice.why]}. What runs goes on until then, nothing may grow, and a ` +
          "roll-out that needs more room waits.",
      };
    }
    if (enforcement && enforcement.reductions.length > 0) {
      return {
        status: "True",
        reason: "Reduced",
        message: enforcement.reductions.map(reducedText).join(" "),
      };
    }
    if (reductionsShown(grant, enforcement).length > 0) return evicting(grant, enforcement?.obstacle?.message);
    return { status: "False", reason: "NotDraining", message: "Nothing is on notice." };
  }
  if (lifecycle.is === "pending") return { status: "False", reason: "NotDraining", message: "Nothing is on notice." };
  if (enforcement?.draining) {
    return enforcement.obstacle?.reason === "PodsRemain"
      ? { status: "True", ...enforcement.obstacle }
      : evicting(grant, enforcement.obstacle?.message);
  }
  return enforcement?.obstacle
    ? { status: "True", ...enforcement.obstacle }
    : { status: "False", reason: "Drained", message: "No pod is left that had its room from this grant." };
}

function reducedText(cut: Reduction): string {
  const when = isDated(cut) ? `At ${rfc3339(cut.until)}` : "Once the clocks agree";
  return `${when} less is granted of ${[...cut.hard.keys(), ...cut.destinations].sort().join(", ")}.`;
}

const endText = ({ endsAt }: Notice): string =>
  endsAt === undefined ? "Ends once the clocks agree" : `Ends at ${rfc3339(endsAt)}`;

const evicting = ({ spec }: GrantFacts, obstacle: string | undefined): Omit<DesiredCondition, "type"> => ({
  status: "True",
  reason: "Evicting",
  message: `Pods in ${guestNamespace(spec.granteeRealm)} that have no room any more are being evicted, ` +
    `PodDisruptionBudgets respected for ${spec.termination?.drainSeconds ?? 120} s.${obstacle ? ` ${obstacle}` : ""}`,
});

function inForceMessage(
  { grant, local, skewMs }: GrantWorld,
  notice: Notice | undefined,
  hint: string | undefined,
): string {
  const { spec } = grant;
  const end = notice?.endsAt !== undefined ? rfc3339(notice.endsAt) : spec.validity?.validUntil;
  const taken = local.kind === "any"
    ? " Taken as this cluster's own: neither a tailnet nor KEYSTONE_REALM says which realm it is."
    : "";
  const enforced = `Enforced in namespace ${guestNamespace(spec.granteeRealm)}${end ? ` until ${end}` : ""}.${taken}`;
  return [enforced, ...(hint ? [hint] : []), ...(notice?.skewed ? [skewText(skewMs)] : [])].join(" ");
}

/** An event for each change of what people would want to hear of. */
function readyEventsOf(grant: GrantFacts, status: GrantStatus): EventFact[] {
  const ready = conditionOf(status, "Ready")!;
  const before = conditionOf(grant.status, "Ready");
  const changed = grant.status.phase !== status.phase || before?.reason !== ready.reason;
  // Writing takes a moment and isn't news.
  if (!changed || takesAMoment(ready) || ready.reason === "PoolPending") return [];
  const normal = ready.status === "True" || status.phase === "Expired" || status.phase === "Revoked" ||
    ready.reason === "NotYetValid";
  return [{ type: normal ? "Normal" : "Warning", reason: ready.reason, action: "Reconcile", note: ready.message }];
}

/** What was open and isn't any more, because the rules became stricter or a name stands for another address. */
function narrowedEventsOf(grant: GrantFacts, status: GrantStatus): EventFact[] {
  const narrowed = conditionOf(status, "NetworkNarrowed");
  if (!narrowed || conditionOf(grant.status, "NetworkNarrowed") || !wasActive(grant)) return [];
  return [{ type: "Warning", reason: "NetworkNarrowed", action: "Reconcile", note: narrowed.message }];
}

/** An event for each rung of the ladder. */
function drainEventsOf(grant: GrantFacts, status: GrantStatus): EventFact[] {
  const draining = conditionOf(status, "Draining")!;
  const before = conditionOf(grant.status, "Draining");
  if (before?.reason === draining.reason || (before === undefined && draining.status === "False")) return [];
  if (draining.status === "True") {
    const reason = ["Evicting", "HeldByFinalizers", "PodsRemain"].includes(draining.reason)
      ? draining.reason
      : "Notice";
    return [{ type: "Warning", reason, action: "Drain", note: `Grant ${grant.name}: ${draining.message}` }];
  }
  if (before?.status !== "True") return [];
  const reason = draining.reason === "Drained" ? "Drained" : "NoticeLifted";
  return [{ type: "Normal", reason, action: "Drain", note: `Grant ${grant.name}: ${draining.message}` }];
}
