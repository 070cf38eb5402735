/** Sees from outside, with watches of its own, when something holds. */
import { systemClock } from "../lib/clock/mod.ts";
import { Reflector, Store } from "../lib/controller/mod.ts";
import { type KubernetesObject, type Resource, ResourceApi, type RestClient } from "../lib/kubernetes/mod.ts";
import { type ResourceQuota, resourceQuotas } from "../lib/kubernetes_apis/core@v1.ts";
import { type Grant, grants } from "../lib/kubernetes_apis/keystone.io@v1alpha1.ts";
import { networkPolicies, type NetworkPolicy } from "../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import { guestNamespace } from "../src/core/names.ts";

const zero = (hard: Record<string, string | number> | undefined): boolean =>
  hard !== undefined && Object.values(hard).every((value) => String(value) === "0");

/** Watches grants, quotas and policies; each question resolves with the moment, by `performance.now()`. */
export class Witness implements AsyncDisposable {
  readonly #stop = new AbortController();
  readonly #running: Promise<void>[] = [];
  readonly #grants = new Store({ project: ({ status }: Grant) => status?.phase });
  readonly #quotas = new Store({ project: ({ status }: ResourceQuota) => status?.hard });
  readonly #policies = new Store({ project: (_: NetworkPolicy) => true });
  readonly #waiting = new Map<string, (() => void)[]>();

  static async watch(rest: RestClient): Promise<Witness> {
    const witness = new Witness();
    await Promise.all([
      witness.#observe(rest, grants, witness.#grants, (key) => key),
      witness.#observe(rest, resourceQuotas, witness.#quotas, (key) => key.split("/")[0]!),
      witness.#observe(rest, networkPolicies, witness.#policies, (key) => key.split("/")[0]!),
    ]);
    return witness;
  }

  /** When the grant is Active, its quota's status set and the default deny there. */
  enforced(grant: string, to: string): Promise<number> {
    const namespace = guestNamespace(to);
    return this.#when(
      [grant, namespace],
      () =>
        this.#grants.get(grant) === "Active" && this.#quotas.get(`${namespace}/keystone`) !== undefined &&
        this.#policies.get(`${namespace}/default-deny`) === true,
    );
  }

  /** When the quota of a realm whose last grant has ended is at zero. */
  closed(realm: string): Promise<number> {
    const namespace = guestNamespace(realm);
    return this.#when([namespace], () => zero(this.#quotas.get(`${namespace}/keystone`)));
  }

  #when(keys: string[], holds: () => boolean): Promise<number> {
    return new Promise((resolve) => {
      let done = false;
      const look = () => {
        if (done || !holds()) return;
        done = true;
        resolve(performance.now());
      };
      for (const key of keys) this.#waiting.set(key, [...this.#waiting.get(key) ?? [], look]);
      look();
    });
  }

  #observe<T extends KubernetesObject, P>(
    rest: RestClient,
    resource: Resource<T>,
    store: Store<P, never, T>,
    concerns: (key: string) => string,
  ): Promise<void> {
    store.subscribe(({ key }) => {
      for (const look of this.#waiting.get(concerns(key)) ?? []) look();
    });
    const reflector = new Reflector({ api: new ResourceApi(rest, resource), store, clock: systemClock });
    this.#running.push(reflector.run(this.#stop.signal));
    return reflector.synced(this.#stop.signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }
}
