/** The operator's metrics. The state is read at each scrape, so deleted objects have no series. */
import { parseQuantity } from "../../lib/quantity/mod.ts";
import type { ReconcileRecord } from "../../lib/controller/mod.ts";
import { connectionStates, entityPhases, phases } from "../api/mod.ts";
import { conditionOf } from "../core/conditions.ts";
import type { GrantFacts } from "../core/facts.ts";
import { trustOf } from "../core/grant/lifecycle.ts";
import { guestNamespace } from "../core/names.ts";
import { own } from "../core/own.ts";
import { realmErrorReasons } from "../core/realm/observation.ts";
import { quotaKey } from "../core/resources/quota_lists.ts";
import { type MetricSample, MetricSet } from "./metric_set.ts";
import { operatorMetrics } from "./metric_table.ts";
import { addProcessMetrics } from "./process_metrics.ts";
import { requestKind } from "./request_kind.ts";
import type { OperatorStage } from "./operator_stage.ts";
import type { Snapshot, StorageSnapshot } from "./snapshot.ts";

/** A finished exchange with the API server. */
export interface ApiRequest {
  method: string;
  path: string;
  stream: boolean;
  /** HTTP status; 0 without a response. */
  code: number;
  durationMs: number;
}

type Row<Name extends keyof typeof operatorMetrics> = MetricSample<(typeof operatorMetrics)[Name]>;
type PerGrant = { grant: string; realm: string };

/** Outcomes of reconciles that count as failures. */
const failures = ["terminal", "waiting", "transient"] as const;

export class Metrics {
  readonly #set = new MetricSet(operatorMetrics);
  readonly #reconcile = this.#set.histogram("keystone_reconcile_duration_seconds");
  readonly #error = this.#set.counter("keystone_reconcile_errors_total");
  readonly #request = this.#set.counter("keystone_api_requests_total");
  readonly #requestTime = this.#set.histogram("keystone_api_request_duration_seconds");

