import type { KubernetesObject } from "../kubernetes/types.ts";
import { ChangeFeed, type Listener } from "./change_feed.ts";
import { compareResourceVersions, isNewer } from "./resource_version.ts";
import { StoreIndex } from "./store_index.ts";

/** What a {@linkcode Store} is made with. */
export interface StoreOptions<P, I extends string, T extends KubernetesObject> {
  /**
   * What to keep of an object. It must be pure: a store of 10,000 objects stays small when this leaves out managedFields
   * and all else that nobody reads. Projections are shared by all readers and never change: treat them as frozen.
   *
   * An object for which it throws is {@linkcode Unreadable}, which holds up no other.
   */
  project(object: T): P;
  /** By name of the index, the values that a projection is found under. Pure, like `project`. */
  indexes?: Record<I, (value: P) => readonly string[]>;
  /** The projection that stands for an object that can't be read; without it there is none, as if it weren't there. */
  standIn?(identity: Identity): P;
}

/** Which object it is: read from its metadata, whatever else is wrong with it. */
export interface Identity {
  /** As {@linkcode keyOf} says. */
  readonly key: string;
  /** Group and version of its kind, such as `apps/v1`. */
  readonly apiVersion: string;
  /** Its kind, such as `Deployment`. */
  readonly kind: string;
  /** Its `metadata.name`. */
  readonly name: string;
  /** Absent of cluster-scoped objects. */
  readonly namespace?: string;
  /** Its `metadata.uid`. */
  readonly uid: string;
  /** Whether its deletion was asked for. */
  readonly terminating: boolean;
}

/** An object of the collection for which `project` or an index threw. */
export interface Unreadable extends Identity {
  /** What was thrown, in at most 300 characters. */
  readonly why: string;
}

/** One change of a store. Without `old` the key is new, without `new` it is gone. */
export interface StoreChange<P> {
  /** As {@linkcode keyOf} says. */
  readonly key: string;
  /** What was stored before. */
  readonly old?: P;
  /** What is stored now. */
  readonly new?: P;
}

/** A whole list of the collection on its way into the store, page by page. */
export interface Listing<T> {
  /** Takes one object of the list. */
  add(object: T): void;
  /** Makes the store equal to what was added, as of the list's resource version. Until then nothing changes. */
  commit(resourceVersion: string): void;
}

interface Entry<P> {
  /** Its projection, or what stands for it; absent for one that can't be read. */
  readonly shown?: Shown<P>;
  readonly unreadable?: Unreadable;
  readonly resourceVersion: string | undefined;
  readonly uid: string | undefined;
  readonly terminating: boolean;
}

/** A projection, with the values that each index finds it under, in the order of the indexes. */
interface Shown<P> {
  readonly value: P;
  readonly under: readonly (readonly string[])[];
}

