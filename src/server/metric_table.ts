/**
 * Metrics of the operator and of the front: names, types, HELP texts and labels. The tables of docs/monitoring.md are
 * generated from here, and series have exactly these labels.
 */

/**
 * Labels by name. A name has one meaning in all metrics, so that their series join; `bound` is the most values that it
 * takes. Guests can't add values: all of them come from admins' objects or from this program.
 */
export const metricLabels = {
  realm: { meaning: "Realm, or SuperEntity that receives", bound: "Realms and SuperEntities" },
  grant: { meaning: "Grant", bound: "Grants" },
  resource: {
    meaning: "quota key as in the namespace's ResourceQuota: always `requests.cpu`, never `cpu`. In " +
      "`keystone_api_requests_total`: the API resource as in RBAC rules, such as `grants/status`",
    bound: "keys of the grants to a realm and Keystone's own; resources that Keystone uses",
  },
  guest_namespace: { meaning: "namespace of the realm's guests", bound: "one for each realm" },
  trust: { meaning: "trust level of the Realm", bound: "3" },
  phase: { meaning: "status.phase", bound: "4" },
  state: { meaning: "state of the metric's subject", bound: "5 for each realm; one for the tailnet" },
  reason: {
    meaning: "reason in CamelCase as in the condition; for a refused client one word",
    bound: "7 for each realm",
  },
  kind: { meaning: "Kubernetes kind, or `other`", bound: "kinds that Keystone reads" },
  controller: { meaning: "control loop", bound: "7" },
  outcome: { meaning: "outcome of a reconcile", bound: "6 for each loop" },
  verdict: { meaning: "result of an admission review", bound: "6 for each kind" },
  verb: { meaning: "verb as in RBAC rules", bound: "7" },
  code: { meaning: "HTTP status; 0 without a response", bound: "codes of the API server" },
  online: { meaning: "`true` or `false`", bound: "2" },
  version: { meaning: "version of this program", bound: "1" },
  component: { meaning: "`operator` or `front`", bound: "1 for each process" },
} as const;

export type LabelName = keyof typeof metricLabels;

/** One metric. */
export interface MetricRow {
  type: "gauge" | "counter" | "histogram";
  help: string;
  labels: readonly LabelName[];
  /**
   * Labels of the previous version, each with the label that has its value now. Series have both for one version
   * (docs/adr/0051-one-label-space-for-metrics.md).
   */
  former?: Readonly<Record<string, LabelName>>;
  /** Upper bounds of a histogram's buckets, in seconds. */
  buckets?: readonly number[];
}

export type MetricTable = Readonly<Record<string, MetricRow>>;

const table = <const Table extends MetricTable>(rows: Table): Table => rows;

/** Metrics that both processes have. */
export const processMetrics = table({
  keystone_build_info: {
    type: "gauge",
    help: "Version and component of this process; always 1.",
    labels: ["version", "component"],
  },
  process_resident_memory_bytes: { type: "gauge", help: "Resident memory of this process.", labels: [] },
  process_heap_bytes: { type: "gauge", help: "JavaScript heap in use by this process.", labels: [] },
  process_start_time_seconds: {
    type: "gauge",
    help: "Start time of this process, in seconds since 1970.",
    labels: [],
  },
});

const grantee = { grantee: "realm" } as const;

