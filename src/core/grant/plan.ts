/** What a Grant's status says, and what has to happen to its finalizer. */
import { isDeepStrictEqual } from "node:util";
import { type GrantStatus, maxReductions, type Phase, type Settings } from "../../api/mod.ts";
import { bounded, conditionOf, foldConditions, type Verdict } from "../conditions.ts";
import { type Effect, type Plan, type Stage, stagesOf } from "../effects.ts";
import type { EventFact, GrantFacts, GuestWrites, LocalRealm, QuotaFacts, RealmFacts } from "../facts.ts";
import { hardFrom, shown } from "../resources/hard.ts";
import { type Applied, destinationReason, type Failure, type GrantShare, listed } from "./share.ts";
import { earliest, rfc3339 } from "../instants.ts";
import { guestNamespace } from "../names.ts";
import { excessOf, excessText } from "./ceiling.ts";
import { wasActive } from "./ladder.ts";
import { writesClosedVerdict } from "../storage.ts";
import { givingEntity, grantorObstacle, noPooling, type Pooling } from "./parties.ts";
import { isDated, type Reduction, shownReductions } from "./reduction.ts";
import { type Fault, faultText } from "../faults.ts";
import { type Notice, rulesOf, skewText, type Standing, standingIn, trustOf } from "./standing.ts";
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
  share: GrantShare | undefined;
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
): Stage[] {
  const { name, uid, otherFinalizers: others, resourceVersion } = grant;
  const of = { kind: "Grant", name, uid } as const;
  const added: Effect[] = finalizer === "add" ? [{ finalizer, of }] : [];
  const removed: Effect[] = finalizer === "remove" ? [{ finalizer, of, others, resourceVersion }] : [];
  const told = [
    ...events.map((event) => ({ event, about: { apiVersion: "keystone.io/v1alpha1", ...of } })),
    // About an object of the guest namespace, so that it shows where the guests look.
    ...quota
      ? guestEvents.map((event) => ({ event, about: { apiVersion: "v1", kind: "ResourceQuota", ...quota } }))
      : [],
  ];
  const shown: Effect[] = isDeepStrictEqual(status, written) ? [] : [{ status, of, events: told }];
  return [...stagesOf("close", [removed]), ...stagesOf("open", [added]), ...stagesOf("report", [shown])];
}

function decide(world: GrantWorld): Decision {
  const { standing, error } = standingIn(world);
  const share = currentShare(world);
  const wake = "wakeAt" in standing && standing.wakeAt !== undefined ? { wakeAt: standing.wakeAt } : {};
  const wait: Decision = { events: [], guestEvents: [], ...wake };
  const finalizer = finalizerOf(world.grant, standing, share);
  if (finalizer) return { ...wait, finalizer };
  if (error !== undefined) return { ...wait, ...unplanned(world, error) };
  const failure = failureShown(world, standing, share);
  if (failure) return { ...wait, ...notedPlan(world, failure, standing) };
  try {
    const plan = shownPlan(world, standing, share, wait);
    const shownAt = share && shownFrom(share);
    if (shownAt === undefined || shownAt <= world.now) return plan;
    return { ...plan, wakeAt: earliest(plan.wakeAt, shownAt)! };
  } catch (error) {
    return { ...wait, ...unplanned(world, error) };
  }
}

/** It comes before anything is enforced, and goes when nothing is any more. */
function finalizerOf(grant: GrantFacts, standing: Standing, share: GrantShare | undefined): GrantPlan["finalizer"] {
  if (standing.is === "due") return grant.finalized ? undefined : "add";
  // The guest namespace closes and drains first and wakes this grant again.
  const isOver = standing.is === "leaving" && grant.finalized && share && !share.enforced && !share.draining;
  return isOver ? "remove" : undefined;
}

