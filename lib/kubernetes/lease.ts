import { type Clock, sleep, systemClock, type Timer } from "../clock/mod.ts";
import { isApiError, isStorageFull } from "./errors.ts";
import { abortable } from "./abortable.ts";
import { type CallOptions, ResourceApi } from "./resource_api.ts";
import { microTime } from "./micro_time.ts";
import type { KubernetesObject, RequestOptions, Resource, RestClient } from "./types.ts";

/** The used part of a coordination.k8s.io/v1 Lease. */
export interface Lease extends KubernetesObject {
  /** The holder, the start of its term, and the time for which others leave the Lease to it. */
  spec?: {
    holderIdentity?: string | undefined;
    leaseDurationSeconds?: number | undefined;
    /** RFC 3339 with microseconds. */
    acquireTime?: string | undefined;
    renewTime?: string | undefined;
    leaseTransitions?: number | undefined;
  };
}

const leases: Resource<Lease> = {
  group: "coordination.k8s.io",
  version: "v1",
  kind: "Lease",
  plural: "leases",
  namespaced: true,
};

/** A write was refused because this process doesn't lead, or it lost the Lease. */
export class NotLeader extends Error {
  /** Class name where only text is available, as in logs. */
  override readonly name = "NotLeader";
}

/** Options of a {@linkcode LeaseHolder}; times in milliseconds, with the defaults of client-go's users. */
export interface LeaseHolderOptions {
  /** Preferably a separate client, so that a burst of other requests can't delay a renewal. */
  rest: RestClient;
  /** Namespace of the Lease object. It must exist; the Lease is created. */
  namespace: string;
  /** Name of the Lease object. */
  name: string;
  /** Identity of the holder, for people and to distinguish holders; see {@linkcode leaseIdentity}. */
  identity: string;
  /** Time after which others may take the Lease of a silent holder. Whole seconds. Default 15 s. */
  leaseDurationMs?: number;
  /** Interval of renewals. Default 5 s. */
  renewMs?: number;
  /** Delay after a failed attempt. Default 2 s. */
  retryMs?: number;
  /** Clock for all times (default: the computer's). */
  clock?: Clock;
  /** Called for every failed attempt, which is retried anyway. Must not throw. */
  onError?: (error: unknown) => void;
  /** Called with the server's Lease after each renewal, including the first. Must not throw. */
  onRenewed?: (lease: Lease) => void;
  /**
   * Called when the holder may only delete from now on, and when it leads again; see {@linkcode
   * LeaseHolder.confirmDelete}.
   */
  onDeletesOnly?: (deletesOnly: boolean) => void;
}

interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

/** One term of leading. */
interface Term {
  /** Time at which the last successful renewal was sent. */
  renewed: Moment;
  /** Error of the last attempt since then, for the message. */
  failure?: string;
  /** True if the last attempt failed because the server's database is full. */
  isFull?: boolean;
  renewTimer?: Timer;
  deadlineTimer?: Timer;
  /** The running renewal. */
  renewal?: Promise<void> | undefined;
}

/** The last observed Lease, with this computer's monotonic time of the observation. */
interface Observation {
  readonly lease: Lease;
  readonly at: number;
}

/**
 * Leader election on a Lease, with the semantics of client-go's `leaderelection`: at most one of the processes that
 * use the same Lease leads at a time.
 *
 * Wall clocks of different computers are never compared: a Lease has expired if *this* process observed no change of
 * it for its duration, measured on its own monotonic clock. The holder counts from before it sent its last successful
 * renewal, and stops leading after two thirds of the duration, while the others still wait.
 *
 * ```ts
 * import { fenced, LeaseHolder, leaseIdentity, type RestClient } from "./mod.ts";
 *
 * async function lead(rest: RestClient, stop: AbortSignal, work: (rest: RestClient, until: AbortSignal) => Promise<void>) {
 *   const lease = new LeaseHolder({ rest, namespace: "team", name: "operator", identity: leaseIdentity("host-a") });
 *   await lease.acquire(stop, (holder) => console.log(`${holder} leads; waiting`));
 *   try {
 *     await work(fenced(rest, lease), AbortSignal.any([stop, lease.lost]));
 *   } finally {
 *     await lease.release();
 *   }
 * }
 * console.log(typeof lead);
 * ```
 */
