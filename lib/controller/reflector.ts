import { type Clock, sleep, type Timer } from "../clock/mod.ts";
import { AnswerTooLarge, type ApiError, isApiError } from "../kubernetes/mod.ts";
import type { KubernetesObject, ListOptions, ObjectList, WatchEvent } from "../kubernetes/mod.ts";
import { exponentialBackoff, type RandomSource } from "./backoff.ts";
import type { Store } from "./store.ts";

/** Selects objects of a collection; absent: all. */
export type Selector = Pick<ListOptions, "labelSelector" | "fieldSelector">;

/** Page size of lists; default: as in `ResourceApi.pages`. */
export type PageSize = Pick<ListOptions, "limit" | "maxBytes">;

/** The two calls of a reflector. A `ResourceApi<T>` of lib/kubernetes implements them. */
export interface ListWatch<T extends KubernetesObject> {
  /** Yields the whole collection page by page; a page with `restart` replaces all earlier ones. */
  pages(options: Selector & PageSize & { signal: AbortSignal }): AsyncIterable<ObjectList<T>>;
  /**
   * Yields the changes after a resource version until the server ends the connection; calls `onOpen` once connected.
   */
  watch(
    options: Selector & { resourceVersion: string; signal: AbortSignal; onOpen: () => void },
  ): AsyncIterable<WatchEvent<T>>;
}

/** Options of a {@linkcode Reflector}. */
export interface ReflectorOptions<T extends KubernetesObject, P> {
  /** The collection. */
  api: ListWatch<T>;
  /** Store that is kept equal to it; no other reflector writes to it. */
  store: Store<P, string, T>;
  /** Ignores other objects. */
  selector?: Selector;
  /** Page size of lists. */
  page?: PageSize;
  /** Clock for the delays. */
  clock: Clock;
  /** Source of the delays' jitter (default `Math.random`). */
  random?: RandomSource;
  /**
   * Called when the reflector starts to fail, and again if it continues to fail in another way (another code and
   * reason of an `ApiError`, or another class of error). Not called for each attempt, nor for a watch whose version
   * expired, which is normal.
   */
  onError?: (error: unknown) => void;
  /** Called once when the failure reported by `onError` is over. */
  onRecover?: () => void;
}

/** Failure last reported to `onError`. */
interface Failure {
  readonly during: "list" | "watch";
  readonly what: string;
}

/**
 * Keeps a store equal to a collection of the API server: lists it in pages, then watches it from there, for as long as
 * {@linkcode Reflector.run} runs.
 *
 * - A watch that the server ends is resumed at once from the last version; bookmarks keep that version recent.
 * - An expired version (410), or a watch refused for another reason, makes it list again; only the differences change
 *   the store. A list that fails half-way changes nothing.
 * - It never gives up: after a failure it waits a random time of up to 0.5 s, doubled with each further one up to 30
 *   s ("full jitter"), and at least a server's Retry-After up to 30 s. The same applies to watches that end within a
 *   second, from the second consecutive one.
 *
 * @example
 * ```ts
 * import { systemClock } from "../clock/mod.ts";
 * import { type ListWatch, Reflector, Store } from "./mod.ts";
 * import assert from "node:assert/strict";
 *
 * interface Realm { metadata: { name: string; resourceVersion: string } }
 * // Instead of `new ResourceApi(rest, realms)`, a collection of one object that never changes.
 * const api: ListWatch<Realm> = {
 *   async *pages() {
 *     yield { metadata: { resourceVersion: "5" }, items: [{ metadata: { name: "bob-home", resourceVersion: "3" } }] };
 *   },
 *   async *watch({ signal }) {
 *     await new Promise((resolve) => signal.addEventListener("abort", resolve));
 *   },
 * };
 * const store = new Store({ project: (realm: Realm) => realm.metadata.name });
 * const reflector = new Reflector({ api, store, clock: systemClock });
 * const stop = new AbortController();
 * const running = reflector.run(stop.signal);
 * await reflector.synced(AbortSignal.timeout(1000));
 * assert.deepEqual(store.list(), ["bob-home"]);
 * stop.abort();
 * await running;
 * ```
 */
export class Reflector<T extends KubernetesObject, P> {
  /** The reflector's store. */
  readonly store: Store<P, string, T>;
  readonly #options: ReflectorOptions<T, P>;
  readonly #random: RandomSource;
  readonly #synced = Promise.withResolvers<void>();
  #hasSynced = false;
  /** True if a watch can start from the store's resource version. */
  #canResume = false;
  /** Consecutive failed lists or watches. */
  #attempts = 0;
  #failure: Failure | undefined;
  /** Ends the present delay. */
  #retry = () => {};

  /** Creates a reflector; it sends no request before {@linkcode Reflector.run}. */
  constructor(options: ReflectorOptions<T, P>) {
    this.#options = options;
    this.store = options.store;
    this.#random = options.random ?? Math.random;
  }

