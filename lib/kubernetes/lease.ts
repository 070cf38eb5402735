import { type Clock, sleep, systemClock, type Timer } from "../clock/mod.ts";
import { isApiError, isStorageFull } from "./errors.ts";
import { abortable } from "./abortable.ts";
import { type CallOptions, ResourceApi } from "./resource_api.ts";
import { microTime } from "./micro_time.ts";
import type { KubernetesObject, RequestOptions, Resource, RestClient } from "./types.ts";

/** coordination.k8s.io/v1 Lease, as far as it is used here. */
export interface Lease extends KubernetesObject {
  /** The holder, the time since it has been held, and the time until which others leave it to the holder. */
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

/** A write was refused because this process doesn't lead, or leading was lost. */
export class NotLeader extends Error {
  /** Names the class where only text is left, as in logs. */
  override readonly name = "NotLeader";
}

/** What a {@linkcode LeaseHolder} is made with; times in milliseconds, defaults those of client-go's users. */
export interface LeaseHolderOptions {
  /** Best a client of its own, so that a burst of other requests can't delay a renewal. */
  rest: RestClient;
  /** Where the Lease object lives. The namespace must exist; the Lease is created. */
  namespace: string;
  /** Name of the Lease object. */
  name: string;
  /** Who holds it, for people and for telling holders apart; see {@linkcode leaseIdentity}. */
  identity: string;
  /** How long others leave the lease to a holder that says nothing. Whole seconds. Default 15 s. */
  leaseDurationMs?: number;
  /** How often a holder renews. Default 5 s. */
  renewMs?: number;
  /** How long to wait after a failed try. Default 2 s. */
  retryMs?: number;
  /** Measures all times (default: the computer's). */
  clock?: Clock;
  /** Told of every try that failed; it is repeated anyway. Must not throw. */
  onError?: (error: unknown) => void;
  /** Told of the Lease as the server has it after each renewal, the first included. Must not throw. */
  onRenewed?: (lease: Lease) => void;
  /** Told when the holder may only delete from now on, and when it leads again; see {@linkcode LeaseHolder.confirmDelete}. */
  onDeletesOnly?: (deletesOnly: boolean) => void;
}

interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

/** One time of leading. */
interface Term {
  /** When the last successful renewal was sent. */
  renewed: Moment;
  /** What the last try since then failed of, for the message. */
  failure?: string;
  /** Whether the last try failed because the server's database is full. */
  isFull?: boolean;
  renewTimer?: Timer;
  deadlineTimer?: Timer;
  /** The renewal under way. */
  renewal?: Promise<void> | undefined;
}

/** What was last seen on the server, and when by this computer's own monotonic time. */
interface Observation {
  readonly lease: Lease;
  readonly at: number;
}

/**
 * Leader election on a Lease, with the semantics of client-go's `leaderelection`: at most one of those who use the same
 * lease leads at a time.
 *
 * Nobody's wall clock is compared with anybody else's: a lease has run out when *this* process saw no change of it for
 * its duration, measured by its own monotonic time. The holder in turn counts from before it sent its last successful
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
  /** Set while this process leads, or did and hasn't noticed yet. */
  #term: Term | undefined;

  /** Takes which lease, and for whom; asks for nothing before {@linkcode LeaseHolder.acquire}. */
  constructor(options: LeaseHolderOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#api = new ResourceApi(options.rest, leases, options.namespace);
    this.#leaseDurationMs = options.leaseDurationMs ?? 15_000;
    this.#renewMs = options.renewMs ?? 5_000;
    this.#retryMs = options.retryMs ?? 2_000;
    this.identity = options.identity;
  }

  /** Fires when leading ends without {@linkcode release}: the reason is a {@linkcode NotLeader} that says why. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Whether this process leads at this moment. */
  held(): boolean {
    return this.#term !== undefined && this.#elapsedMs(this.#term) < this.#deadlineMs;
  }

  /** In how many milliseconds another may lead at the earliest; 0 when this process doesn't lead now. */
  expiresInMs(): number {
    return this.#term && this.held() ? this.#leaseDurationMs - this.#elapsedMs(this.#term) : 0;
  }

  /**
   * As {@linkcode expiresInMs}, but where only the clocks say that leading is over, as after a sleep of the computer or
   * a jump of its wall clock, it renews at once and tells what comes of that. Rejects only with the signal's reason.
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
   * For how many milliseconds this process may still delete; 0 unless its lease ran out because the server's database is
   * full. Then nobody else can take the lease, since that is a write, and who held it last is the only one who can take
   * anything away. It may, as long as its own renewals fail for exactly that and the lease, read anew, names no other.
   */
  async confirmDelete(signal?: AbortSignal): Promise<number> {
    const term = this.#term;
    if (!term?.isFull) return 0;
    const other = await this.#otherHolder({ signal, timeoutMs: this.#retryMs });
    if (other !== undefined) this.#lose(term, `${other} holds it now`);
    return this.#term === term && term.isFull ? this.#retryMs : 0;
  }

