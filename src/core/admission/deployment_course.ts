/** The course of a Deployment. */
import type { Change } from "./change.ts";
import {
  type Course,
  fenceposts,
  itselfLoad,
  metadataOf,
  noClaims,
  noLoad,
  objectLoad,
  replicasIn,
  replicasOf,
  specOf,
  statusCount,
  statusIn,
  sumOf,
} from "./course.ts";
import { itemsOf, partsOf, stringOf } from "./fields.ts";
import { type Load, sumLoads } from "./ledger.ts";
import { livePods, type OwnedPod } from "./live_pods.ts";
import { type ReplicaGroup, rollOut } from "./roll_out.ts";
import { type PodShape, type QuotaPlace, sameTemplate, shapeOf, wholeLoad } from "./pod_shapes.ts";

interface Groups {
  old: ReplicaGroup[];
  next: ReplicaGroup;
  nextExists: boolean;
  /** Amounts that are counted for its pods; apart those that stay, of the new template, and of terminating pods. */
  held: Load;
  ofNext: Load;
  terminating: Load;
  /** Reason for which the pods of another template are refused, as its ReplicaSet reports it. */
  failure?: string;
}

export function deploymentCourse(place: QuotaPlace, change: Change): Course {
  const spec = specOf(change.after);
  const { replicas, most } = replicasOf(change, place);
  const each = shapeOf(place, "spec.template", spec.template, change);
  const { old, next, nextExists, held, ofNext, terminating, failure } = groupsOf(place, change, each, replicas);
  const paused = spec.paused === true;
  const recreate = partsOf(spec.strategy).type === "Recreate";
  const itself = itselfLoad(place, change, "deployments.apps");
  const replicaSet = nextExists || (paused && change.before === undefined) || paused
    ? noLoad
    : objectLoad(place, "replicasets.apps");
  const before = change.before === undefined ? undefined : replicasIn({ ...change, after: change.before });
  const groups = [next, ...old];
  const pods = groups.map((group) => group.pods);
  const ledger = place.ledger.copy();
  const lacks = pods.reduce((sum, count) => sum + count, 0) < replicas;
  ledger.give(terminating);
  const admitted = ledger.takeMost(itself, 1) === 1;
  const end = rollOut({
    ledger,
    replicas,
    ...fenceposts(spec.strategy, replicas),
    recreate,
    paused,
    old,
    next,
    nextExists,
    replicaSet,
    ...(before !== undefined && before !== replicas
      ? { scaledFrom: before + fenceposts(specOf(change.before).strategy, before).maxSurge }
      : {}),
  });
  /** Pods that each ReplicaSet gets in addition while it is paused: no ReplicaSet takes over from another. */
  const added = groups.map(({ wanted }, index) => wanted - pods[index]!);
  const missing = Math.max(0, paused ? added[0]! : replicas - pods[0]!);
  const goal = paused
    ? sumLoads([itself, 1], [held, 1], ...groups.map((group, index) => [wholeLoad(group), added[index]!] as const))
    : sumLoads([itself, 1], [replicaSet, 1], [ofNext, 1], [wholeLoad(each), missing]);
  const come = admitted ? end.come : 0;
  const complete = admitted &&
    !end.noReplicaSet &&
    (paused
      // A ReplicaSet of an earlier roll-out may lack pods that the Deployment doesn't need.
      ? groups.every(({ pods, wanted, waiting }) => pods === wanted && waiting === 0) ||
        (replicas > 0 && groups.reduce((sum, { pods, waiting }) => sum + pods - waiting, 0) >= replicas)
      : come === replicas && end.left === 0);
  return {
    wanted: paused ? next.wanted : replicas,
    come,
    each,
    missing,
    goal,
    sure: sumLoads([itself, 1], [replicaSet, 1], [each.pod, paused ? 0 : replicas]),
    held,
    complete,
    ...(complete ? {} : { stall: { load: wholeLoad(each), free: ledger.free, kind: "surge" as const } }),
    ...(end.unfinished ? { unclear: "Its roll-out has too many steps." } : {}),
    claims: noClaims,
    // While it is paused, the pods of other templates are to come.
    ...(paused && failure !== undefined && lacks && added.slice(1).some((count) => count > 0)
      ? { obstacle: failure }
      : {}),
    warnings: [
      ...(paused ? ["It is paused: no pod changes until spec.paused is false."] : []),
      ...(complete && most > replicas
        ? scalerNote(most, ledger.room(wholeLoad(each), most - replicas) + replicas)
        : []),
    ],
    notes: complete && end.refusedRounds >= slowRounds ? [slowRollOut] : [],
  };
}

/**
 * Rounds with refused pods after which a roll-out takes minutes. The controller tries them again at each change of a pod,
 * about four times a round, and the delay of its own next try doubles each time: 5 ms, 80 ms, 1.3 s, 20 s, up to 1,000 s.
 */
const slowRounds = 3;
const slowRollOut =
  "There is no room for the whole surge, so new pods come as old ones end, and the ReplicaSet retries " +
  "ever later: up to 17 minutes a pod. Set spec.strategy.rollingUpdate to maxSurge: 0, maxUnavailable: 1 for a quick " +
  "roll-out.";

