/** Everything that Keystone does with a stored object: projections, and the planners that read them. */
import type { KubernetesObject, Metadata } from "../../../lib/kubernetes/mod.ts";
import type { Store } from "../../../lib/controller/mod.ts";
import type { Node, Pod } from "../../../lib/kubernetes_apis/core@v1.ts";
import { defaultSettings, type Settings } from "../../../src/api/mod.ts";
import { addressesOfSlice, classSource, createNodeStore } from "../../../src/controllers/cluster_watch.ts";
import { type GuestSources, observeGuest } from "../../../src/controllers/guest_loop.ts";
import { createPodStore } from "../../../src/controllers/pod_watches.ts";
import { poolingOf, Pools } from "../../../src/controllers/pools.ts";
import { createStores, type Stores } from "../../../src/controllers/stores.ts";
import { type AdmissionWorld, respondTo } from "../../../src/core/admission/response.ts";
import { UnreadableWorkload } from "../../../src/core/admission/workload.ts";
import type { ClusterFacts, LocalRealm, PodFacts } from "../../../src/core/facts.ts";
import { planGrant } from "../../../src/core/grant/plan_grant.ts";
import { clusterFacts } from "../../../src/core/guest/cluster_facts.ts";
import { victims } from "../../../src/core/guest/drain.ts";
import { closedList } from "../../../src/core/resources/quota_lists.ts";
import { planGuest } from "../../../src/core/guest/plan_guest.ts";
import { heldText } from "../../../src/core/guest/remaining.ts";
import { enforcementsOf } from "../../../src/core/guest/enforcements.ts";
import { planRealm } from "../../../src/core/realm/plan_realm.ts";
import { planSuperEntity } from "../../../src/core/superentity/plan_superentity.ts";

const local: LocalRealm = { kind: "known", name: "alice-home" };
const settings: Settings = defaultSettings;
const now = Date.parse("2026-06-01T12:00:00Z");

/** Reads one object in stores that hold everything else that planners need. */
export class Readers {
  readonly #grantee: string;
  readonly #others: readonly KubernetesObject[];

  /** @param others plain objects around the malformed one */
  constructor(grantee: string, others: readonly KubernetesObject[]) {
    this.#grantee = grantee;
    this.#others = others;
  }

  /** Reads the object in every way that Keystone does. @throws what it throws */
  read(object: KubernetesObject): void {
    const stores = createStores();
    const nodeStore = createNodeStore();
    const podStore = createPodStore();
    const place = (each: KubernetesObject) => this.#place(stores, nodeStore, podStore, each);
    for (const each of this.#others) if (!isSame(each, object)) place(each);
    const store = place(object);
    const [unreadable] = store?.unreadable ?? [];
    if (unreadable) throw new Error(`${unreadable.kind} can't be read: ${unreadable.why}`);

    const slices = object.kind === "EndpointSlice" ? addressesOfSlice(object as never) : [];
    const cidrs = object.kind === "ServiceCIDR" ? (object as { spec?: { cidrs?: string[] } }).spec?.cidrs ?? [] : [];
    const cluster = clusterFacts({
      nodes: nodeStore.list(),
      services: cidrs,
      api: slices,
      classes: object.kind === "StorageClass" ? [classSource(object as never)] : [],
      unread: { nodes: false, services: false, api: false, classes: false, pods: false },
    }, settings);
    this.#plan(stores, cluster, podStore.list());
    this.#admit(stores, cluster, object);
  }

  #place(
    stores: Stores,
    nodes: ReturnType<typeof createNodeStore>,
    pods: ReturnType<typeof createPodStore>,
    object: KubernetesObject,
  ): Pick<Store<unknown>, "unreadable"> | undefined {
    const put = <T extends KubernetesObject>(store: Store<unknown, string, T>) => {
      store.put(object as T);
      return store;
    };
    switch (object.kind) {
      case "Grant":
        return put(stores.grants as never);
      case "Realm":
        return put(stores.realms as never);
      case "SuperEntity":
        return put(stores.superEntities as never);
      case "Namespace":
        return put(stores.namespaces as never);
      case "ResourceQuota":
        put(stores.guestQuotas as never);
        return put(stores.quotas as never);
      case "LimitRange":
        put(stores.guestLimits as never);
        return put(stores.limitRanges as never);
      case "ServiceAccount":
        put(stores.identities as never);
        return put(stores.serviceAccounts as never);
      case "RoleBinding":
        return put(stores.bindings as never);
      case "ConfigMap":
        return put(stores.guides as never);
      case "NetworkPolicy":
        return put(stores.policies as never);
      case "ClusterRole":
        return put(stores.clusterRoles as never);
      case "ClusterRoleBinding":
        return put(stores.clusterBindings as never);
      case "Node":
        return put(nodes as unknown as Store<unknown, string, Node>);
      case "Pod":
        return put(pods as unknown as Store<unknown, string, Pod>);
      default:
        return undefined;
    }
  }

