/** Pods of a workload, and the sources that a text names. */
import type { Pod } from "../../../lib/kubernetes_apis/core@v1.ts";
import { isFinishedPod, type ReachSource, sourceOfPod } from "./places.ts";
import {
  type OwnerObject,
  type PodLike,
  ReachError,
  type ReachFacts,
  type WorkloadKind,
  workloadKinds,
} from "./reach_facts.ts";
import type { SourceName } from "./reach_texts.ts";

/** Returns a fact that the question can't do without. */
function needed<T>(known: { value: T } | { refused: string }): T {
  if ("value" in known) return known.value;
  throw new ReachError(known.refused, "forbidden");
}

/** Returns the pods that a workload owns, and its template. */
export function podsOfWorkload(
  facts: ReachFacts,
  workload: WorkloadKind,
  namespace: string,
  name: string,
): { pods: readonly Pod[]; template: PodLike } {
  const { kind } = workloadKinds[workload];
  const found = needed(facts.workloads(workload, namespace)).find(({ metadata }) => metadata?.name === name);
  if (!found) throw new ReachError(`${kind} ${namespace}/${name} does not exist.`, "missing");
  const through: WorkloadKind | undefined = workloadKinds[workload].through;
  const owners = through === undefined
    ? [found]
    : needed(facts.workloads(through, namespace)).filter((each) => isOwned(each, [found]));
  const { spec } = found;
  return {
    pods: needed(facts.pods(namespace)).filter((pod) => isOwned(pod, owners)),
    template: spec?.template ?? spec?.jobTemplate?.spec?.template ?? {},
  };
}

const isOwned = ({ metadata }: Pick<OwnerObject, "metadata">, owners: readonly OwnerObject[]): boolean =>
  metadata?.ownerReferences?.some(({ uid }) => owners.some((owner) => owner.metadata?.uid === uid)) ?? false;

/** Returns the pods that connect: for a workload its pods, or one of its template if it has none. */
export function sourcesOf(facts: ReachFacts, namespace: string, source: SourceName): ReachSource[] {
  if (source.kind === "labels") {
    const { labels } = source;
    return [sourceOfPod(facts, { metadata: { labels } }, namespace, `a pod with ${labelsText(labels)}`)];
  }
  if (source.kind === "workload") {
    const { pods, template } = podsOfWorkload(facts, source.workload, namespace, source.name);
    const live = pods.filter((pod) => !isFinishedPod(pod));
    return live.length > 0
      ? live.map((pod) => sourceOfPod(facts, pod, namespace, pod.metadata!.name!))
      : [sourceOfPod(facts, template, namespace, `a pod of ${source.workload}/${source.name}`)];
  }
  const pod = needed(facts.pods(namespace)).find(({ metadata }) => metadata!.name === source.name);
  if (!pod) {
    throw new ReachError(
      `Pod ${namespace}/${source.name} does not exist. Name a workload as deployment/NAME.`,
      "missing",
    );
  }
  if (isFinishedPod(pod)) {
    throw new ReachError(`Pod ${namespace}/${source.name} has ended: it is ${pod.status!.phase}.`, "missing");
  }
  return [sourceOfPod(facts, pod, namespace, source.name)];
}

const labelsText = (labels: Readonly<Record<string, string>>): string =>
  Object.entries(labels).map(([key, value]) => `${key}=${value}`).join(",");
