/** The cluster's objects, read once, as the operator's own stores project them. */
import {
  isApiError,
  type KubernetesObject,
  type Resource,
  ResourceApi,
  type RestClient,
} from "../../lib/kubernetes/mod.ts";
import { namespaces, nodes, resourceQuotas, serviceAccounts } from "../../lib/kubernetes_apis/core@v1.ts";
import { endpointSlices } from "../../lib/kubernetes_apis/discovery.k8s.io@v1.ts";
import { grants, realms, superEntities } from "../api/client/keystone.io@v1alpha1.ts";
import { networkPolicies, serviceCIDRs } from "../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import { storageClasses } from "../../lib/kubernetes_apis/storage.k8s.io@v1.ts";
import type { Store } from "../../lib/controller/mod.ts";
import type { Settings } from "../api/mod.ts";
import { addressesOfSlice, classSource, createNodeStore } from "../controllers/cluster_watch.ts";
import { podWithAddress, readPodAddresses, readPools } from "../controllers/pod_ranges.ts";
import { createStores, type Stores } from "../controllers/stores.ts";
import { clusterFacts, type ClusterSources } from "../core/guest/cluster_facts.ts";
import type { ClusterFacts } from "../core/facts.ts";
import { RangeIndex } from "../core/network/range_index.ts";
import { singles } from "../core/guest/objects/table.ts";
import { managedBy, managedByLabel, systemNamespace } from "../core/names.ts";

/** Reads into stores only what a command needs. */
export class Observed {
  readonly stores: Stores = createStores();
  /** Resources of the whole cluster that the user may not read. */
  readonly forbidden: string[] = [];
  readonly #rest: RestClient;

  constructor(rest: RestClient) {
    this.#rest = rest;
  }

  /** Reads all Grants and Realms, and the SuperEntities if the user may read them. */
  async terms(): Promise<this> {
    await Promise.all([
      this.#into(grants, this.stores.grants),
      this.#into(realms, this.stores.realms),
      this.#into(superEntities, this.stores.superEntities).catch((error) => {
        if (!isApiError(error, 403) && !isApiError(error, 404)) throw error;
      }),
    ]);
    return this;
  }

  /** Reads all SuperEntities, or none if the user may not read them. */
  async collectives(): Promise<this> {
    await this.#into(superEntities, this.stores.superEntities).catch((error) => {
      if (!isApiError(error, 403) && !isApiError(error, 404)) throw error;
    });
    return this;
  }

  /** Reads the quotas of all guest namespaces, or of one. */
  async quotas(namespace?: string): Promise<this> {
    await this.#into(resourceQuotas, this.stores.quotas, { namespace, fieldSelector: "metadata.name=keystone" });
    return this;
  }

  /** Reads all objects that the operator reads in one guest namespace. */
  async guest(namespace: string): Promise<this> {
    const { stores } = this;
    const named = (name: string) => ({ namespace, fieldSelector: `metadata.name=${name}` });
    await Promise.all([
      this.#into(namespaces, stores.namespaces, { fieldSelector: `metadata.name=${namespace}` }),
      ...singles.map(([, { resource, cache, name }]) =>
        this.#into(resource as Resource<KubernetesObject>, stores[cache] as unknown as Store<unknown>, named(name))
      ),
      this.#into(serviceAccounts, stores.identities, { namespace: systemNamespace }),
      this.#into(networkPolicies, stores.policies, { namespace, labelSelector: `${managedByLabel}=${managedBy}` }),
    ]);
    return this;
  }

  /** Reads the cluster's ranges and storage classes, as far as the user may. */
  async cluster(settings: Settings): Promise<ClusterFacts> {
    const unread = { nodes: false, services: false, api: false, classes: false, pods: false };
    const signal = AbortSignal.timeout(15_000);
    const read = async <T extends KubernetesObject>(
      name: keyof typeof unread,
      resource: Resource<T>,
      namespace?: string,
      labelSelector?: string,
    ): Promise<T[]> => {
      try {
        return await new ResourceApi(this.#rest, resource, namespace).all(labelSelector ? { labelSelector } : {});
      } catch (error) {
        if (isApiError(error, 403)) this.forbidden.push(resource.plural);
        unread[name] = true;
        return [];
      }
    };
    const [allNodes, services, api, classes, pools, addresses] = await Promise.all([
      read("nodes", nodes),
      read("services", serviceCIDRs),
      read("api", endpointSlices, "default", "kubernetes.io/service-name=kubernetes"),
      read("classes", storageClasses),
      readPools(this.#rest, signal).catch(() => []),
      readPodAddresses(this.#rest, signal).catch((error) => {
        if (isApiError(error, 403)) this.forbidden.push("pods");
        unread.pods = true;
        return [];
      }),
    ]);
    const nodeStore = createNodeStore();
    for (const node of allNodes) nodeStore.observe(node);
    const sources: ClusterSources = {
      nodes: nodeStore.list(),
      services: services.flatMap(({ spec }) => spec?.cidrs ?? []),
      api: api.flatMap(addressesOfSlice),
      classes: classes.map(classSource),
      pools,
      unread,
    };
    const known = new RangeIndex(clusterFacts(sources, settings).ranges);
    const outside = addresses.filter((address) => !known.has(address)).sort().slice(0, 20);
    const pods = await Promise.all(outside.map(async (address) => {
      const pod = await podWithAddress(this.#rest, address, signal).catch(() => undefined);
      return { address, ...(pod === undefined ? {} : { pod }) };
    }));
    return clusterFacts({ ...sources, pods }, settings);
  }

  async #into<T extends KubernetesObject, P, I extends string>(
    resource: Resource<T>,
    store: Store<P, I, T>,
    { namespace, ...selector }: { namespace?: string | undefined; fieldSelector?: string; labelSelector?: string } = {},
  ): Promise<void> {
    for (const object of await new ResourceApi(this.#rest, resource, namespace).all(selector)) store.observe(object);
  }
}
