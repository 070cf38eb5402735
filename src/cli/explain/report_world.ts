/** Reads everything in a namespace that an explanation may need, as far as the user may. */
import { load } from "js-yaml";
import {
  isApiError,
  type KubernetesObject,
  type Resource,
  ResourceApi,
  type RestClient,
} from "../../../lib/kubernetes/mod.ts";
import {
  type ConfigMap,
  CoreV1Api,
  type LimitRange,
  type PersistentVolumeClaim,
  type Pod,
  type ResourceQuota,
} from "../../../lib/kubernetes_apis/core@v1.ts";
import { DiscoveryV1Api } from "../../../lib/kubernetes_apis/discovery.k8s.io@v1.ts";
import { guideKey, guideName } from "../../core/guest/objects/guide.ts";
import { warningsAbout } from "../../core/report/event_report.ts";
import type { ExplainedKind } from "../../core/report/explain_object.ts";
import type { ReportFinding } from "../../core/report/finding.ts";
import type {
  GuideGrant,
  ReportedBudget,
  ReportedEvent,
  ReportedWorkload,
  ReportWorld,
} from "../../core/report/reported_objects.ts";
import { isForbidden } from "../grant_summary.ts";
import { explainedResource } from "./explained_resources.ts";

const events: Resource<KubernetesObject & ReportedEvent> = {
  group: "",
  version: "v1",
  kind: "Event",
  plural: "events",
  namespaced: true,
};

const disruptionBudgets: Resource<KubernetesObject & ReportedBudget> = {
  group: "policy",
  version: "v1",
  kind: "PodDisruptionBudget",
  plural: "poddisruptionbudgets",
  namespaced: true,
};

/** Sorts of objects that some explanations need. */
export type Needed =
  | "pods"
  | "replicasets"
  | "jobs"
  | "persistentvolumeclaims"
  | "endpointslices"
  | "poddisruptionbudgets";

const withPods: readonly Needed[] = ["pods", "persistentvolumeclaims"];
const withBudgets: readonly Needed[] = [...withPods, "poddisruptionbudgets"];
export const neededBy: Readonly<Record<ExplainedKind | "Grant", readonly Needed[]>> = {
  Grant: ["pods"],
  Pod: ["persistentvolumeclaims", "replicasets", "poddisruptionbudgets"],
  Deployment: [...withBudgets, "replicasets"],
  StatefulSet: withBudgets,
  DaemonSet: withPods,
  ReplicaSet: withBudgets,
  ReplicationController: withBudgets,
  Job: withPods,
  CronJob: [...withPods, "jobs"],
  PersistentVolumeClaim: withPods,
  Service: [...withPods, "endpointslices"],
  HorizontalPodAutoscaler: [...withPods, "replicasets"],
};

/** Reads the namespace. What the user may not read is left out and named in `unread`. */
export async function readReportWorld(
  rest: RestClient,
  namespace: string,
  needed: readonly Needed[],
  now: number,
): Promise<ReportWorld> {
  const unread: string[] = [];
  const read = async <T>(plural: string, list: () => Promise<T[]>): Promise<T[]> => {
    try {
      return await list();
    } catch (error) {
      if (!isForbidden(error)) throw error;
      unread.push(plural);
      return [];
    }
  };
  const when = <T>(plural: Needed, list: () => Promise<T[]>): Promise<T[]> =>
    needed.includes(plural) ? read(plural, list) : Promise.resolve([]);
  const core = new CoreV1Api(rest).namespace(namespace);
  const [pods, replicaSets, jobs, claims, slices, budgets, seen, quotas, limitRanges, grants] = await Promise.all([
    when<Pod>("pods", () => core.pods.all()),
    when(
      "replicasets",
      () => new ResourceApi(rest, explainedResource<ReportedWorkload>("ReplicaSet"), namespace).all(),
    ),
    when("jobs", () => new ResourceApi(rest, explainedResource("Job"), namespace).all()),
    when<PersistentVolumeClaim>("persistentvolumeclaims", () => core.persistentVolumeClaims.all()),
    when("endpointslices", () => new DiscoveryV1Api(rest).namespace(namespace).endpointSlices.all()),
    when("poddisruptionbudgets", () => new ResourceApi(rest, disruptionBudgets, namespace).all()),
    read("events", () => new ResourceApi(rest, events, namespace).all()),
    read<ResourceQuota>("resourcequotas", () => core.resourceQuotas.all()),
    read<LimitRange>("limitranges", () => core.limitRanges.all()),
    guideGrants(rest, namespace),
  ]);
  return {
    namespace,
    now,
    pods,
    replicaSets,
    jobs,
    claims,
    slices,
    budgets,
    events: seen,
    quotas,
    limitRanges,
    grants,
    unread: unread.sort(),
  };
}

/** Returns the grants of the guests' ConfigMap; undefined if it doesn't exist or can't be read. */
export async function guideGrants(rest: RestClient, namespace: string): Promise<GuideGrant[] | undefined> {
  try {
    return grantsIn(await new CoreV1Api(rest).namespace(namespace).configMaps.get(guideName));
  } catch (error) {
    if (isForbidden(error) || isApiError(error, 404)) return undefined;
    throw error;
  }
}

function grantsIn({ data }: ConfigMap): GuideGrant[] | undefined {
  try {
    const entries = load(data?.[guideKey] ?? "");
    return Array.isArray(entries) ? entries.filter(({ name, hard }) => name && hard) : undefined;
  } catch {
    // Guests may edit it; the operator writes it again.
    return undefined;
  }
}

/** Returns the latest warnings about a grant; none if the user may not read them. */
export async function grantEvents(rest: RestClient, uid: string, now: number): Promise<ReportFinding[]> {
  try {
    // Events of cluster-scoped objects are in the namespace default.
    const about = await new ResourceApi(rest, events, "default").all({ fieldSelector: `involvedObject.uid=${uid}` });
    return warningsAbout({ metadata: { uid } }, { events: about, now });
  } catch (error) {
    if (isForbidden(error)) return [];
    throw error;
  }
}