/** What its status comes to, when it can be shown. */
function shownPlan(world: GrantWorld, standing: Standing, share: GrantShare | undefined, wait: Decision): Decision {
  const { grant, now } = world;
  switch (standing.is) {
    case "leaving":
      // Whether pods have to go isn't known before that: to say that none is left would end their drain.
      if (!grant.finalized || !share || share.enforced || share.looking) return wait;
      return wasActive(grant) ? { ...wait, ...statusPlan(world, standing, share) } : wait;
    case "ended":
      // The same: what ends is shown as ended only when it is taken away.
      if (grant.finalized && (!share || share.enforced || share.looking)) return wait;
      // One that never was enforced has no pods to end, whatever is being ended beside it.
      return { ...wait, ...statusPlan(world, standing, grant.finalized ? share : undefined) };
    case "pending":
      // Whether there is room in a pool is known in a moment, also after a start: until then what is shown stays.
      if (standing.reason === "PoolPending") {
        if (grant.status.phase !== undefined) return wait;
        if (now < grant.createdAt + quietMs) return { ...wait, wakeAt: grant.createdAt + quietMs };
      }
      return { ...wait, ...statusPlan(world, standing, share) };
    case "due": {
      // A share from before it came into force says nothing; the guest namespace is looked at again and wakes this grant.
      if (!share || share.quota.reason === "NotInForce") return wait;
      const plan = { ...wait, ...statusPlan(world, standing, share) };
      const sinceMs = now - (share.writingSince ?? -Infinity);
      if (sinceMs < 0 || sinceMs >= quietMs || (wasActive(grant) && !sameTerms(plan.status, grant.status))) return plan;
      return { ...wait, wakeAt: earliest(now - sinceMs + quietMs, wait.wakeAt)! };
    }
  }
}

/** What fails of a grant, when its status can say no more than that: its terms can't be planned, or it doesn't end. */
function failureShown(
  { grant, now }: GrantWorld,
  standing: Standing,
  share: GrantShare | undefined,
): Failure | undefined {
  const failure = share?.failure;
  if (!share || !failure || !grant.finalized || shownFrom(share) > now) return undefined;
  const isEnding = (standing.is === "ended" || standing.is === "leaving") && share.enforced;
  return isEnding || (standing.is === "due" && failure.reason === "PlanFailed") ? failure : undefined;
}

/** From when on a failure is shown. */
const shownFrom = ({ failure, failingSince }: GrantShare): number =>
  failure?.reason === "WriteFailed" ? (failingSince ?? 0) + patienceMs : -Infinity;

const unplanned = (world: GrantWorld, error: unknown): Pick<Decision, "status" | "events" | "error"> => ({
  ...notedPlan(world, {
    reason: "PlanFailed",
    message: faultText({ part: `the status of grant ${world.grant.name}`, error }),
  }),
  error,
});

/**
 * All as it was, but that it isn't ready: what later plans go by isn't touched by what can't be planned or written. The end
 * that is in sight is written down all the same, because it comes by that.
 */
function notedPlan(
  world: GrantWorld,
  failure: Failure,
  standing?: Standing,
): Pick<GrantPlan, "status" | "events"> {
  const { grant, now } = world;
  const { reason, message } = failure;
  const before = grant.status.conditions ?? [];
  // That it is over already is what its end is known by.
  if (before.some((condition) => condition.type === "Ready" && condition.reason === "Deleted")) return { events: [] };
  const notice = standing?.is === "due" && standing.notice ? standing : undefined;
  const verdicts: Verdict[] = [{ type: "Ready", status: "False", reason, message }];
  if (notice) verdicts.push({ type: "Draining", ...drainingOf(world, notice, undefined) });
  const said = foldConditions(before, verdicts, grant.generation, now);
  const others = before.filter(({ type }) => !verdicts.some((verdict) => verdict.type === type));
  const conditions = [...others, ...said].sort((a, b) => a.type < b.type ? -1 : 1);
  const until = notice && effectiveUntil(world, notice);
  const phase = grant.status.phase ?? "Pending";
  const ends = until === undefined ? {} : { effectiveUntil: until };
  const status: GrantStatus = { ...grant.status, phase, message: bounded(message), ...ends, conditions };
  return { status, events: readyEventsOf(grant, status) };
}

