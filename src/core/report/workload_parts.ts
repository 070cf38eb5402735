/** Parts that explanations of all workloads share. */
import type { Pod } from "../../../lib/kubernetes_apis/core@v1.ts";
import { refusedEviction } from "./disruption_report.ts";
import { lastFailure } from "./event_report.ts";
import { countText, type Problem, problemText, type ReportFinding } from "./finding.ts";
import { isFinished, isPodReady } from "./pod_report.ts";
import { otherQuotaFindings } from "./quota_report.ts";
import { refusalReason, type RefusedObject } from "./refusal_reason.ts";
import { relative } from "./relative_time.ts";
import {
  controllerOf,
  objectName,
  type ReportedObject,
  type ReportedWorkload,
  type ReportWorld,
} from "./reported_objects.ts";

/** Pods that count for a controller: neither finished nor in deletion. */
export const activePods = (pods: readonly Pod[]): Pod[] =>
  pods.filter((pod) => !isFinished(pod) && pod.metadata?.deletionTimestamp === undefined);

export const podsReady = (pods: readonly Pod[]): Pod[] => pods.filter(isPodReady);

/** Returns how many pods exist and are ready: by the status if the user may not read pods. */
export function podCounts(
  status: { existing?: number | undefined; ready?: number | undefined },
  pods: readonly Pod[],
  { unread }: ReportWorld,
): { existing: number; ready: number } {
  return unread.includes("pods")
    ? { existing: status.existing ?? 0, ready: status.ready ?? 0 }
    : { existing: activePods(pods).length, ready: podsReady(activePods(pods)).length };
}

/** Returns why a controller could not create a pod at its last try, if the last try failed. */
export function failedCreate(
  owner: ReportedObject & {
    status?: { conditions?: { type: string; status: string; reason?: string; message?: string }[] };
  },
  refused: RefusedObject,
  world: ReportWorld,
): Problem | undefined {
  // The condition keeps the message of the first failure; events have that of the last one.
  const event = lastFailure(owner, world, ["FailedCreate"], "SuccessfulCreate");
  const failure = owner.status?.conditions?.find(({ type, status }) => type === "ReplicaFailure" && status === "True");
  const text = event?.message ?? (failure?.reason === "FailedCreate" ? failure.message : undefined);
  return text === undefined ? undefined : refusalReason(text, refused, world);
}

/** Returns a finding if the controller has not processed the last change of the spec. */
export function laggingProblem(kind: string, { metadata, status }: ReportedWorkload): Problem | undefined {
  const [wanted, seen] = [metadata?.generation ?? 0, status?.observedGeneration ?? 0];
  return seen >= wanted ? undefined : {
    reason:
      `The last change of ${kind} ${metadata?.name} has not been processed (generation ${wanted}, observed ${seen}).`,
    remedy: "If it stays so, ask a cluster admin whether kube-controller-manager runs.",
  };
}

/** Returns the problem of an object that is being deleted. */
export function deletionProblem(kind: string, { metadata }: ReportedObject, { now }: ReportWorld): Problem | undefined {
  if (metadata?.deletionTimestamp === undefined) return undefined;
  const holds = (metadata.finalizers ?? []).join(", ");
  return {
    reason: `${kind} ${metadata.name} was deleted ${relative(metadata.deletionTimestamp, now)}` +
      `${holds ? `, and waits for the finalizers ${holds}` : ""}.`,
    remedy: holds === "foregroundDeletion" ? "It goes after its pods." : "",
  };
}

/** Returns a finding on the controller that made the object, and which is explained further. */
export function ownerFinding(object: ReportedObject): ReportFinding[] {
  const owner = controllerOf(object);
  return owner
    ? [{
      what: `${owner.kind} ${owner.name}`,
      status: "ok",
      message: `It made this ${object.kind}. Explain it: keystone explain ${owner.kind.toLowerCase()} ${owner.name}`,
    }]
    : [];
}

export const readyText = (ready: number, wanted: number): string => `${ready} of ${countText(wanted, "pod")} ready`;

/** Returns that nothing lacks: `all 3 pods are ready`. */
export const allReadyText = (wanted: number): string =>
  wanted === 1 ? "its pod is ready" : `all ${wanted} pods are ready`;

/** Returns the finding on a PodDisruptionBudget that refuses evictions of pods with these labels. */
export function budgetFinding(
  labels: Record<string, string> | undefined,
  world: ReportWorld,
  pod?: Pod,
): ReportFinding[] {
  const refused = refusedEviction(labels, world, pod);
  return refused
    ? [{
      what: "evictions",
      status: "warn",
      message: `${problemText(refused)} Until then drains of nodes wait, and the end of a grant for its drainSeconds.`,
    }]
    : [];
}

/** Returns the findings about what limits the whole namespace. */
export function surroundingFindings(world: ReportWorld): ReportFinding[] {
  const unread = world.unread.filter((plural) => plural !== "configmaps");
  return [
    ...otherQuotaFindings(world),
    ...(unread.length > 0
      ? [{
        what: "not read",
        status: "warn" as const,
        message: `You may not read ${unread.join(", ")} in ${world.namespace}, so the explanation leaves them out.`,
      }]
      : []),
  ];
}

/** Commands that set the number of pods, and that make a controller try again. */
export const scaleRemedy = (kind: string, object: ReportedObject, replicas: number): string =>
  `set spec.replicas to ${replicas} (kubectl scale ${kind.toLowerCase()}/${objectName(object)} --replicas=${replicas})`;
