/**
 * Applies effects at the API server and hands each response to the caches, so that the next observation includes it.
 */
import {
  type ApiError,
  type EventRecorder,
  isApiError,
  type KubernetesObject,
  type Resource,
  ResourceApi,
  type RestClient,
} from "../../lib/kubernetes/mod.ts";
import type { Effect, EventAbout, Kind, ObjectRef, PeerMessage, PingTarget, WrittenObject } from "../core/effects.ts";

/** Applies effects. Rejects with the reason an effect could not be applied. */
export interface Executor {
  execute(effect: Effect, signal: AbortSignal): Promise<void>;
}

/** The part of a cache that takes responses. */
export interface AnsweredCache {
  observe(object: KubernetesObject): void;
  forget(key: string, uid: string): void;
}

/** A kind of object that effects write. */
export interface KindRow {
  resource: Resource<KubernetesObject>;
  /** Cache of an object of this kind, if there is one. */
  cache?: (namespace: string | undefined, name: string) => AnsweredCache | undefined;
  /**
   * Called when the deletion of an object has begun, instead of removing it from the cache: it still exists for a
   * time.
   */
  ending?: (object: ObjectRef) => void;
  /** Called when a PodDisruptionBudget refuses the eviction of a pod. */
  waits?: (object: ObjectRef, budget: string) => void;
}

export interface ApiExecutorOptions {
  /** Fenced: refuses writes while this operator doesn't hold the Lease. */
  rest: RestClient;
  /** Field manager of the written fields. */
  fieldManager: string;
  /** Finalizer that effects add and remove. */
  finalizer: string;
  kinds: Readonly<Record<Kind, KindRow>>;
  events: Pick<EventRecorder, "event">;
  /** Sends a ping and returns at once. */
  ping: (target: PingTarget) => void;
  /** Sends a message to another operator; absent if none can be reached. */
  send?: (message: PeerMessage, signal: AbortSignal) => Promise<void>;
}

/** The executor of a leading operator. */
export class ApiExecutor implements Executor {
  readonly #options: ApiExecutorOptions;

  constructor(options: ApiExecutorOptions) {
    this.#options = options;
  }

  async execute(effect: Effect, signal: AbortSignal): Promise<void> {
    await this.#carryOut(effect, signal);
    if ("events" in effect) effect.events?.forEach((each) => this.#record(each));
  }

  #carryOut(effect: Effect, signal: AbortSignal): Promise<void> | void {
    if ("apply" in effect) return this.#apply(effect, signal);
    if ("status" in effect) return this.#applyStatus(effect, signal);
    if ("delete" in effect) return this.#delete(effect, signal);
    if ("evict" in effect) return this.#evict(effect, signal);
    if ("create" in effect) return this.#create(effect.create, signal);
    if ("patch" in effect) return this.#patch(effect, signal);
    if ("finalizer" in effect) return this.#finalizer(effect, signal);
    if ("deleteAll" in effect) return this.#deleteAll(effect.deleteAll, signal);
    if ("ping" in effect) return this.#options.ping(effect.ping);
    if ("send" in effect) return this.#send(effect.send, signal);
    return this.#record(effect);
  }

  #api(kind: Kind, namespace?: string): ResourceApi<KubernetesObject> {
    return new ResourceApi(this.#options.rest, this.#options.kinds[kind].resource, namespace);
  }