/** The share, if it is about this very grant and its present terms. */
function currentShare({ grant, share }: GrantWorld): GrantShare | undefined {
  return share?.uid === grant.uid && share.generation === grant.generation ? share : undefined;
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
const lackingIn = ({ quota, network, access }: GrantShare): Applied[] =>
  [quota, network, access].filter(({ status, reason }) => status !== "True" && !openable.has(reason));

const stands = (share: GrantShare): boolean => lackingIn(share).length === 0;

const takesAMoment = ({ reason }: Pick<Applied, "reason">): boolean =>
  reason === "Applying" || reason === "QuotaPending";

/** Whether all that keeps it from standing is that it is being written. */
export function isBeingWritten(share: GrantShare): boolean {
  const lacking = lackingIn(share);
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
  standing: Standing,
  share: GrantShare | undefined,
): Pick<GrantPlan, "status" | "events" | "guestEvents"> {
  const { grant } = world;
  const status = statusOf(world, standing, share);
  const drainEvents = drainEventsOf(grant, status);
  const events = [...readyEventsOf(grant, status), ...narrowedEventsOf(grant, status), ...drainEvents];
  return { status, events, guestEvents: drainEvents };
}

function statusOf(world: GrantWorld, standing: Standing, share: GrantShare | undefined): GrantStatus {
  const { grant, now } = world;
  const { spec } = grant;
  const verdicts = verdictsOf(world, standing, share);
  const ready = verdicts.find(({ type }) => type === "Ready")!;
  const inForce = standing.is === "due" && share !== undefined;
  const hard = inForce ? share.hard : shown(hardFrom(spec.hard));
  const until = effectiveUntil(world, standing);
  const reductions = reductionsShown(grant, share);
  return {
    phase: phaseOf(grant, standing, share),
    message: bounded(ready.message),
    ...(inForce ? { guestNamespace: guestNamespace(spec.granteeRealm) } : {}),
    // Left out when empty: server-side apply makes a null of a map that loses its last key.
    ...(Object.keys(hard).length > 0 ? { hard } : {}),
    ...(inForce ? sharedFrom(world) : {}),
    ...(inForce && Object.keys(share.usage).length > 0 ? { actualUsage: share.usage } : {}),
    ...(until === undefined ? {} : { effectiveUntil: until }),
    ...(inForce && reductions.length > 0 ? { reductions } : {}),
    ...(inForce && share.destinations.length > 0 ? { resolvedDestinations: share.destinations } : {}),
    ...(inForce && share.except.length > 0 ? { except: [...share.except] } : {}),
    observedGeneration: grant.generation,
    conditions: foldConditions(grant.status.conditions, verdicts, grant.generation, now),
  };
}

/** Which pool it takes from: known by what was seen before while nobody can be asked. */
function sharedFrom({ grant, local, pooling = noPooling }: GrantWorld): Pick<GrantStatus, "sharedFrom"> {
  const name = givingEntity(grant, local, pooling)?.name ?? grant.status.sharedFrom;
  return name === undefined ? {} : { sharedFrom: name };
}

function phaseOf(grant: GrantFacts, standing: Standing, share: GrantShare | undefined): Phase {
  switch (standing.is) {
    case "ended":
      return standing.phase;
    case "pending":
      return "Pending";
    case "leaving":
      return grant.status.phase ?? "Pending";
    case "due":
      // What was in force once stays Active while an object is being repaired; Ready says so.
      return wasActive(grant) || (share && stands(share)) ? "Active" : "Pending";
  }
}

/** The end that is in sight, or was: as the terms write it, else as it was first seen. */
function effectiveUntil({ grant }: GrantWorld, standing: Standing): string | undefined {
  const { invalid } = validityOf(grant);
  const written = invalid ? lastEnd(grant) : grant.spec.validity?.validUntil ?? undefined;
  const at = standing.is === "due" ? standing.notice?.endsAt : "at" in standing ? standing.at : undefined;
  if (at === undefined) {
    return standing.is === "pending" || standing.is === "due" ? written : grant.status.effectiveUntil;
  }
  // Up to the next whole second, since what is promised from then on must not be cut short.
  return written !== undefined && Date.parse(written) === at ? written : rfc3339(Math.ceil(at / 1000) * 1000);
}

/** The end that was last written, if it can be read. */
const lastEnd = ({ status: { effectiveUntil = "" } }: GrantFacts): string | undefined =>
  Number.isNaN(Date.parse(effectiveUntil)) ? undefined : effectiveUntil;

/** The cuts that are on notice, and while pods are still to go also those before them. */
function reductionsShown({ status }: GrantFacts, share: GrantShare | undefined): Reductions {
  const going = shownReductions(share?.reductions ?? []);
  const first = going[0]?.until;
  const before = share?.draining ? (status.reductions ?? []).filter(({ until }) => !first || until < first) : [];
  return [...before.slice(0, maxReductions - going.length), ...going];
}

type Reductions = NonNullable<GrantStatus["reductions"]>;

function verdictsOf(world: GrantWorld, standing: Standing, share: GrantShare | undefined): Verdict[] {
  const known = granteeKnown(world);
  const draining: Verdict = { type: "Draining", ...drainingOf(world, standing, share) };
  if (standing.is === "due" && share) {
    const { quota, network, access, overcommitted } = share;
    const said = [validityRead(world), ceilingOf(world), grantorOf(world)];
    const failing = share.failure && shownFrom(share) <= world.now
      ? [{ status: "False" as const, reason: share.failure.reason, message: share.failure.message }]
      : [];
    const lacking = [known, quota, network, access, ...said, ...failing].find((verdict) => verdict?.status === "False");
    return [
      known,
      { type: "QuotaApplied", ...quota },
      { type: "NetworkApplied", ...network },
      ...narrowedOf(share),
      { type: "AccessApplied", ...access },
      ...writesClosedOf(world),
      { type: "Overcommitted", ...overcommitted },
      draining,
      lacking ? { type: "Ready", status: "False", reason: lacking.reason, message: sentences(lacking, failing) } : {
        type: "Ready",
        status: "True",
        reason: "Enforced",
        message: inForceMessage(world, standing.notice, share.hint),
      },
    ];
  }
  const not = notInForce(standing);
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
function narrowedOf({ destinations }: GrantShare): Verdict[] {
  const closed = destinations.flatMap(({ narrowed, error }) =>
    narrowed ?? (error && destinationReason(error) === "DestinationPrivate" ? error : [])
  );
  if (closed.length === 0) return [];
  return [{ type: "NetworkNarrowed", status: "True", reason: "DestinationNarrowed", message: listed(closed) }];
}

/** There is no such condition while guests may write. */
function writesClosedOf({ grant, guestWrites, settings }: GrantWorld): Verdict[] {
  if (guestWrites === undefined) return (grant.status.conditions ?? []).filter(({ type }) => type === "WritesClosed");
  return guestWrites === "Open" ? [] : [writesClosedVerdict(guestWrites, settings.storage)];
}

function notInForce(standing: Standing): Applied {
  switch (standing.is) {
    case "ended":
      return { status: "False", reason: standing.phase, message: standing.message };
    case "pending":
      return { status: "False", reason: standing.reason, message: standing.message };
    default:
      return { status: "False", reason: "Deleted", message: "The grant was deleted; its pods are being ended." };
  }
}

function granteeKnown({ grant, realm }: GrantWorld): Verdict {
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
function validityRead({ grant }: GrantWorld): Applied | undefined {
  const { invalid } = validityOf(grant);
  return invalid === undefined
    ? undefined
    : { status: "False", reason: "InvalidValidity", message: `${invalid}. What is in force keeps its last known end.` };
}

/** A grant that was within the ceiling when it came into force and isn't any more, since the trust was lowered. */
function ceilingOf({ grant, realm, settings }: GrantWorld): Applied | undefined {
  if (!realm || realm.deleting) return undefined;
  const excess = excessOf(grant, rulesOf(settings, realm));
  return excess && {
    status: "False",
    reason: "ExceedsTrustCeiling",
    message: excessText(excess, trustOf(realm)),
  };
}

/** The SuperEntity that gave what is in force gives nothing new: its consent, its members or its room are lacking. */
function grantorOf({ grant, local, pooling = noPooling }: GrantWorld): Applied | undefined {
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

function drainingOf({ grant }: GrantWorld, standing: Standing, share: GrantShare | undefined): Omit<Verdict, "type"> {
  if (standing.is === "due") {
    const { notice } = standing;
    if (notice) {
      const reason = notice.why === "Expired" ? "Expiring" : notice.why;
      return {
        status: "True",
        reason,
        message: `${endText(notice)}: ${whyText[notice.why]}. What runs goes on until then, nothing may grow, and a ` +
          "roll-out that needs more room waits.",
      };
    }
    if (share && share.reductions.length > 0) {
      return {
        status: "True",
        reason: "Reduced",
        message: share.reductions.map(reducedText).join(" "),
      };
    }
    if (reductionsShown(grant, share).length > 0) return evicting(grant, share?.obstacle?.message);
    return { status: "False", reason: "NotDraining", message: "Nothing is on notice." };
  }
  if (standing.is === "pending") return { status: "False", reason: "NotDraining", message: "Nothing is on notice." };
  if (share?.draining) {
    return share.obstacle?.reason === "PodsRemain"
      ? { status: "True", ...share.obstacle }
      : evicting(grant, share.obstacle?.message);
  }
  return share?.obstacle
    ? { status: "True", ...share.obstacle }
    : { status: "False", reason: "Drained", message: "No pod is left that had its room from this grant." };
}

function reducedText(cut: Reduction): string {
  const when = isDated(cut) ? `At ${rfc3339(cut.until)}` : "Once the clocks agree";
  return `${when} less is granted of ${[...cut.hard.keys(), ...cut.destinations].sort().join(", ")}.`;
}

const endText = ({ endsAt }: Notice): string =>
  endsAt === undefined ? "Ends once the clocks agree" : `Ends at ${rfc3339(endsAt)}`;

const evicting = ({ spec }: GrantFacts, obstacle: string | undefined): Omit<Verdict, "type"> => ({
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
