/**
 * The course of a StatefulSet. Source: stateful_set_control.go of pkg/controller/statefulset: missing pods are created
 * first, in order; then pods beyond the replicas go; then pods of the earlier template are replaced one by one.
 */
import type { Change, ClaimState } from "./change.ts";
import {
  classUnknown,
  type Course,
  itselfLoad,
  metadataOf,
  nameIn,
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
import { scalerNote } from "./deployment_course.ts";
import { partsOf, stringOf } from "./fields.ts";
import { type Ledger, type Load, replaceLoads, sumLoads } from "./ledger.ts";
import { livePods, ordinalOf, usedOf } from "./live_pods.ts";
import {
  claimObstacle,
  type ClaimShape,
  claimShape,
  type PodShape,
  type QuotaPlace,
  sameTemplate,
  shapeOf,
  wholeLoad,
} from "./pod_shapes.ts";
import { countOf, listOf } from "./workload.ts";

/** Pods of a set by their range. */
interface Ranks {
  /** Live pods in the range of ordinals, by ordinal; undefined: the first `count` ones. */
  ordinals: ReadonlySet<number> | undefined;
  count: number;
  /** Pods to replace, with their load. */
  outdated: number;
  outdatedLoad: Load;
  /** Amounts of live pods in the range, and of those beyond it. */
  inRange: Load;
  beyond: Load;
  terminating: Load;
  /** Claims of ephemeral volumes that pods in the range wait for, and the number of these pods. */
  awaited: Load;
  waiting: number;
}

/** Ordinals that are looked at one by one; more than that need all their claims. */
const mostOrdinals = 1024;

export function statefulSetCourse(place: QuotaPlace, change: Change): Course {
  const spec = specOf(change.after);
  const { replicas, most } = replicasOf(change, place);
  const start = countOf("spec.ordinals.start", partsOf(spec.ordinals).start, 0);
  const each = shapeOf(place, "spec.template", spec.template, change);
  const templates = listOf("spec.volumeClaimTemplates", spec.volumeClaimTemplates).map((template, index) =>
    claimShape(
      place,
      stringOf(metadataOf(template).name),
      specOf(template),
      `spec.volumeClaimTemplates[${index}].spec`,
    )
  );
  const strategy = partsOf(spec.updateStrategy);
  const onDelete = strategy.type === "OnDelete";
  const partition = onDelete
    ? 0
    : countOf("spec.updateStrategy.rollingUpdate.partition", partsOf(strategy.rollingUpdate).partition, 0);
  const same = change.before !== undefined &&
    sameTemplate(spec.template, specOf(change.before).template, change.asked);
  const earlier = change.before === undefined || same
    ? each
    : shapeOf(place, "spec.template", specOf(change.before).template);
  const current = currentTemplate(change, same);
  const ofCurrent = current === undefined ? each : shapeOf(place, "spec.template", current);
  const ranks = ranksOf(place, change, {
    replicas,
    start,
    // OnDelete replaces no pod.
    updateFrom: onDelete ? Infinity : partition,
    same,
    each,
    earlier,
  });
  const revision = revisionOf(change, same) !== undefined ? noLoad : objectLoad(place, "controllerrevisions.apps");
  const itself = itselfLoad(place, change, "statefulsets.apps");

  const claims = missingClaims(place, change, templates, ranks, replicas, start);
  const refusedClaim = claims.total === 0
    ? undefined
    : templates.map(({ state }) => claimObstacle(state, place.around)).find((why) => why !== undefined);
  const missing = Math.max(0, replicas - ranks.count);
  const below = current === undefined
    ? 0
    : ranks.ordinals
    ? Math.min(partition, replicas) - [...ranks.ordinals].filter((ordinal) => ordinal - start < partition).length
    : Math.max(0, Math.min(partition, replicas) - ranks.count);
  const obstacle = refusedClaim ?? (below > 0 ? ofCurrent.obstacle : undefined);
  const parts = { each, ofCurrent, below, missing, claims, ranks, onDelete };
  const run = (unknownClaims: boolean) => {
    const ledger = place.ledger.copy();
    ledger.give(ranks.terminating);
    if (ledger.takeMost(itself, 1) + ledger.takeMost(revision, 1) < 2) {
      return { complete: false, come: ranks.count, stall: undefined };
    }
    if (ledger.takeMost(ranks.awaited, 1) < 1) {
      const stall = { load: ranks.awaited, free: ledger.free, kind: "order" as const };
      return { complete: false, come: ranks.count - ranks.waiting, stall };
    }
    return orderedRun(ledger, replicas, parts, unknownClaims);
  };
  let end = run(true);
  let unclear: string | undefined;
  if (!end.complete && claims.uncertain > 0) {
    const best = run(false);
    if (best.complete) {
      unclear = `Its claims may exist already, such as ${templates[0]?.name}-${nameIn(change.after)}-${start}.`;
    } else end = best;
  }
  if (claims.total > 0 && templates.some(({ unsure }) => unsure)) unclear ??= classUnknown;
  const newPods = sumLoads([wholeLoad(ofCurrent), below], [wholeLoad(each), missing - below]);
  const updated = sumLoads([ranks.inRange, 1], [ranks.outdatedLoad, -ranks.outdated], [
    wholeLoad(each),
    ranks.outdated,
  ]);
  const goal = sumLoads([itself, 1], [revision, 1], [updated, 1], [newPods, 1], [claims.load, 1], [ranks.awaited, 1]);
  return {
    wanted: replicas,
    come: end.come,
    each,
    ...(obstacle === undefined ? {} : { obstacle }),
    missing: missing - below + ranks.outdated,
    goal,
    sure: sumLoads(
      [itself, 1],
      [revision, 1],
      [each.pod, onDelete ? missing : replicas - (hasOneTemplate(change, same) ? 0 : Math.min(partition, replicas))],
      [claims.sure, 1],
    ),
    held: sumLoads([ranks.inRange, 1], [ranks.beyond, 1], [ranks.terminating, 1]),
    complete: end.complete && unclear === undefined,
    ...(end.stall ? { stall: end.stall } : {}),
    ...(unclear === undefined ? {} : { unclear }),
    claims: claims.names,
    warnings: end.complete && most > replicas
      ? scalerNote(most, roomFor(place.ledger, goal, ranks, each, templates, most - replicas) + replicas)
      : [],
  };
}

function roomFor(
  before: Ledger,
  goal: Load,
  { inRange, beyond }: Ranks,
  each: PodShape,
  templates: readonly ClaimShape[],
  wanted: number,
): number {
  const ledger = before.copy();
  ledger.give(inRange);
  ledger.give(beyond);
  ledger.take(goal);
  return ledger.room(sumOf([wholeLoad(each), ...templates.map(({ load }) => load)]), wanted);
}

/** Returns the name of the template's ControllerRevision; undefined if there is none. */
function revisionOf({ after, before, present, asked }: Change, same: boolean): string | undefined {
  const found = (present?.revisions ?? []).find(({ data }) =>
    sameTemplate(specOf(after).template, specOf(data).template, asked)
  );
  if (found) return nameIn(found);
  return same ? stringOf(statusIn(before).updateRevision) : undefined;
}

/**
 * Returns the template of the pods below the partition, if it is another one than the set's: that of the current revision,
 * which stays until a roll-out has replaced all pods. Without the revisions it is expected to be the stored one.
 */
function currentTemplate({ before, present }: Change, same: boolean): unknown {
  if (before === undefined) return undefined;
  const { currentRevision, updateRevision } = statusIn(before);
  const found = (present?.revisions ?? []).find((revision) => nameIn(revision) === currentRevision);
  if (same && (currentRevision === updateRevision || !found)) return undefined;
  return specOf(found ? partsOf(found).data : before).template;
}

/** Reports whether all pods have the new template in the end, whatever the partition. */
function hasOneTemplate({ before }: Change, same: boolean): boolean {
  const { currentRevision, updateRevision } = statusIn(before);
  return before === undefined || (same && currentRevision === updateRevision);
}

interface RankOptions {
  replicas: number;
  start: number;
  /** First index whose pods are replaced. */
  updateFrom: number;
  same: boolean;
  each: PodShape;
  earlier: PodShape;
}

function ranksOf(place: QuotaPlace, change: Change, options: RankOptions): Ranks {
  const { before, after, present } = change;
  const { replicas, start, updateFrom, same, each, earlier } = options;
  const none = {
    ordinals: undefined,
    outdated: 0,
    outdatedLoad: noLoad,
    beyond: noLoad,
    terminating: noLoad,
    awaited: noLoad,
    waiting: 0,
  };
  if (before === undefined) return { ...none, count: 0, inRange: noLoad };
  if (!present) {
    const wanted = replicasIn({ after: before, asked: true });
    const pods = statusCount(before, "replicas") ?? wanted;
    const count = Math.min(pods, replicas);
    const updated = statusCount(before, "updatedReplicas") ?? pods;
    const behind = same ? Math.max(0, pods - updated) : count;
    return {
      ...none,
      count,
      outdated: Math.min(behind, Math.max(0, count - updateFrom)),
      outdatedLoad: wholeLoad(earlier),
      inRange: sumLoads([wholeLoad(earlier), count]),
      beyond: sumLoads([wholeLoad(earlier), pods - count]),
    };
  }
  const name = nameIn(after);
  const pods = livePods(place, present);
  // Finished pods are deleted and created again.
  const alive = pods.filter(({ finished, terminating }) => !finished && !terminating);
  const isIn = (ordinal: number | undefined) => ordinal !== undefined && ordinal >= start && ordinal < start + replicas;
  const inRange = alive.filter((pod) => isIn(ordinalOf(pod.name, name)));
  const revision = revisionOf(change, same);
  const outdated = inRange.filter(({ name: pod, labels }) =>
    ordinalOf(pod, name)! - start >= updateFrom && labels["controller-revision-hash"] !== revision
  );
  const stuck = inRange.filter((pod) => pod.waiting && !outdated.includes(pod));
  return {
    ordinals: new Set(inRange.map((pod) => ordinalOf(pod.name, name)!)),
    count: inRange.length,
    outdated: outdated.length,
    outdatedLoad: outdated[0]?.load ?? wholeLoad(each),
    inRange: sumOf(inRange.map(({ load }) => load)),
    beyond: sumOf(alive.filter((pod) => !inRange.includes(pod)).map(({ load }) => load)),
    terminating: sumOf(pods.filter(({ finished, terminating }) => finished || terminating).map(({ load }) => load)),
    awaited: sumOf(stuck.map(({ shape }) => shape.claims)),
    waiting: stuck.length,
  };
}

interface MissingClaims {
  /** Loads of one ordinal's claims: of the ordinals looked at, then of each further one. */
  perOrdinal: readonly Load[];
  further: Load;
  furtherCount: number;
  /** Number of claims that may exist, of which nothing is known. */
  uncertain: number;
  total: number;
  load: Load;
  sure: Load;
  names: ReadonlyMap<string, ClaimState>;
}

function missingClaims(
  place: QuotaPlace,
  { after }: Change,
  templates: readonly ClaimShape[],
  { ordinals, count }: Ranks,
  replicas: number,
  start: number,
): MissingClaims {
  const whole = sumOf(templates.map(({ load }) => load));
  const missing = Math.max(0, replicas - count);
  const nothing = { perOrdinal: [], further: noLoad, furtherCount: 0, uncertain: 0, total: 0, load: noLoad };
  if (templates.length === 0 || missing === 0) return { ...nothing, sure: noLoad, names: noClaims };
  const known = place.around.claims;
  const set = nameIn(after);
  const names = new Map<string, ClaimState>();
  const perOrdinal: Load[] = [];
  let ordinal = start;
  for (; ordinal < start + replicas && perOrdinal.length < mostOrdinals && known; ordinal++) {
    if (ordinals ? ordinals.has(ordinal) : ordinal - start < count) continue;
    const needed = templates.filter(({ name }) => !known.has(`${name}-${set}-${ordinal}`));
    for (const { name, state } of needed) names.set(`${name}-${set}-${ordinal}`, state);
    perOrdinal.push(needed.length === templates.length ? whole : sumOf(needed.map(({ load }) => load)));
  }
  const furtherCount = missing - perOrdinal.length;
  const load = sumLoads([sumOf(perOrdinal), 1], [whole, furtherCount]);
  const total = names.size + furtherCount * templates.length;
  if (known) {
    return { perOrdinal, further: whole, furtherCount, uncertain: 0, total, load, sure: load, names };
  }
  // At most as many claims may exist as the quota counts beside those of the live pods.
  const room = (key: string, perPod: bigint): number => {
    const used = usedOf(place, key);
    if (used === undefined || perPod === 0n) return missing;
    const rest = used - perPod * BigInt(count);
    return rest <= 0n ? 0 : Math.min(missing, Number((rest + perPod - 1n) / perPod));
  };
  const sum = (key: string) => templates.reduce((sum, { usage }) => sum + (usage.get(key)?.nanos ?? 0n), 0n);
  const mayExist = room("persistentvolumeclaims", sum("persistentvolumeclaims"));
  return {
    perOrdinal: [],
    further: whole,
    furtherCount: missing,
    uncertain: Math.min(mayExist, room("requests.storage", sum("requests.storage"))),
    total,
    load,
    sure: sumLoads([whole, missing - mayExist]),
    names,
  };
}

interface OrderedParts {
  each: PodShape;
  /** Pod of the current revision. */
  ofCurrent: PodShape;
  /** Missing pods below the partition, which have the template of the current revision. */
  below: number;
  missing: number;
  claims: MissingClaims;
  ranks: Ranks;
  onDelete: boolean;
}

function orderedRun(
  ledger: Ledger,
  replicas: number,
  { each, ofCurrent, below, missing, claims, ranks, onDelete }: OrderedParts,
  unknownClaims: boolean,
): Pick<Course, "complete" | "come" | "stall"> {
  let created = 0;
  const stop = (load: Load, come: number, kind: "order" | "replace"): Pick<Course, "complete" | "come" | "stall"> => ({
    complete: false,
    come,
    stall: { load, free: [...ledger.free], kind },
  });
  const podOf = (index: number): Load => wholeLoad(index < below ? ofCurrent : each);
  for (const load of claims.perOrdinal) {
    const step = sumLoads([podOf(created), 1], [load, 1]);
    if (ledger.takeMost(step, 1) === 0) return stop(step, ranks.count + created, "order");
    created++;
  }
  const rest = (upTo: number, withClaims: boolean): Load | undefined => {
    const wanted = Math.min(upTo, missing) - created;
    if (wanted <= 0) return undefined;
    const step = withClaims ? sumLoads([podOf(created), 1], [claims.further, 1]) : podOf(created);
    const done = ledger.takeMost(step, wanted);
    created += done;
    return done < wanted ? step : undefined;
  };
  const free = unknownClaims ? 0 : claims.uncertain;
  const bounds = [below, missing].flatMap((
    bound,
  ): [number, boolean][] => [[Math.min(bound, free), false], [bound, true]]);
  for (const [upTo, withClaims] of bounds) {
    const blocked = rest(upTo, withClaims);
    if (blocked) return stop(blocked, ranks.count + created, "order");
  }
  ledger.give(ranks.beyond);
  if (onDelete || ranks.outdated === 0) return { complete: true, come: replicas };
  const replaced = replaceLoads(ledger, ranks.outdatedLoad, wholeLoad(each), ranks.outdated, false);
  if (replaced === ranks.outdated) return { complete: true, come: replicas };
  ledger.give(ranks.outdatedLoad);
  return stop(wholeLoad(each), replicas - 1, "replace");
}
