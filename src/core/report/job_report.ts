/** A Job: its conditions, its pods, and why some could not be created. */
import { warningsAbout } from "./event_report.ts";
import { countText, type Problem, type Report, type ReportFinding, sentence } from "./finding.ts";
import { groupFindings, groupProblem, podGroups } from "./pod_groups.ts";
import { controlledBy, objectName, type ReportedJob, type ReportWorld } from "./reported_objects.ts";
import { deletionProblem, failedCreate, ownerFinding, podCounts, surroundingFindings } from "./workload_parts.ts";

export const jobCondition = ({ status }: ReportedJob, type: string) =>
  status?.conditions?.find((condition) => condition.type === type && condition.status === "True");

export const isJobFinished = (job: ReportedJob): boolean =>
  jobCondition(job, "Complete") !== undefined || jobCondition(job, "Failed") !== undefined;

export function jobReport(job: ReportedJob, world: ReportWorld): Report {
  const name = objectName(job);
  const { parallelism = 1, completions } = job.spec ?? {};
  const { succeeded = 0, failed = 0 } = job.status ?? {};
  const pods = controlledBy(job, world.pods);
  const { existing, ready } = podCounts(
    { existing: job.status?.active, ready: job.status?.ready },
    pods,
    world,
  );
  const left = completions === undefined ? (succeeded > 0 ? 0 : parallelism) : Math.max(0, completions - succeeded);
  const missing = isJobFinished(job) || job.spec?.suspend ? 0 : Math.max(0, Math.min(parallelism, left) - existing);
  const groups = podGroups(pods, world);
  const lacks = missing > 0
    ? failedCreate(job, {
      noun: "pod",
      remedies: existing > 0 ? [`set spec.parallelism to ${existing}`] : [],
      countRemedy: "delete finished Jobs (kubectl get jobs; kubectl delete job NAME)",
    }, world)
    : undefined;
  const problem = deletionProblem("Job", job, world) ?? jobProblem(job, { lacks, missing, groups, left });
  const done = jobCondition(job, "Complete");
  const finding: ReportFinding = {
    what: `Job ${name}`,
    status: problem ? "fail" : "ok",
    message: `${succeeded}${completions === undefined ? "" : ` of ${completions}`} succeeded, ${failed} failed, ` +
      `${existing} active${missing > 0 ? `, ${missing} missing` : ""}.${lacks ? ` ${lacks.reason}` : ""}`,
  };
  return {
    problem,
    good: done
      ? `Job ${name} is complete: ${countText(succeeded, "pod")} succeeded.`
      : `Job ${name} is running: ${ready} of ${countText(existing, "pod")} ready, ${succeeded} succeeded.`,
    chain: [
      ...ownerFinding({ ...job, kind: "Job" }),
      finding,
      ...(done ? [] : groupFindings(groups)),
      ...(lacks || done ? [] : warningsAbout(job, world)),
      ...surroundingFindings(world),
    ],
  };
}

interface State {
  lacks: Problem | undefined;
  missing: number;
  groups: ReturnType<typeof podGroups>;
  left: number;
}

function jobProblem(job: ReportedJob, { lacks, missing, groups, left }: State): Problem | undefined {
  const name = objectName(job);
  const failed = jobCondition(job, "Failed");
  if (failed) {
    const worst = groupProblem(groups);
    return {
      reason: `Job ${name} failed (${failed.reason}): ${sentence(failed.message ?? "")}${
        worst ? ` ${worst.reason}` : ""
      }`,
      remedy: [worst?.remedy, failedRemedy(failed.reason)].filter(Boolean).join(" "),
    };
  }
  if (jobCondition(job, "Complete") || left === 0) return undefined;
  if (job.spec?.suspend) {
    return {
      reason: `Job ${name} is suspended (spec.suspend is true), so it has no pods.`,
      remedy: `Resume it: kubectl patch job/${name} --type=merge -p '{"spec":{"suspend":false}}'.`,
    };
  }
  const other = job.spec?.managedBy;
  if (other !== undefined && other !== "kubernetes.io/job-controller") {
    return job.status?.startTime ? undefined : {
      reason: `Job ${name} waits for the controller ${other} (spec.managedBy).`,
      remedy: "Check that this controller runs.",
    };
  }
  if (lacks) return { reason: `Job ${name} lacks ${countText(missing, "pod")}. ${lacks.reason}`, remedy: lacks.remedy };
  const failing = groupProblem(groups);
  if (failing) return { reason: `Job ${name} is not complete. ${failing.reason}`, remedy: failing.remedy };
  return missing > 0
    ? { reason: `Job ${name} lacks ${countText(missing, "pod")}: its controller is working on it.`, remedy: "" }
    : undefined;
}

function failedRemedy(reason: string | undefined): string {
  switch (reason) {
    case "BackoffLimitExceeded":
    case "MaxFailedIndexesExceeded":
    case "FailedIndexes":
    case "PodFailurePolicy":
      return "Correct the pods, then delete the Job and create it again.";
    case "DeadlineExceeded":
      return "Raise spec.activeDeadlineSeconds, then delete the Job and create it again.";
    default:
      return "";
  }
}

/** Returns the finished Jobs, the oldest first. */
export const finishedJobs = (jobs: readonly ReportedJob[]): ReportedJob[] =>
  jobs.filter(isJobFinished).sort((a, b) => created(a) < created(b) ? -1 : 1);

const created = ({ metadata }: ReportedJob): string => metadata?.creationTimestamp ?? "";
