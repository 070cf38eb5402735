/** A single pod: its state, its claims, what it uses of the grants, and the policies on its network. */
import type { Pod } from "../../../lib/kubernetes_apis/core@v1.ts";
import { podUsage } from "../guest/pod_usage.ts";
import { shown } from "../resources/quota_lists.ts";
import { claimProblem } from "./claim_problem.ts";
import { warningsAbout } from "./event_report.ts";
import { type Problem, problemText, type Report, type ReportFinding, sentence } from "./finding.ts";
import { refusedEviction } from "./disruption_report.ts";
import { isOverused } from "./quota_report.ts";
import { claimsOf, isFinished, podFinding } from "./pod_report.ts";
import { controllerOf, type ReportWorld } from "./reported_objects.ts";
import { budgetFinding, ownerFinding, surroundingFindings } from "./workload_parts.ts";

/** @param policies names of the NetworkPolicies that select the pod; undefined: they can't be read */
export function podExplanation(pod: Pod, policies: readonly string[] | undefined, world: ReportWorld): Report {
  const name = pod.metadata?.name ?? "";
  const finding = podFinding(pod, world);
  const owner = controllerOf(pod);
  // A ReplicaSet of a Deployment is explained with the Deployment.
  const set = owner?.kind === "ReplicaSet"
    ? world.replicaSets.find(({ metadata }) => metadata?.uid === owner.uid)
    : undefined;
  const phase = pod.status?.phase ?? "Pending";
  const problem = finding && (finding.status === "fail" || finding.about === "Terminating")
    ? { reason: `Pod ${name}: ${finding.about}. ${finding.reason}`, remedy: finding.remedy }
    : heldProblem(pod, world);
  const restarts = (pod.status?.containerStatuses ?? []).reduce((sum, { restartCount = 0 }) => sum + restartCount, 0);
  const chain: ReportFinding[] = [
    ...(set && controllerOf(set) ? ownerFinding({ ...set, kind: "ReplicaSet" }) : []),
    ...ownerFinding({ ...pod, kind: "Pod" }),
    {
      what: `pod ${name}`,
      status: problem ? "fail" : "ok",
      message: `${phase}${pod.spec?.nodeName ? ` on node ${pod.spec.nodeName}` : ""}${
        restarts > 0 ? `, ${restarts} restarts` : ""
      }.${pod.status?.message ? ` ${sentence(pod.status.message)}` : ""}`,
    },
    ...(finding ? [{ what: finding.about, status: finding.status, message: problemText(finding) }] : []),
    ...budgetFinding(pod.metadata?.labels, world, pod),
    ...claimsOf(pod, world).map(({ name, ephemeral, claim }): ReportFinding => {
      const wrong = claim && claimProblem(claim, world);
      return {
        what: ephemeral === undefined ? `claim ${name}` : `volume ${ephemeral} (claim ${name})`,
        status: wrong || (!claim && !isFinished(pod)) ? "fail" : "ok",
        message: wrong ? problemText(wrong) : claim ? `${claim.status?.phase ?? "Pending"}.` : "It does not exist.",
      };
    }),
  ];
  if (!isFinished(pod)) {
    const usage = [...podUsage(pod.spec ?? { containers: [] })].filter(([key]) => key !== "pods");
    chain.push({
      what: "uses",
      status: "ok",
      message: `${
        Object.entries(shown(new Map(usage))).map(([key, value]) => `${value} ${key}`).join(", ")
      } of the grants to ${world.namespace}.`,
    });
    if (policies) {
      chain.push({
        what: "network",
        status: "ok",
        message: `${policies.join(", ") || "no policy"} apply to it. ` +
          `Check a destination: keystone can-reach ${name} DESTINATION -n ${world.namespace}`,
      });
    }
  }
  chain.push(...warningsAbout(pod, world, finding ? [finding.reason] : []), ...surroundingFindings(world));
  return {
    problem,
    good: phase === "Succeeded" ? `Pod ${name} has succeeded.` : `Pod ${name} is running and ready.`,
    chain,
  };
}

/** Returns that the pod has to go, and that a PodDisruptionBudget keeps it. */
function heldProblem(pod: Pod, world: ReportWorld): Problem | undefined {
  if (isFinished(pod) || !(world.grants?.length === 0 || isOverused(world))) return undefined;
  const refused = refusedEviction(pod.metadata?.labels, world, pod);
  const why = world.grants?.length === 0
    ? `no grant is in force in ${world.namespace}`
    : "the grants give less than the pods use";
  return refused && {
    reason: `Pod ${pod.metadata?.name} has to end, because ${why}. ${refused.reason}`,
    remedy: `${refused.remedy} When the drain is over, it is deleted all the same.`.trim(),
  };
}
