/** State of a guest namespace and of the cluster, read once, as far as the user may read it. */
import { isDeepStrictEqual } from "node:util";
import { type KubernetesObject, type Resource, ResourceApi, type RestClient } from "../../../lib/kubernetes/mod.ts";
import { CoreV1Api, nodes, persistentVolumeClaims, pods } from "../../../lib/kubernetes_apis/core@v1.ts";
import { storageClasses } from "../../../lib/kubernetes_apis/storage.k8s.io@v1.ts";
import { type Giver, giversOf } from "../../core/admission/givers.ts";
import type { Autoscaler, ClaimState, NodeState, Present, Surroundings } from "../../core/admission/change.ts";
import { autoscalerOf, defaultClassOf, nodeStateOf, quotaRoomOf } from "../../core/admission/surroundings.ts";
import { quotaName } from "../../core/guest/objects/quota.ts";
import { realmOfNamespace } from "../../core/names.ts";
import { listFrom } from "../../core/resources/quota_lists.ts";
import { no } from "../exit.ts";
import { isForbidden, lendingsOfGuest } from "../grant_summary.ts";
import { Observed } from "../observed.ts";

/** A live object with the references to its owners. */
export interface LiveObject extends KubernetesObject {
  metadata?: KubernetesObject["metadata"] & { ownerReferences?: { uid: string; controller?: boolean }[] };
  spec?: unknown;
}

export interface NamespaceState {
  around: Surroundings;
  /** Live objects by the UID of their controller; undefined if the user may not read all of them. */
  owned?: OwnedObjects;
}

export interface OwnedObjects {
  pods: ReadonlyMap<string, LiveObject[]>;
  replicaSets: ReadonlyMap<string, LiveObject[]>;
  jobs: ReadonlyMap<string, LiveObject[]>;
  /** Undefined: the user may not read them. */
  revisions?: ReadonlyMap<string, LiveObject[]>;
}

const readOnly = (group: string, version: string, kind: string, plural: string, namespaced = true): Resource<
  LiveObject
> => ({ group, version, kind, plural, namespaced });

const replicaSets = readOnly("apps", "v1", "ReplicaSet", "replicasets");
const controllerRevisions = readOnly("apps", "v1", "ControllerRevision", "controllerrevisions");
const jobs = readOnly("batch", "v1", "Job", "jobs");
const autoscalers = readOnly("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers");
const runtimeClasses = readOnly("node.k8s.io", "v1", "RuntimeClass", "runtimeclasses", false);

/** Lists objects; undefined if the user may not. */
async function readable<T extends KubernetesObject>(
  rest: RestClient,
  resource: Resource<T>,
  namespace?: string,
): Promise<T[] | undefined> {
  try {
    return await new ResourceApi(rest, resource, namespace).all();
  } catch (error) {
    if (isForbidden(error)) return undefined;
    throw error;
  }
}

/** Reads everything that decides which pods and claims of a guest namespace come. */
export async function namespaceState(rest: RestClient, namespace: string): Promise<NamespaceState> {
  const core = new CoreV1Api(rest).namespace(namespace);
  const [quotas, givers, limitRanges, claims, scalers, allNodes, classes, runtimes, ...live] = await Promise.all([
    core.resourceQuotas.all(),
    giversIn(rest, namespace),
    core.limitRanges.all(),
    readable(rest, persistentVolumeClaims, namespace),
    readable(rest, autoscalers, namespace),
    readable(rest, nodes),
    readable(rest, storageClasses),
    readable(rest, runtimeClasses),
    readable<LiveObject>(rest, pods, namespace),
    readable(rest, replicaSets, namespace),
    readable(rest, jobs, namespace),
    readable(rest, controllerRevisions, namespace),
  ]);
  if (!quotas.some(({ metadata }) => metadata!.name === quotaName)) {
    const realm = realmOfNamespace(namespace);
    throw no(
      `Nothing is granted in ${namespace}: it has no quota. Create a grant: keystone grant create NAME --to ${realm}`,
    );
  }
  const around: Surroundings = {
    namespace,
    quotas: quotas.map((quota) => quotaRoomOf(quota, givers)),
    givers,
    limits: limitRanges.flatMap(({ spec }) => spec?.limits ?? []),
    autoscalers: (scalers ?? []).map(autoscalerOf).filter((each): each is Autoscaler => each !== undefined),
    ...(claims ? { claims: new Map(claims.map((claim) => [claim.metadata!.name!, claimState(claim)])) } : {}),
    ...(allNodes ? { nodes: allNodes.map((node): NodeState => nodeStateOf(node)) } : {}),
    ...(classes ? { defaultStorageClass: defaultClassOf(classes) } : {}),
    ...(runtimes ? { overheads: overheadsOf(runtimes) } : {}),
  };
  const [ofPods, ofSets, ofJobs, ofRevisions] = live.map((list) => list && byOwner(list));
  return ofPods && ofSets && ofJobs
    ? {
      around,
      owned: { pods: ofPods, replicaSets: ofSets, jobs: ofJobs, ...(ofRevisions ? { revisions: ofRevisions } : {}) },
    }
    : { around };
}

function claimState({ spec }: { spec?: { storageClassName?: string; resources?: { requests?: object } } }): ClaimState {
  const { storage } = (spec?.resources?.requests ?? {}) as { storage?: string | number };
  return {
    ...(storage === undefined ? {} : { storage: String(storage) }),
    ...(spec?.storageClassName === undefined ? {} : { storageClass: spec.storageClassName }),
  };
}

