/** Plans a Grant's status, events and finalizer. */
import { type GrantState, type GrantStatus, maxReductions, type Phase, type Settings } from "../../api/mod.ts";
import { bounded, conditionOf, type DesiredCondition, foldConditions } from "../conditions.ts";
import { type Effect, type EffectStage, type Plan, stagesOf } from "../effects.ts";
import type { EventFact, GrantFacts, GuestWrites, LocalRealm, QuotaFacts, RealmFacts } from "../facts.ts";
import { listFrom, shown } from "../resources/quota_lists.ts";
import { type AppliedState, destinationReason, type Failure, type GrantEnforcement, listed } from "./enforcement.ts";
import { earliest, rfc3339 } from "../instants.ts";
import { guestNamespace } from "../names.ts";
import { excessOf, excessText } from "./ceiling.ts";
import { type ClusterRoom, fitCondition } from "./cluster_fit.ts";
import { causeOf, deletedMessage, noticeMessage, reasonOf } from "./end_text.ts";
import { drainMs, recordedEnd, wasActive } from "./termination.ts";
import { writesClosedCondition } from "../database_storage.ts";
import { givingEntity, grantorObstacle, noPooling, type Pooling } from "./parties.ts";
import { amountsAfter, isDated, type Reduction, shownReductions } from "./reduction.ts";
import { type Fault, faultText } from "../faults.ts";
import { sameJson } from "../same_json.ts";
import { type Lifecycle, lifecycleIn, rulesOf, skewText, trustOf } from "./lifecycle.ts";
import { validityOf } from "./validity.ts";

export interface GrantWorld {
  /** The grant with the last planned status, written or not. */
  grant: GrantFacts;
  /** The stored status, if it differs from the planned one. */
  written?: GrantStatus;
  /** The quota of its guest namespace, for events there; absent: no events can be created. */
  quota?: Pick<QuotaFacts, "namespace" | "name" | "uid"> | undefined;
  realm: RealmFacts | undefined;
  local: LocalRealm;
  /** Parts of realm and local realm that could not be read. */
  unread?: readonly Fault[];
  /** As in LifecycleWorld. */
  pooling?: Pooling;
  settings: Settings;
  /** As in LifecycleWorld. */
  skewMs: number;
  /** Its enforcement in the guest namespace; undefined until that has been observed. */
  enforcement: GrantEnforcement | undefined;
  /** Amounts that the cluster has; undefined: unknown, the status stays as it is. */
  room?: ClusterRoom | undefined;
  /** Writes that guests may make; undefined: unknown, the status stays as it is. */
  guestWrites?: GuestWrites;
  /** Epoch milliseconds. */
  now: number;
}

export interface GrantPlan extends Plan {
  /** Added before anything is enforced, removed when nothing is enforced any more. */
  finalizer?: "add" | "remove";
  /** The complete status; undefined: leave it unchanged. */
  status?: GrantStatus;
  /** Events on the Grant. */
  events: EventFact[];
  /** Events in the guest namespace, for guests. */
  guestEvents: EventFact[];
}

/** A plan before it is turned into effects. */
interface Decision extends Omit<GrantPlan, "stages" | "faults"> {
  /** Reason that the status couldn't be planned: then only Ready changes, to False. */
  error?: unknown;
}

/** Time for which writes in progress aren't shown, so that the usual case takes one status write instead of two. */
const quietMs = 2000;

/** Time for which possibly transient failures aren't shown. */
const patienceMs = 10_000;

/** Plans one grant. Its finalizer is added and removed even if its status can't be planned. */
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
    // On an object in the guest namespace, so that guests see it there.
    ...quota
      ? guestEvents.map((event) => ({ event, about: { apiVersion: "v1", kind: "ResourceQuota", ...quota } }))
      : [],
  ];
  const shown: Effect[] = sameJson(status, written) ? [] : [{ status, of, events: reported }];
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

/** Returns the finalizer's change: it is added before enforcement and removed after it. */
function finalizerOf(
  grant: GrantFacts,
  lifecycle: Lifecycle,
  enforcement: GrantEnforcement | undefined,
): GrantPlan["finalizer"] {
  if (lifecycle.is === "active") return grant.finalized ? undefined : "add";
  // The guest namespace closes and drains first, and then triggers this grant again.
  const isOver = lifecycle.is === "terminating" && grant.finalized && enforcement && !enforcement.enforced &&
    !enforcement.draining;
  return isOver ? "remove" : undefined;
}

