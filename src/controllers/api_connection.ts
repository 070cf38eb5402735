/** Observes whether the API server answers: each request of the operator counts, and a probe while there are none. */
import type { Clock } from "../../lib/clock/mod.ts";
import {
  isApiError,
  isStorageFull,
  NotLeader,
  type RequestOptions,
  type RestClient,
} from "../../lib/kubernetes/mod.ts";
import { Feed } from "../engine/triggers.ts";
import { Alarm } from "../tailnet/alarm.ts";
import { type ApiCause, apiCauseOf, isConnectionError, leaseCauseOf } from "./api_cause.ts";

/** A time in which the operator can't work with the API server. */
export interface Outage {
  /** Epoch milliseconds of the first sign. */
  since: number;
  cause: ApiCause;
}

/** A past outage. */
export interface PastOutage extends Outage {
  /** Epoch milliseconds. */
  until: number;
}

const timing = {
  /** Time without any answer after which a probe is sent. */
  silenceMs: 2500,
  /** Timeout of a probe. With the silence, an API server that hangs is noticed within 5 s. */
  probeMs: 2000,
  /** Interval of probes during an outage. */
  outageMs: 1000,
  /** Least interval of probes for failed requests. */
  restMs: 500,
  /** Age of an unanswered request from which an unhealthy API server counts as the reason. */
  pendingMs: 1500,
  /** Lateness of a probe's timeout that shows that this process was busy, not the API server. */
  busyMs: 500,
  /** Time for which another cause has to last until it replaces the reported one. */
  otherCauseMs: 10_000,
} as const;

/**
 * The state of the connection. A single failed request proves nothing: a probe of `/livez` decides. That path is exempt
 * from the API server's limits and needs neither permission nor etcd's answer in time.
 */
export class ApiConnection {
  /** The operator's client, observed. */
  readonly rest: RestClient;
  readonly lost = new Feed<Outage>();
  /** The cause of the present outage has changed. */
  readonly changed = new Feed<Outage>();
  readonly back = new Feed<PastOutage>();
  readonly #rest: RestClient;
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  /** Monotonic times. */
  #answeredAt: number;
  #probedAt = -Infinity;
  #suspectedSince: number | undefined;
  /** True after a probe whose connection was closed. */
  #isDoubted = false;
  /** True if a request failed for a reason of the API server's since the last one that succeeded. */
  #isTroubled = false;
  readonly #pending = new Set<{ at: number }>();
  #outage: Outage | undefined;
  #other: { cause: ApiCause; since: number } | undefined;
  #leaseFailures = 0;

  constructor({ rest, clock }: { rest: RestClient; clock: Clock }) {
    this.#rest = rest;
    this.#clock = clock;
    this.#alarm = new Alarm(clock);
    this.#answeredAt = clock.monotonic();
    this.rest = {
      defaultNamespace: rest.defaultNamespace,
      performRequest: (options) => this.#observed(options, (options) => rest.performRequest(options), true),
      performStream: (options) => this.#observed(options, (options) => rest.performStream(options), false),
    };
  }

  /** The present outage, if there is one. */
  get outage(): Outage | undefined {
    return this.#outage;
  }

