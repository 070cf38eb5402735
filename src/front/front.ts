/**
 * The front: answers admission reviews, and guests from the tailnet, from its own watches and with its own identity. It
 * writes nothing itself.
 */
import type { Clock } from "../../lib/clock/mod.ts";
import { type ClosableRestClient, createRestClient, ServerTime } from "../../lib/kubernetes/mod.ts";
import type { Settings } from "../api/mod.ts";
import type { TailnetPlace } from "../config.ts";
import { ClusterWatch } from "../controllers/cluster_watch.ts";
import { FailureReports } from "../controllers/failure_reports.ts";
import { createAccessReflectors, createAdmissionReflectors, createStores, type Stores } from "../controllers/stores.ts";
import { UnreadableObjects } from "../controllers/unreadable.ts";
import type { Watching } from "../controllers/watching.ts";
import { respondTo } from "../core/admission/response.ts";
import { isLoopback } from "../server/is_loopback.ts";
import { BoundedServer } from "./bounded_server.ts";
import { configFrom, type Handover, type HandoverReader } from "./handover.ts";
import { FrontMetrics } from "./front_metrics.ts";
import { createReviewer } from "./review.ts";
import type { TableReader } from "./tailnet/socket_owners.ts";
import { TailnetPart } from "./tailnet/tailnet_part.ts";
import { admissionWorld, localRealmIn } from "./admission_world.ts";

interface FrontLog {
  info(message: string, properties?: Record<string, unknown>): void;
  warn(message: string, properties?: Record<string, unknown>): void;
}

export interface FrontOptions {
  handover: HandoverReader;
  /** Address of the webhook; absent: all addresses. */
  hostname?: string;
  port: number;
  settings: Settings;
  /** KEYSTONE_REALM, if set. */
  realm?: string;
  /** Place of the tailnet server, socket of its tailscaled, and the kernel's table of sockets; absent: none. */
  tailnet?: { place: TailnetPlace; socket: string; socketTable: TableReader };
  userAgent: string;
  log: FrontLog;
  clock: Clock;
}

/** Time for kube-proxy to stop routing to this pod; well within its terminationGracePeriodSeconds. */
const leaveMs = 3000;

export class Front {
  readonly metrics: FrontMetrics;
  readonly #options: FrontOptions;
  #server: BoundedServer | undefined;
  #tailnet: TailnetPart | undefined;
  /** Serializes changes of the server. */
  #serving: Promise<void> = Promise.resolve();
  #synced = false;
  /** Last logged reason for being closed. */
  #said: string | undefined;

  constructor(options: FrontOptions) {
    this.#options = options;
    this.metrics = new FrontMetrics({
      ready: () => this.#server !== undefined,
      connections: () => this.#server?.connections ?? 0,
      tailnet: () => this.#tailnet?.connections() ?? [],
    });
  }

  /**
   * Reports the readiness. A missing certificate doesn't count against it: before an upgrade's new leader has made
   * one, there is nothing to wait for.
   */
  readonly ready = (): { ready: boolean; sentence: string } => {
    const { now } = this.#options.handover;
    if (this.#server) return { ready: true, sentence: "Ready: answering admission reviews." };
    if (!now?.serving) {
      return { ready: true, sentence: "Ready: waiting for the operator to hand over a certificate." };
    }
    const closed = this.#closed();
    if (closed !== undefined) return { ready: true, sentence: `Ready: the webhook is closed, because ${closed}.` };
    return {
      ready: false,
      sentence: now.token === undefined
        ? "Not ready: the operator has not handed over a token; see its log."
        : "Not ready: reading the cluster's objects.",
    };
  };

  /**
   * Waits for a token, starts watching, and serves once everything is read and there is a certificate. Ends with the
   * signal.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { handover, userAgent, log } = this.#options;
    const reading = handover.run(signal, (error) => log.warn("{error}", { error: String(error) }));
    const first = await new Promise<Handover | undefined>((resolve) => {
      handover.subscribe((now) => now.token !== undefined && resolve(now));
      signal.addEventListener("abort", () => resolve(undefined), { once: true });
    });
    if (first) {
      const serverTime = new ServerTime(this.#options.clock);
      using rest = createRestClient(configFrom(first, () => handover.now), {
        userAgent,
        onRequest: (record) => serverTime.observe(record),
      });
      await this.#observe(rest, serverTime, signal);
    }
    await reading;
    await this.#serving;
    await this.#server?.leave(leaveMs);
    await this.#server?.[Symbol.asyncDispose]();
  }

  /** Returns the reason if the webhook may not be served at its address. */
  #closed(): string | undefined {
    const { handover, hostname } = this.#options;
    return isLoopback(hostname) ? handover.now?.loopbackClosed : undefined;
  }