export class LeaseHolder {
  /** As in the options; others see it as the Lease's `spec.holderIdentity`. */
  readonly identity: string;
  readonly #options: LeaseHolderOptions;
  readonly #clock: Clock;
  readonly #api: ResourceApi<Lease>;
  readonly #leaseDurationMs: number;
  readonly #renewMs: number;
  readonly #retryMs: number;
  #observed: Observation | undefined;
  #lost = new AbortController();
  /** Present while this process leads, or until it notices that it doesn't any more. */
  #term: Term | undefined;

  /** Creates a holder; it sends no request before {@linkcode LeaseHolder.acquire}. */
  constructor(options: LeaseHolderOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#api = new ResourceApi(options.rest, leases, options.namespace);
    this.#leaseDurationMs = options.leaseDurationMs ?? 15_000;
    this.#renewMs = options.renewMs ?? 5_000;
    this.#retryMs = options.retryMs ?? 2_000;
    this.identity = options.identity;
  }

  /** Aborts when leading ends without {@linkcode release}; the reason is a {@linkcode NotLeader} with the cause. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Reports whether this process leads now. */
  held(): boolean {
    return this.#term !== undefined && this.#elapsedMs(this.#term) < this.#deadlineMs;
  }

  /** Returns the milliseconds until another process may lead at the earliest; 0 if this process doesn't lead. */
  expiresInMs(): number {
    return this.#term && this.held() ? this.#leaseDurationMs - this.#elapsedMs(this.#term) : 0;
  }

  /**
   * Like {@linkcode expiresInMs}, but if only the clocks say that the term is over, for example after the computer
   * slept or its wall clock jumped, it renews at once and returns the result. Rejects only with the signal's reason.
   */
  async confirm(signal?: AbortSignal): Promise<number> {
    const term = this.#term;
    if (term && !this.held()) {
      if (!term.renewal) this.#beginRenewal(term);
      await abortable(term.renewal!, signal);
    }
    return this.expiresInMs();
  }

  /**
   * Returns the milliseconds for which this process may still delete; 0 unless its Lease expired because the server's
   * database is full. Then nobody else can take the Lease, because that is a write, and its last holder is the only
   * process that can delete anything. It may do so as long as its own renewals fail for exactly that reason and a
   * fresh read of the Lease shows no other holder.
   */
  async confirmDelete(signal?: AbortSignal): Promise<number> {
    const term = this.#term;
    if (!term?.isFull) return 0;
    const other = await this.#otherHolder({ signal, timeoutMs: this.#retryMs });
    if (other !== undefined) this.#lose(term, `${other} holds it now`);
    return this.#term === term && term.isFull ? this.#retryMs : 0;
  }

