import { AnswerTooLarge, apiErrorFromStatus, ConnectionError, isApiError, isStatus, WatchStalled } from "./errors.ts";
import { LineSplitter } from "./json_lines.ts";
import type { JSONValue, KubernetesObject, RequestOptions, Resource, RestClient, Stored } from "./types.ts";

/** Options of any call. */
export interface CallOptions {
  /** Aborts the call; it rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Deadline in milliseconds; default: the client's. */
  timeoutMs?: number | undefined;
  /** Maximum size of the response, in bytes; default: the client's. */
  maxBytes?: number | undefined;
}

/** Options of lists (meta/v1 `ListOptions`). */
export interface ListOptions extends CallOptions {
  /** Such as `app=web,tier in (a,b)`, all of which must match; absent: all objects. */
  labelSelector?: string | undefined;
  /** Such as `metadata.name=web`; other fields depend on the kind. */
  fieldSelector?: string | undefined;
  /** Maximum number of objects in a page. */
  limit?: number | undefined;
  /** Continue token of the previous page. */
  continue?: string | undefined;
  /** Required freshness: absent, the newest; `0`, any version that the server has. */
  resourceVersion?: string | undefined;
  /** Match of another `resourceVersion`: exactly that one, or at least that one. */
  resourceVersionMatch?: "Exact" | "NotOlderThan" | undefined;
}

/** One page of a collection. */
export interface ObjectList<T> {
  /** Version to watch from; if more pages follow, their token and possibly the number of remaining objects. */
  metadata: { resourceVersion: string; continue?: string; remainingItemCount?: number };
  /** Each with `apiVersion` and `kind`, which servers omit here. */
  items: T[];
  /** Set by `pages` on the first page of a repeated list: all earlier pages are outdated. */
  restart?: true;
}

/** An event of a watch. A bookmark means only that everything up to its resource version has been sent. */
export type WatchEvent<T> =
  | { type: "ADDED" | "MODIFIED" | "DELETED"; object: T }
  | { type: "BOOKMARK"; resourceVersion: string };

/** Options of watches. */
export interface WatchOptions {
  /** Events after this version are sent: that of a list, of a bookmark or of an object received before. */
  resourceVersion: string;
  /** As in {@linkcode ListOptions}; an object that no longer matches is sent as `DELETED`. */
  labelSelector?: string | undefined;
  /** As in {@linkcode ListOptions}. */
  fieldSelector?: string | undefined;
  /** Ends the watch; the iteration throws the signal's reason. */
  signal?: AbortSignal | undefined;
  /**
   * Maximum silence before the connection counts as dead. Default 150 s, in which two bookmarks are missing: the
   * server sends one a minute for every resource with a watch cache, that is, for all except Events.
   */
  livenessMs?: number | undefined;
  /** Called once the server has accepted the watch; the first event may come much later. */
  onOpen?: (() => void) | undefined;
  /** Maximum size of an event, in bytes; default 32 MiB, far more than any object has. */
  maxBytes?: number | undefined;
}

/** Options of writes. */
export interface WriteOptions extends CallOptions {
  /** Field manager; default: the first part of the User-Agent. */
  fieldManager?: string | undefined;
}

/** Fields of an object, for a server-side apply. */
export type ApplyConfiguration<T extends KubernetesObject> = Partial<T> & KubernetesObject;

/** Options of a server-side apply. */
export interface ApplyOptions extends CallOptions {
  /** Field manager of the applied fields; a change by another one is a conflict, unless forced. */
  fieldManager: string;
  /** True to take over fields that another manager owns, instead of failing with 409 `Conflict`. */
  force?: boolean | undefined;
}

/** Options of a patch. */
export interface PatchOptions extends WriteOptions {
  /** Type of the body: a JSON Patch, a merge patch, a strategic one (built-in kinds only), or a server-side apply. */
  type: "json" | "merge" | "strategic" | "apply";
  /** Such as `status`. */
  subresource?: string | undefined;
  /** For `apply` only. */
  force?: boolean | undefined;
}

