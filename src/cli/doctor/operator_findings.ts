/** Checks that an operator acts, and that its version is this command's. */
import { isApiError, type RestClient } from "../../../lib/kubernetes/mod.ts";
import { CoordinationV1Api } from "../../../lib/kubernetes_apis/coordination.k8s.io@v1.ts";
import { operatorName, systemNamespace } from "../../core/names.ts";
import { version } from "../../version.ts";
import { operatorWorkload, workloadOf } from "../operator_workload.ts";
import { type DoctorFinding, fail, ok, warn } from "./doctor_finding.ts";

const name = "operator";

export async function operatorFindings(rest: RestClient, now: number): Promise<DoctorFinding[]> {
  return [await leaseFinding(rest, now), ...await versionFindings(rest), ...await leftOverFindings(rest)];
}

async function leaseFinding(rest: RestClient, now: number): Promise<DoctorFinding> {
  const remedy =
    "Start it (deno task run), or read its log: kubectl logs -n keystone-system statefulset/keystone-operator";
  try {
    const { spec } = await new CoordinationV1Api(rest).namespace(systemNamespace).leases.get(operatorName);
    const renewed = Date.parse(spec?.renewTime ?? "");
    const age = Math.round((now - renewed) / 1000);
    if (!spec?.holderIdentity) {
      return fail(name, "No operator holds the Lease: grants do not end on time.", remedy);
    }
    return age > 2 * (spec.leaseDurationSeconds ?? 15)
      ? fail(name, `${spec.holderIdentity} last renewed the Lease ${age} s ago: grants do not end on time.`, remedy)
      : ok(name, `${spec.holderIdentity} holds the Lease.`);
  } catch (error) {
    if (!isApiError(error, 404)) throw error;
    return fail(name, "The Lease does not exist: no operator has ever run here.", remedy);
  }
}

/** Compares the operator's version with this command's. An operator outside the cluster has no workload. */
async function versionFindings(rest: RestClient): Promise<DoctorFinding[]> {
  const found = (await operatorWorkload(rest))?.version;
  if (found === undefined || found === version) return [];
  const message = `The operator has version ${found}, this command ${version}: it compares with another installation.`;
  return [warn(name, message, `Use the keystone command of version ${found}, or finish the upgrade.`)];
}

/**
 * Reports the Deployment of an earlier version beside today's StatefulSet: its operators may hold the Lease, and then
 * those of this version only wait.
 */
async function leftOverFindings(rest: RestClient): Promise<DoctorFinding[]> {
  const [now, before] = await Promise.all([workloadOf(rest, "StatefulSet"), workloadOf(rest, "Deployment")]);
  if (!now || !before) return [];
  return [warn(
    name,
    `Deployment ${systemNamespace}/${operatorName} of an earlier version is left over beside the StatefulSet: its operator ` +
      "may be the one that acts.",
    `kubectl -n ${systemNamespace} rollout status statefulset/${operatorName} && ` +
      `kubectl -n ${systemNamespace} delete deployment ${operatorName}`,
  )];
}
