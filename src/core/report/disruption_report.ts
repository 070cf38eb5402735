/** PodDisruptionBudgets that refuse the eviction of pods: at the drain of a node, and at the end of a grant. */
import type { Pod } from "../../../lib/kubernetes_apis/core@v1.ts";
import { selects } from "../reach/reach.ts";
import { countText, excerpt, fewOf, type Problem } from "./finding.ts";
import { isFinished, isPodReady } from "./pod_report.ts";
import type { ReportedBudget, ReportWorld } from "./reported_objects.ts";

/** Returns why the eviction API refuses pods with these labels now, and the remedy; undefined if it allows one. */
export function refusedEviction(
  labels: Readonly<Record<string, string>> | undefined,
  { budgets }: ReportWorld,
  pod?: Pod,
): Problem | undefined {
  const over = budgets.filter(({ spec }) => selects(spec?.selector, labels));
  const [budget] = over;
  if (!budget || pod?.status?.phase === "Pending" || (pod && isFinished(pod))) return undefined;
  const names = over.map(({ metadata }) => metadata?.name ?? "");
  if (over.length > 1) {
    return {
      reason: `PodDisruptionBudgets ${fewOf(names)} select the same pod, so the API server refuses each eviction.`,
      remedy: "Delete all but one, or narrow spec.selector.",
    };
  }
  const { spec = {}, status = {}, metadata } = budget;
  const name = `PodDisruptionBudget ${names[0]}`;
  if ((status.observedGeneration ?? 0) < (metadata?.generation ?? 0)) {
    return { reason: `${name} was not processed yet, so the API server refuses each eviction.`, remedy: "" };
  }
  const { disruptionsAllowed = 0, currentHealthy = 0, desiredHealthy = 0, expectedPods = 0 } = status;
  if (disruptionsAllowed > 0) return undefined;
  // An unhealthy pod may go while the others are enough by default (`IfHealthyBudget`).
  const isUnhealthy = pod !== undefined && !isPodReady(pod);
  if (isUnhealthy && (spec.unhealthyPodEvictionPolicy === "AlwaysAllow" || healthyEnough(status))) return undefined;
  const failed = status.conditions?.find(({ type, status, reason }) =>
    type === "DisruptionAllowed" && status === "False" && reason === "SyncFailed"
  );
  if (failed) {
    return {
      reason: excerpt(`${name} allows no eviction, because it can't be computed: ${failed.message ?? ""}`),
      remedy: "Set spec.minAvailable to a number, or select pods of one Deployment, StatefulSet or ReplicaSet.",
    };
  }
  const [field, value] = spec.maxUnavailable === undefined
    ? ["minAvailable", spec.minAvailable ?? 1]
    : ["maxUnavailable", spec.maxUnavailable];
  if (desiredHealthy >= expectedPods) {
    return {
      reason: `${name} never allows an eviction: spec.${field} is ${value}, and it counts ${
        countText(expectedPods, "pod")
      }.`,
      remedy: field === "minAvailable" ? "Lower spec.minAvailable, or add pods." : "Raise spec.maxUnavailable.",
    };
  }
  return {
    reason: `${name} allows no eviction now: ${currentHealthy} of ${countText(expectedPods, "pod")} ` +
      `${currentHealthy === 1 ? "is" : "are"} healthy, ${desiredHealthy} needed.`,
    remedy: isUnhealthy
      ? "Set spec.unhealthyPodEvictionPolicy to AlwaysAllow, so that pods that aren't ready may go."
      : "It allows one as soon as more of its pods are ready.",
  };
}

const healthyEnough = ({ currentHealthy = 0, desiredHealthy = 0 }: NonNullable<ReportedBudget["status"]>): boolean =>
  desiredHealthy > 0 && currentHealthy >= desiredHealthy;