  /** Probes while there is no answer, until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    this.#answeredAt = this.#clock.monotonic();
    while (!signal.aborted) {
      const waitMs = this.#dueAt() - this.#clock.monotonic();
      if (waitMs > 0) await this.#alarm.wait(waitMs, signal);
      else await this.#probe(signal);
    }
  }

  /** Notes a failed attempt to take or renew the Lease. */
  leaseFailed(error: unknown): void {
    // All others are noticed at the request.
    if (!isApiError(error) || error.code === 401 || error.code === 409) return;
    // The operator goes on with deletions, and says so.
    if (isStorageFull(error)) return;
    this.#leaseFailures++;
    const isLasting = error.code === 403 || error.code === 404 || error.code === 422;
    if (this.#outage || !(isLasting || this.#leaseFailures > 1)) return;
    this.#begin(leaseCauseOf(error), this.#clock.now());
  }

  /** Notes that the Lease could be renewed, or that another operator holds it. */
  leaseWorks(): void {
    this.#leaseFailures = 0;
    if (this.#outage?.cause.kind === "lease") this.#end();
  }

  #dueAt(): number {
    if (this.#suspectedSince !== undefined) return this.#probedAt + timing.restMs;
    return this.#outage && this.#outage.cause.kind !== "lease"
      ? this.#probedAt + timing.outageMs
      : Math.max(this.#answeredAt + timing.silenceMs, this.#probedAt + timing.outageMs);
  }

  async #observed<R>(
    options: RequestOptions,
    send: (options: RequestOptions) => Promise<R>,
    isUnary: boolean,
  ): Promise<R> {
    const sent = { at: this.#clock.monotonic() };
    // The wait for a watch's headers has no influence: an API server may hold them back until there is something.
    if (isUnary) this.#pending.add(sent);
    try {
      const answer = await send(options);
      this.#answered(isUnary);
      return answer;
    } catch (error) {
      if (!options.abortSignal?.aborted || isConnectionError(error)) this.#failed(error);
      throw error;
    } finally {
      this.#pending.delete(sent);
    }
  }

  #answered(isUnary: boolean): void {
    this.#answeredAt = this.#clock.monotonic();
    this.#suspectedSince = undefined;
    this.#isDoubted = false;
    if (isUnary) this.#isTroubled = false;
    if (this.#outage && this.#outage.cause.kind !== "lease") this.#end();
  }

  #failed(error: unknown): void {
    if (error instanceof NotLeader) return;
    if (isApiError(error) && error.code !== 401) {
      if (error.code < 500) return this.#answered(false);
      this.#isTroubled = true;
    }
    this.#suspectedSince ??= this.#clock.now();
    this.#alarm.ring();
  }

  async #probe(signal: AbortSignal): Promise<void> {
    const sent = { at: this.#clock.monotonic(), wall: this.#clock.now() };
    this.#probedAt = sent.at;
    const since = this.#suspectedSince ?? sent.wall;
    const error = await this.#rest.performRequest({
      method: "GET",
      path: "/livez",
      accept: "text/plain",
      timeoutMs: timing.probeMs,
      abortSignal: signal,
    }).then(() => undefined, (error) => error ?? new Error("no reason"));
    const now = this.#clock.monotonic();
    this.#probedAt = Math.max(this.#probedAt, now - timing.restMs);
    if (signal.aborted) return;
    if (error === undefined || this.#isAnswer(error)) return this.#answered(false);
    // Another request was answered meanwhile.
    if (this.#answeredAt > sent.at) return;
    if (isConnectionError(error) && now - sent.at > timing.probeMs + timing.busyMs) return;
    const cause = apiCauseOf(error);
    this.#probedAt = now;
    if (!this.#outage && cause.kind === "unreachable" && !this.#isDoubted) {
      // Of a server that stops: a moment later it refuses connections, or another one answers.
      this.#isDoubted = true;
      this.#suspectedSince ??= since;
      return;
    }
    this.#suspectedSince = undefined;
    this.#isDoubted = false;
    if (!this.#outage) this.#begin(cause, since);
    else this.#goesOn(cause);
  }

  /** Reports whether the probe's failure shows that the API server works for this operator. */
  #isAnswer(error: unknown): boolean {
    if (!isApiError(error) || error.code === 401) return false;
    const isWaiting = [...this.#pending].some(({ at }) => this.#clock.monotonic() - at >= timing.pendingMs);
    // Without any trouble, a check that fails is none of this operator's.
    return error.code < 500 || !(this.#isTroubled || isWaiting || this.#outage);
  }

  #begin(cause: ApiCause, since: number): void {
    this.#outage = { cause, since };
    this.#other = undefined;
    this.lost.emit(this.#outage);
    this.#alarm.ring();
  }

  /** A cause that stays for a while replaces the reported one; those of a server that is starting don't. */
  #goesOn(cause: ApiCause): void {
    const outage = this.#outage!;
    const now = this.#clock.monotonic();
    if (cause.kind === outage.cause.kind) return void (this.#other = undefined);
    if (this.#other?.cause.kind !== cause.kind) this.#other = { cause, since: now };
    if (now - this.#other.since < timing.otherCauseMs) return;
    this.#outage = { ...outage, cause };
    this.#other = undefined;
    this.changed.emit(this.#outage);
  }

  #end(): void {
    const past = { ...this.#outage!, until: this.#clock.now() };
    this.#outage = undefined;
    this.#other = undefined;
    this.back.emit(past);
  }
}