/** Returns the note that an autoscaler wants more than there is room for. */
export const scalerNote = (most: number, room: number): string[] =>
  room < most ? [`Its autoscaler may scale it to ${most} pods, but ${room} fit now.`] : [];

function groupsOf(place: QuotaPlace, change: Change, each: PodShape, replicas: number): Groups {
  const empty = (): ReplicaGroup => ({ ...each, wanted: 0, pods: 0, ready: 0, waiting: 0 });
  const { before, present } = change;
  if (before === undefined) {
    return { old: [], next: empty(), nextExists: false, held: noLoad, ofNext: noLoad, terminating: noLoad };
  }
  const template = specOf(change.after).template;
  if (present?.replicaSets) {
    const pods = livePods(place, present);
    const sorted = [...present.replicaSets].sort((a, b) => createdAt(a) - createdAt(b));
    const newest = sorted.findLast((set) => sameTemplate(template, specOf(set).template, change.asked));
    const groups = new Map(sorted.map((set) => [set, groupOf(place, set, pods)]));
    const next = newest ? groups.get(newest)! : undefined;
    const leaving = pods.filter(({ terminating }) => terminating);
    const failure = sorted.filter((set) => set !== newest && groups.get(set)!.pods < groups.get(set)!.wanted)
      .map(createFailure).find((each) => each !== undefined);
    return {
      ...(failure === undefined ? {} : { failure }),
      old: [...groups.values()].filter((group) => group !== next),
      next: next ? { ...next, pod: each.pod, claims: each.claims, ready: next.pods - next.waiting } : empty(),
      nextExists: next !== undefined,
      held: sumOf(pods.filter(({ finished }) => !finished).map(({ load }) => load)),
      ofNext: sumOf(newest ? activeOf(pods, newest).slice(0, replicas).map(({ load }) => load) : []),
      terminating: sumOf(leaving.map(({ load }) => load)),
    };
  }
  return groupsOfStatus(place, change, each, replicas, empty);
}

/** Returns the reason, other than a quota, for which a ReplicaSet's pods are refused. */
function createFailure(set: unknown): string | undefined {
  const failed = itemsOf(statusIn(set).conditions).map(partsOf).find(({ type, status }) =>
    type === "ReplicaFailure" && status === "True"
  );
  const message = stringOf(failed?.message);
  return message === "" || message.includes("exceeded quota") ? undefined : message;
}

const createdAt = (object: unknown): number => Date.parse(String(metadataOf(object).creationTimestamp)) || 0;

const activeOf = (pods: readonly OwnedPod[], set: unknown): OwnedPod[] =>
  pods.filter(({ controller, finished, terminating }) =>
    controller === metadataOf(set).uid && !finished && !terminating
  );

function groupOf(place: QuotaPlace, set: unknown, all: readonly OwnedPod[]): ReplicaGroup {
  const pods = activeOf(all, set);
  const wanted = Number(specOf(set).replicas) || 0;
  const shape = pods[0]?.shape ?? shapeOf(place, "spec.template", specOf(set).template);
  const waiting = pods.filter((pod) => pod.waiting).length;
  return {
    pod: shape.pod,
    claims: shape.claims,
    wanted,
    pods: pods.length,
    ready: Math.min(pods.filter(({ ready }) => ready).length, pods.length - waiting),
    waiting,
  };
}

/** Derives the groups from the Deployment's own status, which doesn't tell old ReplicaSets apart. */
function groupsOfStatus(
  place: QuotaPlace,
  { before, after, asked }: Change,
  each: PodShape,
  replicas: number,
  empty: () => ReplicaGroup,
): Groups {
  const same = sameTemplate(specOf(after).template, specOf(before).template, asked);
  const wanted = replicasIn({ after: before, asked: true });
  const pods = statusCount(before, "replicas") ?? wanted;
  const updated = Math.min(pods, statusCount(before, "updatedReplicas") ?? wanted);
  const available = statusCount(before, "availableReplicas") ?? pods;
  const shape = same ? each : shapeOf(place, "spec.template", specOf(before).template);
  const group = (count: number, aim: number, ready: number): ReplicaGroup => ({
    pod: shape.pod,
    claims: shape.claims,
    wanted: aim,
    pods: count,
    ready: Math.min(count, ready),
    waiting: 0,
  });
  const [held, ofNext] = [
    sumLoads([wholeLoad(shape), pods]),
    sumLoads([wholeLoad(each), same ? Math.min(updated, replicas) : 0]),
  ];
  if (!same) {
    return {
      old: [group(pods, Math.max(pods, wanted), available)],
      next: empty(),
      nextExists: false,
      held,
      ofNext,
      terminating: noLoad,
    };
  }
  const older = pods - updated;
  return {
    old: older > 0 ? [group(older, older, available)] : [],
    next: group(updated, older > 0 ? updated : wanted, updated),
    // A Deployment without pods has its ReplicaSet nevertheless, unless it has just been created.
    nextExists: true,
    held,
    ofNext,
    terminating: noLoad,
  };
}