  async #observe(rest: ClosableRestClient, serverTime: ServerTime, signal: AbortSignal): Promise<void> {
    const { handover, settings, realm, log, clock } = this.#options;
    const stores = createStores();
    const failures = new FailureReports({ log, clock, signal });
    const watching = {
      rest,
      clock,
      // The operator records an event on the object and counts it.
      unreadable: new UnreadableObjects(
        clock,
        ({ kind, key, why }) =>
          log.warn("{kind} {object} can't be read and is ignored: {error}", { kind, object: key, error: why }),
      ),
      onError: failures.watchFailed,
      onRecover: failures.watchRecovered,
    };
    const reflectors = createAdmissionReflectors(watching, stores);
    const cluster = new ClusterWatch(watching, settings, { nodeStates: true });
    const observers = [...reflectors, cluster].map((each) => each.run(signal));
    const reviewer = createReviewer({
      judge: (question) =>
        respondTo(question, admissionWorld({ stores, cluster, settings, ...(realm ? { realm } : {}), clock })),
      onReview: this.metrics.reviewed,
      onError: (error) => log.warn("An admission review could not be judged: {error}", { error: String(error) }),
    });
    const synced = Promise.all(reflectors.map((each) => each.synced(signal)));
    const tailnet = this.#serveTailnet(stores, watching, synced, serverTime, signal);
    try {
      await Promise.all([synced, cluster.ready(clock, signal)]);
      // Only now: with incomplete caches it might refuse valid objects.
      this.#synced = true;
      handover.subscribe(() => this.#serving = this.#serving.then(() => this.#serve(reviewer, signal)));
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    await Promise.all([...observers, tailnet]);
  }

  /** Serves the tailnet once everything that access depends on has been read. */
  async #serveTailnet(
    stores: Stores,
    watching: Watching,
    synced: Promise<unknown>,
    serverTime: ServerTime,
    signal: AbortSignal,
  ): Promise<void> {
    const { tailnet, handover, settings, realm, log, clock } = this.#options;
    if (!tailnet) return;
    const reflectors = createAccessReflectors(watching, stores);
    const runs = reflectors.map((each) => each.run(signal));
    try {
      await Promise.all([synced, ...reflectors.map((each) => each.synced(signal))]);
      this.#tailnet = new TailnetPart({
        ...tailnet,
        stores,
        settings,
        local: () => localRealmIn(stores, realm),
        rest: watching.rest,
        serverTime,
        api: () => handover.now!.api,
        metrics: this.metrics,
        log,
        clock,
      });
      await this.#tailnet.run(signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    await Promise.all(runs);
  }

  async #serve(handler: Parameters<typeof BoundedServer.listen>[1]["handler"], signal: AbortSignal): Promise<void> {
    const { handover, hostname, port, log } = this.#options;
    const { serving } = handover.now ?? {};
    const closed = this.#closed();
    if (!this.#synced || signal.aborted) return;
    if (!serving || closed !== undefined) {
      const server = this.#server;
      this.#server = undefined;
      await server?.[Symbol.asyncDispose]();
      if (closed !== undefined && closed !== this.#said) {
        log.warn("The admission webhook is closed: {reason}.", { reason: closed });
      }
      this.#said = closed;
      return;
    }
    try {
      if (this.#server) return this.#server.use(serving);
      this.#server = await BoundedServer.listen(serving, {
        ...(hostname === undefined ? {} : { hostname }),
        port,
        handler,
        onRefusal: this.metrics.refused,
      });
      log.info("The admission webhook listens on port {port}.", { port: this.#server.port });
    } catch (error) {
      log.warn(
        "The admission webhook can't be served on port {port}: {error}. Quotas and policies are enforced without it.",
        { port, error: error instanceof Error ? error.message : String(error) },
      );
    }
  }
}
