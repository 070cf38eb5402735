/**
 * Judges whether all pods and claims of a change come, as quota admission and the controllers decide it: against every
 * quota, with what the owner has and gives back.
 */
import { Quantity } from "../../../lib/quantity/mod.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import type { Change, Outcome, Shortfall, Surroundings } from "./change.ts";
import { classUnknown, type Course, nameIn, noClaims, noLoad } from "./course.ts";
import { daemonSetCourse } from "./daemon_set_course.ts";
import { deploymentCourse } from "./deployment_course.ts";
import { partsOf } from "./fields.ts";
import { cronJobCourse, jobCourse } from "./job_courses.ts";
import { Ledger, type Load, sumLoads } from "./ledger.ts";
import {
  claimCourse,
  exposureLoad,
  objectCourse,
  podCourse,
  replicaSetCourse,
  serviceCourse,
} from "./plain_courses.ts";
import { formatOf, proposalOf } from "./proposal.ts";
import type { QuotaPlace, Tried } from "./pod_shapes.ts";
import { statefulSetCourse } from "./stateful_set_course.ts";
import { resourceOf, UnreadableWorkload } from "./workload.ts";
import { wordingOf } from "./wording.ts";

/**
 * Judges a change.
 *
 * @throws {UnreadableWorkload} when it is not a valid object of its kind
 */
export function judge(change: Change, around: Surroundings): Outcome {
  const { kind } = partsOf(change.after);
  if (typeof kind !== "string") {
    throw new UnreadableWorkload(`kind is ${JSON.stringify(kind)}. It must be a kind, such as Deployment.`);
  }
  const place: QuotaPlace = { around, ledger: Ledger.of(around.quotas), claims: new Map(), shapes: new Map() };
  const course = courseOf(place, change);
  const obstacle = course.missing > 0 ? change.obstacle ?? course.obstacle ?? course.each?.obstacle : course.obstacle;
  const exceeded = exceededBy(place, change, course);
  const never = exceeded.length > 0;
  const unclear = course.unclear ??
    (course.missing > 0 && course.each?.volumes.some(({ unsure }) => unsure) ? classUnknown : undefined);
  const fits = never || obstacle !== undefined || (!course.complete && unclear === undefined)
    ? false
    : unclear === undefined
    ? true
    : null;
  const { short, stalled } = never
    ? { short: exceeded, stalled: false }
    : fits === false
    ? shortfallsOf(place, course)
    : { short: [], stalled: false };
  const come = obstacle === undefined ? course.come : Math.max(0, course.wanted - course.missing);
  const verdict = {
    kind,
    name: nameIn(change.after),
    fits,
    ...(fits === null ? { notJudged: unclear! } : {}),
    never,
    shortfalls: short,
    ...(course.each ? { pods: { wanted: course.wanted, come, created: course.missing } } : {}),
    ...(obstacle === undefined ? {} : { obstacle }),
    takes: takesOf(place, { ...course, come }, fits),
    claims: fits === false ? noClaims : course.claims,
  };
  const proposal = fits === false && obstacle === undefined
    ? proposalOf(place, change, course, short, (trial) => courseOf(place, trial))
    : {};
  const growing = growingKeys(place, course);
  const unasked = resourceIn(change) === "services" && exposureLoad(place, change.after).unasked;
  return {
    ...verdict,
    proposal,
    ...wordingOf({ verdict, proposal, course, change, around, stalled, growing, unasked }),
  };
}

/** Returns the keys of Keystone's quota that the change needs more of. */
function growingKeys({ ledger }: QuotaPlace, { goal, held }: Course): Set<string> {
  return new Set(
    [...goal].filter(([index, amount]) => ledger.slots[index]!.quota.granted && amount > (held.get(index) ?? 0n))
      .map(([index]) => ledger.slots[index]!.key),
  );
}

/** Returns the course of a change. */
export function courseOf(place: QuotaPlace, change: Change & Tried): Course {
  const { apiVersion, kind } = partsOf(change.after);
  const resource = resourceIn(change);
  switch (resource) {
    case "deployments.apps":
      return deploymentCourse(place, change);
    case "replicasets.apps":
    case "replicationcontrollers":
      return replicaSetCourse(place, change, resource);
    case "statefulsets.apps":
      return statefulSetCourse(place, change);
    case "daemonsets.apps":
      return daemonSetCourse(place, change);
    case "jobs.batch":
      return jobCourse(place, change);
    case "cronjobs.batch":
      return cronJobCourse(place, change);
    case "pods":
      return podCourse(place, change);
    case "persistentvolumeclaims":
      return claimCourse(place, change);
    case "services":
      return serviceCourse(place, change);
    case undefined:
      return objectCourse(place, change, `${String(kind).toLowerCase()}s${groupOf(String(apiVersion))}`);
    default:
      return objectCourse(place, change, resource);
  }
}