  /**
   * Waits until this process holds the lease, then keeps it renewed. Failures (no rights, no namespace, no server) are
   * told to `onError` and tried again; rejects only with the signal's reason.
   *
   * @param onWait told who holds it, once for each holder that is waited for
   */
  async acquire(signal: AbortSignal, onWait?: (holder: string) => void): Promise<void> {
    if (this.#term) throw new Error(`${this.identity} holds the lease ${this.#options.name} already.`);
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
   * Gives the lease up, so that a successor takes over at once; from now on {@linkcode held} is false. Stop all work
   * first. Rejects when the server didn't take it: the successor then waits until the lease runs out. Does nothing when
   * the lease isn't held.
   */
  async release(): Promise<void> {
    const term = this.#endTerm();
    // A renewal under way would overtake the release.
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
    // The shortest duration there is, for candidates that look at nothing else.
    const spec = { ...lease.spec, holderIdentity: "", leaseDurationSeconds: 1, renewTime };
    await this.#api.replace({ ...lease, spec }, { timeoutMs });
  }

  /** When a holder without a successful renewal stops leading: earlier than others may take over (client-go: 10 of 15 s). */
  get #deadlineMs(): number {
    return this.#leaseDurationMs * 2 / 3;
  }

  #moment(): Moment {
    return { monotonic: this.#clock.monotonic(), wall: this.#clock.now() };
  }

  /**
   * How long ago the last successful renewal was sent. A computer that slept doesn't count that in its monotonic time,
   * but its wall clock has moved on. A wall clock that was set ahead looks the same; then the next renewal puts it right,
   * which the next write brings about (see confirm).
   */
  #elapsedMs(term: Term): number {
    const now = this.#moment();
    return Math.max(now.monotonic - term.renewed.monotonic, now.wall - term.renewed.wall);
  }

  /** One try to take the lease. False when somebody else holds it, or was faster. */
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

  /** Writes this process into the lease, as it was read last, or creates it. */
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

  /** How long another holder may still take to renew; 0 when there is none. */
  #othersMs(): number {
    const { lease, at } = this.#observed!;
    if (!lease.spec?.holderIdentity || lease.spec.holderIdentity === this.identity) return 0;
    const durationMs = (lease.spec.leaseDurationSeconds ?? 0) * 1000;
    return Math.max(0, at + durationMs - this.#clock.monotonic());
  }

  /** Watches the lease until it may be free, or can't be watched. */
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
      // The server ends a watch every few minutes; one that does so at once isn't to be hammered.
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
    // As the deadline does, it counts from the sending: where answers take long they would leave no time for a renewal.
    this.#renewAfter(Math.max(0, sent.monotonic + this.#renewMs - this.#clock.monotonic()), term);
    this.#options.onRenewed?.(this.#observed!.lease);
  }

  /** Whether the time is up within which a renewal had to succeed. */
  #isOver(term: Term): boolean {
    return this.#clock.monotonic() >= term.renewed.monotonic + this.#deadlineMs;
  }

  /** The time is up: what is left is to delete, where the server takes nothing else from anybody. */
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
    // The deadline may have passed by the wall clock: a computer that slept tries, and finds out who leads now.
    const leftMs = term.renewed.monotonic + this.#deadlineMs - sent.monotonic;
    const timeoutMs = term.isFull && leftMs <= 0 ? this.#retryMs : Math.max(1, leftMs);
    try {
      const holder = await this.#renewOnce(sent, { timeoutMs });
      // Released or lost meanwhile.
      if (this.#term !== term) return;
      if (holder === undefined) this.#renewed(term, sent);
      else this.#lose(term, `${holder} holds it now`);
    } catch (error) {
      this.#options.onError?.(error);
      if (this.#term !== term) return;
      term.failure = `; the last try failed: ${error instanceof Error ? error.message : error}`;
      term.isFull = isStorageFull(error);
      // The deadline has passed while only deletes were left: without that reason nothing is.
      if (!term.isFull && this.#isOver(term)) return this.#endTime(term);
      this.#renewAfter(this.#retryMs, term);
    }
  }

  /** Who holds it by the server's word, if that is another. */
  async #otherHolder(call: CallOptions): Promise<string | undefined> {
    const holder = (await this.#get(call))?.spec?.holderIdentity;
    return holder && holder !== this.identity ? holder : undefined;
  }

  /** Resolves to the other holder, if there is one. */
  async #renewOnce(sent: Moment, call: CallOptions): Promise<string | undefined> {
    try {
      return void await this.#write(this.#observed!.lease, sent, call);
    } catch (error) {
      // Somebody took it, edited it (a label, say) or deleted it: look again.
      if (!isApiError(error, 409) && !isApiError(error, 404)) throw error;
    }
    if (await this.#takeIfFree(sent, call)) return undefined;
    return this.#observed!.lease.spec?.holderIdentity || "somebody else";
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
 * The same server, for work that only the leader may do: refuses with {@linkcode NotLeader} every request but GET at
 * the moment that the lease isn't held, and ends those under way before another may lead. After a sleep of the computer
 * or a jump of its clock a request waits until a renewal has shown who leads. Where the server's database is full, so
 * that nobody can lead, the last holder may still delete ({@linkcode LeaseHolder.confirmDelete}).
 *
 * What is on the wire can't be taken back: should this process be stopped while the server, or what is before it, takes
 * its time, the request may be carried out while another leads. Kubernetes has no fencing tokens against that; who leads
 * has to watch what it has written.
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
        `${options.method} ${options.path} wasn't sent: ${lease.identity} doesn't hold the lease at this moment.`,
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

/** A name that people can trace and that no other process ever has: `hostname_pid_random`. */
export function leaseIdentity(hostname: string = Deno.hostname()): string {
  return `${hostname}_${Deno.pid}_${crypto.getRandomValues(new Uint8Array(4)).toHex()}`;
}