  /**
   * Waits until this process holds the Lease, then keeps it renewed. Failures (no permission, no namespace, no
   * server) are reported to `onError` and retried; rejects only with the signal's reason.
   *
   * @param onWait called with the holder, once for each holder that it waits for
   */
  async acquire(signal: AbortSignal, onWait?: (holder: string) => void): Promise<void> {
    if (this.#term) throw new Error(`${this.identity} already holds the lease ${this.#options.name}.`);
    this.#observed = undefined;
    let waitingFor: string | undefined;
    while (true) {
      signal.throwIfAborted();
      const sent = this.#moment();
      try {
        if (await this.#takeIfFree(sent, { signal, timeoutMs: this.#deadlineMs })) return this.#lead(sent);
      } catch (error) {
        signal.throwIfAborted();
        this.#options.onError?.(error);
        await sleep(this.#clock, this.#retryMs, signal);
        continue;
      }
      await this.#untilFree(signal, (holder) => {
        if (holder !== waitingFor) onWait?.(holder);
        waitingFor = holder;
      });
    }
  }

  /**
   * Releases the Lease, so that a successor takes over at once; from now on {@linkcode held} is false. Stop all work
   * first. Rejects if the server didn't accept it: the successor then waits until the Lease expires. Does nothing if
   * the Lease isn't held.
   */
  async release(): Promise<void> {
    const term = this.#endTerm();
    // A running renewal would overtake the release.
    await term?.renewal;
    if (!term || !this.#observed) return;
    const timeoutMs = this.#renewMs;
    try {
      await this.#giveUp(this.#observed.lease, timeoutMs);
    } catch (error) {
      if (isApiError(error, 404)) return;
      if (!isApiError(error, 409)) throw error;
      const lease = await this.#api.get(this.#options.name, { timeoutMs });
      if (lease.spec?.holderIdentity === this.identity) await this.#giveUp(lease, timeoutMs);
    }
  }

  async #giveUp(lease: Lease, timeoutMs: number): Promise<void> {
    const renewTime = microTime(this.#clock.now());
    // The shortest possible duration, for candidates that check nothing else.
    const spec = { ...lease.spec, holderIdentity: "", leaseDurationSeconds: 1, renewTime };
    await this.#api.replace({ ...lease, spec }, { timeoutMs });
  }

  /**
   * Time without a successful renewal after which a holder stops leading: earlier than others may take over
   * (client-go: 10 of 15 s).
   */
  get #deadlineMs(): number {
    return this.#leaseDurationMs * 2 / 3;
  }

  #moment(): Moment {
    return { monotonic: this.#clock.monotonic(), wall: this.#clock.now() };
  }

  /**
   * Returns the time since the last successful renewal was sent. A sleeping computer doesn't count in monotonic time,
   * but its wall clock moves on. A wall clock that was set forward looks the same; then the next renewal, which the
   * next write causes (see confirm), corrects it.
   */
  #elapsedMs(term: Term): number {
    const now = this.#moment();
    return Math.max(now.monotonic - term.renewed.monotonic, now.wall - term.renewed.wall);
  }

  /** Tries once to take the Lease. Returns false if another process holds it, or was faster. */
  async #takeIfFree(sent: Moment, call: CallOptions): Promise<boolean> {
    try {
      const lease = await this.#get(call);
      if (lease) {
        this.#observe(lease);
        if (this.#othersMs() > 0) return false;
      }
      await this.#write(lease, sent, call);
      return true;
    } catch (error) {
      if (isApiError(error, 409)) return false;
      throw error;
    }
  }

