import { type Clock, sleep } from "../clock/mod.ts";
import { AnswerTooLarge, type ApiError, isApiError } from "../kubernetes/mod.ts";
import type { KubernetesObject, ListOptions, ObjectList, WatchEvent } from "../kubernetes/mod.ts";
import { exponentialBackoff, type RandomSource } from "./backoff.ts";
import type { Store } from "./store.ts";

/** Which objects of a collection; left out means all. */
export type Selector = Pick<ListOptions, "labelSelector" | "fieldSelector">;

/** How much of a collection is read at a time; default: as `ResourceApi.pages` says. */
export type PageSize = Pick<ListOptions, "limit" | "maxBytes">;

/** The two calls a reflector makes. A `ResourceApi<T>` of lib/kubernetes is one. */
export interface ListWatch<T extends KubernetesObject> {
  /** Yields the whole collection page by page; a page with `restart` holds it anew, in place of those before. */
  pages(options: Selector & PageSize & { signal: AbortSignal }): AsyncIterable<ObjectList<T>>;
  /** Yields the changes after a resource version until the server ends the connection; tells when that stands. */
  watch(
    options: Selector & { resourceVersion: string; signal: AbortSignal; onOpen: () => void },
  ): AsyncIterable<WatchEvent<T>>;
}

/** What a {@linkcode Reflector} is made with. */
export interface ReflectorOptions<T extends KubernetesObject, P> {
  /** The collection. */
  api: ListWatch<T>;
  /** What is kept equal to it; no other reflector writes it. */
  store: Store<P, string, T>;
  /** Leaves other objects out. */
  selector?: Selector;
  /** How much is read at a time. */
  page?: PageSize;
  /** Measures the delays. */
  clock: Clock;
  /** Source of the jitter of delays (default `Math.random`). */
  random?: RandomSource;
  /**
   * Told when the reflector begins to fail, and again when it goes on to fail in another way (another code and reason
   * of an `ApiError`, or another class of error); not of each attempt, and not of a watch whose version expired, which
   * is usual.
   */
  onError?: (error: unknown) => void;
  /** Told once when what `onError` was told of is over. */
  onRecover?: () => void;
}

/** What is wrong since `onError` was told. */
interface Failure {
  readonly during: "list" | "watch";
  readonly what: string;
}

/**
 * Keeps a store equal to a collection of the API server: lists it in pages, then watches it from there, for as long as
 * {@linkcode Reflector.run} runs.
 *
 * - A watch that the server ends is resumed at once from the last version seen; bookmarks keep that version young.
 * - An expired version (410), or a watch refused otherwise, makes it list again; the store then changes by the
 *   differences only. A list that fails half-way changes nothing.
 * - It never gives up: after a failure it waits a random time of up to 0.5 s, doubled with each further one up to 30 s
 *   ("full jitter"), and no less than a server's Retry-After up to 30 s. So do watches that end within a second, from
 *   the second one in a row.
 *
 * @example
 * ```ts
 * import { systemClock } from "../clock/mod.ts";
 * import { type ListWatch, Reflector, Store } from "./mod.ts";
 * import assert from "node:assert/strict";
 *
 * interface Realm { metadata: { name: string; resourceVersion: string } }
 * // In place of `new ResourceApi(rest, realms)`, a collection of one object that never changes.
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
  /** The store that it was made with. */
  readonly store: Store<P, string, T>;
  readonly #options: ReflectorOptions<T, P>;
  readonly #random: RandomSource;
  readonly #synced = Promise.withResolvers<void>();
  #hasSynced = false;
  /** Whether the store's resource version is one to watch from. */
  #canResume = false;
  /** Ends of a list or watch in a row that nothing good came before. */
  #attempts = 0;
  #failure: Failure | undefined;

  /** Takes what to read and the store to fill; asks for nothing before {@linkcode Reflector.run}. */
  constructor(options: ReflectorOptions<T, P>) {
    this.#options = options;
    this.store = options.store;
    this.#random = options.random ?? Math.random;
  }

  /** Whether the store has held the whole collection once. It stays true while the API server is away. */
  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  /** Resolves once the store has held the whole collection; rejects with the signal's reason when that aborts first. */
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
   * time; a later one goes on from where the last one stopped.
   */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const delay = await this.#listAndWatch(signal);
      if (delay > 0) await sleep(this.#options.clock, delay, signal);
    }
  }

  /** Runs until something ends, and says after how many milliseconds to go on. */
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
      // What can't be read in one piece is read in pages.
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
      // All pages are of one version. Should a server give later pages a later one, the watch from the first fills in.
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

  /** Listeners of the store may throw, which must not hold up the collection: what is reported is stored all the same. */
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

  /** A watch that works shows that all is well; a list that works only that listing does. */
  #recover(during: Failure["during"]): void {
    if (this.#failure === undefined || (during === "list" && this.#failure.during === "watch")) return;
    this.#failure = undefined;
    this.#options.onRecover?.();
  }
}

/** How long a watch lasts at least to count as one that works. */
const HEALTHY_MS = 1000;
const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 30_000;

/** Whether a server refused a watch for its load only; the version to watch from may still be good. */
function isBusy(error: ApiError): boolean {
  return error.code === 429 || error.code === 503;
}

function kindOf(error: unknown): string {
  if (isApiError(error)) return `${error.code} ${error.reason}`;
  return error instanceof Error ? error.name : typeof error;
}