  /** True once the store has held the whole collection. It stays true while the API server is unreachable. */
  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  /** Resolves once the store has held the whole collection; rejects with the signal's reason if that aborts first. */
  async synced(signal: AbortSignal): Promise<void> {
    if (this.#hasSynced) return;
    signal.throwIfAborted();
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort);
    try {
      await Promise.race([this.#synced.promise, aborted]);
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /**
   * Runs until the signal aborts, then resolves with no request, body or timer left. It never rejects. One run at a
   * time; a later one continues where the last one stopped.
   */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const delay = await this.#listAndWatch(signal);
      if (delay > 0) await this.#pause(delay, signal);
    }
  }

  /**
   * Ends the delay after a failure within a second, because something shows that the API server responds again. Further
   * delays are short again.
   */
  retry(): void {
    this.#attempts = 0;
    this.#retry();
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const early = new AbortController();
    let timer: Timer | undefined;
    this.#retry = () => timer ??= clock.setTimer(this.#random() * RETRY_MS, () => early.abort());
    try {
      await sleep(clock, ms, AbortSignal.any([signal, early.signal]));
    } finally {
      timer?.cancel();
      this.#retry = () => {};
    }
  }

  /** Runs until a list or watch ends, and returns the delay before the next one. */
  async #listAndWatch(signal: AbortSignal): Promise<number> {
    if (!this.#canResume) {
      try {
        await this.#list(signal);
      } catch (error) {
        return this.#delayAfter(error, "list", signal);
      }
      this.#recover("list");
    }
    const startedAt = this.#options.clock.monotonic();
    const lasted = () => this.#options.clock.monotonic() - startedAt >= HEALTHY_MS;
    let delivered = false;
    try {
      const { api, selector } = this.#options;
      const resourceVersion = this.store.resourceVersion ?? "";
      const onOpen = () => this.#recover("watch");
      for await (const event of api.watch({ ...selector, resourceVersion, signal, onOpen })) {
        if (signal.aborted) return 0;
        delivered = true;
        this.#recover("watch");
        this.#take(event);
      }
    } catch (error) {
      if (delivered && lasted()) this.#attempts = 0;
      // A collection that is too large for one response is read in pages.
      if (error instanceof AnswerTooLarge || (isApiError(error) && !isBusy(error))) this.#canResume = false;
      return this.#delayAfter(error, "watch", signal);
    }
    this.#recover("watch");
    if (lasted()) this.#attempts = 0;
    else this.#attempts++;
    return this.#attempts < 2 ? 0 : this.#backoff(this.#attempts - 1);
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { api, selector, page: size } = this.#options;
    let listing = this.store.listing();
    let resourceVersion: string | undefined;
    for await (const page of api.pages({ ...selector, ...size, signal })) {
      signal.throwIfAborted();
      if (page.restart) {
        listing = this.store.listing();
        resourceVersion = undefined;
      }
      // All pages have one version. If a server gives later pages a later one, the watch from the first version fills
      // the gap.
      resourceVersion ??= page.metadata.resourceVersion;
      for (const item of page.items) listing.add(item);
    }
    signal.throwIfAborted();
    this.#canResume = true;
    this.#hasSynced = true;
    this.#told(() => listing.commit(resourceVersion ?? ""));
    this.#synced.resolve();
  }

  #take(event: WatchEvent<T>): void {
    switch (event.type) {
      case "ADDED":
      case "MODIFIED":
        return this.#told(() => this.store.put(event.object));
      case "DELETED":
        return this.#told(() => this.store.remove(event.object));
      case "BOOKMARK":
        return this.store.advance(event.resourceVersion);
    }
  }

  /** Runs a change of the store. Errors of its listeners are reported and don't hold up the collection. */
  #told(change: () => void): void {
    try {
      change();
    } catch (error) {
      this.#fail({ during: "watch", what: kindOf(error) }, error);
    }
  }

  #delayAfter(error: unknown, during: Failure["during"], signal: AbortSignal): number {
    if (signal.aborted) return 0;
    this.#attempts++;
    const isExpiredWatch = during === "watch" && isApiError(error, 410);
    if (!isExpiredWatch) this.#fail({ during, what: kindOf(error) }, error);
    const retryAfterMs = isApiError(error) ? (error.retryAfterSeconds ?? 0) * 1000 : 0;
    return Math.max(this.#backoff(this.#attempts), Math.min(retryAfterMs, MAX_DELAY_MS));
  }

  #backoff(attempt: number): number {
    return this.#random() * exponentialBackoff(attempt, FIRST_DELAY_MS, MAX_DELAY_MS);
  }

  #fail(failure: Failure, error: unknown): void {
    const isNews = this.#failure?.what !== failure.what;
    this.#failure = failure;
    if (isNews) this.#options.onError?.(error);
  }

  /**
   * Ends the reported failure. A working watch proves that everything works; a working list only that listing works.
   */
  #recover(during: Failure["during"]): void {
    if (this.#failure === undefined || (during === "list" && this.#failure.during === "watch")) return;
    this.#failure = undefined;
    this.#options.onRecover?.();
  }
}

/** Minimum duration of a watch that counts as working. */
const HEALTHY_MS = 1000;
/** Longest remaining delay after {@linkcode Reflector.retry}: reflectors don't list all at once. */
const RETRY_MS = 1000;
const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 30_000;

/** True if a server refused a watch only because of its load; the version may still be valid. */
function isBusy(error: ApiError): boolean {
  return error.code === 429 || error.code === 503;
}

function kindOf(error: unknown): string {
  if (isApiError(error)) return `${error.code} ${error.reason}`;
  return error instanceof Error ? error.name : typeof error;
}
