/** The whole operator: always observes, and writes while it holds the Lease. */
import { isPermanent } from "../core/grant/termination.ts";
import type { Clock } from "../../lib/clock/mod.ts";
import type { Unreadable } from "../../lib/controller/mod.ts";
import {
  EventRecorder,
  fenced,
  type Lease,
  LeaseHolder,
  NotLeader,
  type RestClient,
  type ServerTime,
} from "../../lib/kubernetes/mod.ts";
import type { Settings } from "../api/mod.ts";
import { localRealmFrom } from "../core/local_realm.ts";
import { operatorName, realmOfNamespace, systemNamespace } from "../core/names.ts";
import { guestWritesAt, storageNews } from "../core/database_storage.ts";
import type { NameResolver } from "../dns/create_names.ts";
import { isLeaving } from "../engine/gone.ts";
import { createQueues, type Queues, runLoops } from "../engine/run_loops.ts";
import type { Snapshot, StatusListener } from "../server/snapshot.ts";
import type { Tailnet, TailnetState } from "../tailnet/tailnet.ts";
import { ApiConnection } from "./api_connection.ts";
import { CapacityLedger } from "./capacity_ledger.ts";
import { ClusterWatch } from "./cluster_watch.ts";
import type { Context } from "./context.ts";
import { namesResolved } from "./demands.ts";
import { executorOf } from "./kinds.ts";
import { FailureReports } from "./failure_reports.ts";
import type { Log } from "./operator_log.ts";
import { outageSentence, reportOutages } from "./outages.ts";
import { Pings } from "./pings.ts";
import { PodWatches } from "./pod_watches.ts";
import { Pools } from "./pools.ts";
import { preflight } from "./preflight.ts";
import { beginToLead, connectLoops, knowFlows, loops } from "./loops.ts";
import { record } from "./record.ts";
import { withRemedy } from "./remedy.ts";
import { EnforcementCache } from "./enforcement_cache.ts";
import { PodRangeWatch } from "./pod_range_watch.ts";
import { StorageWatch } from "./storage_watch.ts";
import { createFlowReflectors, createReflectors, createStores, guestWritesIn, type Stores } from "./stores.ts";
import { createSignals } from "./signals.ts";
import { logTailnet, tailnetRemark } from "./tailnet_log.ts";
import { logTransitions } from "./transition_log.ts";
import { UnreadableObjects } from "./unreadable.ts";
import { Unwritten } from "./unwritten.ts";
import type { Watching } from "./watching.ts";
import { Webhook, type WebhookOptions } from "./webhook_loop.ts";
import { withinTime } from "./within_time.ts";

export interface OperatorOptions {
  rest: RestClient;
  /** URL of the API server, for messages. */
  server?: string;
  /** The API server's clock, as its responses show it. */
  serverTime: ServerTime;
  tailnet: Tailnet;
  /** Resolves the DNS names in grants. */
  names: NameResolver;
  settings: Settings;
  /** KEYSTONE_REALM, if set. */
  realm?: string;
  /** This process's identity in the Lease. */
  identity: string;
  log: Log;
  /** The admission webhook's address and its front's handover; absent: there is no webhook. */
  webhook?: WebhookOptions;
  /** True if the front beside this operator serves the tailnet. */
  servesTailnet?: boolean;
  /** Receives stage, snapshot and reconciles, for health and metrics. */
  listener?: StatusListener;
  clock: Clock;
  /** Ends the operator, which then releases the Lease. */
  signal: AbortSignal;
}

const nameWaitMs = 5000;

