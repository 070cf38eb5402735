import { ApiError, ConnectionError, type ObjectList, type WatchEvent } from "../kubernetes/mod.ts";
import type { ListWatch } from "./reflector.ts";

/** An object of a {@linkcode FakeCollection}. */
export interface Thing {
  metadata: { name: string; uid: string; resourceVersion: string };
}

/** Fault of the next list or watch. */
export type CollectionFault = { error: unknown; afterPages?: number } | "end" | "restart";

/** Makes an API server error, for tests. */
export function apiError(code: number, reason: string, retryAfterSeconds?: number): ApiError {
  return new ApiError(reason, { code, reason, retryAfterSeconds, method: "GET", path: "/things" });
}

/**
 * A collection with its history, for tests: lists show its current state, watches show the changes after a version,
 * up to the ones released with {@linkcode FakeCollection.deliver}. Faults are set in advance.
 */
export class FakeCollection implements ListWatch<Thing> {
  /** Calls so far, such as `list` and `watch from 12`. */
  readonly calls: string[] = [];
  /** Faults of the next lists and watches, in order; without one a call succeeds. */
  readonly listFaults: CollectionFault[] = [];
  readonly watchFaults: CollectionFault[] = [];
  /** Number of open watches. */
  open = 0;
  readonly #objects = new Map<string, Thing>();
  readonly #history: { version: number; event: WatchEvent<Thing> }[] = [];
  #version = 10;
  #compacted = 0;
  #delivered = Infinity;
  #pageSize: number;
  #ending: { error?: unknown } | undefined;
  #repeat = false;
  #news = Promise.withResolvers<void>();

  constructor(options: { pageSize?: number; holdBack?: boolean } = {}) {
    this.#pageSize = options.pageSize ?? 2;
    if (options.holdBack) this.#delivered = this.#version;
  }

  get truth(): Thing[] {
    return [...this.#objects.values()];
  }

  /** Creates or changes an object and returns it as the API server does. */
  write(name: string): Thing {
    const old = this.#objects.get(name);
    const resourceVersion = String(++this.#version);
    const thing: Thing = {
      metadata: { name, uid: old?.metadata.uid ?? `${name}-${resourceVersion}`, resourceVersion },
    };
    this.#objects.set(name, thing);
    this.#record({ type: old === undefined ? "ADDED" : "MODIFIED", object: thing });
    return thing;
  }

  /** Deletes an object and returns its UID. */
  delete(name: string): string | undefined {
    const old = this.#objects.get(name);
    if (old === undefined) return undefined;
    this.#objects.delete(name);
    const metadata = { ...old.metadata, resourceVersion: String(++this.#version) };
    this.#record({ type: "DELETED", object: { metadata } });
    return old.metadata.uid;
  }

  /** Releases the next versions to watches. */
  deliver(versions: number): void {
    this.#delivered = Math.min(this.#delivered + versions, this.#version);
    this.#wake();
  }

  /** Sends the current version to watches; no version may be held back. */
  bookmark(): void {
    this.#record({ type: "BOOKMARK", resourceVersion: String(++this.#version) });
  }

  /** Sends the last event again. */
  repeat(): void {
    this.#repeat = true;
    this.#wake();
  }

  /** Ends the open watch, with an error or as the server does after some minutes. */
  endWatch(error?: unknown): void {
    if (this.open === 0) return;
    this.#ending = error === undefined ? {} : { error };
    this.#wake();
  }

  /** Forgets the history, as etcd's compaction does; a watch from an earlier version gets a 410. */
  compact(): void {
    this.#compacted = this.#version;
    this.#delivered = Math.max(this.#delivered, this.#version);
    this.endWatch(apiError(410, "Expired"));
  }

  async *pages({ signal }: { signal: AbortSignal }): AsyncGenerator<ObjectList<Thing>> {
    this.calls.push("list");
    const fault = this.listFaults.shift();
    const things = this.truth;
    const metadata = { resourceVersion: String(this.#version) };
    for (let page = 0; page === 0 || page * this.#pageSize < things.length; page++) {
      await Promise.resolve();
      signal.throwIfAborted();
      if (typeof fault === "object" && page === (fault.afterPages ?? 0)) throw fault.error;
      if (fault === "restart" && page === 1) {
        yield { metadata: { resourceVersion: String(this.#version) }, items: this.truth, restart: true };
        return;
      }
      yield { metadata, items: things.slice(page * this.#pageSize, (page + 1) * this.#pageSize) };
    }
    if (typeof fault === "object") throw fault.error;
  }

  async *watch(
    { resourceVersion, signal, onOpen }: { resourceVersion: string; signal: AbortSignal; onOpen: () => void },
  ): AsyncGenerator<WatchEvent<Thing>> {
    this.calls.push(`watch from ${resourceVersion}`);
    const fault = this.watchFaults.shift();
    await Promise.resolve();
    if (typeof fault === "object") throw fault.error;
    if (Number(resourceVersion) < this.#compacted) throw apiError(410, "Expired");
    if (fault === "end") return;
    onOpen();
    this.open++;
    const wake = () => this.#wake();
    signal.addEventListener("abort", wake);
    try {
      yield* this.#events(Number(resourceVersion), signal);
    } finally {
      this.open--;
      this.#ending = undefined;
      signal.removeEventListener("abort", wake);
    }
  }

  async *#events(version: number, signal: AbortSignal): AsyncGenerator<WatchEvent<Thing>> {
    let last: WatchEvent<Thing> | undefined;
    while (true) {
      signal.throwIfAborted();
      if (this.#ending) {
        if (this.#ending.error !== undefined) throw this.#ending.error;
        return;
      }
      if (this.#repeat) {
        this.#repeat = false;
        if (last !== undefined) yield last;
      }
      const next = this.#history.find((record) => record.version > version && record.version <= this.#delivered);
      if (next === undefined) {
        await this.#news.promise;
        continue;
      }
      version = next.version;
      last = next.event;
      yield next.event;
    }
  }

  #record(event: WatchEvent<Thing>): void {
    this.#history.push({ version: this.#version, event });
    this.#wake();
  }

  #wake(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }
}

/** Makes the error of a broken connection, for tests. */
export function connectionError(): ConnectionError {
  return new ConnectionError("connection refused");
}