/** Plans the status, if it can be shown already. */
function shownPlan(
  world: GrantWorld,
  lifecycle: Lifecycle,
  enforcement: GrantEnforcement | undefined,
  wait: Decision,
): Decision {
  const { grant, now } = world;
  switch (lifecycle.is) {
    case "terminating":
      // Not before the pods are known: the status Drained would end their drain.
      if (!grant.finalized || !enforcement || enforcement.enforced || enforcement.looking) return wait;
      return wasActive(grant) ? { ...wait, ...statusPlan(world, lifecycle, enforcement) } : wait;
    case "ended":
      // Not before the enforcement is removed.
      if (grant.finalized && (!enforcement || enforcement.enforced || enforcement.looking)) return wait;
      // A grant that was never enforced has no pods to evict, even if other grants of the namespace do.
      return { ...wait, ...statusPlan(world, lifecycle, grant.finalized ? enforcement : undefined) };
    case "pending":
      // Room in a pool is known a moment later, also after a start; until then the status stays as it is.
      if (lifecycle.reason === "PoolPending") {
        if (grant.status.phase !== undefined) return wait;
        if (now < grant.createdAt + quietMs) return { ...wait, wakeAt: grant.createdAt + quietMs };
      }
      return { ...wait, ...statusPlan(world, lifecycle, enforcement) };
    case "active": {
      // An enforcement from before the grant came into force is outdated; the guest loop triggers this grant again.
      if (!enforcement || enforcement.quota.reason === "NotInForce") return wait;
      const plan = { ...wait, ...statusPlan(world, lifecycle, enforcement) };
      const sinceMs = now - (enforcement.writingSince ?? -Infinity);
      if (sinceMs < 0 || sinceMs >= quietMs || (wasActive(grant) && !sameTerms(plan.status, grant.status))) return plan;
      return { ...wait, wakeAt: earliest(now - sinceMs + quietMs, wait.wakeAt)! };
    }
  }
}

/** Returns the failure if the status can show nothing else: the terms can't be planned, or the grant doesn't end. */
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

/** Returns the time from which a failure is shown. */
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
 * Plans a status that differs only in Ready: a failure doesn't change the fields that later plans depend on. An
 * upcoming end and the dates of reductions are recorded nevertheless, because the grant ends and shrinks by that record.
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
  // A recorded end of a deleted grant must stay: its end depends on it.
  if (before.some((condition) => condition.type === "Ready" && condition.reason === "Deleted")) return { events: [] };
  const notice = lifecycle?.is === "active" && lifecycle.notice ? lifecycle : undefined;
  const overdue = lifecycle && undatedEnd(grant, lifecycle);
  const planned = lifecycle?.is === "active" && wasActive(grant) && !enforcement?.asShown ? enforcement : undefined;
  const isDraining = notice || (planned && reductionsShown(grant, planned).length > 0);
  const verdicts: DesiredCondition[] = [{ type: "Ready", status: "False", reason, message }];
  if (lifecycle && isDraining) verdicts.push({ type: "Draining", ...drainingOf(world, lifecycle, planned) });
  if (overdue) verdicts.push(overdue);
  const said = foldConditions(before, verdicts, grant.generation, now);
  const others = before.filter(({ type }) => !verdicts.some((verdict) => verdict.type === type));
  const conditions = [...others, ...said].sort((a, b) => a.type < b.type ? -1 : 1);
  const until = overdue || notice ? effectiveUntil(world, lifecycle!) : undefined;
  const phase = grant.status.phase ?? "Pending";
  const isOver = lifecycle?.is === "ended" || lifecycle?.is === "terminating";
  const state = (isOver || notice) && phase === "Active" ? "Ending" : grant.status.state ?? phase;
  const ends = until === undefined ? {} : { effectiveUntil: until };
  const shown = planned ? { ...withoutTerms(grant.status), ...termsInForce(grant, planned) } : grant.status;
  const status: GrantStatus = { ...shown, phase, state, message: bounded(message), ...ends, conditions };
  return { status, events: readyEventsOf(grant, status) };
}

/**
 * Returns the condition that dates the end of a grant revoked without a notice, while that can't be executed. Without a
 * recorded date each plan would take the present, and the time for its pods would never be over.
 */
