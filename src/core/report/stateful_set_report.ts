/** A StatefulSet: its pods in order, their claims, and its roll-out. */
import type { Pod } from "../../../lib/kubernetes_apis/core@v1.ts";
import { lastFailure, warningsAbout } from "./event_report.ts";
import { countText, fewOf, type Problem, problemText, type Report, type ReportFinding } from "./finding.ts";
import { groupFindings, groupProblem, podGroups } from "./pod_groups.ts";
import { refusalReason } from "./refusal_reason.ts";
import { controlledBy, objectName, type ReportedWorkload, type ReportWorld } from "./reported_objects.ts";
import {
  activePods,
  allReadyText,
  budgetFinding,
  deletionProblem,
  laggingProblem,
  podCounts,
  podsReady,
  readyText,
  scaleRemedy,
  surroundingFindings,
} from "./workload_parts.ts";

const revisionLabel = "controller-revision-hash";
const ordinalOf = ({ metadata }: Pod): number => Number(/-(\d+)$/.exec(metadata?.name ?? "")?.[1] ?? 0);

export function statefulSetReport(set: ReportedWorkload, world: ReportWorld): Report {
  const name = objectName(set);
  const wanted = set.spec?.replicas ?? 1;
  const pods = controlledBy(set, world.pods).sort((a, b) => ordinalOf(a) - ordinalOf(b));
  const active = activePods(pods);
  const { existing, ready } = podCounts(
    { existing: set.status?.replicas, ready: set.status?.readyReplicas },
    pods,
    world,
  );
  const missing = Math.max(0, wanted - existing);
  const groups = podGroups(pods, world);
  const refused = missing > 0 ? refusedCreate(set, existing, world) : undefined;
  const isOrdered = set.spec?.podManagementPolicy !== "Parallel";
  const blocker = isOrdered && missing > 0 ? pods.find((pod) => !podsReady([pod]).length) : undefined;
  const outdated = outdatedPods(set, active);
  const held = outdatedText(set, outdated);
  const cause = blocker ? groupProblem(podGroups([blocker], world)) : refused ?? groupProblem(groups);
  const isComplete = ready >= wanted && existing <= wanted;
  const problem = deletionProblem("StatefulSet", set, world) ?? laggingProblem("StatefulSet", set) ??
    (!isComplete ? incomplete(set, { ready, missing, wanted, blocker, cause, outdated }) : held);
  return {
    problem,
    good: wanted === 0
      ? `StatefulSet ${name} is scaled to 0.`
      : `StatefulSet ${name}: ${allReadyText(wanted)}.${
        outdated.length > 0 ? " The rest is kept back by the partition." : ""
      }`,
    chain: [
      {
        what: `StatefulSet ${name}`,
        status: problem ? "fail" : "ok",
        message: `${existing} of ${countText(wanted, "pod")} exist, ${ready} ready.${
          refused ? ` ${refused.reason}` : ""
        }`,
      },
      ...(outdated.length > 0
        ? [
          {
            what: `${countText(outdated.length, "pod")} of the old revision`,
            status: held ? "fail" : "warn",
            message: held ? problemText(held) : partitionText(set),
          } satisfies ReportFinding,
        ]
        : []),
      ...groupFindings(groups),
      ...(refused ? [] : warningsAbout(set, world)),
      ...budgetFinding(set.spec?.template?.metadata?.labels, world),
      ...surroundingFindings(world),
    ],
  };
}

interface State {
  ready: number;
  missing: number;
  wanted: number;
  blocker: Pod | undefined;
  cause: Problem | undefined;
  outdated: readonly Pod[];
}

function incomplete(set: ReportedWorkload, state: State): Problem {
  const { ready, missing, wanted, blocker, cause, outdated } = state;
  const name = objectName(set);
  const parts = [`StatefulSet ${name} has ${readyText(ready, wanted)}${missing > 0 ? ` (${missing} missing)` : ""}.`];
  if (blocker) parts.push(`The pods after ${blocker.metadata?.name} are created when it is ready.`);
  parts.push(cause?.reason ?? "Its controller is working on it.");
  const broken = [...outdated].find((pod) => podsReady([pod]).length === 0);
  const replace = broken && set.spec?.updateStrategy?.type !== "OnDelete"
    ? `A pod of an old revision that never gets ready isn't replaced by itself: kubectl delete pod ${broken.metadata?.name}.`
    : "";
  return { reason: parts.join(" "), remedy: [cause?.remedy, replace].filter(Boolean).join(" ") };
}

/** Returns why the next pod, or a claim for it, could not be created, by the latest event. */
function refusedCreate(set: ReportedWorkload, existing: number, world: ReportWorld): Problem | undefined {
  const last = lastFailure(set, world, ["FailedCreate"], "SuccessfulCreate");
  if (!last) return undefined;
  const { claim, pod } = claimRefused(last.message ?? "");
  const refused = refusalReason(last.message ?? "", {
    noun: claim ? `claim ${claim}` : "pod",
    remedies: existing > 0 ? [scaleRemedy("StatefulSet", set, existing)] : [],
    retry: `kubectl rollout restart statefulset/${objectName(set)}`,
  }, world);
  return claim ? { ...refused, reason: `Pod ${pod} waits for its claim. ${refused.reason}` } : refused;
}

/** Events about a claim that could not be created: one about the claim, and one about its pod. */
const claimFailures = [
  /create Claim (?<claim>\S+) for Pod (?<pod>\S+) /,
  /create Pod (?<pod>\S+) in StatefulSet \S+ failed error: failed to create PVC (?<claim>[^\s:]+):/,
];

const claimRefused = (message: string): Record<string, string> =>
  claimFailures.map((pattern) => pattern.exec(message)?.groups).find((groups) => groups) ?? {};

const outdatedPods = ({ status }: ReportedWorkload, pods: readonly Pod[]): Pod[] =>
  status?.updateRevision === undefined
    ? []
    : pods.filter(({ metadata }) => metadata?.labels?.[revisionLabel] !== status.updateRevision);

/** Returns the problem that pods of the old revision stay, unless a partition asks for that. */
function outdatedText(set: ReportedWorkload, outdated: readonly Pod[]): Problem | undefined {
  const names = outdated.map(({ metadata }) => metadata?.name ?? "");
  if (set.spec?.updateStrategy?.type === "OnDelete" && names.length > 0) {
    return {
      reason: `StatefulSet ${objectName(set)}: ${countText(names.length, "pod")} of the old template ` +
        `(${fewOf(names)}) left, because spec.updateStrategy.type is OnDelete.`,
      remedy: `Delete them one after another: kubectl delete pod ${names.at(-1)}.`,
    };
  }
  const partition = set.spec?.updateStrategy?.rollingUpdate?.partition ?? 0;
  const waiting = outdated.filter((pod) => ordinalOf(pod) >= partition);
  return waiting.length === 0 ? undefined : {
    reason:
      `The roll-out of StatefulSet ${objectName(set)} is not complete: ${countText(waiting.length, "pod")} of the ` +
      "old template left. Pods are replaced one after another, the highest number first.",
    remedy: "",
  };
}

const partitionText = ({ spec }: ReportedWorkload): string =>
  `They stay, because spec.updateStrategy.rollingUpdate.partition is ${spec?.updateStrategy?.rollingUpdate?.partition}.`;
