/** A Deployment: its new and old ReplicaSets, the pods that lack, and the reason that old pods stay. */
import type { Pod } from "../../../lib/kubernetes_apis/core@v1.ts";
import { eventsOf, warningsAbout } from "./event_report.ts";
import { countText, excerpt, type Problem, type Report, type ReportFinding } from "./finding.ts";
import { groupFindings, groupProblem, podGroups } from "./pod_groups.ts";
import { refusalReason, type RefusedObject } from "./refusal_reason.ts";
import {
  controlledBy,
  objectName,
  type PodTemplate,
  type ReportedWorkload,
  type ReportWorld,
  type RollingUpdate,
} from "./reported_objects.ts";
import {
  activePods,
  allReadyText,
  budgetFinding,
  deletionProblem,
  failedCreate,
  laggingProblem,
  podsReady,
  readyText,
  scaleRemedy,
  surroundingFindings,
} from "./workload_parts.ts";

const revisionKey = "deployment.kubernetes.io/revision";

/** Pods of a ReplicaSet. */
interface Revision {
  set: ReportedWorkload;
  pods: Pod[];
  active: Pod[];
  ready: number;
}

export function deploymentReport(deployment: ReportedWorkload, world: ReportWorld): Report {
  const isBlind = world.unread.includes("pods") || world.unread.includes("replicasets");
  return isBlind ? statusReport(deployment, world) : revisionsReport(deployment, world);
}

/** Returns what the status alone says, for users who may not read the ReplicaSets or pods. */
function statusReport(deployment: ReportedWorkload, world: ReportWorld): Report {
  const name = objectName(deployment);
  const wanted = deployment.spec?.replicas ?? 1;
  const { replicas = 0, readyReplicas = 0, updatedReplicas = 0 } = deployment.status ?? {};
  const isComplete = replicas === wanted && readyReplicas === wanted && updatedReplicas === wanted;
  const failing = conditionsOf(deployment).find(({ type }) => type === "ReplicaFailure");
  const refused = failing?.message === undefined ? undefined : refusalReason(failing.message, { noun: "pod" }, world);
  const problem = deletionProblem("Deployment", deployment, world) ?? laggingProblem("Deployment", deployment) ??
    (isComplete ? undefined : {
      reason: `Deployment ${name} has ${
        readyText(readyReplicas, wanted)
      }, ${updatedReplicas} of the current template. ${refused?.reason ?? waitText(deployment)}`,
      remedy: refused?.remedy ?? "",
    });
  return {
    problem,
    good: goodText(name, wanted),
    chain: [
      {
        what: `Deployment ${name}`,
        status: problem ? "fail" : "ok",
        message: `${countText(wanted, "pod")} wanted, ${replicas} exist, ${readyReplicas} ready, ` +
          `${updatedReplicas} of the current template.`,
      },
      ...conditionFindings(deployment, []),
      ...warningsAbout(deployment, world),
      ...budgetFinding(deployment.spec?.template?.metadata?.labels, world),
      ...surroundingFindings(world),
    ],
  };
}

const conditionsOf = ({ status }: ReportedWorkload) => status?.conditions ?? [];

