/** The published figures, with their names and targets. */

/** One figure of the table. */
export interface Row {
  /** Path in the result file. */
  path: string;
  what: string;
  unit: string;
  target?: { atLeast: number } | { atMost: number };
}

export const targetRows: readonly Row[] = [
  { path: "efficiency.wide", what: "Efficiency, 1,000 realms with a grant each", unit: "", target: { atLeast: 0.8 } },
  { path: "efficiency.deep", what: "Efficiency, 100 realms with 100 grants each", unit: "", target: { atLeast: 0.8 } },
  {
    path: "efficiency.wide10k",
    what: "Efficiency, 10,000 realms with a grant each (once)",
    unit: "",
    target: { atLeast: 0.65 },
  },
  { path: "ceiling.wide", what: "The ceiling: the bare loop, 1,000 realms with a grant each", unit: "objects/s" },
  { path: "ceiling.deep", what: "The ceiling, 100 realms with 100 grants each", unit: "objects/s" },
  {
    path: "processor.wide.operator.itself",
    what: "Processor time of the operator, 1,000 realms with a grant each",
    unit: "s",
  },
  { path: "processor.wide.bare.itself", what: "Processor time of the bare loop", unit: "s" },
  { path: "processor.wide.operator.apiserver", what: "Processor time of the API server, with the operator", unit: "s" },
  { path: "processor.wide.bare.apiserver", what: "Processor time of the API server, with the bare loop", unit: "s" },
  // 9 objects, the finalizer, the statuses of the Grant and the Realm, and one Event each: status ≤ 2 allows one more.
  {
    path: "writesPerGrant",
    what: "Writes for a new grant to a new realm, Events included",
    unit: "",
    target: { atMost: 15 },
  },
  { path: "readsPerGrant", what: "Reads for a new grant to a new realm", unit: "", target: { atMost: 0 } },
  { path: "latency.idle", what: "Grant applied → enforced, alone (p50)", unit: "ms" },
  { path: "latency.idle.p99", what: "The same, p99", unit: "ms" },
  { path: "latency.burst", what: "Grant applied → enforced, 1,000 at once (p50)", unit: "ms" },
  { path: "latency.burst.p99", what: "The same, p99", unit: "ms" },
  {
    path: "latency.expiry.p99",
    what: "validUntil → enforced, 50 that end at once (p99)",
    unit: "ms",
    target: { atMost: 1000 },
  },
  { path: "latency.revocation", what: "Revoked → last of five pods gone from a real node", unit: "ms" },
  { path: "latency.peerLost.known", what: "tailscaled reports the peer gone → Realm.status", unit: "ms" },
  { path: "latency.peerLost.killed", what: "peer's node killed → Realm.status", unit: "ms" },
  { path: "webhook.answer", what: "Webhook: answer to a review over TLS (p50)", unit: "ms" },
  { path: "webhook.answer.p99", what: "The same, p99", unit: "ms" },
  {
    path: "webhook.ratio.p50",
    what: "Webhook: the same divided by a handler that allows everything (p50)",
    unit: "",
    target: { atMost: 1.8 },
  },
  { path: "webhook.ratio.p99", what: "The same, p99", unit: "" },
  { path: "scale.100", what: "100 grants to one realm, all enforced", unit: "s" },
  { path: "scale.1000", what: "1,000 grants to 10 realms", unit: "s" },
  { path: "scale.10000", what: "10,000 grants to 100 realms", unit: "s" },
  { path: "scale.wide", what: "1,000 grants to 1,000 realms", unit: "s" },
  { path: "scale.wide10k", what: "10,000 grants to 10,000 realms (once)", unit: "s" },
  {
    path: "scale.defaultControllers",
    what: "200 grants to 200 realms, the controller-manager with its default limits",
    unit: "s",
  },
  { path: "rss.100", what: "Memory (RSS) at rest with 100 grants", unit: "MB" },
  { path: "rss.1000", what: "Memory with 1,000 grants", unit: "MB" },
  { path: "rss.10000", what: "Memory with 10,000 grants to 100 realms", unit: "MB", target: { atMost: 250 } },
  { path: "rss.10000.peak", what: "Maximum memory, while all of them were enforced at once", unit: "MB" },
  { path: "rss.wide10k", what: "Memory with 10,000 grants to 10,000 realms (once)", unit: "MB" },
  { path: "rss.wide10k.peak", what: "Maximum memory with 10,000 grants to 10,000 realms (once)", unit: "MB" },
  { path: "rss.slopePer10k", what: "Memory for 10,000 more grants, 100 to each realm", unit: "MB" },
  { path: "restart.startUp", what: "Start → enforcing, 100 grants", unit: "s", target: { atMost: 1 } },
  { path: "restart.atRest", what: "Start → nothing left to do, 10,000 grants", unit: "s", target: { atMost: 20 } },
  { path: "restart.writes", what: "Writes during that start", unit: "", target: { atMost: 0 } },
  {
    path: "steadyState",
    what: "Requests per minute with 10,000 grants, except watches and the Lease",
    unit: "",
    target: { atMost: 0 },
  },
  { path: "failover.SIGTERM", what: "Leader stopped → standby enforces", unit: "s", target: { atMost: 3 } },
  { path: "failover.SIGKILL", what: "Leader killed → standby enforces", unit: "s" },
];

/** Figures of the tailnet server: a separate table, from the newest run that has them. */
export const tailnetRows: readonly Row[] = [
  { path: "tailnet.served", what: "GET through the tailnet server (p50)", unit: "ms" },
  { path: "tailnet.served.p99", what: "The same, p99", unit: "ms" },
  { path: "tailnet.raw", what: "GET through a raw TCP forward of the same daemons (p50)", unit: "ms" },
  { path: "tailnet.raw.p99", what: "The same, p99", unit: "ms" },
  { path: "tailnet.added.p50", what: "Difference of the two (p50)", unit: "ms", target: { atMost: 3 } },
  { path: "tailnet.added.p99", what: "The same, p99", unit: "ms", target: { atMost: 15 } },
  { path: "tailnet.added.ratio", what: "Ratio of the two (p50)", unit: "" },
  {
    path: "tailnet.lastCut",
    what: "validUntil → last of 1,000 streams of the guest cut",
    unit: "ms",
    target: { atMost: 1000 },
  },
  { path: "tailnet.firstByte", what: "Page with 1,000 grants: first byte (p50)", unit: "ms", target: { atMost: 50 } },
  { path: "tailnet.firstByte.p99", what: "The same, p99", unit: "ms" },
  { path: "tailnet.change", what: "Change → page of 50 viewers, with 1,000 grants (p50)", unit: "ms" },
  { path: "tailnet.change.p99", what: "The same, p99", unit: "ms", target: { atMost: 1000 } },
  { path: "tailnetMemory.atRest", what: "Memory (RSS) of the front at rest", unit: "MB" },
  {
    path: "tailnetMemory.more",
    what: "Memory for 200 watches and 50 execs more",
    unit: "MB",
    target: { atMost: 120 },
  },
];
