/** A review that the webhook has to refuse: the sign that it was asked. */
import { isApiError, type RestClient } from "../../lib/kubernetes/mod.ts";
import { deploymentOf } from "../lab/lab_workloads.ts";

/** Asks for 99 CPUs in a guest's namespace, in a dry run. Whether the front has refused it; false: it wasn't asked. */
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
