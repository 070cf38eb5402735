/**
 * Finds workloads in guest namespaces that this cluster's guards refuse: they are older than a guard and keep running, but
 * get no new pods. The API server checks a copy of each in a dry run.
 */
import { ApiError, type KubernetesObject, type RestClient } from "../../lib/kubernetes/mod.ts";
import { CoreV1Api } from "../../lib/kubernetes_apis/core@v1.ts";
import { realmLabel } from "../core/names.ts";

interface Workload extends KubernetesObject {
  metadata?: KubernetesObject["metadata"] & { ownerReferences?: { controller?: boolean }[] };
  spec: Record<string, unknown> & { template?: { metadata?: { labels?: Record<string, string> } } };
}

/** A workload, and the message of the guard that refuses it. */
export interface Refused {
  kind: string;
  namespace: string;
  name: string;
  says: string;
}

/** Kinds of workloads with their API path. */
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

/** Number of workloads to check; a few hundred take seconds. */
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

/** Reports whether no controller owns the workload; otherwise its owner is checked. */
const isOwn = ({ metadata }: Workload): boolean => !metadata?.ownerReferences?.some(({ controller }) => controller);

/** Returns the message of the guard that refuses a workload; undefined if none does, even if something else refuses it. */
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

/** Returns the workload as its author would write it: under a generated name and without fields that the server sets. */
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
      // The API server generates the selector of a Job.
      ...(selector !== undefined && !generated ? { selector } : {}),
      ...(template
        ? { template: { ...template, metadata: { ...template.metadata, labels: Object.fromEntries(kept) } } }
        : {}),
    },
  };
}
