/** The course of a DaemonSet. Sources: daemon_controller.go and update.go of pkg/controller/daemon. */
import type { Change } from "./change.ts";
import { type Course, itselfLoad, noClaims, noLoad, objectLoad, part, specOf, statusCount, sumOf } from "./course.ts";
import { partsOf } from "./fields.ts";
import { type Load, replaceLoads, sumLoads } from "./ledger.ts";
import { livePods } from "./live_pods.ts";
import { runsOn } from "./node_match.ts";
import { type PodShape, type QuotaPlace, sameTemplate, shapeOf, wholeLoad } from "./pod_shapes.ts";
import { podSpecFrom } from "./workload.ts";

interface Daemons {
  /** Number of nodes that run a pod; undefined: unknown. */
  nodes: number | undefined;
  /** Live pods on those nodes. */
  count: number;
  outdated: number;
  outdatedLoad: Load;
  onNodes: Load;
  /** Amounts of pods that go. */
  leaving: Load;
}

export function daemonSetCourse(place: QuotaPlace, change: Change): Course {
  const spec = specOf(change.after);
  const each = shapeOf(place, "spec.template", spec.template, change);
  const same = change.before !== undefined &&
    sameTemplate(spec.template, specOf(change.before).template, change.asked);
  const daemons = daemonsOf(place, change, each, same);
  const { type, rollingUpdate } = partsOf(spec.updateStrategy);
  const { maxSurge = 0, maxUnavailable = 1 } = partsOf(rollingUpdate);
  const isOnDelete = type === "OnDelete";
  const outdated = isOnDelete ? 0 : daemons.outdated;
  const itself = itselfLoad(place, change, "daemonsets.apps");
  const hasRevision = same ||
    (change.present?.revisions ?? []).some(({ data }) =>
      sameTemplate(spec.template, specOf(data).template, change.asked)
    );
  const revision = hasRevision ? noLoad : objectLoad(place, "controllerrevisions.apps");
  const objects = sumLoads([itself, 1], [revision, 1]);
  const load = wholeLoad(each);

  const ledger = place.ledger.copy();
  const admitted = ledger.takeMost(objects, 1) === 1;
  ledger.give(daemons.leaving);
  const wanted = daemons.nodes ?? daemons.count;
  const missing = Math.max(0, wanted - daemons.count);
  const created = admitted ? ledger.takeMost(load, missing) : 0;
  const surges = part(maxSurge, wanted, Math.ceil) > 0 && part(maxUnavailable, wanted, Math.ceil) === 0;
  const replaced = admitted && created === missing
    ? replaceLoads(ledger, daemons.outdatedLoad, load, outdated, surges)
    : 0;
  const complete = admitted && created === missing && replaced === outdated;
  if (!complete && created === missing && !surges) ledger.give(daemons.outdatedLoad);
  // Without the number of nodes it is known only if nothing limits the pods, or not even one has room.
  const guess = daemons.nodes === undefined && change.before === undefined;
  const unknown = guess && load.size > 0 && admitted && each.obstacle === undefined && place.ledger.room(load, 1) > 0;
  const onNodes = sumLoads([daemons.onNodes, 1], [daemons.outdatedLoad, -outdated], [load, outdated + missing]);
  // OnDelete replaces no pod.
  const least = change.before !== undefined && isOnDelete ? missing : daemons.nodes === undefined ? 1 : wanted;
  return {
    wanted: guess ? 1 : wanted,
    come: guess
      ? place.ledger.room(load, 1)
      : daemons.count + created - (complete || surges ? 0 : created < missing ? 0 : 1),
    each,
    missing: guess ? 1 : missing + outdated,
    goal: sumLoads([objects, 1], [onNodes, 1], [load, guess ? 1 : 0]),
    sure: sumLoads([objects, 1], [each.pod, Math.min(1, least)]),
    held: sumLoads([daemons.onNodes, 1], [daemons.leaving, 1]),
    complete: complete && !unknown && (!guess || place.ledger.room(load, 1) === 1),
    ...(complete || guess
      ? {}
      : { stall: { load, free: ledger.free, kind: surges ? "surge" as const : "replace" as const } }),
    ...(unknown
      ? { unclear: "The number of nodes that run its pods is not known here, and a quota limits the pods." }
      : {}),
    claims: noClaims,
    warnings: [],
  };
}

function daemonsOf(
  place: QuotaPlace,
  { before, after, present, asked }: Change,
  each: PodShape,
  same: boolean,
): Daemons {
  const template = podSpecFrom("spec.template.spec", partsOf(specOf(after).template).spec);
  const nodes = place.around.nodes?.filter((node) => runsOn(template, node)).map(({ name }) => name);
  const none = { count: 0, outdated: 0, outdatedLoad: noLoad, onNodes: noLoad, leaving: noLoad };
  if (before === undefined) return { ...none, nodes: nodes?.length };
  if (!present) {
    const earlier = same ? each : shapeOf(place, "spec.template", specOf(before).template);
    const scheduled = statusCount(before, "currentNumberScheduled") ?? nodes?.length ?? 0;
    const desired = statusCount(before, "desiredNumberScheduled");
    const updated = statusCount(before, "updatedNumberScheduled") ?? scheduled;
    const wanted = nodes?.length ?? (samePlaces(before, after) ? desired : undefined) ?? scheduled;
    const count = Math.min(scheduled, wanted);
    const load = wholeLoad(earlier);
    return {
      nodes: wanted,
      count,
      outdated: same ? Math.max(0, Math.min(count, count - updated)) : count,
      outdatedLoad: load,
      onNodes: sumLoads([load, count]),
      leaving: sumLoads([load, scheduled - count]),
    };
  }
  const pods = livePods(place, present);
  const alive = pods.filter(({ finished, terminating }) => !finished && !terminating);
  const desired = statusCount(before, "desiredNumberScheduled");
  const onNodes = nodes ? alive.filter(({ node }) => nodes.includes(node)) : alive;
  const hash = hashOf(present.revisions, specOf(after).template, asked);
  const outdated = onNodes.filter(({ labels }) => hash === undefined ? !same : labels[hashLabel] !== hash);
  return {
    nodes: nodes?.length ?? (samePlaces(before, after) ? Math.max(desired ?? 0, alive.length) : alive.length),
    count: onNodes.length,
    outdated: outdated.length,
    outdatedLoad: outdated[0]?.load ?? wholeLoad(each),
    onNodes: sumOf(onNodes.map(({ load }) => load)),
    leaving: sumOf(pods.filter((pod) => !onNodes.includes(pod)).map(({ load }) => load)),
  };
}

const hashLabel = "controller-revision-hash";

/** Returns the hash of the template's ControllerRevision; undefined if it is not known. */
function hashOf(revisions: readonly unknown[] | undefined, template: unknown, asked: boolean): unknown {
  const found = (revisions ?? []).map(partsOf).find(({ data }) => sameTemplate(template, specOf(data).template, asked));
  return partsOf(partsOf(found?.metadata).labels)[hashLabel];
}

/** Reports whether both templates run on the same nodes. */
function samePlaces(before: unknown, after: unknown): boolean {
  const places = (object: unknown) => {
    const { nodeSelector, affinity, tolerations, nodeName } = partsOf(partsOf(specOf(object).template).spec);
    return JSON.stringify([nodeSelector ?? {}, affinity ?? {}, tolerations ?? [], nodeName ?? ""]);
  };
  return places(before) === places(after);
}