function undatedEnd(grant: GrantFacts, lifecycle: Lifecycle): DesiredCondition | undefined {
  const isOver = lifecycle.is === "ended" || lifecycle.is === "terminating";
  if (!isOver || lifecycle.at === undefined || !wasActive(grant) || !grant.spec.revocation) return undefined;
  const recorded = recordedEnd(grant, "Revoked");
  if (recorded !== undefined && recorded <= wholeSeconds(lifecycle.at)) return undefined;
  const end = { why: "Revoked" as const, endsAt: lifecycle.at, because: reasonOf(grant.spec) };
  return { type: "Draining", status: "True", reason: "Revoked", message: noticeMessage(end) };
}

/**
 * Returns the status to remember if that of a revoked grant's end can't be written: without a date each plan would take
 * the present. Undefined: its terms or its status date the end.
 */
export function endRecord(grant: GrantFacts, { effectiveUntil }: GrantStatus): GrantStatus | undefined {
  const at = Date.parse(effectiveUntil ?? "");
  const draining = Number.isNaN(at) ? undefined : undatedEnd(grant, { is: "terminating", at });
  if (!draining) return undefined;
  const conditions = foldConditions(grant.status.conditions, [draining], grant.generation, at);
  const others = (grant.status.conditions ?? []).filter(({ type }) => type !== "Draining");
  return { ...grant.status, effectiveUntil: effectiveUntil!, conditions: [...others, ...conditions] };
}

/** Returns the enforcement if it describes this grant and its present terms. */
function currentEnforcement({ grant, enforcement }: GrantWorld): GrantEnforcement | undefined {
  return enforcement?.uid === grant.uid && enforcement.generation === grant.generation ? enforcement : undefined;
}

/**
 * Reasons that don't keep a grant from being Active: an unresolved destination or unverified node never blocks the
 * rest. The condition names it.
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

/** Returns the parts that aren't applied. */
const lackingIn = ({ quota, network, access }: GrantEnforcement): AppliedState[] =>
  [quota, network, access].filter(({ status, reason }) => status !== "True" && !openable.has(reason));

const stands = (enforcement: GrantEnforcement): boolean => lackingIn(enforcement).length === 0;

const takesAMoment = ({ reason }: Pick<AppliedState, "reason">): boolean =>
  reason === "Applying" || reason === "QuotaPending";

/** Reports whether all parts that aren't applied are being written. */
export function isBeingWritten(enforcement: GrantEnforcement): boolean {
  const lacking = lackingIn(enforcement);
  return lacking.length > 0 && lacking.every(takesAMoment);
}

/** Reports whether two statuses are equal apart from message and conditions. */
const sameTerms = (a: GrantStatus | undefined, b: GrantStatus): boolean => sameJson(termsIn(a), termsIn(b));

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
  return { status, events, guestEvents: [...endEventsOf(grant, status), ...drainEvents] };
}

function statusOf(world: GrantWorld, lifecycle: Lifecycle, enforcement: GrantEnforcement | undefined): GrantStatus {
  const { grant, now } = world;
  const { spec } = grant;
  const verdicts = grantConditions(world, lifecycle, enforcement);
  const ready = verdicts.find(({ type }) => type === "Ready")!;
  const inForce = lifecycle.is === "active" && enforcement !== undefined;
  const until = effectiveUntil(world, lifecycle);
  const phase = phaseOf(grant, lifecycle, enforcement);
  const draining = verdicts.find(({ type }) => type === "Draining")!;
  const isOver = lifecycle.is === "ended" || lifecycle.is === "terminating";
  return {
    phase,
    state: stateOf(phase, lifecycle, draining),
    message: bounded(isOver && draining.status === "True" ? `${ready.message} ${draining.message}` : ready.message),
    ...(inForce ? { guestNamespace: guestNamespace(spec.granteeRealm) } : {}),
    ...(inForce ? { ...termsInForce(grant, enforcement), ...sharedFrom(world) } : hardIn(shown(listFrom(spec.hard)))),
    ...(inForce && Object.keys(enforcement.usage).length > 0 ? { actualUsage: enforcement.usage } : {}),
    ...(until === undefined ? {} : { effectiveUntil: until }),
    observedGeneration: grant.generation,
    conditions: foldConditions(grant.status.conditions, verdicts, grant.generation, now),
  };
}

/** Omits an empty map: server-side apply turns a map that loses its last key into null. */
const hardIn = (hard: Readonly<Record<string, string>>): Pick<GrantStatus, "hard"> =>
  Object.keys(hard).length > 0 ? { hard } : {};

/** Returns the terms in force as the status records them; later plans find reductions by comparing with it. */
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

