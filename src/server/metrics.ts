/** The operator's metrics. What it knows is read when they are asked for, so what is gone has no series any more. */
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

/** One finished exchange with the API server. */
export interface ApiRequest {
  method: string;
  path: string;
  stream: boolean;
  /** 0 when no answer came. */
  code: number;
  durationMs: number;
}

type Labels = Record<string, string>;
type Sample = [labels: Labels, value: number];

export class Metrics {
  /** For metrics that others add. */
  readonly registry = new Registry();
  readonly #reconciles: Histogram;
  readonly #errors: Counter;
  readonly #requests: Counter;
  readonly #requestSeconds: Histogram;

  constructor({ version, stage, snapshot }: {
    version: string;
    stage: () => OperatorStage;
    /** Undefined until the operator has begun to look. */
    snapshot: () => Snapshot | undefined;
  }) {
    const registers = [this.registry];
    /** A gauge of which each series is told anew at each look; there are none of what isn't told. */
    const gauge = (name: string, help: string, labelNames: string[], samples: () => Iterable<Sample>) =>
      new Gauge({
        name,
        help,
        labelNames,
        registers,
        collect() {
          this.reset();
          // Without labels, prom-client makes the series by itself.
          for (const [labels, value] of samples()) this.set(labels, value);
        },
      });
    const seen = (samples: (view: Snapshot) => Iterable<Sample>) => () => {
      const now = snapshot();
      return now ? samples(now) : [];
    };

    gauge("keystone_build_info", "The version of this operator; always 1.", ["version"], () => [[{ version }, 1]]);
    gauge(
      "keystone_leader",
      "1 while this operator holds the Lease and enforces grants, 0 while it is in standby.",
      [],
      () => [[{}, Number(stage().is === "leading")]],
    );
    gauge(
      "keystone_ready",
      "1 when this operator has read everything, whether it holds the Lease or waits for it.",
      [],
      () => [[{}, Number(stage().is === "leading" || stage().is === "standby")]],
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
      "1 while a grant is in force and all of it is enforced, 0 while it is not; none of ended grants, of those whose time " +
        "is yet to come, and of those that another cluster enforces.",
      grantLabels,
      perGrant(({ status }, labels) => {
        const ready = conditionOf(status, "Ready");
        return ready?.reason === "NotYetValid" ? [] : [[labels, Number(ready?.status === "True")]];
      }),
    );
    gauge(
      "keystone_grant_draining",
      "1 while a grant, or a part of it that was cut, is on notice or its pods are being evicted.",
      grantLabels,
      seen((view) =>
        view.grants().filter(({ status }) => conditionOf(status, "Draining")?.status === "True")
          .map((grant): Sample => [{ grant: grant.name, grantee: grant.spec.granteeRealm }, 1])
      ),
    );
    gauge(
      "keystone_grant_end_timestamp_seconds",
      "When a grant that has not ended will end, in seconds since 1970; none of those without an end.",
      grantLabels,
      perGrant(({ spec, status }, labels) => {
        const end = Date.parse(status.effectiveUntil ?? spec.validity?.validUntil ?? "");
        return Number.isFinite(end) ? [[labels, end / 1000]] : [];
      }),
    );
    gauge(
      "keystone_grant_hard",
      "What a grant that is in force gives, in base units (cores, bytes, counts).",
      [...grantLabels, "resource"],
      perGrant(({ status }, labels) => amounts(status.hard, labels)),
    );
    gauge(
      "keystone_grant_used",
      "A grant's share of what its grantee uses, in base units.",
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
    quota("keystone_realm_granted", "What all grants to a realm give it together, in base units.", (hard) => hard);
    quota("keystone_realm_used", "What a realm's guests use, in base units.", (_, used) => used);
    quota(
      "keystone_realm_free",
      "What a realm's guests may still use, in base units; 0 when they use more than is granted.",
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
      "1 while a realm's node is online, 0 while it is not or nothing is known of it.",
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
      "1 for the connection state that a realm is in, 0 for the others.",
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
      "When a realm's node was last known to be online, in seconds since 1970, to within 5 minutes.",
      ["realm"],
      seen((view) => view.realms().flatMap(({ name, status }) => instant({ realm: name }, status.lastSeen))),
    );
    gauge(
      "keystone_realm_key_expiry_timestamp_seconds",
      "When the tailnet key of a realm's node expires, in seconds since 1970; none of keys that don't.",
      ["realm"],
      seen((view) => view.realms().flatMap(({ name, status }) => instant({ realm: name }, status.node?.keyExpiry))),
    );
    gauge(
      "keystone_tailnet_up",
      "1 while tailscaled answers and is connected to its tailnet.",
      [],
      seen((view) => [[{}, Number(view.tailnet().state === "running")]]),
    );
    gauge(
      "keystone_tailnet_state",
      "1 for the state that the tailnet is in: none, running, or why nothing is known of it.",
      ["state"],
      seen((view) => [[{ state: view.tailnet().state }, 1]]),
    );
    gauge(
      "keystone_tailnet_peers",
      "Nodes of the tailnet that this operator sees, by whether they are online.",
      ["online"],
      seen((view) => {
        const { online, offline } = view.tailnet();
        return [[{ online: "true" }, online], [{ online: "false" }, offline]];
      }),
    );
    gauge(
      "keystone_drain_pods",
      "Unfinished pods of a realm whose grants, or parts of them, are being drained: running, or already on their way out.",
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
      "Objects that are there and can't be read, by kind: each is left out, and named in an event on it.",
      ["kind"],
      seen((view) => [...view.unreadable()].map(([kind, count]): Sample => [{ kind }, count])),
    );

    gauge(
      "keystone_storage_size_bytes",
      "Size of the API server's database as it was read last; none where it isn't read.",
      [],
      seen((view) => view.storage().bytes === undefined ? [] : [[{}, view.storage().bytes!]]),
    );
    gauge(
      "keystone_storage_quota_bytes",
      "Size at which the API server's database takes no more writes, as the settings say; none where they say none.",
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
    queues("keystone_workqueue_depth", "Keys that are due and wait to be reconciled.", "depth");
    queues("keystone_workqueue_waiting", "Keys that wait for an instant or for another try.", "waiting");
    queues("keystone_workqueue_failing", "Keys whose reconciles have failed since one last succeeded.", "failing");
    gauge(
      "keystone_clock_skew_seconds",
      "By how much the API server's clock is ahead of the operator's; 0 while they agree within 2 s. No grant ends while it isn't.",
      [],
      seen((view) => [[{}, view.skewMs() / 1000]]),
    );
    this.#reconciles = new Histogram({
      name: "keystone_reconcile_duration_seconds",
      help: "How long reconciles took, by controller and outcome.",
      labelNames: ["controller", "outcome"],
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 30],
      registers,
    });
    this.#errors = new Counter({
      name: "keystone_reconcile_errors_total",
      help: "Reconciles that failed, by controller and by what was done about it.",
      labelNames: ["controller", "verdict"],
      registers,
    });
    this.#requests = new Counter({
      name: "keystone_api_requests_total",
      help: "Requests to the API server, by verb, resource and status code; code 0 when no answer came.",
      labelNames: ["verb", "resource", "code"],
      registers,
    });
    this.#requestSeconds = new Histogram({
      name: "keystone_api_request_duration_seconds",
      help: "How long requests to the API server took, of watches until they began.",
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

  /** In the text format of Prometheus. */
  async text(): Promise<{ body: string; type: string }> {
    return { body: await this.registry.metrics(), type: this.registry.contentType };
  }
}

type Amounts = Readonly<Record<string, string>>;

/** Quantities as numbers: what Prometheus stores has 53 bits, which is exact for bytes up to 8Pi. */
const amounts = (quantities: Amounts | undefined, labels: Labels): Sample[] =>
  Object.entries(quantities ?? {}).map(([resource, quantity]) => [
    { ...labels, resource },
    Number(parseQuantity(quantity).nanos) / 1e9,
  ]);

const instant = (labels: Labels, text: string | undefined): Sample[] => {
  const at = Date.parse(text ?? "");
  return Number.isFinite(at) ? [[labels, at / 1000]] : [];
};

/** Neither ended nor another cluster's to enforce. */
const isCurrent = ({ status }: GrantFacts): boolean =>
  status.phase !== "Revoked" && status.phase !== "Expired" &&
  conditionOf(status, "Ready")?.reason !== "GrantorNotLocal";
