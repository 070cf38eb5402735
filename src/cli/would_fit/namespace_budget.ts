/** Granted and used amounts of a guest namespace, for `keystone explain`. */
import { type KubernetesObject, type Resource, ResourceApi, type RestClient } from "../../../lib/kubernetes/mod.ts";
import { CoreV1Api, nodes } from "../../../lib/kubernetes_apis/core@v1.ts";
import { storageClasses } from "../../../lib/kubernetes_apis/storage.k8s.io@v1.ts";
import { keyIn } from "../../controllers/stores.ts";
import { type Budget, budgetOf } from "../../core/admission/budget.ts";
import type { AdmissionDefaults } from "../../core/admission/requirements.ts";
import { quotaName } from "../../core/guest/objects/quota.ts";
import { realmOfNamespace } from "../../core/names.ts";
import { no } from "../exit.ts";
import { isForbidden } from "../grant_summary.ts";
import { Observed } from "../observed.ts";
import { giversIn } from "./namespace_state.ts";

interface RuntimeClass extends KubernetesObject {
  overhead?: { podFixed?: Record<string, string> };
}

const runtimeClasses: Resource<RuntimeClass> = {
  group: "node.k8s.io",
  version: "v1",
  kind: "RuntimeClass",
  plural: "runtimeclasses",
  namespaced: false,
};

/** Lists objects, or returns none if the user may not read them, as a guest. */
const readable = <T extends KubernetesObject>(rest: RestClient, resource: Resource<T>): Promise<T[]> =>
  new ResourceApi(rest, resource).all().catch((error) => {
    if (isForbidden(error)) return [];
    throw error;
  });

/** Reads the granted and used amounts of a guest namespace, and the defaults that apply to workloads there. */
export async function budgetIn(
  rest: RestClient,
  namespace: string,
): Promise<{ budget: Budget; defaults: AdmissionDefaults }> {
  const quota = await new CoreV1Api(rest).namespace(namespace).resourceQuotas.get(quotaName).catch((error) => {
    if (!isForbidden(error) && !(error?.code === 404)) throw error;
    throw isForbidden(error) ? error : no(
      `Nothing is granted in ${namespace}: it has no quota. Create a grant: keystone grant create NAME --to ${
        realmOfNamespace(namespace)
      }`,
    );
  });
  const [givers, ranges, allNodes, classes, runtimes] = await Promise.all([
    giversIn(rest, namespace),
    new CoreV1Api(rest).namespace(namespace).limitRanges.all(),
    readable(rest, nodes),
    readable(rest, storageClasses),
    readable(rest, runtimeClasses),
  ]);
  const store = new Observed(rest).stores.quotas;
  store.observe(quota);
  const isDefault = "storageclass.kubernetes.io/is-default-class";
  const defaultStorageClass = classes.find(({ metadata }) => metadata!.annotations?.[isDefault] === "true")?.metadata
    ?.name;
  return {
    budget: budgetOf(store.get(keyIn(namespace, quotaName))!, givers),
    defaults: {
      limits: ranges.flatMap(({ spec }) => spec?.limits ?? []),
      nodes: allNodes.length,
      ...(defaultStorageClass === undefined ? {} : { defaultStorageClass }),
      overheads: Object.fromEntries(
        runtimes.flatMap(({ metadata, overhead }) => overhead?.podFixed ? [[metadata!.name!, overhead.podFixed]] : []),
      ),
    },
  };
}
