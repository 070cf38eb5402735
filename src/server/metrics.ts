/** The operator's metrics. The state is read at each scrape, so deleted objects have no series. */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { parseQuantity } from "../../lib/quantity/mod.ts";
import type { ReconcileRecord } from "../../lib/controller/mod.ts";
import { connectionStates, entityPhases, phases } from "../api/mod.ts";
import type { GrantFacts } from "../core/facts.ts";
import { own } from "../core/own.ts";
import { addProcessMetrics } from "./process_metrics.ts";
import { requestKind } from "./request_kind.ts";
import type { OperatorStage } from "./operator_stage.ts";
import type { Snapshot } from "./snapshot.ts";
import { conditionOf } from "../core/conditions.ts";

/** A finished exchange with the API server. */
export interface ApiRequest {
  method: string;
  path: string;
  stream: boolean;
  /** HTTP status; 0 without a response. */
  code: number;
  durationMs: number;
}

type Labels = Record<string, string>;
type Sample = [labels: Labels, value: number];

export class Metrics {
  /** Registry that others can add metrics to. */
  readonly registry = new Registry();
  readonly #reconciles: Histogram;
  readonly #errors: Counter;
  readonly #requests: Counter;
  readonly #requestSeconds: Histogram;

  constructor({ version, stage, ready, snapshot }: {
    version: string;
    stage: () => OperatorStage;
    ready: () => boolean;
    /** Undefined until the operator has started to watch. */
    snapshot: () => Snapshot | undefined;
  }) {
    const registers = [this.registry];
    /** Adds a gauge whose series are collected at each scrape. */
    const gauge = (name: string, help: string, labelNames: string[], samples: () => Iterable<Sample>) =>
      new Gauge({
        name,
        help,
        labelNames,
        registers,
        collect() {
          this.reset();
          // Without labels, prom-client creates the series itself.
          for (const [labels, value] of samples()) this.set(labels, value);
        },
      });
    const seen = (samples: (view: Snapshot) => Iterable<Sample>) => () => {
      const now = snapshot();
      return now ? samples(now) : [];
    };

    gauge("keystone_build_info", "Version of this operator; always 1.", ["version"], () => [[{ version }, 1]]);
    gauge(
      "keystone_leader",
      "1 while this operator holds the Lease and enforces grants, 0 while it is in standby.",
      [],
      () => [[{}, Number(stage().is === "leading")]],
    );
    gauge(
      "keystone_ready",
      "1 while this operator is ready: it has read everything, leads or is in standby, and the API server responds to it.",
      [],
      () => [[{}, Number(ready())]],
    );

    gauge(
      "keystone_grants",
      "Grants by phase.",
      ["phase"],
      seen((view) => {
        const counts = new Map<string, number>(phases.map((phase) => [phase, 0]));
        for (const { status } of view.grants()) {
          const phase = status.phase ?? "Pending";
          counts.set(phase, (counts.get(phase) ?? 0) + 1);
        }
        return [...counts].map(([phase, count]): Sample => [{ phase }, count]);
      }),
    );
    const perGrant = (samples: (grant: GrantFacts, labels: Labels) => Iterable<Sample>) =>
      seen((view) =>
        view.grants().filter(isCurrent).flatMap((grant) => [
          ...samples(grant, { grant: grant.name, grantee: grant.spec.granteeRealm }),
        ])
      );
    const grantLabels = ["grant", "grantee"];
    gauge(
      "keystone_grant_ready",
      "1 while a grant is in force and fully enforced, otherwise 0. No series for grants that have ended, have not started " +
        "or are enforced by another cluster.",
      grantLabels,
      perGrant(({ status }, labels) => {
        const ready = conditionOf(status, "Ready");
        return ready?.reason === "NotYetValid" ? [] : [[labels, Number(ready?.status === "True")]];
      }),
    );
    gauge(
      "keystone_grant_draining",
      "1 while a grant, or a removed part of it, is on notice or its pods are being evicted.",
      grantLabels,
      seen((view) =>
        view.grants().filter(({ status }) => conditionOf(status, "Draining")?.status === "True")
          .map((grant): Sample => [{ grant: grant.name, grantee: grant.spec.granteeRealm }, 1])
      ),
    );
    gauge(
      "keystone_grant_end_timestamp_seconds",
      "End of a grant that has not ended yet, in seconds since 1970. No series for grants without an end.",
      grantLabels,
      perGrant(({ spec, status }, labels) => {
        const end = Date.parse(status.effectiveUntil ?? spec.validity?.validUntil ?? "");
        return Number.isFinite(end) ? [[labels, end / 1000]] : [];
      }),
    );
    gauge(
      "keystone_grant_hard",
      "Amount that a grant in force gives, by resource as in spec.hard, in base units: cores, bytes, counts.",
      [...grantLabels, "resource"],
      perGrant(({ status }, labels) => amounts(status.hard, labels)),
    );
    gauge(
      "keystone_grant_used",
      "Used part of a grant, in base units. Usage of several grants to one realm counts first for those that last longest.",
      [...grantLabels, "resource"],
      perGrant(({ status }, labels) => amounts(status.actualUsage, labels)),
    );

    const quota = (name: string, help: string, samples: (hard: Amounts, used: Amounts) => Amounts) =>
      gauge(
        name,
        help,
        ["realm", "resource"],
        seen((view) =>
          view.quotas().flatMap(({ realm, statusHard, used }) => amounts(samples(statusHard, used), { realm }))
        ),
      );
    quota(
      "keystone_realm_granted",
      "Amount that all grants to a realm give together, as the quota enforces it, in base units.",
      (hard) => hard,
    );
    quota("keystone_realm_used", "Usage of a realm's guests, in base units.", (_, used) => used);
    quota(
      "keystone_realm_free",
      "Amount that a realm's guests may still use, in base units; 0 if they use more than is granted.",
      (hard, used) =>
        Object.fromEntries(
          Object.entries(hard).map(([key, most]) => {
            const free = parseQuantity(most).subtract(parseQuantity(own(used, key) ?? "0"));
            return [key, free.sign() < 0 ? "0" : free.toString()];
          }),
        ),
    );

    gauge(
      "keystone_superentities",
      "SuperEntities by phase.",
      ["phase"],
      seen((view) => {
        const present = view.superEntities().map((phase) => phase ?? "Pending");
        return entityPhases.map((phase): Sample => [{ phase }, present.filter((each) => each === phase).length]);
      }),
    );

    gauge(
      "keystone_realm_connected",
      "1 while a realm's node is online, 0 while it is offline or unknown.",
      ["realm"],
      seen((view) =>
        view.realms().map(({ name, status }): Sample => [
          { realm: name },
          Number(status.connectionState === "Connected"),
        ])
      ),
    );
    gauge(
      "keystone_realm_state",
      "1 for the current connection state of a realm, 0 for the others.",
      ["realm", "state"],
      seen((view) =>
        view.realms().flatMap(({ name, status }) =>
          connectionStates.map((state): Sample => [
            { realm: name, state },
            Number((status.connectionState ?? "Unknown") === state),
          ])
        )
      ),
    );
    gauge(
      "keystone_realm_last_seen_timestamp_seconds",
      "Time at which a realm's node was last known to be online, in seconds since 1970, to within 5 minutes.",
      ["realm"],
      seen((view) => view.realms().flatMap(({ name, status }) => instant({ realm: name }, status.lastSeen))),
    );
    gauge(
      "keystone_realm_key_expiry_timestamp_seconds",
      "Expiry of the tailnet key of a realm's node, in seconds since 1970. No series for keys that don't expire.",
      ["realm"],
      seen((view) => view.realms().flatMap(({ name, status }) => instant({ realm: name }, status.node?.keyExpiry))),
    );
    gauge(
      "keystone_tailnet_up",
      "1 while tailscaled responds and is connected to its tailnet.",
      [],
      seen((view) => [[{}, Number(view.tailnet().state === "running")]]),
    );
    gauge(
      "keystone_tailnet_state",
      "1 for the current state of the tailnet: none, running, or the reason it is unavailable.",
      ["state"],
      seen((view) => [[{ state: view.tailnet().state }, 1]]),
    );
    gauge(
      "keystone_tailnet_peers",
      "Other nodes of the tailnet that this operator sees, by online state.",
      ["online"],
      seen((view) => {
        const { online, offline } = view.tailnet();
        return [[{ online: "true" }, online], [{ online: "false" }, offline]];
      }),
    );
    gauge(
      "keystone_drain_pods",
      "Unfinished pods of a realm whose grants, or parts of them, are being drained: running or terminating.",
      ["realm", "state"],
      seen((view) =>
        view.drains().flatMap(({ realm, running, terminating }): Sample[] => [
          [{ realm, state: "running" }, running],
          [{ realm, state: "terminating" }, terminating],
        ])
      ),
    );

    gauge(
      "keystone_unreadable_objects",
      "Existing objects that can't be read, by kind. Each is ignored and reported by an event on it.",
      ["kind"],
      seen((view) => [...view.unreadable()].map(([kind, count]): Sample => [{ kind }, count])),
    );

    gauge(
      "keystone_storage_size_bytes",
      "Size of the API server's database when last read. No series if it isn't read.",
      [],
      seen((view) => view.storage().bytes === undefined ? [] : [[{}, view.storage().bytes!]]),
    );
    gauge(
      "keystone_storage_quota_bytes",
      "Configured size at which the API server's database accepts no more writes. No series if none is configured.",
      [],
      seen((view) => view.storage().quotaBytes === null ? [] : [[{}, view.storage().quotaBytes!]]),
    );
    gauge(
      "keystone_guest_writes_closed",
      "1 while guests may read and delete but not write, because the API server's database is nearly full.",
      [],
      seen((view) => [[{}, Number(view.storage().guestWrites !== "Open")]]),
    );

    const queues = (name: string, help: string, value: "depth" | "waiting" | "failing") =>
      gauge(
        name,
        help,
        ["controller"],
        seen((view) =>
          Object.entries(view.queues).map(([controller, queue]): Sample => [{ controller }, queue[value]])
        ),
      );
    queues("keystone_workqueue_depth", "Keys that are due and waiting to be reconciled.", "depth");
    queues("keystone_workqueue_waiting", "Keys that are waiting for an instant or a retry.", "waiting");
    queues("keystone_workqueue_failing", "Keys whose last reconcile failed.", "failing");
    gauge(
      "keystone_clock_skew_seconds",
      "Seconds by which the API server's clock is ahead of the operator's; 0 while they agree within 2 s. No grant ends while it isn't 0.",
      [],
      seen((view) => [[{}, view.skewMs() / 1000]]),
    );
    this.#reconciles = new Histogram({
      name: "keystone_reconcile_duration_seconds",
      help: "Duration of reconciles, by controller and outcome.",
      labelNames: ["controller", "outcome"],
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 30],
      registers,
    });
    this.#errors = new Counter({
      name: "keystone_reconcile_errors_total",
      help: "Failed reconciles, by controller and by the operator's reaction.",
      labelNames: ["controller", "verdict"],
      registers,
    });
    this.#requests = new Counter({
      name: "keystone_api_requests_total",
      help: "Requests to the API server, by verb, resource and status code; code 0 without a response.",
      labelNames: ["verb", "resource", "code"],
      registers,
    });
    this.#requestSeconds = new Histogram({
      name: "keystone_api_request_duration_seconds",
      help: "Duration of requests to the API server; for watches, until they began.",
      labelNames: ["verb"],
      buckets: [0.005, 0.02, 0.1, 0.5, 2, 10, 30],
      registers,
    });

    addProcessMetrics(this.registry);
  }

  reconciled({ name, durationMs, outcome }: ReconcileRecord): void {
    this.#reconciles.observe({ controller: name, outcome }, durationMs / 1000);
    if (outcome !== "success" && outcome !== "aborted") this.#errors.inc({ controller: name, verdict: outcome });
  }

  requested(request: ApiRequest): void {
    const { verb, resource } = requestKind(request);
    this.#requests.inc({ verb, resource, code: String(request.code) });
    this.#requestSeconds.observe({ verb }, request.durationMs / 1000);
  }

  /** Returns the metrics in the Prometheus text format. */
  async text(): Promise<{ body: string; type: string }> {
    return { body: await this.registry.metrics(), type: this.registry.contentType };
  }
}

type Amounts = Readonly<Record<string, string>>;

/** Converts quantities to numbers: Prometheus has 53 bits of precision, exact for bytes up to 8Pi. */
const amounts = (quantities: Amounts | undefined, labels: Labels): Sample[] =>
  Object.entries(quantities ?? {}).map(([resource, quantity]) => [
    { ...labels, resource },
    Number(parseQuantity(quantity).nanos) / 1e9,
  ]);

const instant = (labels: Labels, text: string | undefined): Sample[] => {
  const at = Date.parse(text ?? "");
  return Number.isFinite(at) ? [[labels, at / 1000]] : [];
};

/** True if the grant has not ended and is enforced by this cluster. */
const isCurrent = ({ status }: GrantFacts): boolean =>
  status.phase !== "Revoked" && status.phase !== "Expired" &&
  conditionOf(status, "Ready")?.reason !== "GrantorNotLocal";
