/** A HorizontalPodAutoscaler: its conditions, and its target. */
import { warningsAbout } from "./event_report.ts";
import { excerpt, type Problem, type Report, type ReportFinding } from "./finding.ts";
import { objectName, type ReportedAutoscaler, type ReportWorld } from "./reported_objects.ts";
import { surroundingFindings } from "./workload_parts.ts";

/** @param target report of its target; undefined: the target is of a kind that isn't explained */
export function autoscalerReport(scaler: ReportedAutoscaler, target: Report | undefined, world: ReportWorld): Report {
  const name = objectName(scaler);
  const { scaleTargetRef: ref, minReplicas = 1, maxReplicas } = scaler.spec ?? {};
  const { currentReplicas = 0, desiredReplicas = 0, conditions = [] } = scaler.status ?? {};
  const targetName = `${ref?.kind} ${ref?.name}`;
  const isMissing = world.target === undefined && target === undefined && isExplained(ref?.kind) &&
    !isUnread(ref?.kind, world);
  const failing = conditions.find(({ type, status, reason }) =>
    (type === "AbleToScale" || type === "ScalingActive") && status === "False" && reason !== "ScalingDisabled"
  );
  const disabled = conditions.find(({ reason }) => reason === "ScalingDisabled");
  const problem: Problem | undefined = isMissing
    ? {
      reason: `${targetName}, which HorizontalPodAutoscaler ${name} scales, does not exist.`,
      remedy: "Correct spec.scaleTargetRef, or create the target.",
    }
    : failing
    ? {
      reason: `HorizontalPodAutoscaler ${name} does not scale: ${excerpt(failing.message ?? failing.reason ?? "")}`,
      remedy: remedyOf(failing.reason, failing.message),
    }
    : disabled
    ? {
      reason: `HorizontalPodAutoscaler ${name} does not scale, because ${targetName} has 0 replicas.`,
      remedy: `Give it one: kubectl scale ${ref?.kind?.toLowerCase()}/${ref?.name} --replicas=${minReplicas}.`,
    }
    : conditions.length === 0
    ? { reason: `HorizontalPodAutoscaler ${name} has not been processed yet.`, remedy: "" }
    : target?.problem &&
      {
        reason: `HorizontalPodAutoscaler ${name} wants ${desiredReplicas} pods. ${target.problem.reason}`,
        remedy: target.problem.remedy,
      };
  const chain: ReportFinding[] = [{
    what: `HorizontalPodAutoscaler ${name}`,
    status: problem ? "fail" : "ok",
    message:
      `Scales ${targetName} between ${minReplicas} and ${maxReplicas}: ${currentReplicas} now, ${desiredReplicas} wanted.`,
  }];
  for (const { type, status, reason = "", message = "" } of conditions) {
    const limits = type === "ScalingLimited";
    // At the minimum is where an idle autoscaler is.
    if (limits ? status !== "True" || reason === "TooFewReplicas" : status === "True") continue;
    chain.push({
      what: `${type} is ${status} (${reason})`,
      status: limits ? "warn" : "fail",
      message: `${excerpt(message)}${
        reason === "TooManyReplicas" ? " Raise spec.maxReplicas if the grants have room." : ""
      }`,
    });
  }
  // The conditions say the same as the events.
  if (!failing) chain.push(...warningsAbout(scaler, world));
  chain.push(...target ? target.chain : surroundingFindings(world));
  return { problem, good: `HorizontalPodAutoscaler ${name} has ${targetName} at ${desiredReplicas} pods.`, chain };
}

const explained = ["Deployment", "StatefulSet", "ReplicaSet", "ReplicationController"];
const isExplained = (kind: string | undefined): boolean => explained.includes(kind ?? "");
const isUnread = (kind: string | undefined, { unread }: ReportWorld): boolean =>
  unread.includes(`${(kind ?? "").toLowerCase()}s`);

function remedyOf(reason = "", message = ""): string {
  if (/missing request for/.test(message)) return "Set resources.requests of the pods' containers.";
  if (/unable to (get|fetch) metrics|no metrics returned|resource metrics API/.test(message)) {
    return "Ask a cluster admin whether metrics-server runs; a new pod has metrics after a minute.";
  }
  if (reason === "AmbiguousSelector") return "Only one autoscaler may scale a target: delete the others.";
  return "";
}
