/**
 * Finds the workloads in guest namespaces that the guards of this cluster refuse: those that are older than a guard, run on,
 * and would get no new pod. The API server judges a copy of each, as a dry run.
 */
import { ApiError, type KubernetesObject, type RestClient } from "../../lib/kubernetes/mod.ts";
import { CoreV1Api } from "../../lib/kubernetes_apis/core@v1.ts";
import { realmLabel } from "../core/names.ts";

interface Workload extends KubernetesObject {
  metadata?: KubernetesObject["metadata"] & { ownerReferences?: { controller?: boolean }[] };
  spec: Record<string, unknown> & { template?: { metadata?: { labels?: Record<string, string> } } };
}

/** A workload, and what a guard says against it. */
export interface Refused {
  kind: string;
  namespace: string;
  name: string;
  says: string;
}

/** Where they are, after the namespace. */
const kinds: readonly [kind: string, group: string, plural: string][] = [
  ["Deployment", "/apis/apps/v1", "deployments"],
  ["StatefulSet", "/apis/apps/v1", "statefulsets"],
  ["DaemonSet", "/apis/apps/v1", "daemonsets"],
  ["ReplicaSet", "/apis/apps/v1", "replicasets"],
  ["CronJob", "/apis/batch/v1", "cronjobs"],
  ["Job", "/apis/batch/v1", "jobs"],
  ["ReplicationController", "/api/v1", "replicationcontrollers"],
  ["Pod", "/api/v1", "pods"],
];

/** A few hundred are judged in seconds; more would only be more of the same. */
const most = 500;

export async function refusedWorkloads(rest: RestClient): Promise<Refused[]> {
  const guests = (await new CoreV1Api(rest).namespaces.list({ labelSelector: realmLabel })).items;
  const found: Refused[] = [];
  let left = most;
  for (const { metadata } of guests) {
    const namespace = metadata.name!;
    for (const [kind, prefix, plural] of kinds) {
      const path = `${prefix}/namespaces/${namespace}/${plural}`;
      const querystring = new URLSearchParams({ limit: String(Math.max(1, left)) });
      const { items } = await rest.performRequest({ method: "GET", path, querystring }) as unknown as {
        items: Workload[];
      };
      for (const workload of items.filter(isOwn).slice(0, left)) {
        left--;
        const says = await refusalOf(rest, path, workload);
        if (says !== undefined) found.push({ kind, namespace, name: workload.metadata!.name!, says });
      }
    }
  }
  return found;
}

/** What a controller has made is its owner's matter. */
const isOwn = ({ metadata }: Workload): boolean => !metadata?.ownerReferences?.some(({ controller }) => controller);

/** What a guard says; undefined when none says anything, whatever else would refuse it. */
async function refusalOf(rest: RestClient, path: string, workload: Workload): Promise<string | undefined> {
  const querystring = new URLSearchParams({ dryRun: "All" });
  try {
    await rest.performRequest({ method: "POST", path, querystring, bodyJson: copyOf(workload) });
    return undefined;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const [, says] = /ValidatingAdmissionPolicy 'keystone-guest-[^']*' .*denied request: (.*)/s.exec(error.message) ??
      [];
    if (says === undefined && / cannot create resource /.test(error.message)) throw error;
    return says;
  }
}

/** As its author would write it: under a name of its own, and without what the API server has filled in. */
function copyOf({ metadata, spec: whole }: Workload): object {
  const { labels, annotations, finalizers, namespace } = metadata!;
  const { nodeName: _, selector, template, ...rest } = whole;
  const isOfJob = (label: string) => /^(batch\.kubernetes\.io\/)?(controller-uid|job-name)$/.test(label);
  const generated = template && Object.keys(template.metadata?.labels ?? {}).some(isOfJob);
  const kept = Object.entries(template?.metadata?.labels ?? {}).filter(([label]) => !isOfJob(label));
  return {
    metadata: {
      generateName: "keystone-doctor-",
      namespace,
      ...(labels ? { labels } : {}),
      ...(annotations ? { annotations } : {}),
      ...(finalizers ? { finalizers } : {}),
    },
    spec: {
      ...rest,
      // The selector of a Job is made for it.
      ...(selector !== undefined && !generated ? { selector } : {}),
      ...(template
        ? { template: { ...template, metadata: { ...template.metadata, labels: Object.fromEntries(kept) } } }
        : {}),
    },
  };
}
