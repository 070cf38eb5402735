import type { KubernetesObject } from "../kubernetes/types.ts";
import { ChangeFeed, type Listener } from "./change_feed.ts";
import { compareResourceVersions, isNewer } from "./resource_version.ts";
import { StoreIndex } from "./store_index.ts";

/** Options of a {@linkcode Store}. */
export interface StoreOptions<P, I extends string, T extends KubernetesObject> {
  /**
   * Projects an object to the part to keep. It must be pure: a store of 10,000 objects stays small if the projection
   * drops managedFields and everything else that nobody reads. Projections are shared by all readers: treat them as
   * frozen.
   *
   * An object for which it throws is {@linkcode Unreadable} and doesn't affect others.
   */
  project(object: T): P;
  /** By name of the index, the values under which a projection is found. Pure, like `project`. */
  indexes?: Record<I, (value: P) => readonly string[]>;
  /** Projection of an object that can't be read; absent: such an object counts as missing. */
  standIn?(identity: Identity): P;
}

/** Identity of an object, read from its metadata, whatever else is wrong with it. */
export interface Identity {
  /** Key, as in {@linkcode keyOf}. */
  readonly key: string;
  /** Group and version of its kind, such as `apps/v1`. */
  readonly apiVersion: string;
  /** Its kind, such as `Deployment`. */
  readonly kind: string;
  /** Its `metadata.name`. */
  readonly name: string;
  /** Absent for cluster-scoped objects. */
  readonly namespace?: string;
  /** Its `metadata.uid`. */
  readonly uid: string;
  /** True if its deletion has been requested. */
  readonly terminating: boolean;
}

/** An object of the collection for which `project` or an index threw. */
export interface Unreadable extends Identity {
  /** Message of the error, in at most 300 characters. */
  readonly why: string;
}

/** A change of a store. Without `old` the key is new, without `new` it was removed. */
export interface StoreChange<P> {
  /** Key, as in {@linkcode keyOf}. */
  readonly key: string;
  /** Previous value. */
  readonly old?: P;
  /** New value. */
  readonly new?: P;
}

/** A list of the whole collection on its way into the store, page by page. */
export interface Listing<T> {
  /** Adds an object of the list. */
  add(object: T): void;
  /** Makes the store equal to the added objects, as of the list's resource version. Until then nothing changes. */
  commit(resourceVersion: string): void;
}

interface Entry<P> {
  /** Its projection, or its replacement; absent for an unreadable object without one. */
  readonly shown?: Shown<P>;
  readonly unreadable?: Unreadable;
  readonly resourceVersion: string | undefined;
  readonly uid: string | undefined;
  readonly terminating: boolean;
}

/** A projection, with its values in each index, in the order of the indexes. */
interface Shown<P> {
  readonly value: P;
  readonly under: readonly (readonly string[])[];
}

/**
 * Last observed state of a collection, each object reduced to a projection `P`, with the key `namespace/name`, or
 * `name` for cluster-scoped ones (see {@linkcode keyOf}).
 *
 * Two sources write to it, and neither can undo newer state of the other:
 *
 * - the **watch** (through a {@linkcode Reflector}) reports every change of the collection in order;
 * - the **controller** passes the responses to its own writes to {@linkcode Store.observe} and {@linkcode
 *   Store.forget}, so that its next reconcile includes them before the watch reports them.
 *
 * The resource version decides, which grows with each write to a collection (KEP-5504). An object replaces a stored
 * one only if it is newer. A written object whose key is absent is stored only if it is newer than everything that
 * the watch has reported: otherwise the watch has already passed that write and, because the key is absent, its
 * deletion too, and nothing would ever remove it again. Likewise a list doesn't change objects that are newer than
 * the list.
 *
 * An object that can't be read is only in {@linkcode Store.unreadable}: its earlier version is removed, because it is
 * outdated, and other objects are not affected.
 *
 * @example
 * ```ts
 * import { Store } from "./mod.ts";
 * import assert from "node:assert/strict";
 *
 * interface Quota { metadata: { name: string; namespace: string; resourceVersion: string }; spec: { cpu: string } }
 * const quotas = new Store({
 *   project: (quota: Quota) => ({ namespace: quota.metadata.namespace, cpu: quota.spec.cpu }),
 *   indexes: { namespace: (quota) => [quota.namespace] },
 * });
 * quotas.subscribe((change) => console.log(change.key, change.old?.cpu, change.new?.cpu));
 * quotas.observe({ metadata: { name: "hard", namespace: "guest", resourceVersion: "7" }, spec: { cpu: "2" } });
 * assert.deepEqual(quotas.get("guest/hard"), { namespace: "guest", cpu: "2" });
 * assert.equal(quotas.index("namespace", "guest").length, 1);
 * ```
 */