/** Options of a delete (meta/v1 `DeleteOptions`). */
export interface DeleteOptions extends CallOptions {
  /** Deletes only the object with this uid; another of the same name stays, with 409 `Conflict`. */
  uid?: string | undefined;
  /** Deletes the object only at this version. */
  resourceVersion?: string | undefined;
  /** Deletes dependents before the object, after it, or not; default: the kind's. */
  propagationPolicy?: "Foreground" | "Background" | "Orphan" | undefined;
  /** Seconds for a pod to end by itself, 0 kills it at once; default: the pod's own. */
  gracePeriodSeconds?: number | undefined;
}

const PATCH_TYPES = {
  json: "application/json-patch+json",
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
  // JSON is YAML; every server version accepts this type.
  apply: "application/apply-patch+yaml",
} as const;

const PAGE_LIMIT = 500;
/** Maximum size of a page with several objects, which is briefly in memory as text and as objects. */
const PAGE_BYTES = 4 * 2 ** 20;
/** Factor by which the next page is smaller after one that was too large. */
const SHRINK = 8;
/** Factor by which pages grow with each one that was not too large. */
const REGROWTH = 1.2;
/** Maximum number of times that a collection is listed again because its version expired. */
const RESTARTS = 3;
const LINE_BYTES = 32 * 2 ** 20;
const LIVENESS_MS = 150_000;

/**
 * Typed access to the objects of one resource, in one namespace or in all.
 *
 * Objects are returned as the server sent them, including fields unknown to `T`. Calls reject as described in
 * {@linkcode RestClient}; a name or namespace that can't be part of a path throws `TypeError` before anything is
 * sent.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { type KubernetesObject, type Resource, ResourceApi, type RestClient } from "./mod.ts";
 *
 * interface ConfigMap extends KubernetesObject {
 *   data?: Record<string, string>;
 * }
 * const configMaps: Resource<ConfigMap> = {
 *   group: "",
 *   version: "v1",
 *   kind: "ConfigMap",
 *   plural: "configmaps",
 *   namespaced: true,
 * };
 * // A replacement of createRestClient(…) that returns the request.
 * const rest: RestClient = {
 *   performRequest: ({ method, path }) => Promise.resolve({ data: { request: `${method} ${path}` } }),
 *   performStream: () => Promise.reject(new Error("not here")),
 * };
 * const api = new ResourceApi(rest, configMaps, "team");
 * const map = await api.get("settings");
 * assert.equal(map.data?.request, "GET /api/v1/namespaces/team/configmaps/settings");
 * ```
 */
export class ResourceApi<T extends KubernetesObject> {
  /** The constructor's resource; {@linkcode ResourceApi.namespace} keeps it. */
  readonly resource: Resource<T>;
  readonly #rest: RestClient;
  readonly #namespace: string | undefined;

  /**
   * Creates the access without sending anything.
   *
   * @param namespace namespace of the objects; omitted for cluster-scoped ones, or to list and watch all namespaces
   */
  constructor(rest: RestClient, resource: Resource<T>, namespace?: string) {
    if (namespace !== undefined) {
      if (!resource.namespaced) {
        throw new TypeError(
          `${resource.kind} is cluster-scoped, but the namespace ${JSON.stringify(namespace)} is given.`,
        );
      }
      segment("namespace", namespace);
    }
    this.#rest = rest;
    this.resource = resource;
    this.#namespace = namespace;
  }

  /** Returns the same resource in one namespace. */
  namespace(name: string): ResourceApi<T> {
    return new ResourceApi(this.#rest, this.resource, name);
  }

  /** Returns the current object; 404 `NotFound` if there is none. */
  async get(name: string, options: CallOptions = {}): Promise<Stored<T>> {
    return this.#object(await this.#request("GET", this.#objectPath(name, this.#namespace), options));
  }

