/** Polls where pods really are, so that no grant opens them (docs/adr/0040). */
import type { Clock, Timer } from "../../lib/clock/mod.ts";
import type { RestClient } from "../../lib/kubernetes/mod.ts";
import type { PodAddress } from "../core/guest/cluster_facts.ts";
import { podWithAddress, readPodAddresses, readPools } from "./pod_ranges.ts";

export interface PodRangeWatchOptions {
  rest: RestClient;
  clock: Clock;
  /** Called when the pods can't be listed, and when they can be again: once for each reason. */
  onError: (kind: string, error: unknown) => void;
  onRecover: (kind: string) => void;
}

/** Interval of the polls; a poll of many pods is followed by a longer pause. */
const pollMs = 10_000;
const pauseMsPerPod = 10;
/** Interval of the reads of pools. */
const poolsMs = 60_000;
/** Delay after a change of the nodes: several often change together. */
const soonMs = 1000;
const timeoutMs = 15_000;
/** Number of addresses outside the known ranges that are kept. */
const mostOutside = 20;

export class PodRangeWatch {
  readonly #options: PodRangeWatchOptions;
  readonly #synced = Promise.withResolvers<void>();
  #pools: readonly string[] = [];
  #outside: readonly PodAddress[] = [];
  #poolsReadAt = -Infinity;
  #isSynced = false;
  #said: string | undefined;
  #timer: Timer | undefined;
  #wake: () => void = () => {};
  #listener: () => void = () => {};
  #isKnown: (address: string) => boolean = () => true;

  constructor(options: PodRangeWatchOptions) {
    this.#options = options;
  }

  /** CIDRs of the network plugin's pools. */
  get pools(): readonly string[] {
    return this.#pools;
  }

  /** Addresses of pods that were outside the known ranges at the last poll. */
  get outside(): readonly PodAddress[] {
    return this.#outside;
  }

  /** True once the pods have been listed. */
  get isSynced(): boolean {
    return this.#isSynced;
  }

  /** Calls `listener` after each poll. `isKnown` reports whether an address is in the known ranges. */
  follow(isKnown: (address: string) => boolean, listener: () => void): void {
    this.#isKnown = isKnown;
    this.#listener = listener;
  }

  /** Polls soon, because the known ranges have changed. */
  soon(): void {
    if (this.#timer === undefined) return;
    this.#timer.cancel();
    this.#timer = this.#options.clock.setTimer(soonMs, this.#wake);
  }

  /** Resolves after the first poll that succeeds; rejects if the signal aborts. */
  async synced(signal: AbortSignal): Promise<void> {
    const aborted = Promise.withResolvers<never>();
    const stop = () => aborted.reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    try {
      await Promise.race([this.#synced.promise, aborted.promise]);
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  /** Polls until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const pods = await this.#poll(signal);
      if (signal.aborted) return;
      await this.#pause(Math.max(pollMs, pods * pauseMsPerPod), signal);
    }
  }

  /** Returns the number of pods that were read. */
  async #poll(signal: AbortSignal): Promise<number> {
    const { rest, clock, onError, onRecover } = this.#options;
    const abort = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    try {
      const now = clock.monotonic();
      const isDue = now - this.#poolsReadAt >= poolsMs || this.#outside.length > 0;
      const [pools, addresses] = await Promise.all([
        isDue ? readPools(rest, abort) : this.#pools,
        readPodAddresses(rest, abort),
      ]);
      if (isDue) this.#poolsReadAt = now;
      this.#pools = pools;
      // The listener reads the pools first, so that what lies in a new one isn't outside.
      this.#listener();
      this.#outside = await this.#outsideOf(addresses, abort);
      this.#isSynced = true;
      this.#listener();
      this.#synced.resolve();
      if (this.#said !== undefined) onRecover("pods");
      this.#said = undefined;
      return addresses.length;
    } catch (error) {
      if (signal.aborted) return 0;
      const said = String(error);
      if (said !== this.#said) onError("pods", error);
      this.#said = said;
      return 0;
    }
  }

  /** Keeps the addresses outside the known ranges, in a stable order; names the pod of the first one. */
  async #outsideOf(addresses: readonly string[], signal: AbortSignal): Promise<PodAddress[]> {
    const outside = [...new Set(addresses)].filter((address) => !this.#isKnown(address)).sort().slice(0, mostOutside);
    const known = new Map(this.#outside.map(({ address, pod }) => [address, pod]));
    return await Promise.all(outside.map(async (address) => {
      const pod = known.get(address) ?? await podWithAddress(this.#options.rest, address, signal);
      return { address, ...(pod === undefined ? {} : { pod }) };
    }));
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    const over = Promise.withResolvers<void>();
    this.#wake = over.resolve;
    this.#timer = this.#options.clock.setTimer(ms, over.resolve);
    signal.addEventListener("abort", this.#wake, { once: true });
    await over.promise;
    signal.removeEventListener("abort", this.#wake);
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
