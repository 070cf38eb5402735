/** A ReplicaSet or ReplicationController: its pods, and why some could not be created. */
import { warningsAbout } from "./event_report.ts";
import { countText, type Problem, type Report } from "./finding.ts";
import { groupFindings, groupProblem, podGroups } from "./pod_groups.ts";
import { controlledBy, controllerOf, objectName, type ReportedWorkload, type ReportWorld } from "./reported_objects.ts";
import {
  allReadyText,
  budgetFinding,
  deletionProblem,
  failedCreate,
  laggingProblem,
  ownerFinding,
  podCounts,
  readyText,
  scaleRemedy,
  surroundingFindings,
} from "./workload_parts.ts";

export function replicaSetReport(kind: string, set: ReportedWorkload, world: ReportWorld): Report {
  const name = objectName(set);
  const wanted = set.spec?.replicas ?? 1;
  const pods = controlledBy(set, world.pods);
  const { existing, ready } = podCounts(
    { existing: set.status?.replicas, ready: set.status?.readyReplicas },
    pods,
    world,
  );
  const owner = controllerOf(set);
  const groups = podGroups(pods, world);
  const missing = wanted - existing;
  const lacks = missing > 0
    ? failedCreate(set, {
      noun: "pod",
      remedies: owner || existing === 0 ? [] : [scaleRemedy(kind, set, existing)],
    }, world)
    : undefined;
  const cause: Problem = lacks ?? groupProblem(groups) ??
    { reason: missing > 0 ? "Its controller is creating pods." : "Pods are ending.", remedy: "" };
  const problem = deletionProblem(kind, set, world) ?? laggingProblem(kind, set) ??
    (ready < wanted || missing < 0
      ? {
        reason: `${kind} ${name} has ${readyText(ready, wanted)}${
          missing > 0 ? ` (${missing} missing)` : ""
        }. ${cause.reason}`,
        remedy: cause.remedy,
      }
      : undefined);
  const good = wanted > 0
    ? `${kind} ${name}: ${allReadyText(wanted)}.`
    : owner
    ? `${kind} ${name} belongs to an earlier revision of ${owner.kind} ${owner.name}, and has no pods.`
    : `${kind} ${name} is scaled to 0.`;
  return {
    problem,
    good,
    chain: [
      ...ownerFinding({ ...set, kind }),
      {
        what: `${kind} ${name}`,
        status: problem ? "fail" : "ok",
        message: `${existing} of ${countText(wanted, "pod")} exist, ${ready} ready.${lacks ? ` ${lacks.reason}` : ""}`,
      },
      ...groupFindings(groups),
      ...(lacks ? [] : warningsAbout(set, world)),
      ...budgetFinding(set.spec?.template?.metadata?.labels, world),
      ...surroundingFindings(world),
    ],
  };
}
