/** How the operator watches: each collection into its store, and what goes wrong is told, never waited for. */
import type { Clock } from "../../lib/clock/mod.ts";
import { type PageSize, Reflector, type Selector, type Store } from "../../lib/controller/mod.ts";
import { type KubernetesObject, type Resource, ResourceApi, type RestClient } from "../../lib/kubernetes/mod.ts";
import type { UnreadableObjects } from "./unreadable.ts";

/** What all reflectors are made with. */
export interface Watching {
  rest: RestClient;
  clock: Clock;
  /** Told, by the kind's plural, of a collection that can't be read at the moment. */
  onError: (kind: string, error: unknown) => void;
  onRecover: (kind: string) => void;
  /** Keeps count of single objects that can't be read. */
  unreadable: UnreadableObjects;
}

/** Which part of a collection, and how it is read. */
export interface Reflecting {
  namespace?: string | undefined;
  selector?: Selector | undefined;
  page?: PageSize;
}

/** A reflector, whatever it reflects. */
export type StoreReflector = Pick<Reflector<KubernetesObject, unknown>, "run" | "synced">;

/** A reflector of a collection into a store whose unreadable objects are counted as long as it runs. */
export function reflect<T extends KubernetesObject, P, I extends string>(
  { rest, clock, onError, onRecover, unreadable }: Watching,
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
      await reflector.run(signal);
      forget();
    },
  };
}
