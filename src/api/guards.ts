/** Guards by name: what guests may not ask for. The table in deploy/guards has the rules, the page docs/guards.md the reasons. */
export const guardNames = [
  "pod-size",
  "node-name",
  "tolerations",
  "priority",
  "scheduler",
  "affinity",
  "runtime-class",
  "devices",
  "resource-claims",
  "device-variables",
  "volume-types",
  "projected-sources",
  "probe-hosts",
  "termination-grace",
  "pod-fields",
  "container-fields",
  "pod-finalizers",
  "history",
  "job-controller",
  "external-ips",
  "external-name",
  "load-balancer-class",
  "volume-name",
  "account-tokens",
] as const;

/** One of them. */
export type GuardName = (typeof guardNames)[number];
