/** Checks workloads that are older than a guard: they run, but get no new pods. */
import type { RestClient } from "../../../lib/kubernetes/mod.ts";
import { isForbidden } from "../grant_summary.ts";
import { refusedWorkloads } from "../refused_workloads.ts";
import { type DoctorFinding, ok, unknown, warn } from "./doctor_finding.ts";

const name = "workloads";

export async function workloadFindings(rest: RestClient): Promise<DoctorFinding[]> {
  try {
    const refused = await refusedWorkloads(rest);
    if (refused.length === 0) return [ok(name, "No guard would refuse a workload that runs in a guest namespace.")];
    return refused.map(({ kind, namespace, name: workload, says }) =>
      warn(
        name,
        `${kind} ${namespace}/${workload} keeps running, but its new pods are refused: ${says}`,
        "Change it, or make the guard only warn for a while with the setting guards.warn (docs/guards.md).",
      )
    );
  } catch (error) {
    if (!isForbidden(error)) throw error;
    return [
      unknown(name, "You have no right to check the guests' workloads.", "Run keystone doctor as a cluster admin."),
    ];
  }
}