  /** Writes this process into the Lease as last read, or creates the Lease. */
  async #write(lease: Lease | undefined, sent: Moment, call: CallOptions): Promise<void> {
    this.#observe(
      lease
        ? await this.#api.replace({ ...lease, spec: this.#spec(sent.wall, lease) }, call)
        : await this.#api.create({ metadata: { name: this.#options.name }, spec: this.#spec(sent.wall) }, call),
    );
  }

  async #get(call: CallOptions): Promise<Lease | undefined> {
    try {
      return await this.#api.get(this.#options.name, call);
    } catch (error) {
      if (isApiError(error, 404)) return undefined;
      throw error;
    }
  }

  #spec(now: number, present?: Lease): NonNullable<Lease["spec"]> {
    const keeps = present?.spec?.holderIdentity === this.identity;
    return {
      ...present?.spec,
      holderIdentity: this.identity,
      leaseDurationSeconds: Math.ceil(this.#leaseDurationMs / 1000),
      acquireTime: keeps ? present.spec?.acquireTime : microTime(now),
      renewTime: microTime(now),
      leaseTransitions: present ? (present.spec?.leaseTransitions ?? 0) + (keeps ? 0 : 1) : 0,
    };
  }

  #observe(lease: Lease): void {
    const last = this.#observed;
    const changed = !last || JSON.stringify(lease.spec) !== JSON.stringify(last.lease.spec);
    this.#observed = { lease, at: changed ? this.#clock.monotonic() : last.at };
  }

  /** Returns the time that another holder still has to renew; 0 if there is none. */
  #othersMs(): number {
    const { lease, at } = this.#observed!;
    if (!lease.spec?.holderIdentity || lease.spec.holderIdentity === this.identity) return 0;
    const durationMs = (lease.spec.leaseDurationSeconds ?? 0) * 1000;
    return Math.max(0, at + durationMs - this.#clock.monotonic());
  }

  /** Watches the Lease until it may be free, or can't be watched. */
  async #untilFree(signal: AbortSignal, onWait: (holder: string) => void): Promise<void> {
    if (!this.#observed || this.#othersMs() === 0) return;
    const free = new AbortController();
    let timer: Timer | undefined;
    const wait = () => {
      onWait(this.#observed!.lease.spec!.holderIdentity!);
      timer?.cancel();
      timer = this.#clock.setTimer(this.#othersMs(), () => free.abort());
    };
    wait();
    const either = AbortSignal.any([signal, free.signal]);
    try {
      const changes = this.#api.watch({
        fieldSelector: `metadata.name=${this.#options.name}`,
        resourceVersion: this.#observed.lease.metadata?.resourceVersion ?? "",
        signal: either,
      });
      for await (const change of changes) {
        if (change.type === "DELETED") return;
        if (change.type === "BOOKMARK") continue;
        this.#observe(change.object);
        if (this.#othersMs() === 0) return;
        wait();
      }
      // The server ends a watch every few minutes; one that does so at once must not be flooded.
      await sleep(this.#clock, this.#retryMs, either);
      signal.throwIfAborted();
    } catch (error) {
      signal.throwIfAborted();
      if (free.signal.aborted) return;
      if (!isApiError(error, 410)) this.#options.onError?.(error);
      await sleep(this.#clock, Math.min(this.#retryMs, this.#othersMs()), signal);
    } finally {
      timer?.cancel();
    }
  }

  #lead(renewed: Moment): void {
    this.#lost = new AbortController();
    this.#term = { renewed };
    this.#renewed(this.#term, renewed);
  }

  #renewed(term: Term, sent: Moment): void {
    const isOver = this.#isOver(term);
    term.renewed = sent;
    term.deadlineTimer?.cancel();
    term.deadlineTimer = this.#clock.setTimer(
      sent.monotonic + this.#deadlineMs - this.#clock.monotonic(),
      () => this.#endTime(term),
    );
    delete term.failure;
    if (term.isFull && isOver) this.#options.onDeletesOnly?.(false);
    term.isFull = false;
    // Counted from the sending, like the deadline: slow responses would otherwise leave no time for a renewal.
    this.#renewAfter(Math.max(0, sent.monotonic + this.#renewMs - this.#clock.monotonic()), term);
    this.#options.onRenewed?.(this.#observed!.lease);
  }

  /** True if the time for a successful renewal is over. */
  #isOver(term: Term): boolean {
    return this.#clock.monotonic() >= term.renewed.monotonic + this.#deadlineMs;
  }

  /** Ends the term; with a full database it continues with deletes only. */
  #endTime(term: Term): void {
    if (term.isFull) this.#options.onDeletesOnly?.(true);
    else this.#lose(term, `no renewal of it succeeded for ${this.#deadlineMs / 1000} s${term.failure ?? ""}`);
  }

  #renewAfter(ms: number, term: Term): void {
    term.renewTimer = this.#clock.setTimer(ms, () => this.#beginRenewal(term));
  }

  #beginRenewal(term: Term): void {
    term.renewTimer?.cancel();
    term.renewal = this.#renew(term).finally(() => term.renewal = undefined);
  }

  async #renew(term: Term): Promise<void> {
    const sent = this.#moment();
    // The deadline may have passed by the wall clock: a computer that slept tries, and learns who leads now.
    const leftMs = term.renewed.monotonic + this.#deadlineMs - sent.monotonic;
    const timeoutMs = term.isFull && leftMs <= 0 ? this.#retryMs : Math.max(1, leftMs);
    try {
      const holder = await this.#renewOnce(sent, { timeoutMs });
      // Released or lost in the meantime.
      if (this.#term !== term) return;
      if (holder === undefined) this.#renewed(term, sent);
      else this.#lose(term, `${holder} holds it now`);
    } catch (error) {
      this.#options.onError?.(error);
      if (this.#term !== term) return;
      term.failure = `; the last attempt failed: ${error instanceof Error ? error.message : error}`;
      term.isFull = isStorageFull(error);
      // If the deadline has passed in the deletes-only state, that state ends with its cause.
      if (!term.isFull && this.#isOver(term)) return this.#endTime(term);
      this.#renewAfter(this.#retryMs, term);
    }
  }

  /** Returns the holder according to the server, if it is another process. */
  async #otherHolder(call: CallOptions): Promise<string | undefined> {
    const holder = (await this.#get(call))?.spec?.holderIdentity;
    return holder && holder !== this.identity ? holder : undefined;
  }

  /** Resolves to another holder, if there is one. */
  async #renewOnce(sent: Moment, call: CallOptions): Promise<string | undefined> {
    try {
      return void await this.#write(this.#observed!.lease, sent, call);
    } catch (error) {
      // Somebody took, edited (for example labeled) or deleted it: read it again.
      if (!isApiError(error, 409) && !isApiError(error, 404)) throw error;
    }
    if (await this.#takeIfFree(sent, call)) return undefined;
    return this.#observed!.lease.spec?.holderIdentity || "another process";
  }

  #lose(term: Term, why: string): void {
    if (this.#term !== term) return;
    this.#endTerm();
    this.#lost.abort(
      new NotLeader(`${this.identity} lost the lease ${this.#options.namespace}/${this.#options.name}: ${why}.`),
    );
  }

  #endTerm(): Term | undefined {
    const term = this.#term;
    this.#term = undefined;
    term?.renewTimer?.cancel();
    term?.deadlineTimer?.cancel();
    return term;
  }
}