function revisionsReport(deployment: ReportedWorkload, world: ReportWorld): Report {
  const name = objectName(deployment);
  const wanted = deployment.spec?.replicas ?? 1;
  const sets = controlledBy(deployment, world.replicaSets);
  const current = newReplicaSet(deployment, sets);
  const revisionOf = (set: ReportedWorkload): Revision => {
    const pods = controlledBy(set, world.pods);
    const active = activePods(pods);
    return { set, pods, active, ready: podsReady(active).length };
  };
  const fresh = current && revisionOf(current);
  const old = sets.filter((set) => set !== current).map(revisionOf).filter(({ pods }) => pods.length > 0);
  const all = [fresh, ...old].flatMap((each) => each?.active ?? []);
  const staying = old.flatMap(({ active }) => active).length;
  const refused = refusedPods(deployment, all.length, fresh, staying);

  const groups = podGroups([...fresh?.pods ?? [], ...old.flatMap(({ pods }) => pods)], world);
  const creation = current ? undefined : setCreationProblem(deployment, world);
  const freshGroups = podGroups(fresh?.pods ?? [], world);
  const lackOf = (set: ReportedWorkload | undefined): Problem | undefined =>
    set && activePods(controlledBy(set, world.pods)).length < (set.spec?.replicas ?? 0)
      ? failedCreate(set, refused, world)
      : undefined;
  // Any ReplicaSet may lack pods: while a Deployment is paused, the old ones are scaled. What pods of the present
  // template wait for goes first, because those of an earlier one may lack for a reason that is gone.
  const lacks = lackOf(current) ??
    (groupProblem(freshGroups) ? undefined : sets.flatMap((set) => lackOf(set) ?? [])[0]);
  const isRollOut = staying > 0;
  const ending = old.reduce((sum, { pods, active }) => sum + pods.length - active.length, 0);
  const stuck = stuckText(deployment, { fresh, staying, wanted, isRefused: (creation ?? lacks) !== undefined });
  const cause = creation ?? lacks ?? groupProblem(freshGroups) ?? groupProblem(groups);
  const complete = fresh !== undefined && staying === 0 && fresh.ready >= wanted && fresh.active.length <= wanted;
  const problem = deletionProblem("Deployment", deployment, world) ??
    (deployment.spec?.paused && (isRollOut || !current) ? pausedProblem(name) : undefined) ??
    // A controller that can't create the ReplicaSet does not update observedGeneration either.
    (creation ? undefined : laggingProblem("Deployment", deployment)) ??
    (complete ? unavailable(deployment, wanted) : {
      reason: [stuck, cause?.reason ?? recreateText(deployment, ending) ?? waitText(deployment)].filter(Boolean).join(
        " ",
      ),
      remedy: [cause?.remedy ?? "", stallRemedy(deployment, wanted, staying, lacks)].filter(Boolean).join(" "),
    });

  const chain: ReportFinding[] = [{
    what: `Deployment ${name}`,
    status: problem ? "fail" : "ok",
    message:
      `${countText(wanted, "pod")} wanted, ${all.length} exist, ${deployment.status?.readyReplicas ?? 0} ready, ` +
      `${deployment.status?.updatedReplicas ?? 0} of the current template.${
        deployment.spec?.paused ? " It is paused." : ""
      }`,
  }];
  chain.push(...conditionFindings(deployment, [creation?.reason]));
  if (!current) {
    chain.push({
      what: "new ReplicaSet",
      status: "fail",
      message: creation ? `It can't be created. ${creation.reason}` : "It has not been created.",
    });
  } else if (fresh) {
    const size = current.spec?.replicas ?? 0;
    chain.push({
      what: `${old.length > 0 ? "new " : ""}ReplicaSet ${objectName(current)}`,
      status: fresh.ready < size || size < wanted ? "fail" : "ok",
      message: `${fresh.active.length} of ${countText(size, "pod")} exist, ${fresh.ready} ready.${
        lacks ? ` ${lacks.reason}` : ""
      }`,
    });
  }
  for (const { set, active, pods } of old.slice(0, 5)) {
    chain.push({
      what: `old ReplicaSet ${objectName(set)} (revision ${set.metadata?.annotations?.[revisionKey] ?? "?"})`,
      status: "warn",
      message: active.length > 0
        ? `${countText(active.length, "pod")} of it. ${stayText(deployment, wanted, fresh)}`
        : `${countText(pods.length, "pod")} of it, in deletion.`,
    });
  }
  chain.push(
    ...groupFindings(groups),
    ...warningsAbout(deployment, world, creation ? [creation.reason] : []).filter(({ what }) =>
      !/ReplicaSetCreateError/.test(what)
    ),
    ...budgetFinding(deployment.spec?.template?.metadata?.labels, world),
    ...surroundingFindings(world),
  );
  return { problem, good: goodText(name, wanted), chain };
}

