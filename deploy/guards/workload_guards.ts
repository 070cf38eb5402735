/** Kinds with a pod template that guests may create. */
export const workloadGuards: readonly string[] = [
  "ReplicationController",
  "Deployment",
  "ReplicaSet",
  "StatefulSet",
  "DaemonSet",
  "Job",
  "CronJob",
];