  #plan(stores: Stores, cluster: ClusterFacts, pods: PodFacts[]): void {
    const pools = new Pools();
    const sources: GuestSources = {
      stores,
      settings,
      local: () => local,
      pools,
      skewMs: () => 0,
      cluster: { facts: cluster },
      names: { get: () => undefined },
      pods: { get: () => pods, errorOf: () => undefined },
      clock: { now: () => now },
    };
    const grantees = new Set([this.#grantee, ...stores.grants.list().map(({ spec }) => spec.granteeRealm)]);
    for (const grantee of grantees) {
      for (const at of [now, now + 400 * 86_400_000]) {
        const world = { ...observeGuest(sources, grantee), now: at };
        const plan = planGuest(world);
        const enforcements = enforcementsOf(world, plan);
        for (const grant of world.grants) {
          const { realm, pooling } = world;
          planGrant(
            {
              grant,
              realm,
              local,
              pooling,
              settings,
              skewMs: 0,
              enforcement: enforcements.get(grant.name),
              now: at,
            } as never,
          );
        }
      }
    }
    for (const hard of [closedList(cluster.extendedKeys, []), cluster.capacity ?? new Map()]) victims(pods, hard);
    heldText(pods.map((pod) => ({ ...pod, terminating: true })));
    const running = { kind: "running" as const, nodes: [], current: true };
    for (const realm of stores.realms.list()) {
      planRealm({ realm, rivals: [], tailnet: running, local: false, lastSeenEveryMs: 300_000, now });
    }
    const pooling = poolingOf(sources);
    for (const entity of stores.superEntities.list()) {
      pooling.entityNamed(entity.name);
      planSuperEntity({
        entity,
        realmNamed: (name) => stores.realms.get(name),
        conflict: undefined,
        isHeld: true,
        local,
        capacity: cluster.capacity,
        now,
      });
    }
  }

  #admit(stores: Stores, cluster: ClusterFacts, object: KubernetesObject): void {
    const namespace = object.metadata?.namespace ?? "";
    const quotas = stores.guestQuotas.list().flatMap((each) => each ? [each.quota] : []);
    const nodes = ["n1", "n2", "n3"].map((name) => ({ name, labels: {}, taints: [] }));
    const world: AdmissionWorld = {
      settings,
      cluster,
      local,
      realmNamed: (name) => stores.realms.get(name),
      isCollective: (name) => stores.superEntities.get(name) !== undefined,
      realms: () => stores.realms.list(),
      grantsTo: (realm) => stores.grants.index("grantee", realm),
      guest: () =>
        quotas.length === 0 ? undefined : {
          quotas,
          limits: stores.guestLimits.list().flatMap((range) => range?.limits ?? []),
          grants: stores.grants.list(),
          nodes,
          defaultStorageClass: null,
        },
      now,
    };
    if (!judged.has(String(object.kind))) return;
    for (const operation of ["CREATE", "UPDATE"]) {
      try {
        respondTo({ operation, namespace, subResource: "", object, oldObject: object }, world);
      } catch (error) {
        // An object that it can't judge is admitted, with a message for people.
        if (!(error instanceof UnreadableWorkload)) throw error;
      }
    }
  }
}

const judged = new Set([
  ..."Pod Service PersistentVolumeClaim ReplicationController Deployment ReplicaSet StatefulSet DaemonSet Job".split(
    " ",
  ),
  ..."CronJob Grant Realm".split(" "),
]);

const nameOf = ({ namespace, name }: Metadata = {}) => `${namespace}/${name}`;
const isSame = (a: KubernetesObject, b: KubernetesObject): boolean =>
  a.kind === b.kind && nameOf(a.metadata) === nameOf(b.metadata);
