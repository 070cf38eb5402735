/** A CronJob: its schedule, its last Jobs, and why it could not create one. */
import { eventTime, lastFailure, warningsAbout } from "./event_report.ts";
import { countText, excerpt, fewOf, mostListed, type Problem, type Report, type ReportFinding } from "./finding.ts";
import { finishedJobs, isJobFinished, jobCondition, jobReport } from "./job_report.ts";
import { refusalReason } from "./refusal_reason.ts";
import { relative } from "./relative_time.ts";
import {
  controlledBy,
  objectName,
  type ReportedCronJob,
  type ReportedJob,
  type ReportWorld,
} from "./reported_objects.ts";
import { deletionProblem, surroundingFindings } from "./workload_parts.ts";

const created = ({ metadata }: ReportedJob): string => metadata?.creationTimestamp ?? "";

export function cronJobReport(cron: ReportedCronJob, world: ReportWorld): Report {
  const name = objectName(cron);
  const { lastScheduleTime, lastSuccessfulTime } = cron.status ?? {};
  const jobs = controlledBy(cron, world.jobs).sort((a, b) => created(a) < created(b) ? 1 : -1);
  const scheduling = schedulingProblem(cron, jobs, world);
  const active = jobs.filter((job) => !isJobFinished(job));
  const reports = jobs.slice(0, mostListed).map((job) => ({ job, report: jobReport(job, world) }));
  const running = reports.find(({ job, report }) => report.problem && active.includes(job));
  const [newest] = reports.filter(({ job }) => isJobFinished(job));
  const failed = running ?? (newest?.report.problem ? newest : undefined);
  const problem: Problem | undefined = deletionProblem("CronJob", cron, world) ?? suspended(cron) ?? scheduling ??
    (failed && {
      reason: `The last Job of CronJob ${name} is not as it should be. ${failed.report.problem!.reason}`,
      remedy: failed.report.problem!.remedy,
    });
  const zone = cron.spec?.timeZone ?? "the time zone of kube-controller-manager";
  const last = lastScheduleTime === undefined
    ? "It has not been scheduled yet."
    : `It was scheduled ${relative(lastScheduleTime, world.now)}${
      lastSuccessfulTime === undefined ? "" : `, and succeeded ${relative(lastSuccessfulTime, world.now)}`
    }.`;
  const chain: ReportFinding[] = [{
    what: `CronJob ${name}`,
    status: problem ? "fail" : "ok",
    message: `Schedule ${cron.spec?.schedule} in ${zone}. ${last} ${
      countText(jobs.length, "Job")
    } exist, ${active.length} active.`,
  }];
  for (const { job, report } of reports) {
    const complete = jobCondition(job, "Complete") !== undefined;
    chain.push({
      what: `Job ${objectName(job)}`,
      // An earlier failure is history.
      status: !report.problem ? "ok" : job === failed?.job ? "fail" : "warn",
      message: report.problem?.reason ?? (complete ? "Complete." : report.good),
    });
  }
  if (jobs.length > reports.length) {
    chain.push({
      what: countText(jobs.length - reports.length, "older Job"),
      status: "ok",
      message: "They are left out.",
    });
  }
  chain.push(
    ...(scheduling ? [] : warningsAbout(cron, world)),
    ...surroundingFindings(world),
  );
  return { problem, good: `CronJob ${name} runs on its schedule. ${last}`, chain };
}

const suspended = (cron: ReportedCronJob): Problem | undefined =>
  cron.spec?.suspend
    ? {
      reason: `CronJob ${objectName(cron)} is suspended (spec.suspend is true), so it starts no Jobs.`,
      remedy: `Resume it: kubectl patch cronjob/${objectName(cron)} --type=merge -p '{"spec":{"suspend":false}}'.`,
    }
    : undefined;

const invalid = ["UnknownTimeZone", "UnparseableSchedule", "UnParseableCronJobSchedule", "InvalidSchedule"];

/** Returns why the last scheduled Job was not created: by the latest event, if no Job was created after it. */
function schedulingProblem(
  cron: ReportedCronJob,
  jobs: readonly ReportedJob[],
  world: ReportWorld,
): Problem | undefined {
  const name = objectName(cron);
  const last = lastFailure(
    cron,
    world,
    [...invalid, "FailedCreate", "FailedGet", "MissSchedule", "JobAlreadyActive"],
    "SuccessfulCreate",
  );
  // A Job that is newer than the event answers it.
  if (
    !last || jobs.some((job) => Date.parse(created(job)) > Date.parse(eventTime(last)))
  ) {
    return undefined;
  }
  const message = last.message ?? "";
  if (last.reason === "FailedCreate") {
    const refused = refusalReason(message, { noun: "Job", countRemedy: historyRemedy(cron, jobs) }, world);
    return { reason: `CronJob ${name} can't start its next Job. ${refused.reason}`, remedy: refused.remedy };
  }
  if (last.reason === "JobAlreadyActive") {
    const active = jobs.filter((job) => !isJobFinished(job));
    return active.length === 0 ? undefined : {
      reason: `CronJob ${name} did not start its next Job, because ${
        fewOf(active.map((job) => `Job ${objectName(job)}`))
      } ` +
        "still runs and spec.concurrencyPolicy is Forbid.",
      remedy: `See why it runs so long: keystone explain job ${objectName(active[0]!)}`,
    };
  }
  if (last.reason === "MissSchedule") {
    return {
      reason: `CronJob ${name} missed a scheduled time ${relative(eventTime(last), world.now)}: ${excerpt(message)}`,
      remedy: "Raise spec.startingDeadlineSeconds.",
    };
  }
  return {
    reason: `CronJob ${name} can't be scheduled: ${excerpt(message)}`,
    remedy: invalid.includes(last.reason ?? "") ? "Correct spec.schedule or spec.timeZone." : "",
  };
}

/** Returns the remedy for a quota on the number of Jobs, most of which are finished ones that the history keeps. */
function historyRemedy({ spec }: ReportedCronJob, jobs: readonly ReportedJob[]): string {
  const kept = finishedJobs(jobs).map(objectName);
  const fields = `lower spec.successfulJobsHistoryLimit (${spec?.successfulJobsHistoryLimit ?? 3}) and ` +
    `spec.failedJobsHistoryLimit (${spec?.failedJobsHistoryLimit ?? 1})`;
  return kept.length > 0
    ? `${fields}, or delete finished Jobs (kubectl delete job ${kept.slice(0, 3).join(" ")})`
    : `${fields}, or delete Jobs that you don't need (kubectl get jobs)`;
}