const goodText = (name: string, wanted: number): string =>
  wanted === 0 ? `Deployment ${name} is scaled to 0.` : `Deployment ${name}: ${allReadyText(wanted)}.`;

/** Returns the ReplicaSet of the current template, as the deployment controller finds it. */
export function newReplicaSet(
  deployment: ReportedWorkload,
  sets: readonly ReportedWorkload[],
): ReportedWorkload | undefined {
  const template = templateText(deployment.spec?.template);
  return sets.filter((set) => templateText(set.spec?.template) === template)
    .sort((a, b) => (a.metadata?.creationTimestamp ?? "") < (b.metadata?.creationTimestamp ?? "") ? -1 : 1)[0];
}

/** Returns a text that equal templates share, without the label by which the controller tells ReplicaSets apart. */
const templateText = (template: PodTemplate | undefined): string =>
  JSON.stringify(template, (key, value) => {
    if (key === "pod-template-hash" || key === "creationTimestamp") return undefined;
    if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1));
  });

function refusedPods(
  deployment: ReportedWorkload,
  existing: number,
  fresh: Revision | undefined,
  staying: number,
): RefusedObject {
  const name = objectName(deployment);
  return {
    noun: "pod",
    remedies: staying > 0 || existing === 0 || !fresh ? [] : [scaleRemedy("Deployment", deployment, existing)],
    retry: `kubectl rollout restart deployment/${name}`,
  };
}

/** Returns why the ReplicaSet of a new template could not be created: mostly a quota on their count. */
function setCreationProblem(deployment: ReportedWorkload, world: ReportWorld): Problem | undefined {
  const failed = deployment.status?.conditions?.find(({ reason }) => reason === "ReplicaSetCreateError");
  const [event] = eventsOf(deployment, world, "ReplicaSetCreateError");
  const text = failed?.message ?? event?.message;
  if (text === undefined) return undefined;
  return refusalReason(text, {
    noun: "new ReplicaSet",
    countRemedy: "delete old ReplicaSets (kubectl get rs; kubectl delete rs NAME), and lower spec.revisionHistoryLimit",
    retry: `kubectl rollout restart deployment/${objectName(deployment)}`,
  }, world);
}

const pausedProblem = (name: string): Problem => ({
  reason: `Deployment ${name} is paused (spec.paused), so its new template is not rolled out.`,
  remedy: `Resume it: kubectl rollout resume deployment/${name}.`,
});

function unavailable({ spec, status, metadata }: ReportedWorkload, wanted: number): Problem | undefined {
  const available = status?.availableReplicas ?? 0;
  const seconds = spec?.minReadySeconds ?? 0;
  return available >= wanted ? undefined : {
    reason: `Deployment ${metadata?.name} has ${readyText(wanted, wanted)}, but only ${available} of them available${
      seconds > 0 ? `: each counts after spec.minReadySeconds (${seconds})` : " by its status so far"
    }.`,
    remedy: "",
  };
}

interface RollOut {
  fresh: Revision | undefined;
  /** Pods of old ReplicaSets. */
  staying: number;
  wanted: number;
  /** True if the new ReplicaSet or a pod can't be created. */
  isRefused: boolean;
}

function stuckText({ metadata, status }: ReportedWorkload, { fresh, staying, wanted, isRefused }: RollOut): string {
  const name = metadata?.name;
  if (!fresh) {
    return `The roll-out of Deployment ${name} ${
      isRefused ? "is stuck: its new ReplicaSet can't be created" : "is not complete: its new ReplicaSet does not exist"
    }.`;
  }
  if (staying > 0) {
    const isStuck = isRefused || status?.conditions?.some(({ reason }) => reason === "ProgressDeadlineExceeded");
    return `The roll-out of Deployment ${name} ${isStuck ? "is stuck" : "is not complete"}: new ReplicaSet ` +
      `${objectName(fresh.set)} has ${readyText(fresh.ready, wanted)}, and ${countText(staying, "old pod")} ${
        staying === 1 ? "stays" : "stay"
      }.`;
  }
  const missing = wanted - fresh.active.length;
  return `Deployment ${name} has ${readyText(fresh.ready, wanted)}${missing > 0 ? ` (${missing} missing)` : ""}.`;
}

