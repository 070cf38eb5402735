/** Watches collections into stores. Errors are reported, never waited for. */
import type { Clock } from "../../lib/clock/mod.ts";
import { type PageSize, Reflector, type Selector, type Store } from "../../lib/controller/mod.ts";
import { type KubernetesObject, type Resource, ResourceApi, type RestClient } from "../../lib/kubernetes/mod.ts";
import type { UnreadableObjects } from "./unreadable.ts";

/** Shared options of all reflectors. */
export interface Watching {
  rest: RestClient;
  clock: Clock;
  /** Called with the kind's plural when a collection can't be read at the moment. */
  onError: (kind: string, error: unknown) => void;
  onRecover: (kind: string) => void;
  /** Reports that the API server responds again after an outage. */
  back?: { subscribe(listener: () => void): (() => void) | void };
  /** Counts single objects that can't be read. */
  unreadable: UnreadableObjects;
}

/** Options of one reflector: the part of the collection and its page size. */
export interface Reflecting {
  namespace?: string | undefined;
  selector?: Selector | undefined;
  page?: PageSize;
}

/** A reflector of any collection. */
export type StoreReflector = Pick<Reflector<KubernetesObject, unknown>, "run" | "synced">;

/** Makes a reflector of a collection into a store; the store's unreadable objects are counted while it runs. */
export function reflect<T extends KubernetesObject, P, I extends string>(
  { rest, clock, onError, onRecover, back, unreadable }: Watching,
  resource: Resource<T>,
  store: Store<P, I, T>,
  { namespace, selector, page }: Reflecting = {},
): StoreReflector {
  const reflector = new Reflector({
    api: new ResourceApi(rest, resource, namespace),
    store,
    ...(selector ? { selector } : {}),
    ...(page ? { page } : {}),
    clock,
    onError: (error: unknown) => onError(resource.plural, error),
    onRecover: () => onRecover(resource.plural),
  });
  return {
    synced: (signal) => reflector.synced(signal),
    async run(signal) {
      const forget = unreadable.follow(resource.kind, store);
      const leave = back?.subscribe(() => reflector.retry());
      await reflector.run(signal);
      leave?.();
      forget();
    },
  };
}