/**
 * The objects of one collection as last seen, each reduced to a projection `P`, keyed by `namespace/name`, or `name` for
 * cluster-scoped ones (see {@linkcode keyOf}).
 *
 * Two sources write it, and neither can undo what the other knows:
 *
 * - the **watch** (through a {@linkcode Reflector}) reports every change of the collection in order;
 * - the **controller** hands in the answers to its own writes with {@linkcode Store.observe} and
 *   {@linkcode Store.forget}, so that its next look shows them although the watch hasn't told yet.
 *
 * What decides is the resource version, which grows with each write to a collection (KEP-5504). An object takes the
 * place of a stored one only when it is newer. A written object whose key is absent is taken only when it is newer than
 * all that the watch has reported: otherwise the watch has already been past that write, and since the key is absent,
 * past its deletion too; nothing would ever take it out again. Likewise a list leaves alone what is newer than itself.
 *
 * An object that can't be read takes no place but in {@linkcode Store.unreadable}: what was stored of an earlier version
 * goes, because it isn't so any more, and all others are as they are.
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

  /** Begins empty. Takes what to keep of an object, and the indexes to find it by. */
  constructor(options: StoreOptions<P, I, T>) {
    this.#options = options;
    const indexes = Object.entries<(value: P) => readonly string[]>(options.indexes ?? {});
    for (const [name] of indexes) this.#indexes.set(name, new StoreIndex());
    this.#valuesOf = indexes.map(([, valuesOf]) => valuesOf);
  }

  /** How many objects there are. */
  get size(): number {
    return this.#size;
  }

  /** The objects that are there and can't be read. */
  get unreadable(): readonly Unreadable[] {
    return [...this.#unreadable.values()];
  }

  /** The newest resource version that the watch has reported, from which a watch goes on. */
  get resourceVersion(): string | undefined {
    return this.#reported;
  }

  /** The projection of one object; undefined when there is none. */
  get(key: string): P | undefined {
    return this.#entries.get(key)?.shown?.value;
  }

  /** The projections of all objects, in no particular order. */
  list(): P[] {
    return [...this.#entries.values()].flatMap(({ shown }) => shown ? [shown.value] : []);
  }

  /** All projections that the index finds under a value; none is an empty array. */
  index(name: I, value: string): P[] {
    return Array.from(this.#indexes.get(name)?.keys(value) ?? [], (key) => this.#entries.get(key)!.shown!.value);
  }

  /**
   * Calls the listener with each change from now on, before the call that made the change returns; changes made by
   * listeners follow in order. Returns what ends the subscription.
   */
  subscribe(listener: Listener<StoreChange<P>>): () => void {
    return this.#changes.subscribe(listener);
  }

  /** Calls the listener with each object that can't be read, once for each reason, as {@linkcode Store.subscribe} does. */
  onUnreadable(listener: Listener<Unreadable>): () => void {
    return this.#failures.subscribe(listener);
  }

  /**
   * Puts the API server's answer to a write into the store, unless the store knows better already (see the class).
   * An answer without a comparable resource version is left to the watch. The object must be one that the reflector's
   * selector lets in.
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
   * Takes an object out after the API server accepted its deletion, given by the UID that the deletion was bound to.
   *
   * Does nothing when another object has the key by now, or when the stored one is already terminating. In all other
   * cases the watch has yet to report the deletion, or, when finalizers or a grace period hold the object, its
   * deletionTimestamp, which brings it back: so whatever the truth is, the store comes to it.
   */
  forget(key: string, uid: string): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined && entry.uid === uid && !entry.terminating) this.#delete(key);
    this.#flush();
  }

  /** Takes an ADDED or MODIFIED event of the watch. */
  put(object: T): void {
    const key = keyOf(object);
    const version = object?.metadata?.resourceVersion;
    if (key !== undefined && !this.#isStale(key, version)) this.#set(key, this.#entryOf(object));
    this.advance(version);
    this.#flush();
  }

  /** Takes a DELETED event of the watch, whose object carries the resource version of its deletion. */
  remove(object: T): void {
    const key = keyOf(object);
    const version = object?.metadata?.resourceVersion;
    // A newer one was made by an own write since.
    if (key !== undefined && !isNewer(this.#entries.get(key)?.resourceVersion, version)) this.#delete(key);
    this.advance(version);
    this.#flush();
  }

  /** Takes a BOOKMARK of the watch: all changes up to this resource version have been reported. */
  advance(resourceVersion: string | undefined): void {
    if (resourceVersion && compareResourceVersions(resourceVersion, this.#reported) !== -1) {
      this.#reported = resourceVersion;
    }
  }

  /** Begins to take a list of the whole collection; only its commit changes the store, by the differences. */
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
    // A list older than what the watch has reported means that the server lost history, as when etcd was restored from
    // a backup. Then nothing stored is newer than the list; it is of a history that no longer exists.
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

  /** Whether a reported version of a stored object is that one or an older one. */
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

  /** Those who are told of what can't be read are told although listeners threw. */
  #flush(): void {
    try {
      this.#changes.flush();
    } finally {
      this.#failures.flush();
    }
  }
}

const longestWhy = 300;

/** What is thrown is an error nearly always, and can be anything. */
function whyOf(error: unknown): string {
  const text = error instanceof Error ? `${error.message}` : typeof error;
  return text.length > longestWhy ? `${text.slice(0, longestWhy - 1)}…` : text;
}

/** Of an object that has a key. */
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

/** `namespace/name`, or `name` for a cluster-scoped object; undefined for one without a name. */
export function keyOf(object: KubernetesObject): string | undefined {
  const { namespace, name } = object?.metadata ?? {};
  if (!name) return undefined;
  return !namespace ? name : `${namespace}/${name}`;
}