/** Metrics of the operator. */
export const operatorMetrics = table({
  keystone_leader: {
    type: "gauge",
    help: "1 while this operator holds the Lease and enforces grants, 0 while it is in standby.",
    labels: [],
  },
  keystone_ready: {
    type: "gauge",
    help:
      "1 while this operator is ready: it has read everything, leads or is in standby, and the API server responds to it.",
    labels: [],
  },
  keystone_grants: { type: "gauge", help: "Grants by phase.", labels: ["phase"] },
  keystone_grant_ready: {
    type: "gauge",
    help:
      "1 while a grant is in force and fully enforced, otherwise 0. No series for grants that have ended, have not " +
      "started or are enforced by another cluster.",
    labels: ["grant", "realm"],
    former: grantee,
  },
  keystone_grant_draining: {
    type: "gauge",
    help: "1 while a grant, or a removed part of it, is on notice or its pods are being evicted; otherwise no series.",
    labels: ["grant", "realm"],
    former: grantee,
  },
  keystone_grant_end_timestamp_seconds: {
    type: "gauge",
    help: "End of a grant that has not ended yet, in seconds since 1970. No series for grants without an end.",
    labels: ["grant", "realm"],
    former: grantee,
  },
  keystone_grant_hard: {
    type: "gauge",
    help:
      "Amount that a grant gives, by quota key, in base units (cores, bytes, counts): enforced, or to be enforced " +
      "if the grant is Pending. No series for grants that have ended or are enforced by another cluster.",
    labels: ["grant", "realm", "resource"],
    former: grantee,
  },
  keystone_grant_used: {
    type: "gauge",
    help: "Part of the realm's usage that is attributed to a grant in force, by quota key, in base units.",
    labels: ["grant", "realm", "resource"],
    former: grantee,
  },
  keystone_realm_info: {
    type: "gauge",
    help:
      "Namespace of a realm's guests and trust level of the Realm, to join with other metrics; always 1. SuperEntities " +
      "have no trust level.",
    labels: ["realm", "guest_namespace", "trust"],
  },
  keystone_realm_granted: {
    type: "gauge",
    help: "Total entitlement of all grants to a realm, in base units.",
    labels: ["realm", "resource"],
  },
  keystone_realm_used: {
    type: "gauge",
    help: "Usage of a realm's guests, in base units.",
    labels: ["realm", "resource"],
  },
  keystone_realm_free: {
    type: "gauge",
    help: "Amount that a realm's guests may still use, in base units; 0 if they use more than is granted.",
    labels: ["realm", "resource"],
  },
  keystone_superentities: { type: "gauge", help: "SuperEntities by phase.", labels: ["phase"] },
  keystone_realm_connected: {
    type: "gauge",
    help: "1 while a realm's node is online, 0 while it is offline or unknown.",
    labels: ["realm"],
  },
  keystone_realm_state: {
    type: "gauge",
    help: "1 for the current connection state of a realm, 0 for the others.",
    labels: ["realm", "state"],
  },
  keystone_realm_error: {
    type: "gauge",
    help: "1 for the reason why a realm is in state Error until an admin acts, such as NodeReplaced; 0 for the other " +
      "reasons.",
    labels: ["realm", "reason"],
  },
  keystone_realm_last_seen_timestamp_seconds: {
    type: "gauge",
    help: "Time at which a realm's node was last known to be online, in seconds since 1970, to within 5 minutes.",
    labels: ["realm"],
  },
  keystone_realm_key_expiry_timestamp_seconds: {
    type: "gauge",
    help: "Expiry of the tailnet key of a realm's node, in seconds since 1970. No series for keys that don't expire.",
    labels: ["realm"],
  },
  keystone_tailnet_up: {
    type: "gauge",
    help: "1 while tailscaled responds and is connected to its tailnet.",
    labels: [],
  },
  keystone_tailnet_state: {
    type: "gauge",
    help: "1 for the current state of the tailnet: none, running, or the reason it is unavailable.",
    labels: ["state"],
  },
  keystone_tailnet_peers: {
    type: "gauge",
    help: "Other nodes of the tailnet that this operator sees, by online state.",
    labels: ["online"],
  },
  keystone_drain_pods: {
    type: "gauge",
    help: "Unfinished pods of a realm whose grants, or parts of them, are being drained: running or terminating.",
    labels: ["realm", "state"],
  },
  keystone_unreadable_objects: {
    type: "gauge",
    help: "Existing objects that can't be read, by kind. Each is ignored and reported by an event on it.",
    labels: ["kind"],
  },
  keystone_storage_size_bytes: {
    type: "gauge",
    help: "Size of the API server's database when last read. No series if it isn't read.",
    labels: [],
  },
  keystone_storage_quota_bytes: {
    type: "gauge",
    help: "Configured size at which the API server's database accepts no more writes. No series if none is configured.",
    labels: [],
  },
  keystone_guest_writes_closed: {
    type: "gauge",
    help: "1 while guests may read and delete but not write, because the API server's database is nearly full.",
    labels: [],
  },
  keystone_workqueue_depth: {
    type: "gauge",
    help: "Keys that are due and waiting to be reconciled.",
    labels: ["controller"],
  },
  keystone_workqueue_waiting: {
    type: "gauge",
    help: "Keys that are waiting for an instant or a retry.",
    labels: ["controller"],
  },
  keystone_workqueue_failing: { type: "gauge", help: "Keys whose last reconcile failed.", labels: ["controller"] },
  keystone_clock_skew_seconds: {
    type: "gauge",
    help:
      "Seconds by which the API server's clock is ahead of the operator's; 0 while they agree within 2 s. No grant " +
      "ends while it isn't 0.",
    labels: [],
  },
  keystone_reconcile_duration_seconds: {
    type: "histogram",
    help: "Duration of reconciles, by controller and outcome.",
    labels: ["controller", "outcome"],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 30],
  },
  keystone_reconcile_errors_total: {
    type: "counter",
    help: "Failed reconciles, by controller and outcome.",
    labels: ["controller", "outcome"],
    former: { verdict: "outcome" },
  },
  keystone_api_requests_total: {
    type: "counter",
    help: "Requests to the API server, by verb, resource and status code; code 0 without a response.",
    labels: ["verb", "resource", "code"],
  },
  keystone_api_request_duration_seconds: {
    type: "histogram",
    help: "Duration of requests to the API server; for watches, until they began.",
    labels: ["verb"],
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10, 30],
  },
  ...processMetrics,
});

/** Metrics of the front. */
export const frontMetrics = table({
  keystone_front_ready: {
    type: "gauge",
    help: "1 while the front answers admission reviews, 0 while it does not.",
    labels: [],
  },
  keystone_front_connections: { type: "gauge", help: "Connections to the admission webhook.", labels: [] },
  keystone_front_refusals_total: {
    type: "counter",
    help: "Clients that the admission webhook refused before judging a review: full, slow, memory or malformed.",
    labels: ["reason"],
  },
  keystone_admission_review_duration_seconds: {
    type: "histogram",
    help: "Duration of admission reviews, by kind of object and verdict.",
    labels: ["kind", "verdict"],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 3],
  },
  keystone_tailnet_connections: {
    type: "gauge",
    help: "Connections from the tailnet that act for a realm; without a realm: pages.",
    labels: ["realm"],
  },
  keystone_tailnet_requests_total: {
    type: "counter",
    help: "Requests from the tailnet that were sent to the API server for a realm.",
    labels: ["realm", "code"],
  },
  keystone_tailnet_cut_total: {
    type: "counter",
    help: "Connections from the tailnet that were cut because their right ended.",
    labels: ["reason"],
  },
  keystone_tailnet_refused_total: {
    type: "counter",
    help: "Connections and requests from the tailnet that were refused before they reached the API server.",
    labels: ["reason"],
  },
  ...processMetrics,
});