const recreateText = ({ spec }: ReportedWorkload, ending: number): string | undefined =>
  spec?.strategy?.type === "Recreate" && ending > 0
    ? `With strategy Recreate new pods come when the old ones have ended; ${
      countText(ending, "pod")
    } still in deletion.`
    : undefined;

const waitText = ({ status }: ReportedWorkload): string => {
  const progressing = status?.conditions?.find(({ type }) => type === "Progressing");
  return progressing?.status === "False" ? excerpt(progressing.message ?? "") : "Its controller is working on it.";
};

/** Returns the numbers of a rolling update, as the controller rounds them. */
export function rollingNumbers(
  rolling: RollingUpdate | undefined,
  wanted: number,
): { surge: number; unavailable: number } {
  const of = (value: number | string | undefined, round: (n: number) => number): number => {
    const text = String(value ?? "25%");
    return text.endsWith("%") ? round(Number(text.slice(0, -1)) * wanted / 100) : Number(text);
  };
  const surge = of(rolling?.maxSurge, Math.ceil);
  const unavailable = Math.min(wanted, of(rolling?.maxUnavailable, Math.floor));
  return { surge, unavailable: surge === 0 && unavailable === 0 ? 1 : unavailable };
}

function stayText(deployment: ReportedWorkload, wanted: number, fresh: Revision | undefined): string {
  if (!fresh) return "It runs on until the new ReplicaSet exists.";
  const { strategy } = deployment.spec ?? {};
  if (strategy?.type === "Recreate") return "With strategy Recreate new pods come when all old ones have ended.";
  const { unavailable } = rollingNumbers(strategy?.rollingUpdate, wanted);
  const written = strategy?.rollingUpdate?.maxUnavailable ?? "25%";
  const effective = String(written) === String(unavailable)
    ? `${written}`
    : `${written}, which is ${unavailable} of ${wanted}`;
  return unavailable === 0
    ? `An old pod ends only when a new one is ready, because maxUnavailable is ${effective}.`
    : `At most ${unavailable} may be unavailable (maxUnavailable is ${effective}), so these end when new ones are ready.`;
}

/** Returns the remedy for a roll-out that needs room for one more pod than it has. */
function stallRemedy(
  deployment: ReportedWorkload,
  wanted: number,
  staying: number,
  lacks: Problem | undefined,
): string {
  const { strategy } = deployment.spec ?? {};
  if (!lacks || staying === 0 || strategy?.type === "Recreate") return "";
  if (!/has no room/.test(lacks.reason) || rollingNumbers(strategy?.rollingUpdate, wanted).unavailable > 0) return "";
  return "Or set spec.strategy.rollingUpdate.maxUnavailable to 1, so that an old pod makes room for a new one.";
}

function conditionFindings({ status }: ReportedWorkload, said: (string | undefined)[]): ReportFinding[] {
  return (status?.conditions ?? []).flatMap(({ type, status, reason = "", message = "" }): ReportFinding[] => {
    const good = type === "ReplicaFailure" ? status !== "True" : status === "True";
    // ReplicaFailure repeats what the ReplicaSet's line says.
    if (good || type === "ReplicaFailure" || reason === "ReplicaSetCreateError" || said.includes(message)) return [];
    const paused = /Paused|Resumed/.test(reason);
    return [{ what: `${type} is ${status} (${reason})`, status: paused ? "warn" : "fail", message: excerpt(message) }];
  });
}
