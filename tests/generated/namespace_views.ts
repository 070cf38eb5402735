/** The content of all namespaces, kept current by watches, with the time of the last change of each. */
import { ConnectionError, isApiError, ResourceApi, type RestClient } from "../../lib/kubernetes/mod.ts";
import { type ComparedKind, comparedKinds, controllerUid, type WatchedObject } from "./live_object.ts";

/** Reasons of events about objects that a controller can't create: pods and claims, or a Deployment's ReplicaSet. */
const failures = ["FailedCreate", "ReplicaSetCreateError"];

/** A controller's failure to create an object. */
export interface SeenRefusal {
  reason: string;
  /** Time of its last repetition, by `performance.now()`. */
  at: number;
  message: string;
}

/** The content of one namespace. */
export class NamespaceView {
  readonly objects = new Map<ComparedKind, Map<string, WatchedObject>>();
  /** Failures by the uid of the object that has them. */
  readonly refusals = new Map<string, SeenRefusal>();
  /** Time of the last change of an object except events and the status of autoscalers, by `performance.now()`. */
  changedAt = performance.now();
  /** True once the pods of Jobs may succeed; until then they run on. */
  finishing = false;
  #wake: (() => void)[] = [];

  /** Returns the objects of a kind, not those that are being deleted in the background. */
  of(kind: ComparedKind): WatchedObject[] {
    return [...this.objects.get(kind)?.values() ?? []];
  }

  named(kind: ComparedKind, name: string): WatchedObject | undefined {
    return this.of(kind).find(({ metadata }) => metadata.name === name);
  }

  /** Returns the objects of a kind that the object with this uid controls. */
  ownedBy(kind: ComparedKind, uid: string): WatchedObject[] {
    return this.of(kind).filter((object) => controllerUid(object) === uid);
  }

  /** Notes a change: what waits for one goes on. */
  wake(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }

  /** Resolves at the next event, or after this time. */
  next(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, withinMs);
      this.#wake.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}

export type ViewListener = (kind: ComparedKind, type: "ADDED" | "MODIFIED" | "DELETED", object: WatchedObject) => void;

const watchedKinds = (Object.keys(comparedKinds) as ComparedKind[]).filter((kind) =>
  kind !== "Service" && kind !== "LimitRange"
);

/** The content of all namespaces. */
export class NamespaceViews implements AsyncDisposable {
  readonly #views = new Map<string, NamespaceView>();
  readonly #listeners: ViewListener[] = [];
  readonly #stop = new AbortController();
  #running: Promise<void>[] = [];

  /** Starts the watches, and returns when each has listed its kind. */
  async start(rest: RestClient): Promise<void> {
    await Promise.all(watchedKinds.map((kind) =>
      new Promise<void>((resolve, reject) => {
        this.#running.push(this.#watch(rest, kind, resolve).catch(reject));
      })
    ));
  }

  /** Calls the listener at each later event. */
  onEvent(listener: ViewListener): void {
    this.#listeners.push(listener);
  }

  view(namespace: string): NamespaceView {
    let view = this.#views.get(namespace);
    if (view === undefined) this.#views.set(namespace, view = new NamespaceView());
    return view;
  }

  async #watch(rest: RestClient, kind: ComparedKind, listed: () => void): Promise<void> {
    const api = new ResourceApi(rest, comparedKinds[kind]);
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        const { metadata, items } = await api.list({ signal });
        for (const item of items) this.#observe(kind, "ADDED", item as WatchedObject);
        listed();
        let { resourceVersion } = metadata;
        while (true) {
          for await (const event of api.watch({ resourceVersion, signal })) {
            if (event.type === "BOOKMARK") {
              resourceVersion = event.resourceVersion;
              continue;
            }
            resourceVersion = event.object.metadata.resourceVersion!;
            this.#observe(kind, event.type, event.object as WatchedObject);
          }
        }
      } catch (error) {
        if (signal.aborted) return;
        if (!isApiError(error, 410) && !(error instanceof ConnectionError)) throw error;
        // Deletions between the two lists would be missed, so everything is listed from the start.
        for (const view of this.#views.values()) view.objects.delete(kind);
      }
    }
  }

  #observe(kind: ComparedKind, type: "ADDED" | "MODIFIED" | "DELETED", object: WatchedObject): void {
    const view = this.view(object.metadata.namespace ?? "");
    if (kind === "Event") {
      const reason = String(object["reason"]);
      if (type !== "DELETED" && failures.includes(reason)) {
        const { uid } = object["involvedObject"];
        view.refusals.set(uid, { reason, at: performance.now(), message: String(object["message"]) });
        view.wake();
      }
      return;
    }
    let objects = view.objects.get(kind);
    if (objects === undefined) view.objects.set(kind, objects = new Map());
    if (type === "DELETED") objects.delete(object.metadata.uid);
    else objects.set(object.metadata.uid, object);
    if (kind !== "HorizontalPodAutoscaler") view.changedAt = performance.now();
    for (const listener of this.#listeners) listener(kind, type, object);
    view.wake();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }
}