const resourceIn = ({ resource, after }: Change): string | undefined => resource ?? resourceOf(after);

const groupOf = (apiVersion: string): string => apiVersion.includes("/") ? `.${apiVersion.split("/")[0]}` : "";

/** Returns the keys above all grants together: it can never run as it is. An update that needs less is no such one. */
function exceededBy(place: QuotaPlace, change: Change, { sure }: Course): Shortfall[] {
  const over = [...sure].filter(([index, amount]) => {
    const { quota: { granted }, key } = place.ledger.slots[index]!;
    const most = granted?.get(key);
    return most !== undefined && amount > most.nanos;
  });
  if (over.length === 0) return [];
  const before = change.before === undefined ? noLoad : sureBefore(place, change.before);
  return inOrder(
    over.filter(([index, amount]) => amount > (before.get(index) ?? 0n)).map(([index, amount]) => {
      const { quota, key } = place.ledger.slots[index]!;
      return shortfall(place, index, amount, quota.granted!.get(key)!.nanos);
    }),
  );
}

/** Returns what the stored object needs for certain. */
function sureBefore(place: QuotaPlace, before: unknown): Load {
  const { status: _, ...created } = partsOf(before);
  return courseOf(place, { after: created, asked: true }).sure;
}

/** Returns the amounts that are short in the end, else those that stop the roll-out. */
function shortfallsOf(
  place: QuotaPlace,
  { goal, held, stall, complete }: Course,
): { short: Shortfall[]; stalled: boolean } {
  if (complete) return { short: [], stalled: false };
  const { ledger } = place;
  const short = [...goal].flatMap(([index, amount]) => {
    const free = least(ledger.free[index]! + (held.get(index) ?? 0n), ledger.limits[index]!);
    return amount > free && amount > (held.get(index) ?? 0n) ? [shortfall(place, index, amount, free)] : [];
  });
  if (short.length > 0 || !stall) return { short: inOrder(short), stalled: false };
  const missing = inOrder(
    [...stall.load].flatMap(([index, amount]) =>
      amount > stall.free[index]! ? [shortfall(place, index, amount, stall.free[index]!)] : []
    ),
  );
  return { short: missing, stalled: true };
}

const least = (a: bigint, b: bigint): bigint => a < b ? a : b;

function shortfall({ ledger }: QuotaPlace, index: number, amount: bigint, free: bigint): Shortfall {
  const { quota, key } = ledger.slots[index]!;
  const hard = quota.hard.get(key)!;
  const left = free < 0n ? 0n : free;
  const quantity = (nanos: bigint) => new Quantity(nanos, formatOf(key, hard));
  return {
    quota: quota.name,
    key,
    requested: quantity(amount),
    free: quantity(left),
    hard,
    short: quantity(amount - left),
  };
}

/** Sorts requests before limits, which may be defaults. */
const inOrder = (all: Shortfall[]): Shortfall[] => all.sort((a, b) => rank(a) < rank(b) ? -1 : 1);

const rank = ({ key, quota }: Shortfall): string =>
  `${key.startsWith("requests.") ? 0 : key.startsWith("limits.") ? 1 : 2}${key} ${quota}`;

/** Returns the additional amounts by quota, of as many pods as come. */
function takesOf({ ledger }: QuotaPlace, course: Course, fits: boolean | null): Map<string, ResourceList> {
  const { goal, held, wanted, come, each } = course;
  const growth = sumLoads([goal, 1], [held, -1]);
  // Pods that don't come take nothing.
  const absent = fits === false && each ? sumLoads([each.pod, Math.max(0, wanted - come)]) : noLoad;
  const takes = new Map<string, Map<string, Quantity>>();
  if (fits === false && !each) return takes;
  for (const [index, amount] of growth) {
    const { quota, key } = ledger.slots[index]!;
    const less = absent.get(index) ?? 0n;
    const rest = amount > 0n && less > 0n ? (amount > less ? amount - less : 0n) : amount;
    if (rest === 0n) continue;
    const list = takes.get(quota.name) ?? new Map<string, Quantity>();
    takes.set(quota.name, list.set(key, new Quantity(rest, quota.hard.get(key)!.format)));
  }
  return takes;
}
