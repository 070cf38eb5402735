/** Reports outages of the API server: a line at the start, and one at the end with what happened meanwhile. */
import type { Clock } from "../../lib/clock/mod.ts";
import type { Store } from "../../lib/controller/mod.ts";
import type { Lease } from "../../lib/kubernetes/mod.ts";
import { rfc3339 } from "../core/instants.ts";
import { operatorName, systemNamespace } from "../core/names.ts";
import { spanText } from "../core/report/relative_time.ts";
import type { ApiConnection, Outage, PastOutage } from "./api_connection.ts";
import type { Context } from "./context.ts";
import type { FailureReports } from "./failure_reports.ts";
import type { Log } from "./operator_log.ts";
import { record } from "./record.ts";
import { withinTime } from "./within_time.ts";

export interface OutageOptions {
  connection: ApiConnection;
  failures: FailureReports;
  context: Context;
  /** URL of the API server, if known. */
  server?: string | undefined;
  /** The Lease as last read or written by this operator; it gets the events. */
  lease: () => Lease | undefined;
  log: Log;
  clock: Clock;
  signal: AbortSignal;
}

/** Longest time until all watches run again, and the time for their changes to arrive. */
const watchingMs = 10_000;
const arrivingMs = 500;

/** Returns the outage as a sentence for `/readyz`. */
export const outageSentence = ({ since, cause }: Outage, server: string | undefined, now: number): string =>
  `${subjectOf(cause.kind, server)} for ${spanText(now - since)}: ${cause.text}. ` +
  "What is enforced in the cluster stays in force; changes and ends of grants wait.";

const subjectOf = (kind: Outage["cause"]["kind"], server: string | undefined): string =>
  kind === "lease"
    ? "this operator can't lead"
    : `the API server${server === undefined ? "" : ` ${server}`} can't be used`;

const capital = (text: string): string => `${text[0]!.toUpperCase()}${text.slice(1)}`;

/** Logs outages until the signal aborts. */
export function reportOutages(options: OutageOptions): void {
  const { connection, failures, server, log, signal, clock } = options;
  let meanwhile: { changes: TermChanges; said: Outage; stop: () => void } | undefined;
  let round = 0;
  const warn = (text: string, { cause, since }: Outage) =>
    log.warn("{outage}", { outage: text, cause: cause.kind, ...(server ? { server } : {}), since: rfc3339(since) });

  connection.lost.subscribe((outage) => {
    round++;
    // Lost again while it was being caught up with: the same outage.
    if (meanwhile) return;
    const changes = new TermChanges(options.context);
    meanwhile = { changes, said: outage, stop: () => changes.stop() };
    const { cause } = outage;
    const wait = cause.kind === "lease"
      ? "changes and ends of grants wait until it can, unless another replica leads."
      : "changes and ends of grants wait until it responds, unless another replica reaches it.";
    const remedy = cause.remedy ? ` ${cause.remedy}` : "";
    warn(
      `${capital(subjectOf(cause.kind, server))}: ${cause.text}. What is enforced in the cluster stays in force; ` +
        `${wait}${remedy}`,
      outage,
    );
  });
  connection.changed.subscribe((outage) => {
    const { cause } = outage;
    warn(
      `${capital(subjectOf(cause.kind, server))}, now for another reason: ${cause.text}.${
        cause.remedy ? ` ${cause.remedy}` : ""
      }`,
      outage,
    );
  });
  connection.back.subscribe((past) => {
    failures.back();
    const mine = ++round;
    const settled = async () => {
      await withinTime(failures.watching(), watchingMs, clock, signal);
      await withinTime(new Promise(() => {}), arrivingMs, clock, signal);
      if (mine !== round || !meanwhile) return;
      const { changes, said, stop } = meanwhile;
      meanwhile = undefined;
      stop();
      tellBack(options, { ...past, since: said.since, cause: said.cause }, changes);
    };
    // Rejects only if the operator stops.
    settled().catch(() => {});
  });
}

function tellBack({ log, server, context, lease }: OutageOptions, past: PastOutage, changes: TermChanges): void {
  const { since, until, cause } = past;
  const span = spanText(until - since);
  const caughtUp = [
    ...changes.texts(),
    ...endsText(context, past),
  ];
  const subject = cause.kind === "lease" ? "This operator can lead again" : "The API server responds again";
  log.info("{outage}", {
    outage: `${subject} after ${span} (${cause.text}). ${
      caughtUp.length > 0 ? `Meanwhile: ${caughtUp.join(", ")}.` : "No terms were changed meanwhile."
    }`,
    cause: cause.kind,
    seconds: Math.round((until - since) / 1000),
    ...(server ? { server } : {}),
  });
  const uid = lease()?.metadata?.uid;
  if (uid === undefined) return;
  const about = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", namespace: systemNamespace, name: operatorName };
  record(context, { ...about, uid }, [{
    type: "Warning",
    reason: cause.kind === "lease" ? "LeaseNotRenewed" : "ApiServerUnreachable",
    action: "Enforce",
    note: `From ${rfc3339(since)} to ${rfc3339(until)} (${span}) this operator could change nothing: ${cause.text}.` +
      (caughtUp.length > 0 ? ` Meanwhile: ${caughtUp.join(", ")}.` : ""),
  }]);
}

/** Counts the grants whose end was due during the outage. */
function endsText({ stores }: Context, { since, until }: PastOutage): string[] {
  const due = stores.grants.list().filter(({ spec, status }) => {
    const at = Date.parse(status.effectiveUntil ?? spec.validity?.validUntil ?? "");
    return status.phase !== undefined && status.phase !== "Pending" && at > since && at <= until;
  });
  return due.length > 0 ? [`${due.length} ${due.length === 1 ? "grant was" : "grants were"} due to end`] : [];
}

interface WithTerms {
  uid: string;
  generation: number;
}

/** Collects objects whose terms people change. */
class TermChanges {
  readonly #changed = new Map<string, Set<string>>();
  readonly #stops: (() => void)[] = [];

  constructor({ stores }: Context) {
    const follow = <T extends WithTerms>(kind: string, store: Pick<Store<T, string>, "subscribe">) =>
      this.#stops.push(store.subscribe(({ key, old, new: now }) => {
        if (old?.uid === now?.uid && old?.generation === now?.generation) return;
        const keys = this.#changed.get(kind) ?? new Set();
        this.#changed.set(kind, keys.add(key));
      }));
    follow("Grant", stores.grants);
    follow("Realm", stores.realms);
    follow("SuperEntity", stores.superEntities);
  }

  stop(): void {
    this.#stops.forEach((stop) => stop());
  }

  texts(): string[] {
    const plural = (kind: string) => kind === "SuperEntity" ? "SuperEntities" : `${kind}s`;
    return [...this.#changed].map(([kind, { size }]) =>
      size === 1 ? `1 ${kind} was changed` : `${size} ${plural(kind)} were changed`
    );
  }
}
