/** Explains an object of any kind in a guest namespace. */
import type { PersistentVolumeClaim, Pod, Service } from "../../../lib/kubernetes_apis/core@v1.ts";
import { autoscalerReport } from "./autoscaler_report.ts";
import { claimReport } from "./claim_report.ts";
import { cronJobReport } from "./cron_job_report.ts";
import { daemonSetReport } from "./daemon_set_report.ts";
import { deploymentReport } from "./deployment_report.ts";
import type { Report } from "./finding.ts";
import { jobReport } from "./job_report.ts";
import { podExplanation } from "./pod_explanation.ts";
import { replicaSetReport } from "./replica_set_report.ts";
import type { ReportedAutoscaler, ReportedObject, ReportWorld } from "./reported_objects.ts";
import { serviceReport } from "./service_report.ts";
import { statefulSetReport } from "./stateful_set_report.ts";

/** Kinds in guest namespaces that are explained. */
export const explainedKinds = [
  "Pod",
  "Deployment",
  "StatefulSet",
  "DaemonSet",
  "ReplicaSet",
  "ReplicationController",
  "Job",
  "CronJob",
  "PersistentVolumeClaim",
  "Service",
  "HorizontalPodAutoscaler",
] as const;
export type ExplainedKind = typeof explainedKinds[number];

/** @param policies names of the NetworkPolicies that select the pod; for a pod only */
export function reportOn(
  kind: ExplainedKind,
  object: ReportedObject,
  world: ReportWorld,
  policies?: readonly string[],
): Report {
  switch (kind) {
    case "Pod":
      return podExplanation(object as Pod, policies, world);
    case "Deployment":
      return deploymentReport(object, world);
    case "StatefulSet":
      return statefulSetReport(object, world);
    case "DaemonSet":
      return daemonSetReport(object, world);
    case "ReplicaSet":
    case "ReplicationController":
      return replicaSetReport(kind, object, world);
    case "Job":
      return jobReport(object, world);
    case "CronJob":
      return cronJobReport(object, world);
    case "PersistentVolumeClaim":
      return claimReport(object as PersistentVolumeClaim, world);
    case "Service":
      return serviceReport(object as Service, world);
    case "HorizontalPodAutoscaler":
      return autoscalerReport(object, targetReport(object, world), world);
  }
}

function targetReport({ spec }: ReportedAutoscaler, world: ReportWorld): Report | undefined {
  const kind = explainedKinds.find((kind) => kind === spec?.scaleTargetRef?.kind);
  return kind && world.target ? reportOn(kind, world.target, world) : undefined;
}
