/** One pod: the first reason that it does not run, by its status, its claims and its events. */
import type { ContainerStatus, PersistentVolumeClaim, Pod } from "../../../lib/kubernetes_apis/core@v1.ts";
import { claimProblem } from "./claim_problem.ts";
import { eventsOf, eventTime } from "./event_report.ts";
import { excerpt, fewOf, type Problem, sentence } from "./finding.ts";
import { relative } from "./relative_time.ts";
import { refusalReason } from "./refusal_reason.ts";
import type { ReportedEvent, ReportWorld } from "./reported_objects.ts";

/** Something about a pod; equal texts of several pods are reported once. */
export interface PodFinding extends Problem {
  /** Container or aspect. */
  about: string;
  /** `warn`: the pod works, or will without help. */
  status: "warn" | "fail";
}

const podName = ({ metadata }: Pod): string => metadata?.name ?? "";
const condition = ({ status }: Pod, type: string) => status?.conditions?.find((each) => each.type === type);

export const isPodReady = (pod: Pod): boolean =>
  pod.metadata?.deletionTimestamp === undefined && pod.status?.phase === "Running" &&
  condition(pod, "Ready")?.status === "True";

export const isFinished = ({ status }: Pod): boolean => status?.phase === "Succeeded" || status?.phase === "Failed";

/** Returns the reason that a pod isn't ready; undefined if it is, or has succeeded. */
export function podFinding(pod: Pod, world: ReportWorld): PodFinding | undefined {
  const { status } = pod;
  if (pod.metadata?.deletionTimestamp !== undefined) return terminating(pod, world);
  if (status?.phase === "Succeeded") return undefined;
  if (status?.phase === "Failed") return failed(pod);
  if (!pod.spec?.nodeName) return unscheduled(pod, world);
  const container = containerFinding(pod, world);
  if (container) return container;
  if (isPodReady(pod)) return undefined;
  return status?.phase === "Running" ? notReady(pod, world) : starting(pod, world);
}

const fail = (about: string, reason: string, remedy = ""): PodFinding => ({ about, reason, remedy, status: "fail" });

function terminating({ metadata, status, spec }: Pod, { now }: ReportWorld): PodFinding {
  const end = Date.parse(metadata!.deletionTimestamp!);
  const grace = 1000 * (metadata?.deletionGracePeriodSeconds ?? 0);
  const since = relative(new Date(end - grace).toISOString(), now);
  const holds = metadata?.finalizers ?? [];
  if (holds.length > 0 && (now > end || status?.phase === "Failed" || status?.phase === "Succeeded")) {
    return fail(
      "Terminating",
      `It was deleted ${since}, and waits for the finalizers ${fewOf(holds)}.`,
      "The controller that set them has to remove them; if it is gone, remove metadata.finalizers.",
    );
  }
  if (now > end + 60_000 && spec?.nodeName) {
    return fail(
      "Terminating",
      `It was deleted ${since}, and its node has not reported its end.`,
      "Its node may be down: ask a cluster admin. kubectl delete --force removes only the object.",
    );
  }
  return { about: "Terminating", reason: `It was deleted ${since}, and is ending.`, remedy: "", status: "warn" };
}

function failed(pod: Pod): PodFinding {
  const { reason, message } = pod.status ?? {};
  if (reason !== undefined) {
    const remedies: Record<string, string> = {
      Evicted: "Its controller replaces it; a pod without a controller must be created again.",
      DeadlineExceeded: "Raise spec.activeDeadlineSeconds.",
      OOMKilled: "Raise resources.limits.memory.",
    };
    return fail(reason, sentence(`The pod failed: ${message ?? reason}`), remedies[reason] ?? "");
  }
  const ended = allContainers(pod).find(({ state }) => (state?.terminated?.exitCode ?? 0) !== 0);
  return ended
    ? fail(
      `container ${ended.name}: ${endedAs(ended.state!.terminated!)}`,
      exitText(ended.state!.terminated!),
      logs(pod, ended),
    )
    : fail("Failed", sentence(message ?? "The pod failed, and gives no reason"));
}

const allContainers = ({ status }: Pod): ContainerStatus[] => [
  ...status?.initContainerStatuses ?? [],
  ...status?.containerStatuses ?? [],
];