/** Returns the pool it takes from. While the local realm is unknown, the recorded one. */
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
      // A grant in force stays Active while an object is being repaired; only Ready changes.
      return wasActive(grant) || (enforcement && stands(enforcement)) ? "Active" : "Pending";
  }
}

/** Returns the phase, or Ending from the start of the notice until the pods are gone. */
function stateOf(phase: Phase, lifecycle: Lifecycle, draining: Pick<DesiredCondition, "status">): GrantState {
  switch (lifecycle.is) {
    case "active":
      return phase === "Active" && lifecycle.notice ? "Ending" : phase;
    case "ended":
      return draining.status === "True" ? "Ending" : phase;
    case "terminating":
      return "Ending";
    case "pending":
      return phase;
  }
}

/** Returns the end of the grant, upcoming or past: as written in the terms, else as first seen. */
function effectiveUntil({ grant }: GrantWorld, lifecycle: Lifecycle): string | undefined {
  const { invalid } = validityOf(grant);
  const written = invalid ? lastEnd(grant) : grant.spec.validity?.validUntil ?? undefined;
  const at = lifecycle.is === "active"
    ? lifecycle.notice?.endsAt ?? lifecycle.endsAt
    : "at" in lifecycle
    ? lifecycle.at
    : undefined;
  if (at === undefined) {
    return lifecycle.is === "pending" || lifecycle.is === "active" ? written : grant.status.effectiveUntil;
  }
  // Rounded up to a whole second, so that the grant isn't cut short.
  return written !== undefined && Date.parse(written) === at ? written : rfc3339(wholeSeconds(at));
}

/** Rounds an end up as it is recorded. */
const wholeSeconds = (at: number): number => Math.ceil(at / 1000) * 1000;

/** Returns the recorded end, if it can be parsed. */
const lastEnd = ({ status: { effectiveUntil = "" } }: GrantFacts): string | undefined =>
  Number.isNaN(Date.parse(effectiveUntil)) ? undefined : effectiveUntil;

/** Returns the reductions on notice, and past ones while pods still have to go. */
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
      ...fitOf(world),
      draining,
      lacking ? { type: "Ready", status: "False", reason: lacking.reason, message: sentences(lacking, failing) } : {
        type: "Ready",
        status: "True",
        reason: "Enforced",
        message: inForceMessage(world, lifecycle, enforcement.hint),
      },
    ];
  }
  const not = notInForce(world.grant, lifecycle);
  return [
    known,
    ...["QuotaApplied", "NetworkApplied", "AccessApplied"].map((type) => ({ type, ...not })),
    ...(lifecycle.is === "pending" && lifecycle.reason !== "GrantorNotLocal" ? fitOf(world) : []),
    draining,
    { type: "Ready", ...not },
  ];
}

/** Joins the first problem and the failures, which no other condition shows. */
const sentences = (lacking: { message: string }, failing: readonly { message: string }[]): string =>
  [lacking.message, ...failing.map(({ message }) => message).filter((text) => text !== lacking.message)].join(" ");

/** Returns the condition for destinations that open less than they name; none if there are no such destinations. */
function narrowedOf({ destinations }: GrantEnforcement): DesiredCondition[] {
  const closed = destinations.flatMap(({ narrowed, error }) =>
    narrowed ?? (error && destinationReason(error) === "DestinationPrivate" ? error : [])
  );
  if (closed.length === 0) return [];
  return [{ type: "NetworkNarrowed", status: "True", reason: "DestinationNarrowed", message: listed(closed) }];
}

/** Returns the condition for closed writes; none while guests may write. */
function writesClosedOf({ grant, guestWrites, settings }: GrantWorld): DesiredCondition[] {
  if (guestWrites === undefined) return (grant.status.conditions ?? []).filter(({ type }) => type === "WritesClosed");
  return guestWrites === "Open" ? [] : [writesClosedCondition(guestWrites, settings.storage)];
}

/** Returns the condition for amounts that the nodes don't have. */
function fitOf({ grant, room }: GrantWorld): DesiredCondition[] {
  if (!room) return (grant.status.conditions ?? []).filter(({ type }) => type === "FitsCluster");
  return [fitCondition(grant.spec.hard, room)];
}

function notInForce({ spec }: GrantFacts, lifecycle: Lifecycle): AppliedState {
  switch (lifecycle.is) {
    case "ended":
      return { status: "False", reason: lifecycle.phase, message: lifecycle.message };
    case "pending":
      return { status: "False", reason: lifecycle.reason, message: lifecycle.message };
    default:
      return { status: "False", reason: "Deleted", message: deletedMessage(spec) };
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
      message: `There is no Realm ${granteeRealm}; create it, and this grant continues automatically.`,
    };
}

