/** Watches cluster-wide facts: nodes, ranges of pods, service ranges, the API server's addresses and storage classes. */
import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../../lib/clock/mod.ts";
import { type Identity, Store } from "../../lib/controller/mod.ts";
import type { KubernetesObject, Resource } from "../../lib/kubernetes/mod.ts";
import { type Node, nodes } from "../../lib/kubernetes_apis/core@v1.ts";
import { type EndpointSlice, endpointSlices } from "../../lib/kubernetes_apis/discovery.k8s.io@v1.ts";
import { type ServiceCIDR, serviceCIDRs } from "../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import { type StorageClass, storageClasses } from "../../lib/kubernetes_apis/storage.k8s.io@v1.ts";
import { isQuantity, parseQuantity, type Quantity } from "../../lib/quantity/mod.ts";
import type { Settings } from "../api/mod.ts";
import { parseAddress, parseRange } from "../core/address.ts";
import type { NodeState } from "../core/admission/change.ts";
import { defaultClassIn, isDefaultClass, nodeStateOf } from "../core/admission/surroundings.ts";
import { type ClassSource, clusterFacts, type ClusterSources, type NodeSource } from "../core/guest/cluster_facts.ts";
import type { ClusterFacts } from "../core/facts.ts";
import { RangeIndex } from "../core/network/range_index.ts";
import type { PodRangeWatch } from "./pod_range_watch.ts";
import { reflect, type Reflecting, type StoreReflector, type Watching } from "./watching.ts";
import { withinTime } from "./within_time.ts";

/** Keeps {@linkcode ClusterFacts} up to date. */
export class ClusterWatch {
  readonly #settings: Settings;
  readonly #nodes: ReturnType<typeof createNodeStore>;
  readonly #services = new Store({ project: ({ spec }: ServiceCIDR) => spec?.cidrs ?? [] });
  readonly #api = new Store({ project: addressesOfSlice });
  readonly #classes = new Store({ project: classSource });
  readonly #reflectors: { name: keyof ClusterSources["unread"]; reflector: StoreReflector; synced: boolean }[] = [];
  readonly #listeners: (() => void)[] = [];
  readonly #podRanges: PodRangeWatch | undefined;
  /** Cache: each review asks for it. */
  #nodeStates: readonly NodeState[] | undefined;
  #facts: ClusterFacts;