type Terminated = NonNullable<NonNullable<ContainerStatus["state"]>["terminated"]>;

const endedAs = ({ reason, exitCode }: Terminated): string => reason ?? (exitCode === 0 ? "Completed" : "Error");

function exitText(terminated: Terminated): string {
  const { exitCode, signal, message } = terminated;
  const by = signal ? ` by signal ${signal}` : "";
  const memory = isOutOfMemory(terminated) ? ": it used more memory than its limit" : "";
  const said = message?.trim() ? ` It says: ${excerpt(message, 200)}` : "";
  const early = exitCode === 0 ? ", because its command ended by itself" : "";
  return `It exited with code ${exitCode}${by}${memory}${early}.${said}`;
}

const isOutOfMemory = ({ reason }: Terminated): boolean => reason === "OOMKilled";

const logs = (pod: Pod, { name, restartCount = 0, state }: ContainerStatus): string => {
  const ended = state?.terminated ?? undefined;
  if (ended && isOutOfMemory(ended)) return memoryRemedy;
  return `Read its output: kubectl logs ${podName(pod)} -c ${name}${restartCount > 0 ? " --previous" : ""}.`;
};

const memoryRemedy = "Raise resources.limits.memory of the container.";

/** Returns the reason that the scheduler has not placed the pod: its claims come first, because it waits for them. */
function unscheduled(pod: Pod, world: ReportWorld): PodFinding {
  const claim = claimFinding(pod, world);
  if (claim) return claim;
  const gates = pod.spec?.schedulingGates ?? [];
  if (gates.length > 0) {
    return fail(
      "SchedulingGated",
      `It waits for the scheduling gates ${fewOf(gates.map(({ name }) => name))}.`,
      "The controller that set spec.schedulingGates has to remove them.",
    );
  }
  const scheduled = condition(pod, "PodScheduled");
  if (scheduled?.status === "False" && scheduled.message) {
    return fail(scheduled.reason ?? "Unschedulable", excerpt(scheduled.message), schedulingRemedy(scheduled.message));
  }
  const scheduler = pod.spec?.schedulerName ?? "default-scheduler";
  return fail(
    "Pending",
    `No scheduler has placed it yet (spec.schedulerName is ${scheduler}).`,
    scheduler === "default-scheduler"
      ? "If it stays so, ask a cluster admin whether kube-scheduler runs."
      : `Remove spec.schedulerName, unless a scheduler ${scheduler} runs in this cluster.`,
  );
}

function schedulingRemedy(message: string): string {
  if (/Insufficient (\S+)/.test(message)) {
    const lacking = [...new Set([...message.matchAll(/Insufficient ([^\s,.]+)/g)].map(([, key]) => key!))];
    return `The nodes lack free ${fewOf(lacking)}, whatever the grants give: lower the pod's requests, or wait.`;
  }
  if (/no nodes available|0\/0 nodes/.test(message)) {
    return "The cluster has no node that takes pods: ask a cluster admin.";
  }
  if (/didn't match Pod's node affinity|node selector/.test(message)) {
    return "Change spec.nodeSelector or spec.affinity in the pod template.";
  }
  if (/untolerated taint/.test(message)) return "Add spec.tolerations if the nodes are meant for it.";
  if (/topology spread|anti-affinity/.test(message)) {
    return "Change spec.topologySpreadConstraints or spec.affinity in the pod template.";
  }
  return "";
}

/** Returns the claims of a pod by the names of its volumes; those of ephemeral volumes are named after pod and volume. */
export function claimsOf(
  pod: Pod,
  { claims }: ReportWorld,
): { name: string; ephemeral?: string; claim?: PersistentVolumeClaim }[] {
  const byName = new Map(claims.map((claim) => [claim.metadata?.name, claim]));
  return (pod.spec?.volumes ?? []).flatMap(({ name, persistentVolumeClaim, ephemeral }) => {
    const claimName = ephemeral ? `${podName(pod)}-${name}` : persistentVolumeClaim?.claimName;
    if (claimName === undefined) return [];
    const claim = byName.get(claimName);
    return [{ name: claimName, ...(ephemeral ? { ephemeral: name } : {}), ...(claim ? { claim } : {}) }];
  });
}