  /** Returns one page: all objects, or at most `limit`; `metadata.continue` is set if more follow. */
  async list(options: ListOptions = {}): Promise<ObjectList<Stored<T>>> {
    const list = await this.#request("GET", this.#collectionPath(), options, {
      querystring: query({
        labelSelector: options.labelSelector,
        fieldSelector: options.fieldSelector,
        limit: options.limit,
        continue: options.continue,
        resourceVersion: options.resourceVersion,
        resourceVersionMatch: options.resourceVersionMatch,
      }),
    }) as unknown as ObjectList<Stored<T>>;
    // The items of a list have no kind of their own.
    const items = list.items ?? [];
    for (const item of items) this.#fillType(item);
    return { metadata: list.metadata, items };
  }

  /**
   * Yields all pages, with `limit` objects each (default 500), all of the same resource version.
   *
   * A page has at most `maxBytes` (default 4 MiB): if objects are too large for that, fewer are requested at a time,
   * down to single ones, for which the client's limit applies.
   *
   * The server forgets a version after some minutes (410 `Expired`). If a reader is that slow, the collection is
   * listed again, in one page if possible; its first page has `restart: true`, and earlier pages must be discarded.
   */
  async *pages(options: ListOptions = {}): AsyncGenerator<ObjectList<Stored<T>>> {
    const { resourceVersion: _, resourceVersionMatch: __, ...nextOptions } = options;
    const pageOf = pageReader((page) => this.list(page), options);
    let restarts = 0;
    let page = await pageOf(options);
    while (true) {
      yield page;
      const token = page.metadata.continue;
      if (!token) return;
      try {
        page = await pageOf({ ...nextOptions, continue: token });
      } catch (error) {
        if (!isApiError(error, 410) || ++restarts > RESTARTS) throw error;
        const whole = { maxBytes: PAGE_BYTES, ...nextOptions, limit: undefined, continue: undefined };
        const again = await this.list(whole).catch((error) => {
          if (!(error instanceof AnswerTooLarge)) throw error;
          return pageOf({ ...nextOptions, continue: undefined });
        });
        page = { ...again, restart: true };
      }
    }
  }

  /** Returns all objects, read in pages, or the results of `keep` for each: for collections that fit into memory. */
  async all<K = T>(
    options: ListOptions = {},
    keep: (object: T) => K = (object) => object as unknown as K,
  ): Promise<K[]> {
    let kept: K[] = [];
    for await (const { items, restart } of this.pages(options)) {
      if (restart) kept = [];
      for (const item of items) kept.push(keep(item));
    }
    return kept;
  }

  /**
   * Yields the changes of the collection, over one connection: returns when the server ends it, after 5 to 10
   * minutes. Continue from the resource version of the last event.
   *
   * Throws {@linkcode ApiError} if the server refuses or aborts (410 `Expired` if the version is too old: list
   * again), {@linkcode WatchStalled} if nothing arrived for `livenessMs`, {@linkcode AnswerTooLarge} if an event
   * exceeds `maxBytes` (list again), {@linkcode ConnectionError} if the connection broke.
   */
  async *watch(options: WatchOptions): AsyncGenerator<WatchEvent<Stored<T>>> {
    const path = this.#collectionPath();
    const { livenessMs = LIVENESS_MS, maxBytes = LINE_BYTES } = options;
    const stalled = new AbortController();
    const stall = () => stalled.abort(new WatchStalled(path, livenessMs));
    let timer = setTimeout(stall, livenessMs);
    let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
    try {
      const stream = await this.#rest.performStream({
        method: "GET",
        path,
        querystring: query({
          watch: true,
          allowWatchBookmarks: true,
          resourceVersion: options.resourceVersion,
          labelSelector: options.labelSelector,
          fieldSelector: options.fieldSelector,
          // Random, so that the watches of many clients that started together don't end together.
          timeoutSeconds: 300 + Math.floor(Math.random() * 301),
        }),
        abortSignal: options.signal ? AbortSignal.any([options.signal, stalled.signal]) : stalled.signal,
      });
      options.onOpen?.();
      reader = stream.getReader();
      const splitter = new LineSplitter(maxBytes);
      while (true) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(timer);
        for (const line of splitter.push(value)) yield this.#event(line, path);
        timer = setTimeout(stall, livenessMs);
      }
    } catch (error) {
      if (stalled.signal.aborted) throw stalled.signal.reason;
      options.signal?.throwIfAborted();
      if (error instanceof RangeError) throw new AnswerTooLarge(`An event of the watch of ${path}`, path, maxBytes);
      throw error instanceof TypeError || error instanceof Deno.errors.Http
        ? new ConnectionError(`The watch of ${path} broke: ${error.message}`, { cause: error })
        : error;
    } finally {
      clearTimeout(timer);
      await reader?.cancel().catch(() => {});
    }
  }

  /** Creates the object; 409 `AlreadyExists` if one of this name exists. */
  async create(object: T, options: WriteOptions = {}): Promise<Stored<T>> {
    const namespace = this.#namespaceOf(object);
    this.#needNamespace(namespace, object.metadata?.name ?? "");
    return this.#object(
      await this.#request("POST", this.#collectionPath(namespace), options, {
        querystring: query({ fieldManager: options.fieldManager }),
        bodyJson: this.#typed(object),
      }),
    );
  }

  /** Replaces the whole object; 409 `Conflict` if `metadata.resourceVersion` is set and isn't the current one. */
  async replace(object: T, options: WriteOptions = {}): Promise<Stored<T>> {
    return this.#object(
      await this.#request("PUT", this.#pathOf(object), options, {
        querystring: query({ fieldManager: options.fieldManager }),
        bodyJson: this.#typed(object),
      }),
    );
  }

  /**
   * Server-side apply: sets the fields of `object`, creating it if necessary, and removes fields that this field
   * manager applied before and that are missing now. 409 `Conflict` if another manager owns one of the fields and
   * `force` isn't set.
   *
   * @param object the fields to own, not the whole object
   */
  apply(object: ApplyConfiguration<T>, options: ApplyOptions): Promise<Stored<T>> {
    return this.#apply(object, options);
  }

  /** Server-side apply of the status subresource. The object must exist. */
  applyStatus(object: ApplyConfiguration<T>, options: ApplyOptions): Promise<Stored<T>> {
    return this.#apply(object, options, "status");
  }

  /**
   * Changes parts of an object; 404 `NotFound` if there is none, except for `apply`, which creates it.
   *
   * @param body a list of operations for `json`, otherwise parts of the object
   */
  async patch(name: string, body: unknown, options: PatchOptions): Promise<Stored<T>> {
    return this.#object(
      await this.#request("PATCH", this.#objectPath(name, this.#namespace, options.subresource), options, {
        querystring: query({ fieldManager: options.fieldManager, force: options.force }),
        bodyJson: body,
        contentType: PATCH_TYPES[options.type],
      }),
    );
  }

  /** Requests the deletion; the object exists until its finalizers are removed. 404 if there is none. */
  async delete(name: string, options: DeleteOptions = {}): Promise<void> {
    const { uid, resourceVersion, propagationPolicy, gracePeriodSeconds } = options;
    await this.#request("DELETE", this.#objectPath(name, this.#namespace), options, {
      bodyJson: {
        kind: "DeleteOptions",
        apiVersion: "v1",
        propagationPolicy,
        gracePeriodSeconds,
        ...((uid || resourceVersion) && { preconditions: { uid, resourceVersion } }),
      },
    });
  }

  async #apply(object: ApplyConfiguration<T>, options: ApplyOptions, subresource?: string): Promise<Stored<T>> {
    return this.#object(
      await this.#request("PATCH", this.#pathOf(object, subresource), options, {
        querystring: query({ fieldManager: options.fieldManager, force: options.force }),
        bodyJson: this.#typed(object),
        contentType: PATCH_TYPES.apply,
      }),
    );
  }

  #request(
    method: RequestOptions["method"],
    path: string,
    call: CallOptions,
    request: Pick<RequestOptions, "querystring" | "bodyJson" | "contentType"> = {},
  ): Promise<JSONValue> {
    return this.#rest.performRequest({
      method,
      path,
      abortSignal: call.signal,
      timeoutMs: call.timeoutMs,
      ...(call.maxBytes === undefined ? {} : { maxBytes: call.maxBytes }),
      ...request,
    });
  }

  #event(line: string, path: string): WatchEvent<Stored<T>> {
    let event: { type: string; object: Stored<T> };
    try {
      event = JSON.parse(line);
    } catch (error) {
      throw new ConnectionError(`The watch of ${path} received a line that isn't JSON: ${line.slice(0, 200)}`, {
        cause: error,
      });
    }
    switch (event.type) {
      case "ADDED":
      case "MODIFIED":
      case "DELETED":
        return { type: event.type, object: this.#fillType(event.object) };
      case "BOOKMARK":
        return { type: "BOOKMARK", resourceVersion: event.object.metadata?.resourceVersion ?? "" };
      default: {
        const status: unknown = event.object;
        throw apiErrorFromStatus(isStatus(status) ? status : { kind: "Status", message: line.slice(0, 200) }, {
          method: "GET",
          path,
        });
      }
    }
  }

  #object(body: JSONValue): Stored<T> {
    return body as unknown as Stored<T>;
  }

  get #apiVersion(): string {
    const { group, version } = this.resource;
    return group === "" ? version : `${group}/${version}`;
  }

  #fillType<O extends T>(object: O): O {
    if (typeof object !== "object" || object === null) return object;
    object.apiVersion ??= this.#apiVersion;
    object.kind ??= this.resource.kind;
    return object;
  }

  #typed(object: KubernetesObject): T {
    return { ...object, apiVersion: this.#apiVersion, kind: this.resource.kind } as T;
  }

  #pathOf(object: KubernetesObject, subresource?: string): string {
    return this.#objectPath(object.metadata?.name ?? "", this.#namespaceOf(object), subresource);
  }

  #namespaceOf(object: KubernetesObject): string | undefined {
    const own = object.metadata?.namespace;
    if (own === undefined) return this.#namespace;
    const what = `${this.resource.kind} ${JSON.stringify(object.metadata?.name ?? "")}`;
    if (!this.resource.namespaced) {
      throw new TypeError(`${what} is cluster-scoped, but its metadata.namespace is ${JSON.stringify(own)}.`);
    }
    if (this.#namespace !== undefined && own !== this.#namespace) {
      throw new TypeError(
        `${what} has namespace ${JSON.stringify(own)}, but is written to ${JSON.stringify(this.#namespace)}.`,
      );
    }
    return own;
  }

  #objectPath(name: string, namespace: string | undefined, subresource?: string): string {
    this.#needNamespace(namespace, name);
    const path = `${this.#collectionPath(namespace)}/${segment("name", name)}`;
    return subresource === undefined ? path : `${path}/${segment("subresource", subresource)}`;
  }

  #needNamespace(namespace: string | undefined, name: string): void {
    if (!this.resource.namespaced || namespace !== undefined) return;
    throw new TypeError(
      `${this.resource.kind} ${JSON.stringify(name)} needs a namespace: give one to ResourceApi or in metadata.`,
    );
  }

  #collectionPath(namespace = this.#namespace): string {
    const { group, version, plural } = this.resource;
    const root = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
    return namespace === undefined
      ? `${root}/${plural}`
      : `${root}/namespaces/${segment("namespace", namespace)}/${plural}`;
  }
}