  #observe(kind: Kind, object: KubernetesObject): void {
    this.#options.kinds[kind].cache?.(object.metadata?.namespace, object.metadata!.name!)?.observe(object);
  }

  #record({ event, about: regarding }: EventAbout): void {
    this.#options.events.event({ regarding, ...event });
  }

  async #apply(
    { apply: object, uid, unforced, ifPresent }: Extract<Effect, { apply: WrittenObject }>,
    signal: AbortSignal,
  ): Promise<void> {
    const kind = object.kind!;
    const options = { fieldManager: this.#options.fieldManager, ...(unforced ? {} : { force: true }), signal };
    const bound = uid === undefined ? object : { ...object, metadata: { ...object.metadata, uid } };
    try {
      this.#observe(kind, await this.#api(kind).apply(bound, options));
    } catch (error) {
      if (!ifPresent || !isOfNone(error)) throw error;
    }
  }

  async #create(object: WrittenObject, signal: AbortSignal): Promise<void> {
    const { fieldManager } = this.#options;
    this.#observe(object.kind!, await this.#api(object.kind!).create(object, { fieldManager, signal }));
  }

  async #patch(
    { patch: { kind, namespace, name, uid }, body, ifPresent }: Extract<Effect, { patch: ObjectRef }>,
    signal: AbortSignal,
  ): Promise<void> {
    const { fieldManager } = this.#options;
    const bound = { ...body, metadata: { uid, ...body.metadata } };
    const written = this.#api(kind, namespace).patch(name, bound, { type: "merge", fieldManager, signal });
    if (ifPresent) await unlessGone(written.then((object) => this.#observe(kind, object)));
    else this.#observe(kind, await written);
  }

  /** Forced, because Keystone owns the whole status. */
  async #applyStatus({ status, of }: Extract<Effect, { status: object }>, signal: AbortSignal): Promise<void> {
    const { fieldManager } = this.#options;
    const apply = (status: object) =>
      this.#api(of.kind).applyStatus({ ...this.#headOf(of), status } as KubernetesObject, {
        fieldManager,
        force: true,
        signal,
      });
    const written = await apply(status).catch((error) => {
      // During an upgrade or a roll-back the custom resources may be older than this operator.
      const unknown = unknownFields(error);
      if (unknown.size === 0) throw error;
      return apply(Object.fromEntries(Object.entries(status).filter(([field]) => !unknown.has(field))));
    });
    this.#observe(of.kind, written);
  }

  async #finalizer(effect: Extract<Effect, { finalizer: string }>, signal: AbortSignal): Promise<void> {
    const { fieldManager, finalizer } = this.#options;
    const { kind, name, uid } = effect.of;
    const api = this.#api(kind);
    if (effect.finalizer === "add") {
      const { metadata, ...head } = this.#headOf(effect.of);
      const object = { ...head, metadata: { ...metadata, finalizers: [finalizer] } };
      return this.#observe(kind, await api.apply(object, { fieldManager, force: true, signal }));
    }
    // Not by apply: that would leave a finalizer that somebody copied into the object.
    const { others, resourceVersion } = effect;
    const body = { metadata: { uid, resourceVersion, finalizers: others } };
    await api.patch(name, body, { type: "merge", fieldManager, signal });
  }

  /** Returns the head of a write. Its UID makes the write fail if the object was deleted or replaced. */
  #headOf({ kind, namespace, name, uid }: ObjectRef) {
    const { group, version } = this.#options.kinds[kind].resource;
    const metadata = { ...(namespace === undefined ? {} : { namespace }), name, uid };
    return { apiVersion: `${group === "" ? "" : `${group}/`}${version}`, kind, metadata };
  }

  async #delete(
    { delete: object, graceSeconds }: Extract<Effect, { delete: ObjectRef }>,
    signal: AbortSignal,
  ): Promise<void> {
    const { kind, namespace, name, uid } = object;
    const grace = graceSeconds === undefined ? {} : { gracePeriodSeconds: graceSeconds };
    const end = () => unlessGone(this.#api(kind, namespace).delete(name, { uid, signal, ...grace }));
    await (kind === "Pod" ? this.#withRoom(object, signal, end) : end());
    const { ending, cache } = this.#options.kinds[kind];
    if (ending) return ending(object);
    cache?.(namespace, name)?.forget(namespace === undefined ? name : `${namespace}/${name}`, uid);
  }

  /** Evicts a pod (policy/v1). A PodDisruptionBudget that forbids it for now is no error: the eviction is retried. */
  async #evict(
    { evict: pod, graceSeconds }: Extract<Effect, { evict: ObjectRef }>,
    signal: AbortSignal,
  ): Promise<void> {
    const { namespace, name, uid } = pod;
    const { rest, fieldManager, kinds } = this.#options;
    try {
      await this.#withRoom(pod, signal, () =>
        unlessGone(rest.performRequest({
          method: "POST",
          path: `/api/v1/namespaces/${namespace}/pods/${name}/eviction`,
          querystring: new URLSearchParams({ fieldManager }),
          bodyJson: {
            apiVersion: "policy/v1",
            kind: "Eviction",
            metadata: { name, namespace },
            deleteOptions: { gracePeriodSeconds: graceSeconds, preconditions: { uid } },
          },
          abortSignal: signal,
        })));
      kinds.Pod.ending?.(pod);
    } catch (error) {
      // 500: several budgets select the pod, which the API server doesn't support.
      const budgets = isApiError(error, 500) && /PodDisruptionBudget/.test(error.message);
      if (!isApiError(error, 429) && !budgets) throw error;
      const budget = isApiError(error) ? budgetIn(error) : undefined;
      if (budget !== undefined) kinds.Pod.waits?.(pod, budget);
    }
  }

  /**
   * Ends a pod. A guest can make a pod so large that the deletion timestamp, which the API server writes even without
   * a grace period, doesn't fit. Then data that nobody needs any more is removed from it first (ADR 0033).
   */
  async #withRoom({ namespace, name, uid }: ObjectRef, signal: AbortSignal, end: () => Promise<void>): Promise<void> {
    const { rest, fieldManager } = this.#options;
    try {
      await end();
    } catch (error) {
      if (!isTooLarge(error)) throw error;
      await unlessGone(rest.performRequest({
        method: "PATCH",
        path: `/api/v1/namespaces/${namespace}/pods/${name}/status`,
        querystring: new URLSearchParams({ fieldManager }),
        contentType: "application/merge-patch+json",
        bodyJson: {
          metadata: { uid, annotations: null },
          status: { conditions: null, initContainerStatuses: null, containerStatuses: null },
        },
        abortSignal: signal,
      }));
      await end();
    }
  }

  /**
   * Deletes each object separately: one that can't be deleted (for example because of its size) doesn't hold up the
   * others.
   */
  async #deleteAll({ kind, namespace }: { kind: Kind; namespace: string }, signal: AbortSignal): Promise<void> {
    const api = this.#api(kind, namespace);
    const failures: unknown[] = [];
    for await (const { items } of api.pages({ signal })) {
      for (const { metadata } of items) {
        if (metadata!.deletionTimestamp) continue;
        await unlessGone(api.delete(metadata!.name!, { uid: metadata!.uid!, signal })).catch((error) => {
          signal.throwIfAborted();
          failures.push(error);
        });
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  async #send(message: PeerMessage, signal: AbortSignal): Promise<void> {
    const { send } = this.#options;
    if (!send) {
      throw new Error(`Can't send a message to ${message.realm}: this operator has no connection to its peers.`);
    }
    await send(message, signal);
  }
}