const overheadsOf = (classes: readonly LiveObject[]): Record<string, Record<string, string>> =>
  Object.fromEntries(classes.flatMap((each) => {
    const { podFixed } = ((each as { overhead?: { podFixed?: Record<string, string> } }).overhead) ?? {};
    return podFixed ? [[each.metadata!.name!, podFixed]] : [];
  }));

function byOwner(list: readonly LiveObject[]): Map<string, LiveObject[]> {
  return Map.groupBy(
    list,
    ({ metadata }) => metadata?.ownerReferences?.find(({ controller }) => controller === true)?.uid ?? "",
  );
}

/** Returns the live objects of an owner. */
export function presentOf(owner: KubernetesObject, owned: OwnedObjects): Present {
  const uid = owner.metadata!.uid!;
  const of = (map: ReadonlyMap<string, LiveObject[]>, owners: readonly LiveObject[] = []): readonly LiveObject[] =>
    owners.length === 0 ? map.get(uid) ?? [] : owners.flatMap(({ metadata }) => map.get(metadata!.uid!) ?? []);
  const none = { pods: [] };
  switch (owner.kind) {
    case "Deployment": {
      const sets = of(owned.replicaSets);
      return { ...(sets.length === 0 ? none : { pods: of(owned.pods, sets) }), replicaSets: sets } as Present;
    }
    case "CronJob": {
      const runs = of(owned.jobs);
      return { ...(runs.length === 0 ? none : { pods: of(owned.pods, runs) }), jobs: runs } as Present;
    }
    case "StatefulSet":
    case "DaemonSet":
      return {
        pods: of(owned.pods),
        ...(owned.revisions ? { revisions: of(owned.revisions) } : {}),
      } as unknown as Present;
    default:
      return { pods: of(owned.pods) } as unknown as Present;
  }
}

/** Returns a ReplicaSet's template as its Deployment has it. */
function withoutHash(template: unknown): unknown {
  const { metadata, ...others } = (template ?? {}) as { metadata?: { labels?: Record<string, string> } };
  const { "pod-template-hash": _, ...labels } = metadata?.labels ?? {};
  return { metadata: { ...metadata, labels }, ...others };
}

interface SizedContainer {
  name: string;
  image?: string;
  resources?: { requests?: Record<string, unknown>; limits?: Record<string, unknown> };
}

/**
 * Reports whether a pod can be of the template: it has the containers with their images, and the amounts that the template
 * states. Others can be defaults.
 */
function isOfTemplate(pod: LiveObject, template: unknown): boolean {
  const containersOf = (spec: unknown): SizedContainer[] => {
    const { initContainers = [], containers = [] } = spec as Record<string, SizedContainer[] | undefined>;
    return [...initContainers, ...containers];
  };
  const live = containersOf(pod.spec ?? {});
  const wanted = containersOf((template as { spec?: unknown } | undefined)?.spec ?? {});
  return live.length === wanted.length && wanted.every(({ name, image, resources }) => {
    const alike = live.find((each) => each.name === name && each.image === image);
    return alike !== undefined &&
      (["requests", "limits"] as const).every((part) =>
        Object.entries(resources?.[part] ?? {}).every(([key, amount]) => alike.resources?.[part]?.[key] === amount)
      );
  });
}

/**
 * Returns the newest live pod of the given template; undefined if there is none. Pods of an earlier template live on where
 * nothing replaces them.
 */
export function podOfTemplate(
  before: unknown,
  after: unknown,
  { pods, replicaSets }: Present,
): LiveObject | undefined {
  const candidates = (pods as readonly LiveObject[]).filter((pod) => isOfTemplate(pod, after));
  const newest = (list: readonly LiveObject[]) =>
    [...list].sort((a, b) => (a.metadata!.creationTimestamp ?? "") < (b.metadata!.creationTimestamp ?? "") ? 1 : -1)[0];
  if (!replicaSets) return isDeepStrictEqual(before, after) ? newest(candidates) : undefined;
  const set = (replicaSets as readonly LiveObject[]).find(({ spec }) =>
    isDeepStrictEqual(withoutHash((spec as { template?: unknown })?.template), after)
  );
  return set && newest(
    candidates.filter(({ metadata }) => metadata?.ownerReferences?.some(({ uid }) => uid === set.metadata!.uid)),
  );
}

/** Reads the grants as an administrator, else as a guest. */
async function giversIn(rest: RestClient, namespace: string): Promise<Giver[]> {
  try {
    const { stores } = await new Observed(rest).terms();
    return giversOf(stores.grants.index("grantee", realmOfNamespace(namespace)!));
  } catch (error) {
    if (!isForbidden(error)) throw error;
    return (await lendingsOfGuest(rest, namespace)).map(({ name, granted, ends, message, reductions = [] }) => ({
      name,
      hard: listFrom(granted),
      notice: message.startsWith("On notice"),
      // Without an instant nothing is decided yet.
      reductions: reductions.flatMap(({ until, then }) =>
        until === undefined || then === undefined ? [] : [{ until: Date.parse(until), remaining: listFrom(then) }]
      ),
      ...(ends === undefined ? {} : { until: Date.parse(ends) }),
    }));
  }
}