export class Store<P, I extends string = never, T extends KubernetesObject = KubernetesObject> {
  readonly #options: StoreOptions<P, I, T>;
  readonly #entries = new Map<string, Entry<P>>();
  readonly #unreadable = new Map<string, Unreadable>();
  readonly #indexes = new Map<string, StoreIndex>();
  readonly #valuesOf: readonly ((value: P) => readonly string[])[];
  readonly #changes = new ChangeFeed<StoreChange<P>>();
  readonly #failures = new ChangeFeed<Unreadable>();
  #size = 0;
  #reported: string | undefined;

  /** Creates an empty store. */
  constructor(options: StoreOptions<P, I, T>) {
    this.#options = options;
    const indexes = Object.entries<(value: P) => readonly string[]>(options.indexes ?? {});
    for (const [name] of indexes) this.#indexes.set(name, new StoreIndex());
    this.#valuesOf = indexes.map(([, valuesOf]) => valuesOf);
  }

  /** Number of objects. */
  get size(): number {
    return this.#size;
  }

  /** Existing objects that can't be read. */
  get unreadable(): readonly Unreadable[] {
    return [...this.#unreadable.values()];
  }

  /** The newest resource version that the watch has reported, from which a watch can continue. */
  get resourceVersion(): string | undefined {
    return this.#reported;
  }

  /** Returns the projection of an object; undefined if there is none. */
  get(key: string): P | undefined {
    return this.#entries.get(key)?.shown?.value;
  }

  /** Returns the projections of all objects, in no particular order. */
  list(): P[] {
    return [...this.#entries.values()].flatMap(({ shown }) => shown ? [shown.value] : []);
  }

  /** Returns all projections with a value in the index; an empty array if there are none. */
  index(name: I, value: string): P[] {
    const found: P[] = [];
    for (const key of this.#indexes.get(name)?.keys(value) ?? []) found.push(this.#entries.get(key)!.shown!.value);
    return found;
  }

  /**
   * Calls the listener with each change from now on, before the call that made the change returns; changes made by
   * listeners follow in order. Returns a function that ends the subscription.
   */
  subscribe(listener: Listener<StoreChange<P>>): () => void {
    return this.#changes.subscribe(listener);
  }

  /** Calls the listener with each unreadable object, once for each reason, like {@linkcode Store.subscribe}. */
  onUnreadable(listener: Listener<Unreadable>): () => void {
    return this.#failures.subscribe(listener);
  }

  /**
   * Stores the API server's response to a write, unless the store has newer state (see the class). Ignores a response
   * without a comparable resource version. The object must match the reflector's selector.
   */
  observe(object: T): void {
    const key = keyOf(object);
    if (key === undefined) return;
    const version = object?.metadata?.resourceVersion;
    const entry = this.#entries.get(key);
    const known = entry === undefined ? this.#reported : entry.resourceVersion;
    const nothingKnown = entry === undefined && this.#reported === undefined;
    if (nothingKnown || isNewer(version, known)) this.#set(key, this.#entryOf(object));
    this.#flush();
  }

  /**
   * Removes an object after the API server accepted its deletion, with the UID that the deletion was bound to.
   *
   * Has no effect if another object has the key by now, or if the stored one is already terminating. Otherwise the
   * watch will report the deletion or, if finalizers or a grace period hold the object, its deletionTimestamp, which
   * restores it: the store converges to the real state either way.
   */
  forget(key: string, uid: string): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined && entry.uid === uid && !entry.terminating) this.#delete(key);
    this.#flush();
  }

  /** Applies an ADDED or MODIFIED event of the watch. */
  put(object: T): void {
    const key = keyOf(object);
    const version = object?.metadata?.resourceVersion;
    if (key !== undefined && !this.#isStale(key, version)) this.#set(key, this.#entryOf(object));
    this.advance(version);
    this.#flush();
  }

  /** Applies a DELETED event of the watch, whose object has the resource version of its deletion. */
  remove(object: T): void {
    const key = keyOf(object);
    const version = object?.metadata?.resourceVersion;
    // An own write has created a newer one in the meantime.
    if (key !== undefined && !isNewer(this.#entries.get(key)?.resourceVersion, version)) this.#delete(key);
    this.advance(version);
    this.#flush();
  }

  /** Applies a BOOKMARK of the watch: all changes up to this resource version have been reported. */
  advance(resourceVersion: string | undefined): void {
    if (resourceVersion && compareResourceVersions(resourceVersion, this.#reported) !== -1) {
      this.#reported = resourceVersion;
    }
  }

  /** Starts a list of the whole collection; only its commit changes the store, by the differences. */
  listing(): Listing<T> {
    const listed = new Map<string, Entry<P>>();
    return {
      add: (object) => {
        const key = keyOf(object);
        if (key !== undefined) listed.set(key, this.#entryOf(object));
      },
      commit: (resourceVersion) => this.#commit(listed, resourceVersion),
    };
  }

  #commit(listed: ReadonlyMap<string, Entry<P>>, resourceVersion: string): void {
    // A list older than the watch's last event means that the server lost history, for example because etcd was
    // restored from a backup. Then nothing stored is newer than the list; it belongs to a history that no longer
    // exists.
    const rewound = isNewer(this.#reported, resourceVersion);
    for (const [key, entry] of this.#entries) {
      const isOwnWrite = !rewound && isNewer(entry.resourceVersion, resourceVersion);
      if (!listed.has(key) && !isOwnWrite) this.#delete(key);
    }
    for (const [key, entry] of listed) {
      const stored = this.#entries.get(key);
      const differs = stored?.resourceVersion === undefined || stored.resourceVersion !== entry.resourceVersion ||
        stored.uid !== entry.uid;
      const isOwnWrite = !rewound && isNewer(stored?.resourceVersion, entry.resourceVersion);
      if (differs && !isOwnWrite) this.#set(key, entry);
    }
    this.#reported = resourceVersion;
    this.#flush();
  }

  /** True if the stored object has this version or a newer one. */
  #isStale(key: string, version: string | undefined): boolean {
    const order = compareResourceVersions(version, this.#entries.get(key)?.resourceVersion);
    return order !== undefined && order <= 0;
  }

  #entryOf(object: T): Entry<P> {
    const { resourceVersion, uid } = object.metadata ?? {};
    const identity = identityOf(object);
    const { terminating } = identity;
    const entry = { resourceVersion, uid, terminating };
    try {
      return { ...entry, shown: this.#shown(this.#options.project(object)) };
    } catch (error) {
      const unreadable: Unreadable = { ...identity, why: whyOf(error) };
      try {
        const { standIn } = this.#options;
        return { ...entry, unreadable, ...(standIn ? { shown: this.#shown(standIn(identity)) } : {}) };
      } catch {
        return { ...entry, unreadable };
      }
    }
  }

  #shown(value: P): Shown<P> {
    return { value, under: this.#valuesOf.map((valuesOf) => valuesOf(value)) };
  }

  #set(key: string, entry: Entry<P>): void {
    const old = this.#entries.get(key);
    this.#entries.set(key, entry);
    this.#show(key, old?.shown, entry.shown);
    const { unreadable } = entry;
    if (unreadable === undefined) this.#unreadable.delete(key);
    else {
      this.#unreadable.set(key, unreadable);
      if (old?.unreadable?.why !== unreadable.why || old.uid !== entry.uid) this.#failures.push(unreadable);
    }
  }

  #delete(key: string): void {
    const old = this.#entries.get(key);
    if (old === undefined) return;
    this.#entries.delete(key);
    this.#unreadable.delete(key);
    this.#show(key, old.shown, undefined);
  }

  #show(key: string, old: Shown<P> | undefined, now: Shown<P> | undefined): void {
    if (!old && !now) return;
    for (const [index, each] of [...this.#indexes.values()].entries()) {
      if (old) each.delete(key, old.under[index]!);
      if (now) each.add(key, now.under[index]!);
    }
    this.#size += Number(now !== undefined) - Number(old !== undefined);
    this.#changes.push({ key, ...(old ? { old: old.value } : {}), ...(now ? { new: now.value } : {}) });
  }

  /** Reports all changes. Listeners for unreadable objects are called even if other listeners threw. */
  #flush(): void {
    try {
      this.#changes.flush();
    } finally {
      this.#failures.flush();
    }
  }
}

const longestWhy = 300;

/** Returns the text of a thrown value, which is nearly always an error but can be anything. */
function whyOf(error: unknown): string {
  const text = error instanceof Error ? `${error.message}` : typeof error;
  return text.length > longestWhy ? `${text.slice(0, longestWhy - 1)}…` : text;
}

/** Returns the identity of an object that has a key. */
function identityOf(object: KubernetesObject): Identity {
  const { apiVersion, kind, metadata } = object;
  const { name, namespace, uid, deletionTimestamp } = metadata ?? {};
  return {
    key: keyOf(object) ?? "",
    apiVersion: String(apiVersion ?? ""),
    kind: String(kind ?? ""),
    name: String(name ?? ""),
    ...(namespace ? { namespace: String(namespace) } : {}),
    uid: String(uid ?? ""),
    terminating: Boolean(deletionTimestamp),
  };
}

/** Returns `namespace/name`, or `name` for a cluster-scoped object; undefined for one without a name. */
export function keyOf(object: KubernetesObject): string | undefined {
  const { namespace, name } = object?.metadata ?? {};
  if (!name) return undefined;
  return !namespace ? name : `${namespace}/${name}`;
}