/** Runs until the signal aborts. Reports anything missing in the cluster and waits for it. */
export async function runOperator(options: OperatorOptions): Promise<void> {
  const { tailnet, log, listener, clock, signal, server } = options;
  signal.addEventListener("abort", () => listener?.stage({ is: "stopping" }), { once: true });
  const wait = (message: string) => {
    log.warn("{problem}", { problem: message });
    listener?.stage({ is: "starting", message });
  };
  // First, because the front starts with the handover and reports from it what it is waiting for.
  await options.webhook?.handover.put({}).catch((error) =>
    log.warn("Can't hand data over to the admission webhook: {error}", { error: String(error) })
  );
  await preflight({ rest: options.rest, clock, onWait: wait, signal });
  if (signal.aborted) return;
  listener?.stage({ is: "syncing" });

  // Observing ends after the controllers, so that their last observation is current.
  const observing = new AbortController();
  const connection = new ApiConnection({ rest: options.rest, clock });
  const { rest } = connection;
  const failures = new FailureReports({
    log,
    clock,
    signal: observing.signal,
    isOut: () => connection.outage !== undefined,
  });
  const stores = createStores();
  const unreadable = new UnreadableObjects(clock, (object) => {
    const { kind, key, why } = object;
    log.warn("{kind} {object} can't be read and is left out: {error}", { kind, object: key, error: why });
    recordUnreadable(context, object);
  });
  const watching: Watching = {
    rest,
    clock,
    unreadable,
    onError: failures.watchFailed,
    onRecover: failures.watchRecovered,
    back: connection.back,
  };
  const reflectors = createReflectors(watching, stores);
  const podRanges = new PodRangeWatch(watching);
  connection.back.subscribe(() => podRanges.soon());
  const cluster = new ClusterWatch(watching, options.settings, { podRanges });
  const flows = createFlowReflectors(watching, stores);
  let held: Lease | undefined;
  let deletesOnly = false;
  const lease = new LeaseHolder({
    rest,
    namespace: systemNamespace,
    name: operatorName,
    identity: options.identity,
    clock,
    onDeletesOnly: (only) => {
      deletesOnly = only;
      tellDeletesOnly(context, log, only);
    },
    onError: (error) => connection.leaseFailed(error),
    onRenewed: (renewed) => {
      held = renewed;
      connection.leaseWorks();
      storage.written(renewed.metadata?.resourceVersion);
    },
  });
  const storage = new StorageWatch({
    rest,
    rules: options.settings.storage,
    clock,
    signal: observing.signal,
    hasGuests: () => stores.bindings.size > 0,
    guestWrites: () => guestWritesIn(stores),
    onRead: (bytes) => judgeStorage(context, log, bytes),
    onUnreadable: (error) =>
      failures.report(error, () =>
        log.warn(
          "Can't read the size of the API server's database: {error} Guests' write access stays unchanged.",
          { error: withRemedy(error) },
        )),
  });
  const queues = createQueues(loops, clock);
  const context = createContext({ ...options, rest }, {
    queues,
    stores,
    cluster,
    unreadable,
    lease,
    storage,
    failures,
    connection,
    signal: observing.signal,
  });
  connectLoops(context, (loop) => queues[loop]!);
  let isLeading = false;
  logTransitions(stores, { log, clock, isLeading: () => isLeading });
  logTailnet(tailnet, { log, clock });
  reportOutages({ connection, failures, context, server, lease: () => held, log, clock, signal: observing.signal });
  const observers = [...reflectors, ...flows, cluster, tailnet, options.names, connection].map((each) =>
    each.run(observing.signal)
  );
  void Promise.all(flows.map((reflector) => reflector.synced(observing.signal))).then(
    () => knowFlows(context),
    // Never synced: without permission to read FlowSchemas the operator doesn't write any either.
    () => {},
  );
  listener?.snapshot({
    ...snapshotOf(context, queues),
    circumstances: () => {
      const { outage } = connection;
      return {
        ...(outage ? { obstacle: outageSentence(outage, server, clock.now()) } : {}),
        remarks: [
          ...deletesOnly ? ["The API server's database is full: grants end, and everything else waits."] : [],
          ...[tailnetRemark(tailnet)].filter((remark) => remark !== undefined),
        ],
      };
    },
  });
  if (options.webhook) {
    const webhook = new Webhook(context, watching, options.webhook, { log, failures });
    context.webhook = webhook;
    observers.push(webhook.run(observing.signal));
  }
  try {
    await Promise.all([
      ...reflectors.map((reflector) => reflector.synced(signal)),
      cluster.ready(clock, signal),
      tailnet.ready(signal),
    ]);
    // Otherwise policies would close and open again, only because this process hasn't resolved the names yet.
    await withinTime(namesResolved(context), nameWaitMs, clock, signal);
    while (!signal.aborted) {
      listener?.stage({ is: "standby" });
      await lease.acquire(signal, (holder) => {
        connection.leaseWorks();
        listener?.stage({ is: "standby", holder });
        log.info("Waiting: {holder} holds the Lease {lease}.", {
          holder,
          lease: `${systemNamespace}/${operatorName}`,
        });
      });
      deletesOnly = false;
      listener?.stage({ is: "leading" });
      log.info("Enforcing grants; this operator holds the Lease as {identity}.", { identity: options.identity });
      const leading = AbortSignal.any([signal, lease.lost]);
      isLeading = true;
      await lead(context, queues, options, failures, leading);
      isLeading = false;
      storage.forget();
      // An outage has been reported.
      if (signal.aborted || connection.outage) continue;
      const { reason } = lease.lost;
      log.warn(
        "This operator no longer leads: {error} What it has enforced stays in force; it waits until it may lead again.",
        { error: reason instanceof Error ? reason.message : String(reason) },
      );
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    // Events are written if time allows; the Lease is always released.
    await context.events.flush(AbortSignal.timeout(2000)).catch(() => {});
    await lease.release();
    observing.abort();
    await Promise.all([...observers, context.pods.ended(), context.pings.ended(), storage.ended()]);
  }
}

/** Reports the mode; writes that failed meanwhile are due at once when the database has room again. */
function tellDeletesOnly({ signals }: Context, log: Log, deletesOnly: boolean): void {
  if (deletesOnly) {
    return log.warn(
      "The API server's database is full (etcd's alarm NOSPACE): nothing can be written. This operator only deletes: when " +
        "a grant ends, access and open policies go; pods, quotas and status wait. Make room: compact, defragment and disarm " +
        "the alarm with etcdctl, and raise --quota-backend-bytes.",
    );
  }
  log.info("The API server's database takes writes again; this operator leads as before.");
  signals.writable.emit();
}

/** Reports and applies a reading that changes guests' write access. */
function judgeStorage({ stores, signals, settings }: Context, log: Log, bytes: number): void {
  const before = guestWritesIn(stores);
  const after = guestWritesAt(bytes, before, settings.storage);
  const news = storageNews(bytes, before, after, settings.storage);
  if (news === undefined) return;
  log.warn("{news}", { news });
  signals.storage.emit();
}

interface OperatorParts {
  queues: Queues;
  stores: Stores;
  cluster: ClusterWatch;
  unreadable: UnreadableObjects;
  lease: LeaseHolder;
  storage: StorageWatch;
  failures: FailureReports;
  connection: ApiConnection;
  signal: AbortSignal;
}

function createContext(
  options: OperatorOptions,
  { queues, stores, cluster, unreadable, lease, storage, failures, connection, signal }: OperatorParts,
): Context {
  const { tailnet, names, settings, serverTime, clock, log } = options;
  const rest = fenced(options.rest, lease);
  const signals = createSignals();
  const events = new EventRecorder({
    rest,
    reportingController: operatorName,
    reportingInstance: options.identity,
    clock,
    // Enforcing goes before reporting.
    isBusy: () => !signal.aborted && Object.values(queues).some(({ isIdle }) => !isIdle),
    onError: (error) => {
      if (!isLeaving(error) && !(error instanceof NotLeader)) {
        failures.report(error, () => log.warn("Can't write an event: {error}", { error: withRemedy(error) }));
      }
    },
  });
  const pods = new PodWatches({
    rest: options.rest,
    clock,
    unreadable,
    signal,
    back: connection.back,
    onError: (error) =>
      failures.report(
        error,
        () => log.warn("Can't watch the pods of a guest: {error}", { error: withRemedy(error) }),
      ),
    onChange: (namespace) => signals.pods.emit(namespace),
  });
  const pings = new Pings({
    ping: (address, signal) => tailnet.ping(address, signal),
    clock,
    signal,
    wake: (key, at) => signals.pinged.emit(at === undefined ? { key } : { key, at }),
  });
  return {
    rest,
    executor: executorOf(rest, { stores, pods, events, pings }),
    events,
    stores,
    cluster,
    capacity: new CapacityLedger({ grants: stores.grants, cluster, clock, signal }),
    unreadable,
    pods,
    names,
    storage,
    enforcements: new EnforcementCache(),
    missingSince: new Map(),
    pings,
    pools: new Pools(),
    unwritten: { grants: new Unwritten(isPermanent), realms: new Unwritten() },
    tailnet,
    settings,
    ...(options.servesTailnet ? { servesTailnet: true } : {}),
    skewMs: () => serverTime.skewMs() ?? 0,
    clock,
    lastSeenEveryMs: settings.lastSeenSeconds * 1000,
    signals,
    knowsFlows: false,
    local: () =>
      localRealmFrom({
        ...(options.realm === undefined ? {} : { configured: options.realm }),
        tailnet: tailnet.state.kind === "running"
          ? { kind: "running", selfName: tailnet.state.self.dnsName }
          : tailnet.state,
        realmsOfIdentity: (identity) =>
          stores.realms.index("identity", identity).filter(({ deleting }) => !deleting).map(({ name }) => name),
      }),
  };
}

/** Records an event on an object that can't be read. */
function recordUnreadable(context: Context, object: Unreadable): void {
  const { apiVersion, kind, namespace, name, uid, why } = object;
  record(context, { apiVersion, kind, ...(namespace === undefined ? {} : { namespace }), name, uid }, [{
    type: "Warning",
    reason: "Unreadable",
    action: "Read",
    note: `Keystone can't read ${kind} ${name} and ignores it: ${why} Change or delete it.`,
  }]);
}

/** Returns the operator's state for metrics. */
function snapshotOf(
  { stores, pods, unreadable, storage, settings, tailnet, skewMs }: Context,
  queues: Queues,
): Snapshot {
  return {
    grants: () => stores.grants.list(),
    realms: () => stores.realms.list(),
    superEntities: () => stores.superEntities.list().map(({ status }) => status.phase),
    quotas: () =>
      stores.quotas.list().flatMap((quota) => {
        const realm = quota && realmOfNamespace(quota.namespace);
        return realm === undefined ? [] : [{ ...quota!, realm }];
      }),
    drains: () =>
      pods.watched().flatMap(({ namespace, pods }) => {
        const realm = realmOfNamespace(namespace);
        const left = pods.filter(({ finished }) => !finished);
        const terminating = left.filter((pod) => pod.terminating).length;
        return realm === undefined ? [] : [{ realm, running: left.length - terminating, terminating }];
      }),
    unreadable: () => unreadable.counts(),
    storage: () => ({
      bytes: storage.bytes,
      quotaBytes: settings.storage.quotaBackendBytes,
      guestWrites: guestWritesIn(stores),
    }),
    tailnet: () => tailnetSnapshot(tailnet.state),
    queues: { ...queues },
    skewMs,
  };
}

function tailnetSnapshot(state: TailnetState) {
  if (state.kind !== "running") {
    return { state: state.kind === "none" ? "none" : state.reason, online: 0, offline: 0 };
  }
  const peers = [...state.peers.values()].flat().filter(({ self }) => !self);
  const online = peers.filter((peer) => peer.online).length;
  return { state: "running", online, offline: peers.length - online };
}

/** Runs the loops until the signal aborts. */
async function lead(
  context: Context,
  queues: Queues,
  { log, listener, clock }: OperatorOptions,
  failures: FailureReports,
  signal: AbortSignal,
): Promise<void> {
  // Reporting must not prevent enforcement.
  const telling = (what: string, tell: () => void) => {
    try {
      tell();
    } catch (error) {
      log.warn("Can't report {what}: {error}", { what, error: withRemedy(error) });
    }
  };
  beginToLead(context, (loop) => queues[loop]!, telling);
  // Events could not be written before.
  context.unreadable.tellAll();
  await runLoops(loops, context, queues, {
    onError: ({ name, key, keyName, error, errorKind }) =>
      failures.report(error, () =>
        log.warn("{controller} {key}: {error}", {
          controller: name,
          key,
          [keyName]: key,
          error: withRemedy(error),
          verdict: errorKind.kind,
        })),
    onReconcile: (record) => telling("metrics", () => listener?.reconciled(record)),
    clock,
    signal,
  });
}