  /**
   * Makes a watch.
   *
   * @param podRanges addresses that pods really have; without it the nodes' ranges and the configured ones count
   * @param nodeStates keeps the nodes' labels and taints
   */
  constructor(
    watching: Watching,
    settings: Settings,
    { podRanges, nodeStates = false }: { podRanges?: PodRangeWatch | undefined; nodeStates?: boolean } = {},
  ) {
    this.#settings = settings;
    this.#nodes = createNodeStore({ nodeStates });
    this.#nodes.subscribe(() => this.#nodeStates = undefined);
    this.#podRanges = podRanges;
    const observe = <T extends KubernetesObject, P>(
      name: keyof ClusterSources["unread"],
      resource: Resource<T>,
      store: Store<P, never, T>,
      options: Reflecting = {},
    ) => {
      const reflector = reflect(watching, resource, store, options);
      store.subscribe(() => this.#look());
      this.#reflectors.push({ name, reflector, synced: false });
    };
    observe("nodes", nodes, this.#nodes);
    observe("services", serviceCIDRs, this.#services);
    observe("api", endpointSlices, this.#api, {
      namespace: "default",
      selector: { labelSelector: "kubernetes.io/service-name=kubernetes" },
    });
    observe("classes", storageClasses, this.#classes);
    this.#facts = this.#read();
    let index: { of: ClusterFacts["ranges"]; ranges: RangeIndex } | undefined;
    podRanges?.follow((address) => {
      const { ranges } = this.#facts;
      if (index?.of !== ranges) index = { of: ranges, ranges: new RangeIndex(ranges) };
      return index.ranges.has(address);
    }, () => this.#look());
    this.#nodes.subscribe(() => podRanges?.soon());
  }

  /** The current facts; each change makes a new object. */
  get facts(): ClusterFacts {
    return this.#facts;
  }

  /** Labels and taints of all nodes; undefined if they are not kept, or not all known. */
  get nodeStates(): readonly NodeState[] | undefined {
    const states = this.#nodeStates ??= this.#nodes.list().flatMap(({ state }) => state ? [state] : []);
    return this.#isSynced("nodes") && states.length === this.#nodes.size ? states : undefined;
  }

  /** Name of the default StorageClass; null: there is none, undefined: not known. */
  get defaultStorageClass(): string | null | undefined {
    return this.#isSynced("classes") ? defaultClassIn(this.#classes.list()) : undefined;
  }

  /** Calls `listener` after each change. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Watches until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const polls = this.#podRanges?.run(signal);
    await Promise.all(this.#reflectors.map(async (each) => {
      const synced = each.reflector.synced(signal).then(() => {
        each.synced = true;
        this.#look();
      }, () => {});
      await each.reflector.run(signal);
      await synced;
    }));
    await polls;
  }

  /**
   * Resolves once everything has been read, or after a timeout. Grants open less while some of it is unknown.
   */
  ready(clock: Clock, signal: AbortSignal): Promise<void> {
    const synced = Promise.all([
      ...this.#reflectors.map(({ reflector }) => reflector.synced(signal)),
      this.#podRanges?.synced(signal),
    ]);
    return withinTime(synced, unreadableAfterMs, clock, signal);
  }

  #isSynced(source: keyof ClusterSources["unread"]): boolean {
    return this.#reflectors.find(({ name }) => name === source)!.synced;
  }

  #look(): void {
    const facts = this.#read();
    if (isDeepStrictEqual(facts, this.#facts)) return;
    this.#facts = facts;
    for (const listener of this.#listeners) listener();
  }

  #read(): ClusterFacts {
    const unread = Object.fromEntries(this.#reflectors.map(({ name, synced }) => [name, !synced]));
    return clusterFacts({
      nodes: this.#nodes.list(),
      services: this.#services.list().flat(),
      api: this.#api.list().flat(),
      classes: this.#classes.list(),
      pools: this.#podRanges?.pools ?? [],
      pods: this.#podRanges?.outside ?? [],
      unread: { ...unread, pods: this.#podRanges?.isSynced === false } as ClusterSources["unread"],
    }, this.#settings);
  }
}

const unreadableAfterMs = 10_000;

/** Makes the store of nodes. An unreadable node is kept by its name, because its addresses must be protected too. */
export const createNodeStore = ({ nodeStates = false } = {}) =>
  new Store({
    project: (node: Node): NodeSource =>
      nodeStates ? { ...nodeSource(node), state: nodeStateOf(node) } : nodeSource(node),
    standIn: unreadableNode,
  });

const unreadableNode = ({ name }: Identity): NodeSource => ({
  name,
  unreadable: true,
  podCIDRs: [],
  addresses: [],
  resources: [],
});

export function nodeSource({ metadata, spec, status }: Node): NodeSource {
  return {
    name: metadata!.name!,
    podCIDRs: [...spec?.podCIDRs ?? [], ...annotatedRanges(metadata?.annotations ?? {})],
    // Of any type: a host name can be an address too, and plugins have their own types.
    addresses: (status?.addresses ?? []).flatMap(({ address }) => parseAddress(address) ? [address] : []),
    resources: Object.keys(status?.capacity ?? {}).sort(),
    ...(isClosed(spec, status) ? { closed: true } : {}),
    allocatable: new Map(
      Object.entries(status?.allocatable ?? {}).flatMap(([name, amount]): [string, Quantity][] =>
        // Unreadable amounts are ignored, like those that a node doesn't report.
        isQuantity(amount) ? [[name, parseQuantity(amount)]] : []
      ),
    ),
  };
}

/** Taints of nodes for the control plane, which guests' pods may not tolerate (deploy/guards/pod_guards.ts). */
const controlPlane = new Set([
  "node-role.kubernetes.io/control-plane",
  "node-role.kubernetes.io/controlplane",
  "node-role.kubernetes.io/etcd",
  "node-role.kubernetes.io/master",
  "CriticalAddonsOnly",
]);

/** Reports whether a node takes no pods of guests. Only changes of state count: heartbeats change none of it. */
const isClosed = (spec: Node["spec"], status: Node["status"]): boolean =>
  spec?.unschedulable === true ||
  (spec?.taints ?? []).some(({ key, effect }) => controlPlane.has(key) && effect !== "PreferNoSchedule") ||
  (status?.conditions ?? []).some(({ type, status }) => type === "Ready" && status !== "True");

/** Returns the ranges of pods that network plugins write as annotations of nodes: kube-router and OVN-Kubernetes. */
function annotatedRanges(annotations: Readonly<Record<string, string>>): string[] {
  const kubeRouter = ["kube-router.io/pod-cidr", "kube-router.io/pod-cidrs"].flatMap((key) =>
    (annotations[key] ?? "").split(",").map((range) => range.trim())
  );
  // The ranges of each network, as JSON: a text or a list of texts.
  const ovn = (annotations["k8s.ovn.org/node-subnets"] ?? "").match(/[0-9a-fA-F.:]+\/[0-9]+/g) ?? [];
  return [...kubeRouter, ...ovn].filter((range) => parseRange(range) !== undefined);
}

export const classSource = ({ metadata, provisioner }: StorageClass): ClassSource => ({
  name: metadata!.name!,
  provisioner,
  ...(isDefaultClass(metadata) ? { defaultFrom: Date.parse(metadata?.creationTimestamp ?? "") || 0 } : {}),
});

export const addressesOfSlice = ({ endpoints }: EndpointSlice): string[] =>
  (endpoints ?? []).flatMap(({ addresses }) => addresses ?? []);
