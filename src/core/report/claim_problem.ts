/** A PersistentVolumeClaim: the reason that it has no volume, by its status and its events. */
import type { PersistentVolumeClaim } from "../../../lib/kubernetes_apis/core@v1.ts";
import { eventsOf } from "./event_report.ts";
import { excerpt, type Problem, sentence } from "./finding.ts";
import type { ReportWorld } from "./reported_objects.ts";

/** Returns the problem of a claim; undefined if it is bound, or is provisioned once a pod uses it. */
export function claimProblem(claim: PersistentVolumeClaim, world: ReportWorld): Problem | undefined {
  const { metadata, spec, status } = claim;
  const name = metadata?.name ?? "";
  if (metadata?.deletionTimestamp !== undefined) {
    return { reason: `PersistentVolumeClaim ${name} is being deleted.`, remedy: "It goes once no pod uses it." };
  }
  if (status?.phase === "Lost") {
    return {
      reason: `The volume ${spec?.volumeName ?? ""} of PersistentVolumeClaim ${name} no longer exists.`,
      remedy: "Its data is lost: delete the claim and create it again, or restore a backup.",
    };
  }
  if (status?.phase === "Bound") return undefined;
  const about = `PersistentVolumeClaim ${name} (${storageClassText(claim)}) has no volume`;
  const [event] = eventsOf(claim, world);
  const [failure] = eventsOf(claim, world, "ProvisioningFailed", "FailedBinding", "VolumeMismatch");
  if (failure && event?.reason !== "WaitForFirstConsumer" && event?.reason !== "ProvisioningSucceeded") {
    const said = failure.message ?? "";
    return { reason: `${about}: ${excerpt(said)}`, remedy: provisioningRemedy(said) };
  }
  if (waitsForPod(claim, world)) return undefined;
  if (event?.reason === "ExternalProvisioning" || event?.reason === "Provisioning") {
    return {
      reason: `${about} yet: ${excerpt(event.message ?? "")}`,
      remedy: "If it stays so, ask a cluster admin whether the provisioner runs.",
    };
  }
  return {
    reason: event?.message ? `${about}: ${sentence(excerpt(event.message))}` : `${about}, and no event gives a reason.`,
    remedy: "If it stays so, ask a cluster admin about its StorageClass.",
  };
}

/** Reports whether the claim gets its volume only when a pod that uses it is scheduled. */
export const waitsForPod = (claim: PersistentVolumeClaim, world: ReportWorld): boolean =>
  claim.status?.phase === "Pending" &&
  ["WaitForFirstConsumer", "WaitForPodScheduled"].includes(eventsOf(claim, world)[0]?.reason ?? "");

export const storageClassText = ({ spec }: PersistentVolumeClaim): string =>
  spec?.storageClassName ? `StorageClass ${spec.storageClassName}` : "no StorageClass";

function provisioningRemedy(said: string): string {
  if (/storageclass.*not found/i.test(said)) {
    return "Change spec.storageClassName: the claim has to be deleted and created again.";
  }
  if (/kubernetes\.io\/no-provisioner/.test(said)) {
    return "No free volume of this class fits, and none is made by itself: ask a cluster admin for one, or request less.";
  }
  if (/no storage class is set/.test(said)) {
    return "Set spec.storageClassName (the claim has to be created again), or have a default StorageClass set.";
  }
  return "The provisioner tries again by itself; ask a cluster admin about its StorageClass.";
}
