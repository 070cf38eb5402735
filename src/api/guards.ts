/**
 * Revision of the guards that this operator knows and activates in the namespaces it manages: a new guard must not
 * reject anything before an operator runs that can explain it. Raise it with each version that adds guards.
 */
export const guardsRevision = 1;

/** Names of the guards, which limit guests' requests. deploy/guards has their rules, docs/guards.md the reasons. */
export const guardNames = [
  "pod-size",
  "node-name",
  "tolerations",
  "priority",
  "scheduler",
  "affinity",
  "pod-terms",
  "pod-references",
  "runtime-class",
  "devices",
  "resource-claims",
  "device-variables",
  "image-pull",
  "image-registry",
  "volume-types",
  "projected-sources",
  "probe-hosts",
  "termination-grace",
  "pod-fields",
  "container-fields",
  "workload-fields",
  "pod-finalizers",
  "history",
  "job-controller",
  "forced-end",
  "replicas",
  "autoscaler-metrics",
  "schedule",
  "selector-size",
  "external-ips",
  "external-name",
  "load-balancer-class",
  "service-ports",
  "claim-class",
  "claim-selector",
  "claim-source",
  "volume-name",
  "storage-class",
  "account-tokens",
  "account-count",
  "device-keys",
  "metadata-size",
  "owners",
  "metadata-keys",
  "unknown-keys",
  "finalizers",
] as const;

/** Name of a guard. */
export type GuardName = (typeof guardNames)[number];
