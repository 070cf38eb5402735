/** Records the changes on the API server by its own watches, independently of the operator. */
import {
  ConnectionError,
  isApiError,
  type KubernetesObject,
  type Resource,
  ResourceApi,
  type RestClient,
} from "../../lib/kubernetes/mod.ts";
import { pods } from "../../lib/kubernetes_apis/core@v1.ts";
import { eventually } from "../fixtures/test_operator.ts";
import { written } from "../fixtures/written.ts";

/** The kinds that an operator writes, and the pods that it ends. */
export const witnessed: readonly Resource<KubernetesObject>[] = [...written, pods];

/** One change of one object. */
export interface RecordedFact {
  /** `resourcequotas`. */
  resource: string;
  type: "ADDED" | "MODIFIED" | "DELETED";
  object: KubernetesObject;
  /** Epoch milliseconds. */
  at: number;
}

export class Recorder implements AsyncDisposable {
  readonly #end = new AbortController();
  readonly #watching: Promise<void>[];
  readonly #ready: Promise<void>[] = [];
  readonly #objects = new Map<string, KubernetesObject>();
  readonly #sightings: RecordedFact[] = [];
  /** The reason why it may have missed a change. */
  #blind: unknown;

  constructor(rest: RestClient) {
    this.#watching = witnessed.map(async (resource) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#ready.push(promise);
      await this.#watch(rest, resource, resolve).catch((error) => this.#blind = error);
      resolve();
    });
  }

  /** Resolves when all watches are open. */
  async ready(): Promise<void> {
    await Promise.all(this.#ready);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await Promise.all(this.#watching);
  }

  /** Returns an object in its last seen state; undefined if there is none. */
  get<T extends KubernetesObject>(resource: Resource<T>, name: string, namespace?: string): T | undefined {
    return this.#objects.get(keyOf(resource.plural, namespace, name)) as T | undefined;
  }

  /** Returns all changes of a plan's objects, in the order in which the API server committed them. */
  sightingsOf(mark: string): RecordedFact[] {
    if (this.#blind !== undefined) throw this.#blind;
    // Names and namespaces contain the mark. Resource versions order all writes to one etcd, across kinds.
    return this.#sightings.filter(({ object: { metadata } }) =>
      `${metadata!.namespace}/${metadata!.name}`.includes(mark)
    )
      .sort((a, b) => Number(a.object.metadata!.resourceVersion) - Number(b.object.metadata!.resourceVersion));
  }

  /** Discards the changes recorded so far. */
  forget(): void {
    this.#sightings.length = 0;
  }

  /** Reports whether it has seen an object in this version. */
  knows(resource: Resource<KubernetesObject>, { metadata }: KubernetesObject): boolean {
    const seen = this.#objects.get(keyOf(resource.plural, metadata!.namespace, metadata!.name!));
    return seen !== undefined && seen.metadata!.resourceVersion === metadata!.resourceVersion;
  }

  async #watch(rest: RestClient, resource: Resource<KubernetesObject>, ready: () => void): Promise<void> {
    const api = new ResourceApi(rest, resource);
    // Requests for a kind that was just installed get a 429 for a moment.
    const { metadata, items } = await eventually(`${resource.plural} are served`, async () => {
      return await api.list().catch((error) => isApiError(error, 429) ? error.message : Promise.reject(error));
    });
    let { resourceVersion } = metadata;
    for (const object of items) this.#objects.set(keyOfObject(resource, object), object);
    const { signal } = this.#end;
    while (!signal.aborted) {
      try {
        for await (const event of api.watch({ resourceVersion, signal, onOpen: ready })) {
          if (event.type === "BOOKMARK") {
            resourceVersion = event.resourceVersion;
            continue;
          }
          const { type, object } = event;
          resourceVersion = object.metadata.resourceVersion!;
          this.#see(resource, type, object);
        }
      } catch (error) {
        if (signal.aborted) return;
        // An API server that was killed reports after its restart that earlier versions are unknown to it.
        if (!isApiError(error) && !(error instanceof ConnectionError)) throw error;
        resourceVersion = await this.#lookAnew(api, resource);
      }
    }
  }

  #see(resource: Resource<KubernetesObject>, type: RecordedFact["type"], object: KubernetesObject): void {
    const key = keyOfObject(resource, object);
    if (type === "DELETED") this.#objects.delete(key);
    else this.#objects.set(key, object);
    this.#sightings.push({ resource: resource.plural, type, object, at: Date.now() });
  }

  /** Lists all objects, and records differences from its state as changes; returns the version from which to watch. */
  async #lookAnew(api: ResourceApi<KubernetesObject>, resource: Resource<KubernetesObject>): Promise<string> {
    const { metadata: { resourceVersion }, items } = await eventually(`${resource.plural} are listed again`, () => {
      return api.list({ signal: this.#end.signal }).catch(String);
    }, 60_000);
    for (const object of items) {
      if (!this.knows(resource, object)) {
        this.#see(resource, this.#objects.has(keyOfObject(resource, object)) ? "MODIFIED" : "ADDED", object);
      }
    }
    const there = new Set(items.map((object) => keyOfObject(resource, object)));
    for (const [key, object] of this.#objects) {
      if (!key.startsWith(`${resource.plural}/`) || there.has(key)) continue;
      this.#see(resource, "DELETED", { ...object, metadata: { ...object.metadata, resourceVersion } });
    }
    return resourceVersion;
  }
}

const keyOf = (plural: string, namespace: string | undefined, name: string): string =>
  `${plural}/${namespace ?? ""}/${name}`;

const keyOfObject = ({ plural }: Resource<KubernetesObject>, { metadata }: KubernetesObject): string =>
  keyOf(plural, metadata!.namespace, metadata!.name!);