/** Returns the state for a validity that can't be parsed: the last known end stays in force. */
function validityRead({ grant }: GrantWorld): AppliedState | undefined {
  const { invalid } = validityOf(grant);
  return invalid === undefined
    ? undefined
    : { status: "False", reason: "InvalidValidity", message: `${invalid}. The grant keeps its last known end.` };
}

/** Returns the state for a grant in force that exceeds the limits because its grantee's trust level was lowered. */
function ceilingOf({ grant, realm, settings }: GrantWorld): AppliedState | undefined {
  if (!realm || realm.deleting) return undefined;
  const excess = excessOf(grant, rulesOf(settings, realm));
  return excess && {
    status: "False",
    reason: "ExceedsTrustCeiling",
    message: excessText(excess, trustOf(realm)),
  };
}

/** Returns the state for a grant in force whose grantor, a SuperEntity, lacks approvals, members or room. */
function grantorOf({ grant, local, pooling = noPooling }: GrantWorld): AppliedState | undefined {
  const { sharedFrom } = grant.status;
  if (sharedFrom !== undefined && !givingEntity(grant, local, pooling)) {
    return {
      status: "False",
      reason: "SuperEntityUnknown",
      message: `SuperEntity ${sharedFrom} no longer exists; the share that is in force stays.`,
    };
  }
  const obstacle = grantorObstacle(grant, local, pooling);
  return obstacle && obstacle.reason !== "PoolPending" ? { status: "False", ...obstacle } : undefined;
}

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
        message: noticeMessage({ ...notice, because: reasonOf(grant.spec) }) + removal(grant),
      };
    }
    if (enforcement && enforcement.reductions.length > 0) {
      return {
        status: "True",
        reason: "Reduced",
        message: enforcement.reductions.map((cut) => reducedText(cut, enforcement)).join(" "),
      };
    }
    const past = reductionsShown(grant, enforcement).map(({ until }) => Date.parse(until));
    if (past.length > 0) return evicting(grant, Math.max(...past), enforcement);
    return { status: "False", reason: "NotDraining", message: "Nothing is on notice." };
  }
  if (lifecycle.is === "pending") return { status: "False", reason: "NotDraining", message: "Nothing is on notice." };
  if (enforcement?.draining) {
    return enforcement.obstacle?.reason === "PodsRemain"
      ? { status: "True", ...enforcement.obstacle }
      : evicting(grant, lifecycle.at, enforcement);
  }
  return enforcement?.obstacle
    ? { status: "True", ...enforcement.obstacle }
    : { status: "False", reason: "Drained", message: "No pods that needed this grant are left." };
}

/** Keys that the message about a reduction lists with their amounts. */
const mostReduced = 8;

/** Describes one reduction: the instant, what is reduced and to which amounts, and what that means until then. */
function reducedText(cut: Reduction, { hard, reductions }: GrantEnforcement): string {
  const when = isDated(cut) ? `At ${rfc3339(cut.until)}` : "Once the clocks agree";
  const after = amountsAfter(reductions, cut, listFrom(hard));
  const lowered = [...cut.hard].sort(([a], [b]) => a < b ? -1 : 1).map(([key, from]) => {
    const to = after.get(key)!;
    return to.compare(from) < 0 ? `${key} from ${from} to ${to}` : key;
  });
  const more = lowered.length - mostReduced;
  const list = [...lowered.slice(0, mostReduced), ...(more > 0 ? [`${more} more`] : [])].join(", ");
  const closed = cut.destinations.length > 0 ? `closes ${[...cut.destinations].sort().join(", ")}` : "";
  if (lowered.length === 0) return `${when} the grant ${closed}. Everything else stays.`;
  return `${when} the grant reduces ${list}${
    closed && `, and ${closed}`
  }. Until then pods keep running, but use of what is ` +
    "reduced can't grow beyond the amount that remains. Everything else stays.";
}

/** Returns the reason that a deletion takes time, for people who wait for it. */
const removal = (grant: GrantFacts): string =>
  grant.deletingSince === undefined
    ? ""
    : ` The Grant is removed when its pods are gone, which takes up to ${drainMs(grant) / 1000} s more.`;

/**
 * Describes the eviction.
 *
 * @param endedAt epoch milliseconds of the end, if known
 */
