/** Checks that the API server's database has room, and that the operator can read its size. */
import { isApiError, type RestClient } from "../../../lib/kubernetes/mod.ts";
import { CoreV1Api } from "../../../lib/kubernetes_apis/core@v1.ts";
import { FlowcontrolApiserverV1Api } from "../../../lib/kubernetes_apis/flowcontrol.apiserver.k8s.io@v1.ts";
import { RbacAuthorizationV1Api } from "../../../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import type { Settings } from "../../api/mod.ts";
import { NoStorageSize, readStorageSize } from "../../controllers/storage_size.ts";
import { gibibytes, parseGuestWrites, writesClosedCondition } from "../../core/database_storage.ts";
import { guestFlowName, guestWritesAnnotation, operatorName } from "../../core/names.ts";
import { isForbidden } from "../grant_summary.ts";
import { type DoctorFinding, fail, ok, unknown, warn } from "./doctor_finding.ts";

/** @param gitVersion version of the API server, as it reports it */
export async function storageFinding(
  rest: RestClient,
  { storage: rules }: Settings,
  gitVersion: string,
): Promise<DoctorFinding> {
  const { quotaBackendBytes: quota } = rules;
  const name = "storage";
  const isUnlimited = await hasNoLimit(rest, gitVersion);
  if (quota === null) {
    if (isUnlimited) {
      return ok(name, `storage.quotaBackendBytes is null: guests' writes are never closed. ${withoutLimit}`);
    }
    return warn(
      name,
      "storage.quotaBackendBytes is not set: guests' writes are not closed before the API server's database is full.",
      "If the database is etcd, set it to etcd's --quota-backend-bytes (docs/configuration.md).",
    );
  }
  try {
    const selector = { fieldSelector: `metadata.name=${guestFlowName}` };
    const [flow] = (await new FlowcontrolApiserverV1Api(rest).flowSchemas.list(selector)).items;
    const writes = parseGuestWrites(flow?.metadata?.annotations?.[guestWritesAnnotation]);
    if (writes !== "Open") {
      return fail(
        name,
        writesClosedCondition(writes, rules).message,
        "See KeystoneGuestWritesClosed in docs/alerts.md.",
      );
    }
    const bytes = await readStorageSize(rest, AbortSignal.timeout(15_000));
    const size = `The API server's database holds ${gibibytes(bytes)} of ${gibibytes(quota)}`;
    if (!await operatorReadsMetrics(rest)) {
      return warn(
        name,
        `${size}, but the operator may not read that: guests' writes are not closed before it is full.`,
        "kubectl apply -f deploy/kustomize/base/rbac.yaml",
      );
    }
    if (bytes < quota / 2) {
      return ok(name, isUnlimited ? `${size} (storage.quotaBackendBytes). ${withoutLimit}` : `${size}.`);
    }
    return warn(
      name,
      `${size} (storage.quotaBackendBytes).${isUnlimited ? ` ${withoutLimit}` : ""}`,
      isUnlimited
        ? "Raise storage.quotaBackendBytes to the size to which guests may grow the database (docs/configuration.md)."
        : "See KeystoneStorageHalfFull in docs/alerts.md.",
    );
  } catch (error) {
    if (isForbidden(error)) {
      return unknown(
        name,
        "You have no right to read the size of the API server's database.",
        "Run keystone doctor as a cluster admin.",
      );
    }
    if (!(error instanceof NoStorageSize)) throw error;
    return warn(
      name,
      `${error.message} Guests' writes are not closed before the database is full.`,
      "Monitor its size with your provider's tools.",
    );
  }
}

const withoutLimit = "This k3s has no embedded etcd, and SQL databases have no limit of their own.";

/** Reports whether the API server is a k3s without embedded etcd, whose servers have a label. */
async function hasNoLimit(rest: RestClient, gitVersion: string): Promise<boolean> {
  if (!/\+k3s\d/.test(gitVersion)) return false;
  try {
    const { items } = await new CoreV1Api(rest).nodes.list({ labelSelector: "node-role.kubernetes.io/etcd", limit: 1 });
    return items.length === 0;
  } catch (error) {
    if (!isForbidden(error)) throw error;
    return false;
  }
}

async function operatorReadsMetrics(rest: RestClient): Promise<boolean> {
  const role = await new RbacAuthorizationV1Api(rest).clusterRoles.get(operatorName).catch((error) => {
    // An operator outside a pod has the rights of its kubeconfig.
    if (isApiError(error, 404)) return undefined;
    throw error;
  });
  return role === undefined || (role.rules ?? []).some(({ nonResourceURLs }) => nonResourceURLs?.includes("/metrics"));
}
