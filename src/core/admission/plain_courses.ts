/** The courses of ReplicaSets, Pods, claims, Services and all other objects. */
import type { Change, ClaimState } from "./change.ts";
import {
  classUnknown,
  type Course,
  itselfLoad,
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
import { partsOf } from "./fields.ts";
import { type Load, sumLoads } from "./ledger.ts";
import { livePods } from "./live_pods.ts";
import { settle } from "./roll_out.ts";
import { claimObstacle, claimShape, type QuotaPlace, shapeOf, wholeLoad } from "./pod_shapes.ts";
import { countsObjects, wholeQuantity } from "./usage.ts";
import { listOf } from "./workload.ts";

const noPods = { wanted: 0, come: 0, missing: 0, held: noLoad, claims: noClaims, warnings: [] as string[] };

/** Returns the course of a ReplicaSet or ReplicationController: a changed template moves no pod. */
export function replicaSetCourse(place: QuotaPlace, change: Change, resource: string): Course {
  const spec = specOf(change.after);
  const { replicas, most } = replicasOf(change, place);
  const each = shapeOf(place, "spec.template", spec.template, change);
  const itself = itselfLoad(place, change, resource);
  const pods = change.present ? livePods(place, change.present).filter(({ finished }) => !finished) : undefined;
  const alive = pods?.filter(({ terminating }) => !terminating);
  const count = change.before === undefined
    ? 0
    : alive?.length ?? statusCount(change.before, "replicas") ?? replicasIn({ after: change.before, asked: true });
  const earlier = change.before === undefined || alive
    ? each
    : shapeOf(place, "spec.template", specOf(change.before).template);
  const held = pods ? sumOf(pods.map(({ load }) => load)) : sumLoads([wholeLoad(earlier), count]);
  const waiting = alive?.filter((pod) => pod.waiting).length ?? 0;
  const ledger = place.ledger.copy();
  if (pods) ledger.give(sumOf(pods.filter(({ terminating }) => terminating).map(({ load }) => load)));
  const admitted = ledger.takeMost(itself, 1) === 1;
  const group = {
    pod: each.pod,
    claims: each.claims,
    wanted: admitted ? replicas : count,
    pods: count,
    ready: count - waiting,
    waiting,
  };
  settle(ledger, group);
  const missing = Math.max(0, replicas - count);
  const complete = admitted && group.ready === replicas;
  const kept = alive
    ? sumOf(alive.slice(0, replicas).map(({ load }) => load))
    : sumLoads([wholeLoad(earlier), Math.min(count, replicas)]);
  return {
    ...noPods,
    wanted: replicas,
    come: Math.min(group.ready, replicas),
    each,
    missing,
    goal: sumLoads([itself, 1], [kept, 1], [wholeLoad(each), missing]),
    sure: sumLoads([itself, 1], [each.pod, change.before === undefined ? replicas : missing]),
    held,
    complete,
    warnings: complete && most > replicas
      ? scalerNote(most, ledger.room(wholeLoad(each), most - replicas) + replicas)
      : [],
  };
}

export function podCourse(place: QuotaPlace, change: Change): Course {
  const { metadata, spec } = partsOf(change.after);
  if (change.before !== undefined) {
    return { ...noPods, goal: noLoad, sure: noLoad, complete: true };
  }
  const each = shapeOf(place, "", { spec }, change);
  const known = place.around.claims;
  const { name } = partsOf(metadata);
  const needed = each.volumes.filter((volume) => !known?.has(`${name}-${volume.name}`));
  const goal = sumOf([each.pod, ...needed.map(({ load }) => load)]);
  const come = place.ledger.room(goal, 1);
  return {
    ...noPods,
    wanted: 1,
    come,
    each,
    missing: 1,
    goal,
    sure: each.pod,
    complete: come === 1,
    claims: new Map(
      typeof name === "string" ? needed.map(({ name: volume, state }) => [`${name}-${volume}`, state]) : [],
    ),
  };
}

/** Returns the course of a claim: its growth counts if it is expanded. */
export function claimCourse(place: QuotaPlace, { after, before }: Change): Course {
  const { load, state, unsure } = claimShape(place, nameIn(after), specOf(after), "spec");
  const held = before === undefined
    ? noLoad
    : sumOf([claimShape(place, nameIn(before), withAllocated(before), "spec").load]);
  const ledger = place.ledger.copy();
  const growth = before === undefined ? load : positive(sumLoads([load, 1], [held, -1]));
  const unclear = before === undefined && unsure ? classUnknown : undefined;
  const room = ledger.room(growth, 1) === 1;
  const obstacle = before === undefined ? claimObstacle(state, place.around) : undefined;
  return {
    ...noPods,
    goal: load,
    sure: load,
    held,
    complete: room && unclear === undefined,
    ...(room && unclear !== undefined ? { unclear } : {}),
    ...(obstacle === undefined ? {} : { obstacle }),
    claims: new Map<string, ClaimState>([[nameIn(after), state]]),
  };
}

const positive = (load: Load): Load => new Map([...load].filter(([, amount]) => amount > 0n));

/** Returns a stored claim's spec with the larger one of its requested and allocated sizes. */
function withAllocated(claim: unknown) {
  const { storage } = partsOf(statusIn(claim).allocatedResources);
  const spec = specOf(claim);
  return typeof storage === "string" ? { ...spec, resources: { requests: { storage } } } : spec;
}

/** Returns the course of a Service: node ports count by intent (pkg/quota/v1/evaluator/core/services.go). */
export function serviceCourse(place: QuotaPlace, change: Change): Course {
  const itself = itselfLoad(place, change, "services");
  const load = exposureLoad(place, change.after).load;
  const held = change.before === undefined ? noLoad : exposureLoad(place, change.before).load;
  const growth = positive(sumLoads([itself, 1], [load, 1], [held, -1]));
  return {
    ...noPods,
    goal: sumLoads([itself, 1], [load, 1]),
    sure: sumLoads([itself, 1], [load, 1]),
    held,
    complete: place.ledger.room(growth, 1) === 1,
  };
}

/** Returns a Service's load balancers and node ports; `unasked` if it takes node ports only by default. */
export function exposureLoad(place: QuotaPlace, service: unknown): { load: Load; unasked: boolean } {
  const { type, ports, allocateLoadBalancerNodePorts } = specOf(service);
  const all = listOf("spec.ports", ports).map(partsOf);
  const balanced = type === "LoadBalancer";
  const allocates = allocateLoadBalancerNodePorts !== false;
  const named = all.filter(({ nodePort }) => Number(nodePort ?? 0) !== 0).length;
  const nodePorts = type === "NodePort" || (balanced && allocates) ? all.length : balanced ? named : 0;
  const usage = new Map([
    ["services.loadbalancers", wholeQuantity(balanced ? 1 : 0)],
    ["services.nodeports", wholeQuantity(nodePorts)],
  ]);
  return { load: place.ledger.loadOf(usage, countsObjects), unasked: balanced && allocates && named === 0 };
}

/** Returns the course of an object that only counts. */
export function objectCourse(place: QuotaPlace, change: Change, resource: string): Course {
  const itself = change.before === undefined ? objectLoad(place, resource) : noLoad;
  return { ...noPods, goal: itself, sure: itself, complete: place.ledger.room(itself, 1) === 1 };
}