  constructor({ version, stage, ready, snapshot }: {
    version: string;
    stage: () => OperatorStage;
    ready: () => boolean;
    /** Undefined until the operator has started to watch. */
    snapshot: () => Snapshot | undefined;
  }) {
    const set = this.#set;
    const seen = <S>(samples: (view: Snapshot) => Iterable<S>) => (): Iterable<S> => {
      const now = snapshot();
      return now ? samples(now) : [];
    };
    const flag = (name: "keystone_leader" | "keystone_ready", value: () => boolean) =>
      set.gauge(name, () => [[{}, Number(value())]]);

    addProcessMetrics(set, { version, component: "operator" });
    flag("keystone_leader", () => stage().is === "leading");
    flag("keystone_ready", ready);

    set.gauge(
      "keystone_grants",
      seen((view) => counts(phases, view.grants().map(({ status }) => status.phase ?? "Pending"))),
    );
    const perGrant = <S>(samples: (grant: GrantFacts, labels: PerGrant) => Iterable<S>) =>
      seen((view) => view.grants().filter(isCurrent).flatMap((grant) => [...samples(grant, labelsOf(grant))]));
    set.gauge(
      "keystone_grant_ready",
      perGrant(({ status }, labels): Row<"keystone_grant_ready">[] => {
        const ready = conditionOf(status, "Ready");
        return ready?.reason === "NotYetValid" ? [] : [[labels, Number(ready?.status === "True")]];
      }),
    );
    set.gauge(
      "keystone_grant_draining",
      seen((view) =>
        view.grants().filter(({ status }) => conditionOf(status, "Draining")?.status === "True")
          .map((grant): Row<"keystone_grant_draining"> => [labelsOf(grant), 1])
      ),
    );
    set.gauge(
      "keystone_grant_end_timestamp_seconds",
      perGrant(({ spec, status }, labels) => instant(labels, status.effectiveUntil ?? spec.validity?.validUntil)),
    );
    set.gauge("keystone_grant_hard", perGrant(({ status }, labels) => amounts(status.hard, labels)));
    set.gauge("keystone_grant_used", perGrant(({ status }, labels) => amounts(status.actualUsage, labels)));

    set.gauge(
      "keystone_realm_info",
      seen((view) => {
        const trust = new Map(view.realms().map(({ name, spec }): [string, string] => [name, trustOf({ spec })]));
        const realms = new Set([...trust.keys(), ...view.quotas().map(({ realm }) => realm)]);
        return [...realms].map((realm): Row<"keystone_realm_info"> => [
          { realm, guest_namespace: guestNamespace(realm), trust: trust.get(realm) ?? "" },
          1,
        ]);
      }),
    );
    const quota = (
      name: "keystone_realm_granted" | "keystone_realm_used" | "keystone_realm_free",
      samples: (hard: Amounts, used: Amounts) => Amounts,
    ) =>
      set.gauge(
        name,
        seen((view) =>
          view.quotas().flatMap(({ realm, statusHard, used }) => amounts(samples(statusHard, used), { realm }))
        ),
      );
    quota("keystone_realm_granted", (hard) => hard);
    quota("keystone_realm_used", (_, used) => used);
    quota("keystone_realm_free", freeOf);

    set.gauge(
      "keystone_superentities",
      seen((view) => counts(entityPhases, view.superEntities().map((phase) => phase ?? "Pending"))),
    );

    set.gauge(
      "keystone_realm_connected",
      seen((view) =>
        view.realms().map(({ name, status }): Row<"keystone_realm_connected"> => [
          { realm: name },
          Number(status.connectionState === "Connected"),
        ])
      ),
    );
    set.gauge(
      "keystone_realm_state",
      seen((view) =>
        view.realms().flatMap(({ name, status }) =>
          connectionStates.map((state): Row<"keystone_realm_state"> => [
            { realm: name, state },
            Number((status.connectionState ?? "Unknown") === state),
          ])
        )
      ),
    );
    set.gauge(
      "keystone_realm_error",
      seen((view) =>
        view.realms().flatMap(({ name, status }) => {
          const found = status.connectionState === "Error" ? conditionOf(status, "Ready")?.reason : undefined;
          return realmErrorReasons.map((reason): Row<"keystone_realm_error"> => [
            { realm: name, reason },
            Number(found === reason),
          ]);
        })
      ),
    );
    set.gauge(
      "keystone_realm_last_seen_timestamp_seconds",
      seen((view) => view.realms().flatMap(({ name, status }) => instant({ realm: name }, status.lastSeen))),
    );
    set.gauge(
      "keystone_realm_key_expiry_timestamp_seconds",
      seen((view) => view.realms().flatMap(({ name, status }) => instant({ realm: name }, status.node?.keyExpiry))),
    );
    set.gauge("keystone_tailnet_up", seen((view) => [[{}, Number(view.tailnet().state === "running")]]));
    set.gauge("keystone_tailnet_state", seen((view) => [[{ state: view.tailnet().state }, 1]]));
    set.gauge(
      "keystone_tailnet_peers",
      seen((view) => {
        const { online, offline } = view.tailnet();
        return [[{ online: "true" }, online], [{ online: "false" }, offline]];
      }),
    );
    set.gauge(
      "keystone_drain_pods",
      seen((view) =>
        view.drains().flatMap(({ realm, running, terminating }): Row<"keystone_drain_pods">[] => [
          [{ realm, state: "running" }, running],
          [{ realm, state: "terminating" }, terminating],
        ])
      ),
    );

    set.gauge(
      "keystone_unreadable_objects",
      seen((view) =>
        [...view.unreadable()].map(([kind, count]): Row<"keystone_unreadable_objects"> => [{ kind }, count])
      ),
    );

    const bytes = (
      name: "keystone_storage_size_bytes" | "keystone_storage_quota_bytes",
      value: (storage: StorageSnapshot) => number | null | undefined,
    ) =>
      set.gauge(
        name,
        seen((view): Row<typeof name>[] => {
          const size = value(view.storage()) ?? undefined;
          return size === undefined ? [] : [[{}, size]];
        }),
      );
    bytes("keystone_storage_size_bytes", (storage) => storage.bytes);
    bytes("keystone_storage_quota_bytes", (storage) => storage.quotaBytes);
    set.gauge(
      "keystone_guest_writes_closed",
      seen((view) => [[{}, Number(view.storage().guestWrites !== "Open")]]),
    );

    for (const value of ["depth", "waiting", "failing"] as const) {
      set.gauge(
        `keystone_workqueue_${value}`,
        seen((view) =>
          Object.entries(view.queues).map(([controller, queue]): Row<`keystone_workqueue_${typeof value}`> => [
            { controller },
            queue[value],
          ])
        ),
      );
    }
    set.gauge("keystone_clock_skew_seconds", seen((view) => [[{}, view.skewMs() / 1000]]));
  }

