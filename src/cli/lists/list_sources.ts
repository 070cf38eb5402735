/** Collections that a list is made of: read once, or followed by watches as informers do. */
import { Reflector, type Selector, Store } from "../../../lib/controller/mod.ts";
import { systemClock } from "../../../lib/clock/mod.ts";
import {
  isApiError,
  type KubernetesObject,
  type Resource,
  ResourceApi,
  type RestClient,
  type Stored,
} from "../../../lib/kubernetes/mod.ts";

/** A collection, or a part of it. */
export interface ListSource<T extends KubernetesObject> {
  resource: Resource<T>;
  namespace?: string;
  selector?: Selector;
  /** True if the list is useful without it: a user who may not read it gets the rest. */
  optional?: boolean;
}

// deno-lint-ignore no-explicit-any
export type ListSources = Readonly<Record<string, ListSource<any>>>;

/** The objects of each source; undefined: it may not be read, or doesn't exist. */
export type SourceObjects<S extends ListSources> = {
  readonly [K in keyof S]: (S[K] extends ListSource<infer T> ? readonly T[] : never) | undefined;
};

/** Reads all sources once. */
export async function readSources<S extends ListSources>(rest: RestClient, sources: S): Promise<SourceObjects<S>> {
  const read = async ({ resource, namespace, selector, optional }: ListSource<KubernetesObject>) => {
    try {
      return await new ResourceApi(rest, resource, namespace).all(selector);
    } catch (error) {
      if (optional && isUnreadable(error)) return undefined;
      throw error;
    }
  };
  const entries = Object.entries(sources).map(async ([name, source]) => [name, await read(source)] as const);
  return Object.fromEntries(await Promise.all(entries)) as SourceObjects<S>;
}

const isUnreadable = (error: unknown): boolean => isApiError(error, 403) || isApiError(error, 404);

/** Notifications of {@linkcode followSources}. */
export interface SourcesListener<S extends ListSources> {
  /** Called once with everything, and then after changes; several at a time count as one. */
  onChange: (objects: SourceObjects<S>) => void;
  /** Called when a watch fails; it is tried again until it succeeds. */
  onError: (resource: string, error: unknown) => void;
  onRecover: (resource: string) => void;
}

/** Time in which changes are collected: one write by the operator is often followed by others. */
const collectMs = 50;

/**
 * Follows the sources until the signal aborts. Sources that could not be read before are left out.
 *
 * Rejects if the user may no longer read one of them.
 */
export async function followSources<S extends ListSources>(
  rest: RestClient,
  sources: S,
  read: SourceObjects<S>,
  { onChange, onError, onRecover }: SourcesListener<S>,
  signal: AbortSignal,
): Promise<void> {
  const stop = new AbortController();
  const stopped = AbortSignal.any([signal, stop.signal]);
  const stores = new Map<string, Store<Stored<KubernetesObject>>>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const changed = () => {
    timer ??= setTimeout(() => {
      timer = undefined;
      const objects = [...stores].map(([name, store]) => [name, store.list()]);
      onChange({ ...read, ...Object.fromEntries(objects) } as SourceObjects<S>);
    }, collectMs);
  };
  const reflectors = Object.entries(sources).filter(([name]) => read[name] !== undefined).map(([name, source]) => {
    const { resource, namespace, selector } = source as ListSource<Stored<KubernetesObject>>;
    const store = new Store<Stored<KubernetesObject>, never, Stored<KubernetesObject>>({ project: (object) => object });
    stores.set(name, store);
    return new Reflector({
      api: new ResourceApi(rest, resource, namespace),
      store,
      ...(selector ? { selector } : {}),
      clock: systemClock,
      onError: (error) => {
        if (isApiError(error, 401) || isApiError(error, 403)) stop.abort(error);
        else onError(resource.plural, error);
      },
      onRecover: () => onRecover(resource.plural),
    });
  });
  const running = reflectors.map((reflector) => reflector.run(stopped));
  try {
    await Promise.all(reflectors.map((reflector) => reflector.synced(stopped)));
    for (const store of stores.values()) store.subscribe(changed);
    changed();
    await Promise.all(running);
  } catch (error) {
    if (!stopped.aborted) throw error;
  } finally {
    clearTimeout(timer);
    stop.abort(new Error("The list is complete."));
    await Promise.all(running);
  }
  if (!signal.aborted) throw stop.signal.reason;
}
