/** The courses of Jobs and CronJobs. Sources: job_controller.go of pkg/controller/job, pkg/controller/cronjob. */
import type { Change } from "./change.ts";
import {
  type Course,
  itselfLoad,
  nameIn,
  noClaims,
  noLoad,
  objectLoad,
  specOf,
  statusCount,
  statusIn,
} from "./course.ts";
import { type Fields, itemsOf, partsOf } from "./fields.ts";
import { type Load, sumLoads } from "./ledger.ts";
import { livePods, usedOf } from "./live_pods.ts";
import { type PodShape, type QuotaPlace, shapeOf, wholeLoad } from "./pod_shapes.ts";
import { countsPod, finishedUsage } from "./usage.ts";
import { countOf } from "./workload.ts";

interface JobPods {
  /** Pods that run at once. */
  running: number;
  /** Pods in total, if none fails: finished ones remain until the Job is deleted. */
  total: number;
}

function jobPods(at: string, job: Fields, succeeded = 0): JobPods {
  const parallelism = countOf(`${at}.parallelism`, job.parallelism, 1);
  const completions = job.completions === null || job.completions === undefined
    ? undefined
    : countOf(`${at}.completions`, job.completions, 1);
  if (job.suspend === true) return { running: 0, total: 0 };
  // Without completions and parallelism both are 1; with parallelism alone it is a work queue.
  const rest = completions === undefined
    ? (job.parallelism === undefined || job.parallelism === null ? Math.max(0, 1 - succeeded) : parallelism)
    : Math.max(0, completions - succeeded);
  const running = Math.min(parallelism, rest);
  return { running, total: parallelism === 0 ? 0 : rest };
}

/**
 * Returns the load of pods that run, one after the other, `running` at a time; finished ones keep counting, with the
 * claims of their ephemeral volumes.
 */
function loadOfJob(place: QuotaPlace, each: PodShape, { running, total }: JobPods): Load {
  return sumLoads([wholeLoad(each), running], [finishedLoad(place, each), Math.max(0, total - running)]);
}

const finishedLoad = (place: QuotaPlace, each: PodShape): Load =>
  sumLoads([place.ledger.loadOf(finishedUsage, countsPod(each.spec)), 1], [each.claims, 1]);

/** Reports whether a Job is complete or has failed. */
const isOver = (job: unknown): boolean =>
  itemsOf(statusIn(job).conditions).map(partsOf).some(({ type, status }) =>
    (type === "Complete" || type === "Failed") && status === "True"
  );

export function jobCourse(place: QuotaPlace, change: Change): Course {
  const spec = specOf(change.after);
  const each = shapeOf(place, "spec.template", spec.template, change);
  const itself = itselfLoad(place, change, "jobs.batch");
  const over = isOver(change.before);
  const succeeded = statusCount(change.before, "succeeded") ?? 0;
  const { active, waiting, held } = activePods(place, change, each);
  const wanted = over ? { running: 0, total: 0 } : jobPods("spec", spec, succeeded);
  // A work queue starts no more pods as soon as one has succeeded.
  const isEnding = succeeded > 0 && (spec.completions ?? null) === null;
  const running = isEnding ? Math.min(wanted.running, active) : wanted.running;
  const total = isEnding ? running : wanted.total;
  const missing = Math.max(0, running - active);
  const later = Math.max(0, total - Math.max(running, active));
  // Of active pods that are too many, those without their claims go first.
  const unclaimed = Math.max(0, waiting - Math.max(0, active - running));
  const load = sumLoads(
    [loadOfJob(place, each, { running: missing, total: missing + later }), 1],
    [each.claims, unclaimed],
  );
  const ledger = place.ledger.copy();
  const admitted = ledger.takeMost(itself, 1) === 1;
  const surplus = Math.max(0, active - running);
  const ending = sumLoads([each.pod, surplus], [each.claims, Math.max(0, surplus - waiting)]);
  ledger.give(ending);
  const goal = sumLoads([itself, 1], [held, 1], [load, 1], [ending, -1]);
  const complete = admitted && (missing + later + unclaimed === 0 || ledger.room(load, 1) === 1);
  return {
    wanted: running,
    come: complete ? running : Math.min(running, active + (admitted ? ledger.room(wholeLoad(each), missing) : 0)),
    each,
    missing: missing + later,
    goal,
    sure: sumLoads([itself, 1], [each.pod, running]),
    held,
    complete,
    ...(complete ? {} : { stall: { load, free: ledger.free, kind: "order" as const } }),
    claims: noClaims,
    warnings: [],
    notes: spec.suspend === true && !over ? ["It is suspended: no pod starts until spec.suspend is false."] : [],
  };
}

interface ActivePods {
  /** Pods that run or wait, without terminating ones. */
  active: number;
  /** Those whose claims are not created. */
  waiting: number;
  /** Amounts of all, of terminating ones too. */
  held: Load;
}

