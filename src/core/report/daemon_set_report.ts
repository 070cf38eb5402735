/** A DaemonSet: one pod on each node that matches. */
import { warningsAbout } from "./event_report.ts";
import { countText, type Problem, type Report } from "./finding.ts";
import { groupFindings, groupProblem, podGroups } from "./pod_groups.ts";
import { controlledBy, objectName, type ReportedWorkload, type ReportWorld } from "./reported_objects.ts";
import {
  allReadyText,
  deletionProblem,
  failedCreate,
  laggingProblem,
  podCounts,
  readyText,
  surroundingFindings,
} from "./workload_parts.ts";

export function daemonSetReport(set: ReportedWorkload, world: ReportWorld): Report {
  const name = objectName(set);
  const { desiredNumberScheduled: wanted = 0, updatedNumberScheduled: updated = 0 } = set.status ?? {};
  const pods = controlledBy(set, world.pods);
  const { existing, ready } = podCounts(
    { existing: set.status?.currentNumberScheduled, ready: set.status?.numberReady },
    pods,
    world,
  );
  const missing = Math.max(0, wanted - existing);
  const groups = podGroups(pods, world);
  const lacks = missing > 0
    ? failedCreate(set, { noun: "pod", remedies: ["choose fewer nodes with spec.template.spec.nodeSelector"] }, world)
    : undefined;
  const cause = lacks ?? groupProblem(groups);
  const problem = deletionProblem("DaemonSet", set, world) ?? laggingProblem("DaemonSet", set) ??
    stateProblem(set, { wanted, ready, missing, updated, cause });
  return {
    problem,
    good: `DaemonSet ${name}: ${allReadyText(wanted)}, one on each node that matches.`,
    chain: [
      {
        what: `DaemonSet ${name}`,
        status: problem ? "fail" : "ok",
        message: `${countText(wanted, "matching node")}, ${countText(existing, "pod")} exist, ${ready} ready.` +
          `${lacks ? ` ${lacks.reason}` : ""}`,
      },
      ...groupFindings(groups),
      ...(lacks ? [] : warningsAbout(set, world)),
      ...surroundingFindings(world),
    ],
  };
}

interface State {
  wanted: number;
  ready: number;
  missing: number;
  updated: number;
  cause: Problem | undefined;
}

function stateProblem(set: ReportedWorkload, { wanted, ready, missing, updated, cause }: State): Problem | undefined {
  const name = objectName(set);
  if (wanted === 0) {
    return {
      reason: `DaemonSet ${name} has no pods, because no node matches its nodeSelector, affinity and tolerations.`,
      remedy: "Change them in spec.template.spec, or ask a cluster admin which nodes take pods.",
    };
  }
  if (ready < wanted) {
    return {
      reason: `DaemonSet ${name} has ${readyText(ready, wanted)}${missing > 0 ? ` (${missing} missing)` : ""}. ${
        cause?.reason ?? "Its controller is working on it."
      }`,
      remedy: cause?.remedy ?? "",
    };
  }
  if (updated >= wanted) return undefined;
  const onDelete = set.spec?.updateStrategy?.type === "OnDelete";
  return {
    reason: `DaemonSet ${name}: ${countText(wanted - updated, "pod")} of the old template left${
      onDelete ? ", because spec.updateStrategy.type is OnDelete" : ""
    }.`,
    remedy: onDelete ? "Delete them one after another: kubectl delete pod NAME." : "",
  };
}
