/** Pods of guest namespaces, watched only while some of them have to go. */
import type { Clock } from "../../lib/clock/mod.ts";
import { Reflector, Store } from "../../lib/controller/mod.ts";
import { ResourceApi, type RestClient } from "../../lib/kubernetes/mod.ts";
import { type Pod, pods } from "../../lib/kubernetes_apis/core@v1.ts";
import type { PodFacts } from "../core/facts.ts";
import { podUsage } from "../core/guest/pod_usage.ts";

interface Watch {
  store: Store<PodFacts, never, Pod>;
  stop: AbortController;
  synced: boolean;
  /** UIDs of those that the API server has agreed to end, which the watch may not have told yet. */
  ending: Set<string>;
  /** Why they can't be watched at the moment. */
  error?: unknown;
}

/** One watch for each namespace that is being drained. */
export class PodWatches {
  readonly #rest: RestClient;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #onError: (error: unknown) => void;
  readonly #onChange: (namespace: string) => void;
  readonly #watches = new Map<string, Watch>();
  readonly #running = new Set<Promise<void>>();

  /** All watches end with the signal. */
  constructor(
    { rest, clock, signal, onError, onChange }: {
      rest: RestClient;
      clock: Clock;
      signal: AbortSignal;
      onError: (error: unknown) => void;
      /** Told of each change, the first list included. */
      onChange: (namespace: string) => void;
    },
  ) {
    this.#rest = rest;
    this.#clock = clock;
    this.#signal = signal;
    this.#onError = onError;
    this.#onChange = onChange;
  }

  /** The pods of a namespace; undefined while they aren't watched, or haven't been listed yet. */
  get(namespace: string): PodFacts[] | undefined {
    const watch = this.#watches.get(namespace);
    if (!watch?.synced) return undefined;
    return watch.store.list().map((pod) => watch.ending.has(pod.uid) ? { ...pod, terminating: true } : pod);
  }

  /** Tells that the API server has agreed to end a pod: from now on it counts as terminating. */
  ending(namespace: string, uid: string): void {
    this.#watches.get(namespace)?.ending.add(uid);
  }

  /** The namespaces whose pods are known. */
  watched(): { namespace: string; pods: PodFacts[] }[] {
    return [...this.#watches].flatMap(([namespace, { synced, store }]) =>
      synced ? [{ namespace, pods: store.list() }] : []
    );
  }

  /** Why the pods of a namespace can't be watched at the moment; undefined while they are, or needn't be. */
  errorOf(namespace: string): unknown {
    return this.#watches.get(namespace)?.error;
  }

  /** Begins or ends to watch the pods of a namespace. */
  want(namespace: string, wanted: boolean): void {
    const present = this.#watches.get(namespace);
    if (!wanted) {
      present?.stop.abort();
      this.#watches.delete(namespace);
      return;
    }
    if (present || this.#signal.aborted) return;
    const stop = new AbortController();
    const watch: Watch = { store: new Store({ project: podFacts }), stop, synced: false, ending: new Set() };
    this.#watches.set(namespace, watch);
    const running = this.#run(namespace, watch, AbortSignal.any([this.#signal, stop.signal]));
    this.#running.add(running);
    running.finally(() => this.#running.delete(running));
  }

  /** Resolves when all watches have ended, after the signal. */
  async ended(): Promise<void> {
    await Promise.all(this.#running);
  }

  async #run(namespace: string, watch: Watch, signal: AbortSignal): Promise<void> {
    const api = new ResourceApi(this.#rest, pods, namespace);
    const reflector = new Reflector({
      api,
      store: watch.store,
      clock: this.#clock,
      onError: (error) => {
        watch.error = error;
        this.#onError(error);
        this.#onChange(namespace);
      },
      onRecover: () => {
        delete watch.error;
        this.#onChange(namespace);
      },
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

function podFacts({ metadata, spec, status }: Pod): PodFacts {
  return {
    namespace: metadata!.namespace!,
    name: metadata!.name!,
    uid: metadata!.uid!,
    createdAt: Date.parse(metadata!.creationTimestamp ?? ""),
    priority: spec?.priority ?? 0,
    usage: podUsage(spec ?? { containers: [] }),
    finished: status?.phase === "Succeeded" || status?.phase === "Failed",
    terminating: metadata!.deletionTimestamp !== undefined,
    graceSeconds: metadata!.deletionGracePeriodSeconds ?? spec?.terminationGracePeriodSeconds ?? 30,
    finalizers: metadata!.finalizers ?? [],
  };
}