function evicting(
  grant: GrantFacts,
  endedAt: number | undefined,
  { looking, obstacle }: Pick<GrantEnforcement, "looking" | "obstacle"> = {},
): Omit<DesiredCondition, "type"> {
  const before = conditionOf(grant.status, "Draining");
  // After a restart, what holds the pods is known only once their eviction was tried again.
  if (looking && before?.reason === "Evicting") return { status: "True", reason: "Evicting", message: before.message };
  const message =
    `Pods in ${
      guestNamespace(grant.spec.granteeRealm)
    } that exceed the remaining grants are being evicted, respecting ` +
    `PodDisruptionBudgets ${
      endedAt === undefined || !Number.isFinite(endedAt)
        ? `for ${drainMs(grant) / 1000} s`
        : `until ${rfc3339(wholeSeconds(endedAt) + drainMs(grant))}`
    }; those left then are deleted.${obstacle ? ` ${obstacle.message}` : ""}`;
  return { status: "True", reason: "Evicting", message };
}

function inForceMessage(
  { grant, local, skewMs }: GrantWorld,
  { notice, endsAt }: Extract<Lifecycle, { is: "active" }>,
  hint: string | undefined,
): string {
  const { spec } = grant;
  const end = notice?.endsAt !== undefined
    ? rfc3339(notice.endsAt)
    : endsAt !== undefined
    ? rfc3339(endsAt)
    : spec.validity?.validUntil;
  const cause = end && notice && notice.why !== "Expired"
    ? `: ${causeOf({ why: notice.why, because: reasonOf(spec) })}`
    : "";
  const taken = local.kind === "any"
    ? " Treated as local, because neither a tailnet nor KEYSTONE_REALM identifies this cluster's realm."
    : "";
  const enforced = `Enforced in namespace ${guestNamespace(spec.granteeRealm)}${
    end ? ` until ${end}` : ""
  }${cause}.${taken}`;
  return [enforced, ...(hint ? [hint] : []), ...(notice?.skewed ? [skewText(skewMs)] : [])].join(" ");
}

/** Returns an event if the phase or the reason of Ready changes. */
function readyEventsOf(grant: GrantFacts, status: GrantStatus): EventFact[] {
  const ready = conditionOf(status, "Ready")!;
  const before = conditionOf(grant.status, "Ready");
  const changed = grant.status.phase !== status.phase || before?.reason !== ready.reason;
  // Writing takes a moment and needs no event.
  if (!changed || takesAMoment(ready) || ready.reason === "PoolPending") return [];
  const normal = ready.status === "True" || status.phase === "Expired" || status.phase === "Revoked" ||
    ready.reason === "NotYetValid";
  return [{ type: normal ? "Normal" : "Warning", reason: ready.reason, action: "Reconcile", note: ready.message }];
}

/** Returns an event if a destination of a grant in force opens less than before: stricter rules, or another address. */
function narrowedEventsOf(grant: GrantFacts, status: GrantStatus): EventFact[] {
  const narrowed = conditionOf(status, "NetworkNarrowed");
  if (!narrowed || conditionOf(grant.status, "NetworkNarrowed") || !wasActive(grant)) return [];
  return [{ type: "Warning", reason: "NetworkNarrowed", action: "Reconcile", note: narrowed.message }];
}

/** Returns the guests' event of the end of a grant that was in force, with the grantor's reason. */
function endEventsOf(grant: GrantFacts, status: GrantStatus): EventFact[] {
  const ready = conditionOf(status, "Ready")!;
  const isOver = status.phase === "Revoked" || status.phase === "Expired" || ready.reason === "Deleted";
  if (!isOver || !wasActive(grant) || conditionOf(grant.status, "Ready")?.reason === ready.reason) return [];
  return [{ type: "Warning", reason: ready.reason, action: "Drain", note: `Grant ${grant.name}: ${ready.message}` }];
}

/** Reasons of Draining whose message changes only with something that guests have to know: an end, or what it waits for. */
const announced = new Set(["Deleted", "Evicting", "Expiring", "PartyDeleted", "Revoked", "TrustLowered"]);

/** Returns an event for each step of the termination. */
function drainEventsOf(grant: GrantFacts, status: GrantStatus): EventFact[] {
  const draining = conditionOf(status, "Draining")!;
  const before = conditionOf(grant.status, "Draining");
  const isNews = draining.status === "True" && announced.has(draining.reason) && before?.message !== draining.message;
  if (before?.reason === draining.reason && !isNews) return [];
  if (before === undefined && draining.status === "False") return [];
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