  /** Starts the counters of these loops at zero: the increase from an absent series to 1 is no rate. */
  expect(controllers: Iterable<string>): void {
    for (const controller of controllers) {
      for (const outcome of failures) this.#error({ controller, outcome }, 0);
    }
  }

  reconciled({ name, durationMs, outcome }: ReconcileRecord): void {
    this.#reconcile({ controller: name, outcome }, durationMs);
    if (outcome !== "success" && outcome !== "aborted") this.#error({ controller: name, outcome });
  }

  requested(request: ApiRequest): void {
    const { verb, resource } = requestKind(request);
    this.#request({ verb, resource, code: String(request.code) });
    this.#requestTime({ verb }, request.durationMs);
  }

  /** Returns the metrics in the Prometheus text format. */
  text(): Promise<{ body: string; type: string }> {
    return this.#set.text();
  }
}

type Amounts = Readonly<Record<string, string>>;

const labelsOf = ({ name, spec }: GrantFacts): PerGrant => ({ grant: name, realm: spec.granteeRealm });

/** Counts the phases of objects, with a series for each possible phase. */
function counts<Phase extends string>(
  all: readonly Phase[],
  present: readonly Phase[],
): [labels: { phase: string }, count: number][] {
  const count = new Map(all.map((phase): [Phase, number] => [phase, 0]));
  for (const phase of present) count.set(phase, (count.get(phase) ?? 0) + 1);
  return [...count].map(([phase, count]) => [{ phase }, count]);
}

/**
 * Converts quantities to numbers under their quota keys: a status may have `cpu` where the quota has `requests.cpu`.
 * Prometheus has 53 bits of precision, exact for bytes up to 8Pi.
 */
const amounts = <Labels>(
  quantities: Amounts | undefined,
  labels: Labels,
): [labels: Labels & { resource: string }, value: number][] =>
  Object.entries(quantities ?? {}).map(([key, quantity]) => [
    { ...labels, resource: quotaKey(key) },
    Number(parseQuantity(quantity).nanos) / 1e9,
  ]);

const freeOf = (hard: Amounts, used: Amounts): Amounts =>
  Object.fromEntries(
    Object.entries(hard).map(([key, most]) => {
      const free = parseQuantity(most).subtract(parseQuantity(own(used, key) ?? "0"));
      return [key, free.sign() < 0 ? "0" : free.toString()];
    }),
  );

function instant<Labels>(labels: Labels, text: string | null | undefined): [labels: Labels, seconds: number][] {
  const at = Date.parse(text ?? "");
  return Number.isFinite(at) ? [[labels, at / 1000]] : [];
}

/** True if the grant has not ended and is enforced by this cluster. */
const isCurrent = ({ status }: GrantFacts): boolean =>
  status.phase !== "Revoked" && status.phase !== "Expired" &&
  conditionOf(status, "Ready")?.reason !== "GrantorNotLocal";