function claimFinding(pod: Pod, world: ReportWorld): PodFinding | undefined {
  if (world.unread.includes("persistentvolumeclaims")) return undefined;
  for (const { name, ephemeral, claim } of claimsOf(pod, world)) {
    if (
      claim && ephemeral !== undefined &&
      !claim.metadata?.ownerReferences?.some(({ uid }) => uid === pod.metadata?.uid)
    ) {
      return fail(
        `volume ${ephemeral}`,
        `Its claim ${name} exists already and belongs to something else.`,
        `Delete it if nothing needs it: kubectl delete pvc ${name}.`,
      );
    }
    if (claim) {
      const problem = claimProblem(claim, world);
      if (problem) {
        return fail(ephemeral === undefined ? `claim ${name}` : `volume ${ephemeral}`, problem.reason, problem.remedy);
      }
      continue;
    }
    const [event] = eventsOf(pod, world, "FailedBinding").filter(({ message = "" }) =>
      ephemeral !== undefined && message.includes(`ephemeral volume ${ephemeral}:`)
    );
    if (event) {
      const refused = refusalReason(event.message ?? "", { noun: "claim of the volume" }, world);
      return fail(`volume ${ephemeral}`, refused.reason, refused.remedy);
    }
    return ephemeral === undefined
      ? fail(`claim ${name}`, `PersistentVolumeClaim ${name} does not exist.`, "Create it, or correct spec.volumes.")
      : fail(`volume ${ephemeral}`, "Its claim has not been created yet.");
  }
  return undefined;
}

const startsByItself = new Set(["ContainerCreating", "PodInitializing"]);

/** Returns the first container that waits, has failed, or was restarted for lack of memory or by a probe. */
function containerFinding(pod: Pod, world: ReportWorld): PodFinding | undefined {
  const init = new Set((pod.status?.initContainerStatuses ?? []).map(({ name }) => name));
  let restarted: PodFinding | undefined;
  for (const container of allContainers(pod)) {
    const { name, state, lastState, restartCount = 0 } = container;
    const noun = `${init.has(name) ? "init container" : "container"} ${name}`;
    const { waiting, terminated } = state ?? {};
    const last = lastState?.terminated;
    const killed = killedByProbe(pod, container, world);
    if (killed && (!state?.running || !isPodReady(pod))) {
      return fail(`${noun}: ${waiting?.reason ?? "restarted"}`, killed, probeRemedy(pod, container));
    }
    if (killed) {
      restarted ??= {
        about: `${noun}: restarted`,
        reason: killed,
        remedy: probeRemedy(pod, container),
        status: "warn",
      };
    }
    if (waiting?.reason && !startsByItself.has(waiting.reason)) {
      if (waiting.reason === "CrashLoopBackOff" && last) {
        const remedy = isOutOfMemory(last) ? memoryRemedy : logs(pod, container);
        return fail(`${noun}: CrashLoopBackOff`, `${exitText(last)} It is started again with growing delays.`, remedy);
      }
      return fail(
        `${noun}: ${waiting.reason}`,
        excerpt(waiting.message ?? "It waits."),
        waitingRemedy(waiting.reason, waiting.message),
      );
    }
    if (terminated && terminated.exitCode !== 0) {
      return fail(`${noun}: ${endedAs(terminated)}`, exitText(terminated), logs(pod, container));
    }
    if (last && isOutOfMemory(last) && restartCount > 0) {
      restarted ??= {
        about: `${noun}: OOMKilled before`,
        reason: "It runs again, after it used more memory than its limit.",
        remedy: memoryRemedy,
        status: isPodReady(pod) ? "warn" : "fail",
      };
    }
  }
  return restarted ?? mountFinding(pod, world);
}

/** Returns that a probe ended the container's last run; undefined if it ended by itself. */
function killedByProbe(pod: Pod, { name, state, lastState }: ContainerStatus, world: ReportWorld): string | undefined {
  const began = (state?.terminated ?? lastState?.terminated)?.startedAt;
  if (began === undefined) return undefined;
  const during = (event: ReportedEvent) => Date.parse(eventTime(event)) >= Date.parse(began);
  const probe = eventsOf(pod, world, "Killing").filter(during).map(({ message = "" }) =>
    /^Container (\S+) failed (liveness|startup) probe/.exec(message)
  ).find((found) => found?.[1] === name)?.[2];
  if (probe === undefined) return undefined;
  const [unhealthy] = eventsOf(pod, world, "Unhealthy").filter(({ message = "" }) =>
    message.toLowerCase().startsWith(`${probe} probe failed`)
  );
  return `Its ${probe}Probe fails, so it is started again. ${excerpt(unhealthy?.message ?? "")}`.trim();
}

