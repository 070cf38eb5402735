/** Watches a grant and what is in its guest namespace, as far as the user may. */
import { systemClock } from "../../../lib/clock/mod.ts";
import { Reflector, Store } from "../../../lib/controller/mod.ts";
import {
  isApiError,
  type KubernetesObject,
  type Resource,
  ResourceApi,
  type RestClient,
} from "../../../lib/kubernetes/mod.ts";
import {
  type PersistentVolumeClaim,
  persistentVolumeClaims,
  type Pod,
  pods,
} from "../../../lib/kubernetes_apis/core@v1.ts";
import { type Grant, grants } from "../../api/client/keystone.io@v1alpha1.ts";
import { guestNamespace } from "../../core/names.ts";

/** The parts of a PodDisruptionBudget (policy/v1) that are used here. */
export interface DisruptionBudget extends KubernetesObject {
  spec?: { selector?: { matchLabels?: Record<string, string> } };
  status?: {
    disruptionsAllowed?: number;
    currentHealthy?: number;
    desiredHealthy?: number;
    conditions?: readonly { type: string; reason: string; message: string }[];
  };
}

const budgets: Resource<DisruptionBudget> = {
  group: "policy",
  version: "v1",
  kind: "PodDisruptionBudget",
  plural: "poddisruptionbudgets",
  namespaced: true,
};

/** A grant and the objects in its guest namespace. */
export interface FollowedGrant {
  name: string;
  /** Undefined: the grant is gone. */
  grant: Grant | undefined;
  pods: readonly Pod[];
  budgets: readonly DisruptionBudget[];
  claims: readonly PersistentVolumeClaim[];
  /** True once everything that the user may read has been read. */
  complete: boolean;
  /** Error while the API server can't be reached. */
  lost?: string;
}

/** Holds watches until it is disposed. */
export class GrantWatch implements AsyncDisposable {
  readonly #rest: RestClient;
  readonly #first: Grant;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>[] = [];
  readonly #changed: () => void;
  #grants = wholeStore<Grant>();
  #pods = wholeStore<Pod>();
  #budgets = wholeStore<DisruptionBudget>();
  #claims = wholeStore<PersistentVolumeClaim>();
  #synced = false;
  #unread = 0;
  #lost: string | undefined;

  /**
   * Begins to watch.
   *
   * @param grant the grant, as last read or written
   * @param changed called after each change
   */
  constructor(rest: RestClient, grant: Grant, { withObjects, changed }: { withObjects: boolean; changed: () => void }) {
    this.#rest = rest;
    this.#first = grant;
    this.#changed = changed;
    const { name } = grant.metadata!;
    this.#follow(grants, this.#grants, { fieldSelector: `metadata.name=${name}` }, () => this.#synced = true);
    if (!withObjects) return;
    const namespace = guestNamespace(grant.spec.granteeRealm);
    this.#follow(pods, this.#pods, { namespace });
    this.#follow(budgets, this.#budgets, { namespace });
    this.#follow(persistentVolumeClaims, this.#claims, { namespace });
  }

  /** Returns what is known now. */
  now(): FollowedGrant {
    const { name, uid } = this.#first.metadata!;
    const [found] = this.#grants.list();
    // Until the watch has begun, the version that was written. Later than that one, never an earlier one.
    const grant = this.#synced ? found?.metadata?.uid === uid ? found : undefined : this.#first;
    return {
      name: name!,
      grant,
      pods: this.#pods.list(),
      budgets: this.#budgets.list(),
      claims: this.#claims.list(),
      complete: this.#unread === 0,
      ...(this.#lost === undefined ? {} : { lost: this.#lost }),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }

  #follow<T extends KubernetesObject>(
    resource: Resource<T>,
    store: Store<T, never, T>,
    { namespace, fieldSelector }: { namespace?: string; fieldSelector?: string },
    synced: () => void = () => {},
  ): void {
    this.#unread++;
    const forbidden = new AbortController();
    const signal = AbortSignal.any([this.#stop.signal, forbidden.signal]);
    const reflector = new Reflector({
      api: new ResourceApi(this.#rest, resource, namespace),
      store,
      ...(fieldSelector === undefined ? {} : { selector: { fieldSelector } }),
      clock: systemClock,
      onError: (error: unknown) => {
        // What the user may not read is left out.
        if (resource.plural !== "grants" && (isApiError(error, 403) || isApiError(error, 404))) {
          return forbidden.abort();
        }
        if (resource.plural !== "grants") return;
        this.#lost = error instanceof Error ? error.message : String(error);
        this.#changed();
      },
      onRecover: () => {
        if (resource.plural !== "grants") return;
        this.#lost = undefined;
        this.#changed();
      },
    });
    store.subscribe(() => this.#changed());
    this.#running.push(
      reflector.run(signal),
      reflector.synced(signal).then(() => {
        synced();
      }, () => {}).finally(() => {
        this.#unread--;
        this.#changed();
      }),
    );
  }
}

const wholeStore = <T extends KubernetesObject>(): Store<T, never, T> =>
  new Store<T, never, T>({ project: (object: T) => object });