/**
 * Returns a client of the same server for work that only the leader may do. It rejects every request except GET with
 * {@linkcode NotLeader} while the Lease isn't held, and aborts running requests before another process may lead.
 * After the computer slept or its clock jumped, a request waits until a renewal has shown who leads. If the server's
 * database is full, so that nobody can lead, the last holder may still delete ({@linkcode
 * LeaseHolder.confirmDelete}).
 *
 * A request that was sent can't be revoked: if this process is suspended while the server, or a proxy, is slow, the
 * request may be executed while another process leads. Kubernetes has no fencing tokens against that; the leader has
 * to watch the objects that it has written.
 */
export function fenced(
  rest: RestClient,
  lease: Pick<LeaseHolder, "confirm" | "confirmDelete" | "identity">,
): RestClient {
  const fence = async (options: RequestOptions): Promise<RequestOptions> => {
    if (options.method === "GET") return options;
    const expiresInMs = await lease.confirm(options.abortSignal) ||
      (options.method === "DELETE" ? await lease.confirmDelete(options.abortSignal) : 0);
    if (expiresInMs <= 0) {
      throw new NotLeader(
        `${options.method} ${options.path} wasn't sent: ${lease.identity} doesn't hold the Lease now.`,
      );
    }
    return { ...options, timeoutMs: Math.min(expiresInMs, options.timeoutMs ?? Infinity) };
  };
  return {
    defaultNamespace: rest.defaultNamespace,
    performRequest: async (options) => await rest.performRequest(await fence(options)),
    performStream: async (options) => await rest.performStream(await fence(options)),
  };
}

/** Returns an identity that people can trace and that is unique to this process: `hostname_pid_random`. */
export function leaseIdentity(hostname: string = Deno.hostname()): string {
  return `${hostname}_${Deno.pid}_${crypto.getRandomValues(new Uint8Array(4)).toHex()}`;
}
