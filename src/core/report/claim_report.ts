/** A PersistentVolumeClaim: its volume, its resize, and the pods that use it. */
import type { PersistentVolumeClaim } from "../../../lib/kubernetes_apis/core@v1.ts";
import { isQuantity, parseQuantity } from "../../../lib/quantity/mod.ts";
import { claimProblem, storageClassText, waitsForPod } from "./claim_problem.ts";
import { eventsOf, warningsAbout } from "./event_report.ts";
import { excerpt, fewOf, type Problem, type Report } from "./finding.ts";
import { claimsOf, isFinished, podFinding } from "./pod_report.ts";
import { relative } from "./relative_time.ts";
import type { ReportWorld } from "./reported_objects.ts";
import { surroundingFindings } from "./workload_parts.ts";

export function claimReport(claim: PersistentVolumeClaim, world: ReportWorld): Report {
  const { metadata, spec, status } = claim;
  const name = metadata?.name ?? "";
  const users = world.pods.filter((pod) => !isFinished(pod) && claimsOf(pod, world).some((each) => each.name === name));
  const names = users.map((pod) => pod.metadata?.name ?? "");
  const problem = deletion(claim, names, world) ?? claimProblem(claim, world) ?? waiting(claim, world) ??
    resize(claim, world);
  const size = status?.capacity?.storage ?? spec?.resources?.requests?.storage ?? "?";
  return {
    problem,
    good: status?.phase === "Bound"
      ? `PersistentVolumeClaim ${name} has its volume ${spec?.volumeName ?? ""} of ${size}.`
      : `PersistentVolumeClaim ${name} gets its volume when a pod that uses it is scheduled (WaitForFirstConsumer); ` +
        "no pod uses it.",
    chain: [
      {
        what: `PersistentVolumeClaim ${name}`,
        status: problem ? "fail" : "ok",
        message: `${status?.phase ?? "Pending"}, ${size}, ${storageClassText(claim)}, ${
          (spec?.accessModes ?? []).join(", ")
        }.`,
      },
      ...(status?.conditions ?? []).filter(({ status }) => status === "True").map(({ type, message }) => ({
        what: type,
        status: /Error|Infeasible/.test(type) ? "fail" as const : "warn" as const,
        message: excerpt(message || type),
      })),
      { what: "pods", status: "ok", message: names.length > 0 ? `Used by ${fewOf(names)}.` : "No pod uses it." },
      ...warningsAbout(claim, world),
      ...surroundingFindings(world),
    ],
  };
}

function deletion(
  { metadata }: PersistentVolumeClaim,
  users: readonly string[],
  { now }: ReportWorld,
): Problem | undefined {
  if (metadata?.deletionTimestamp === undefined) return undefined;
  const others = (metadata.finalizers ?? []).filter((each) => each !== "kubernetes.io/pvc-protection");
  return {
    reason: `PersistentVolumeClaim ${metadata.name} was deleted ${
      relative(metadata.deletionTimestamp, now)
    }, and waits for ${
      users.length > 0 ? `the pods that use it: ${fewOf(users)}` : `its finalizers ${fewOf(metadata.finalizers ?? [])}`
    }.`,
    remedy: users.length > 0
      ? "It goes when they have ended."
      : others.length > 0
      ? "The controller that set them has to remove them."
      : "",
  };
}

/** Returns the problem of a claim that waits for a pod which itself is not scheduled. */
function waiting(claim: PersistentVolumeClaim, world: ReportWorld): Problem | undefined {
  if (!waitsForPod(claim, world)) return undefined;
  const name = claim.metadata?.name ?? "";
  const pod = world.pods.find((each) => !isFinished(each) && claimsOf(each, world).some((used) => used.name === name));
  if (!pod) return undefined;
  const finding = podFinding(pod, world);
  return {
    reason: `PersistentVolumeClaim ${name} gets its volume when pod ${pod.metadata?.name} is scheduled.${
      finding ? ` The pod waits: ${finding.reason}` : ""
    }`,
    remedy: finding?.remedy ?? "",
  };
}

function resize(claim: PersistentVolumeClaim, world: ReportWorld): Problem | undefined {
  const [wanted, has] = [claim.spec?.resources?.requests?.storage, claim.status?.capacity?.storage].map(String);
  if (claim.status?.phase !== "Bound" || !isQuantity(wanted!) || !isQuantity(has!)) return undefined;
  if (parseQuantity(has!).compare(parseQuantity(wanted!)) >= 0) return undefined;
  const [event] = eventsOf(
    claim,
    world,
    "VolumeResizeFailed",
    "FileSystemResizeFailed",
    "ExternalExpanding",
    "Resizing",
    "FileSystemResizeRequired",
  );
  const pending = claim.status.conditions?.find(({ type, status }) =>
    type === "FileSystemResizePending" && status === "True"
  );
  return {
    reason: `PersistentVolumeClaim ${claim.metadata?.name} has ${has} and asks for ${wanted}.${
      event ? ` ${excerpt(event.message ?? "")}` : ""
    }`,
    remedy: pending ? "Its file system grows when a pod that uses it starts again." : "",
  };
}