/** Returns the fields of a status that the API server refuses to apply, because its schema doesn't have them. */
const unknownFields = (error: unknown): Set<string> =>
  new Set(
    isApiError(error) && error.code === 500
      ? [...error.message.matchAll(/\.status\.(\w+): field not declared in schema/g)].map(([, field]) => field!)
      : [],
  );

/** Returns the name of the PodDisruptionBudget that refused an eviction, as the API server's answer gives it. */
function budgetIn({ details }: ApiError): string | undefined {
  const cause = details?.causes?.find(({ reason }) => reason === "DisruptionBudget")?.message ?? "";
  return /^The disruption budget (\S+) /.exec(cause)?.[1];
}

/**
 * Ignores that the object is deleted already. A 409 alone doesn't prove that: the UID may have changed, which the
 * watch reports before the next retry, or somebody refused the deletion.
 */
async function unlessGone(write: Promise<unknown>): Promise<void> {
  try {
    await write;
  } catch (error) {
    if (!isApiError(error, 404)) throw error;
  }
}

/**
 * True if the 409 says that the object doesn't exist. The API server's 409 for an existing object has another
 * message.
 */
const isOfNone = (error: unknown): boolean =>
  isApiError(error, 409) && /no existing object was found/.test(error.message);

/** True if the object is larger than etcd's limit. The API server has no separate code for that. */
const isTooLarge = (error: unknown): boolean => isApiError(error) && /request is too large/.test(error.message);