function activePods(place: QuotaPlace, { before, present }: Change, each: PodShape): ActivePods {
  if (before === undefined) return { active: 0, waiting: 0, held: noLoad };
  if (!present) {
    const active = statusCount(before, "active") ?? jobPods("spec", specOf(before)).running;
    return { active, waiting: 0, held: sumLoads([wholeLoad(each), active]) };
  }
  const pods = livePods(place, present).filter(({ finished }) => !finished);
  const active = pods.filter(({ terminating }) => !terminating);
  return {
    active: active.length,
    waiting: active.filter(({ waiting }) => waiting).length,
    held: sumLoads(...pods.map(({ load }) => [load, 1] as const)),
  };
}

/**
 * A CronJob keeps finished Jobs, and the next one needs room beside them: finished ones beyond the history are deleted
 * before it starts.
 */
export function cronJobCourse(place: QuotaPlace, change: Change): Course {
  const spec = specOf(change.after);
  const job = partsOf(partsOf(spec.jobTemplate).spec);
  const each = shapeOf(place, "spec.jobTemplate.spec.template", job.template, change);
  const { running, total } = spec.suspend === true ? { running: 0, total: 0 } : jobPods("spec.jobTemplate.spec", job);
  const kept = countOf("spec.successfulJobsHistoryLimit", spec.successfulJobsHistoryLimit, 3);
  const failed = countOf("spec.failedJobsHistoryLimit", spec.failedJobsHistoryLimit, 1);
  const itself = itselfLoad(place, change, "cronjobs.batch");
  const isOn = spec.suspend !== true;
  const finished = finishedLoad(place, each);
  const loadWith = (history: number): Load =>
    sumLoads(
      [objectLoad(place, "jobs.batch", isOn ? 1 : 0), 1],
      [objectLoad(place, "jobs.batch"), isOn ? history : 0],
      [loadOfJob(place, each, { running, total }), 1],
      [finished, isOn ? history * total : 0],
    );
  const active = spec.concurrencyPolicy === "Forbid" ? change.present?.jobs?.find((job) => !isOver(job)) : undefined;
  const held = heldByJobs(place, change, isOn ? kept + failed + 1 : 0, total, finished);
  const ledger = place.ledger.copy();
  ledger.give(held);
  const goal = sumLoads([itself, 1], [loadWith(kept), 1]);
  const complete = ledger.room(goal, 1) === 1;
  const worst = sumLoads([itself, 1], [loadWith(kept + failed), 1]);
  // Jobs that never end are never deleted.
  const ttl = job.suspend !== true && Number.isSafeInteger(job.ttlSecondsAfterFinished) &&
    (job.ttlSecondsAfterFinished as number) < 60;
  const historyText = `It keeps ${kept} finished ${kept === 1 ? "Job" : "Jobs"} (spec.successfulJobsHistoryLimit)`;
  const isHistory = !complete && ledger.room(sumLoads([itself, 1], [loadWith(0), 1]), 1) === 1;
  return {
    wanted: running,
    come: complete || isHistory ? running : Math.min(running, ledger.room(wholeLoad(each), running)),
    each,
    missing: running,
    goal: isHistory && ttl ? sumLoads([itself, 1], [loadWith(1), 1]) : goal,
    sure: sumLoads([itself, 1], [objectLoad(place, "jobs.batch", isOn ? 1 : 0), 1], [each.pod, running]),
    held,
    complete: complete || (isHistory && ttl && ledger.room(sumLoads([itself, 1], [loadWith(1), 1]), 1) === 1),
    claims: noClaims,
    notes: [
      ...(isOn && job.suspend === true
        ? ["Its Jobs are created suspended: no pod starts until spec.suspend of a Job is false."]
        : []),
      ...(isOn && active !== undefined
        ? [`Its concurrencyPolicy is Forbid: the next Job starts only after Job ${nameIn(active)} has ended.`]
        : []),
    ],
    warnings: isHistory
      ? [`${historyText}, and the next one needs room beside them; lower the limit or ask for more.`]
      : complete && failed > 0 && ledger.room(worst, 1) === 0
      ? [`If Jobs fail, it keeps ${failed} of them too (spec.failedJobsHistoryLimit), and the next one has no room.`]
      : [],
  };
}

/** Returns the amounts that its Jobs have now: their number, and their pods. */
function heldByJobs(
  place: QuotaPlace,
  { before, present }: Change,
  mostJobs: number,
  pods: number,
  finished: Load,
): Load {
  if (before === undefined) return noLoad;
  if (present?.jobs) {
    const live = livePods(place, present);
    return sumLoads(
      [objectLoad(place, "jobs.batch", present.jobs.length), 1],
      ...live.map(({ load }) => [load, 1] as const),
    );
  }
  // Its own Jobs are not known: as many of those that exist as can be its own are counted as such.
  const used = (key: string): number => Number((usedOf(place, key) ?? 0n) / 1_000_000_000n);
  const jobs = Math.min(mostJobs, used("count/jobs.batch"));
  return sumLoads([objectLoad(place, "jobs.batch", jobs), 1], [finished, Math.min(jobs * pods, used("count/pods"))]);
}
