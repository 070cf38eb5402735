/**
 * The revision of the guards that this operator knows, and puts into force where it looks after guests: a guard that is new
 * must not take anything away before there is an operator that can say so. Raised with each version that has new guards.
 */
export const guardsRevision = 1;

/** Guards by name: what guests may not ask for. The table in deploy/guards has the rules, the page docs/guards.md the reasons. */
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
  "device-keys",
  "metadata-size",
  "owners",
  "metadata-keys",
  "unknown-keys",
  "finalizers",
] as const;

/** One of them. */
export type GuardName = (typeof guardNames)[number];
