/** Pods of guest namespaces, watched only while some of them must be evicted. */
import { type Identity, Store } from "../../lib/controller/mod.ts";
import { type Pod, pods } from "../../lib/kubernetes_apis/core@v1.ts";
import type { PodFacts } from "../core/facts.ts";
import { podUsage } from "../core/guest/pod_usage.ts";
import { reflect, type Watching } from "./watching.ts";

interface Watch {
  store: Store<PodFacts, never, Pod>;
  stop: AbortController;
  synced: boolean;
  /** UIDs of pods that the API server has agreed to end; the watch may not have reported them yet. */
  ending: Set<string>;
  /** PodDisruptionBudgets that refused the last eviction, by the pod's UID. */
  budgets: Map<string, string>;
  /** Error if they can't be watched at the moment. */
  error?: unknown;
}

/** Small pages: a pod may be as large as an object can be, and no quota limits the number of finished pods. */
const page = { limit: 20, maxBytes: 2 ** 20 };

/** Holds one watch for each namespace that is being drained. */
export class PodWatches {
  readonly #watching: Omit<Watching, "onError" | "onRecover">;
  readonly #signal: AbortSignal;
  readonly #onError: (error: unknown) => void;
  readonly #onChange: (namespace: string) => void;
  readonly #watches = new Map<string, Watch>();
  readonly #running = new Set<Promise<void>>();

  /** Ends all watches when the signal aborts. */
  constructor(
    { signal, onError, onChange, ...watching }: Omit<Watching, "onError" | "onRecover"> & {
      signal: AbortSignal;
      onError: (error: unknown) => void;
      /** Called on each change, including the first list. */
      onChange: (namespace: string) => void;
    },
  ) {
    this.#watching = watching;
    this.#signal = signal;
    this.#onError = onError;
    this.#onChange = onChange;
  }

  /** Returns the pods of a namespace; undefined while they aren't watched or haven't been listed yet. */
  get(namespace: string): PodFacts[] | undefined {
    const watch = this.#watches.get(namespace);
    if (!watch?.synced) return undefined;
    return watch.store.list().map((pod) => {
      const budget = watch.budgets.get(pod.uid);
      if (watch.ending.has(pod.uid)) return { ...pod, terminating: true };
      return budget === undefined || pod.terminating ? pod : { ...pod, budget };
    });
  }

  /** Notes that the API server has agreed to end a pod: from now on it counts as terminating. */
  ending(namespace: string, uid: string): void {
    this.#watches.get(namespace)?.ending.add(uid);
  }

  /** Notes that a PodDisruptionBudget refuses the eviction of a pod. The next plan sees it. */
  waits(namespace: string, uid: string, budget: string): void {
    this.#watches.get(namespace)?.budgets.set(uid, budget);
  }

  /** Returns the namespaces whose pods are known. */
  watched(): { namespace: string; pods: PodFacts[] }[] {
    return [...this.#watches].flatMap(([namespace, { synced, store }]) =>
      synced ? [{ namespace, pods: store.list() }] : []
    );
  }

  /** Returns the error if the pods of a namespace can't be watched at the moment. */
  errorOf(namespace: string): unknown {
    return this.#watches.get(namespace)?.error;
  }

  /** Starts or stops watching the pods of a namespace. */
  want(namespace: string, wanted: boolean): void {
    const present = this.#watches.get(namespace);
    if (!wanted) {
      present?.stop.abort();
      this.#watches.delete(namespace);
      return;
    }
    if (present || this.#signal.aborted) return;
    const stop = new AbortController();
    const watch: Watch = { store: createPodStore(), stop, synced: false, ending: new Set(), budgets: new Map() };
    this.#watches.set(namespace, watch);
    const running = this.#run(namespace, watch, AbortSignal.any([this.#signal, stop.signal]));
    this.#running.add(running);
    running.finally(() => this.#running.delete(running));
  }

  /** Resolves once all watches have ended, after the signal. */
  async ended(): Promise<void> {
    await Promise.all(this.#running);
  }

  async #run(namespace: string, watch: Watch, signal: AbortSignal): Promise<void> {
    const watching: Watching = {
      ...this.#watching,
      onError: (_, error) => {
        watch.error = error;
        this.#onError(error);
        this.#onChange(namespace);
      },
      onRecover: () => {
        delete watch.error;
        this.#onChange(namespace);
      },
    };
    const reflector = reflect(watching, pods, watch.store, {
      namespace,
      page,
    });
    watch.store.subscribe(() => {
      if (watch.synced) this.#onChange(namespace);
    });
    const synced = reflector.synced(signal).then(() => {
      watch.synced = true;
      this.#onChange(namespace);
    }, () => {});
    await reflector.run(signal);
    await synced;
  }
}

/** Makes a store of pods for drains; an unreadable pod is evicted before all others. */
export const createPodStore = () => new Store({ project: podFacts, standIn: unreadablePod });

function podFacts({ metadata, spec, status }: Pod): PodFacts {
  const finished = status?.phase === "Succeeded" || status?.phase === "Failed";
  return {
    namespace: metadata!.namespace!,
    name: metadata!.name!,
    uid: metadata!.uid!,
    createdAt: Date.parse(metadata!.creationTimestamp ?? ""),
    priority: spec?.priority ?? 0,
    // A finished pod uses nothing.
    usage: finished ? new Map() : podUsage(spec ?? { containers: [] }),
    finished,
    terminating: Boolean(metadata!.deletionTimestamp),
    graceSeconds: metadata!.deletionGracePeriodSeconds ?? spec?.terminationGracePeriodSeconds ?? 30,
    finalizers: metadata!.finalizers ?? [],
  };
}

const unreadablePod = ({ namespace, name, uid, terminating }: Identity): PodFacts => ({
  namespace: namespace ?? "",
  name,
  uid,
  createdAt: 0,
  priority: 0,
  usage: new Map(),
  unreadable: true,
  finished: false,
  terminating,
  graceSeconds: 30,
  finalizers: [],
});