/** Makes a reader of pages with limited size: of as many objects as requested, or as fit. */
function pageReader<T>(
  list: (options: ListOptions) => Promise<ObjectList<T>>,
  { limit: most = PAGE_LIMIT, maxBytes = PAGE_BYTES }: ListOptions,
): (options: ListOptions) => Promise<ObjectList<T>> {
  let limit = most;
  let tooMany = Infinity;
  return async (options) => {
    while (true) {
      try {
        const { maxBytes: _, ...single } = options;
        const page = await list(limit === 1 ? { ...single, limit } : { ...options, limit, maxBytes });
        // The page size grows again after some that fit: a few large objects must not cause thousands of requests.
        tooMany *= REGROWTH;
        if (limit * 2 < tooMany) limit = Math.min(most, limit * 2);
        return page;
      } catch (error) {
        if (!(error instanceof AnswerTooLarge) || limit === 1) throw error;
        tooMany = limit;
        limit = Math.max(1, Math.floor(limit / SHRINK));
      }
    }
  };
}

/** Refuses names that would change the path, as client-go does (`IsValidPathSegmentName`). */
function segment(what: string, value: string): string {
  if (value === "" || value === "." || value === ".." || /[/%]/.test(value)) {
    throw new TypeError(
      `${JSON.stringify(value)} can't be a ${what}: it must not be empty, "." or "..", nor contain "/" or "%".`,
    );
  }
  return encodeURIComponent(value);
}

function query(parameters: Record<string, string | number | boolean | undefined>): URLSearchParams | undefined {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== "");
  return given.length === 0 ? undefined : new URLSearchParams(given.map(([key, value]) => [key, String(value)]));
}