const probeRemedy = (pod: Pod, { name }: ContainerStatus): string =>
  `Correct the probe, or give it more time; read the output: kubectl logs ${podName(pod)} -c ${name} --previous.`;

function waitingRemedy(reason: string, message = ""): string {
  if (/^(ErrImagePull|ImagePullBackOff|InvalidImageName|ErrImageNeverPull|RegistryUnavailable)$/.test(reason)) {
    return "Check the image's name and tag, that the nodes reach its registry, and spec.imagePullSecrets.";
  }
  const [, kind, name] = /^(secret|configmap) "([^"]+)" not found/.exec(message) ?? [];
  if (kind) return `Create it: kubectl create ${kind} ${kind === "secret" ? "generic " : ""}${name} …`;
  if (/runAsNonRoot/.test(message)) {
    return "Set runAsUser to another user than 0, or choose an image that runs as non-root.";
  }
  return reason === "CreateContainerConfigError" ? "Correct the container's env, envFrom or securityContext." : "";
}

/** Returns what keeps a pod's containers from being created: mounts and its sandbox. */
function mountFinding(pod: Pod, world: ReportWorld): PodFinding | undefined {
  if (pod.status?.phase !== "Pending") return undefined;
  const [event] = eventsOf(
    pod,
    world,
    "FailedMount",
    "FailedAttachVolume",
    "FailedCreatePodSandBox",
    "FailedMapVolume",
  );
  if (!event) return claimFinding(pod, world);
  const [, kind, name] = /(secret|configmap) "([^"]+)" not found/.exec(event.message ?? "") ?? [];
  return fail(
    event.reason ?? "",
    excerpt(event.message ?? ""),
    kind ? `Create it: kubectl create ${kind} ${kind === "secret" ? "generic " : ""}${name} …` : "",
  );
}

function notReady(pod: Pod, world: ReportWorld): PodFinding {
  const ready = condition(pod, "Ready");
  if (ready?.reason === "NodeStatusUnknown" || ready?.status === "Unknown" || pod.status?.reason === "NodeLost") {
    return fail(
      "NotReady",
      "Its node has stopped reporting.",
      "Ask a cluster admin; the pod is replaced after some minutes.",
    );
  }
  const gates = (pod.spec?.readinessGates ?? []).map(({ conditionType }) => conditionType)
    .filter((type) => condition(pod, type)?.status !== "True");
  const waiting = (pod.status?.containerStatuses ?? []).filter(({ ready }) => !ready).map(({ name }) => name);
  if (waiting.length === 0 && gates.length > 0) {
    return fail(
      "NotReady",
      `It runs, but its readiness gates are not met: ${fewOf(gates)}.`,
      "The controller that owns them has to report.",
    );
  }
  const [probe] = eventsOf(pod, world, "Unhealthy").filter(({ message = "" }) => /readiness|startup/i.test(message));
  const said = probe ? ` ${excerpt(probe.message ?? "")}` : "";
  const which = waiting.length > 0 ? `container ${fewOf(waiting)} is not ready` : "it is not ready";
  return fail(
    "NotReady",
    `It runs, but ${which}.${said}`,
    `Check its ${/startup/i.test(said) ? "startupProbe" : "readinessProbe"}, and its output: kubectl logs ${
      podName(pod)
    }.`,
  );
}

function starting(pod: Pod, { now }: ReportWorld): PodFinding {
  const start = pod.status?.startTime ?? pod.metadata?.creationTimestamp ?? "";
  const since = relative(start, now);
  const young = now - Date.parse(start) < 60_000;
  return young ? { about: "starting", reason: "Its containers are being created.", remedy: "", status: "fail" } : fail(
    "starting",
    `Its node ${pod.spec?.nodeName} has not started its containers; it was placed ${since}.`,
    "If it stays so, ask a cluster admin about this node.",
  );
}
