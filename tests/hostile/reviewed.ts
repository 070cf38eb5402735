/** A request that the webhook has to refuse, which shows that the API server called it. */
import { isApiError, type RestClient } from "../../lib/kubernetes/mod.ts";
import { deploymentOf } from "../lab/lab_workloads.ts";

/** Requests 99 CPUs in a guest's namespace as a dry run. True if the front refused it; false if it wasn't called. */
export async function isJudged(rest: RestClient, namespace: string): Promise<boolean> {
  try {
    await rest.performRequest({
      method: "POST",
      path: `/apis/apps/v1/namespaces/${namespace}/deployments`,
      querystring: new URLSearchParams({ dryRun: "All" }),
      bodyJson: deployment(namespace),
    });
    return false;
  } catch (error) {
    if (isApiError(error) && /webhook "workloads\.keystone\.io" denied/.test(error.message)) return true;
    throw error;
  }
}

const deployment = (namespace: string) =>
  deploymentOf({ name: "probe", namespace }, {
    containers: [{
      name: "main",
      image: "example.com/none:1",
      resources: { requests: { cpu: "99" }, limits: { cpu: "99" } },
    }],
  });
