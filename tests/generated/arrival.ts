/**
 * Arrival of workloads, as the controllers report it: all pods run, the roll-out is complete, the claims are bound. And
 * rest: everything has arrived, or the controllers were refused again after the last change.
 */
import { parseQuantity, type Quantity } from "../../lib/quantity/mod.ts";
import { type AnyObject, type ComparedKind, hasEnded, isReadyPod, type WatchedObject } from "./live_object.ts";
import { madeUpClasses } from "./made_up_nodes.ts";
import type { NamespaceView } from "./namespace_views.ts";

/** An applied object: its kind and name, and the version that the API server returned. */
export interface AppliedObject {
  kind: ComparedKind;
  name: string;
  resourceVersion: string;
}

/** Something that hasn't arrived. */
export interface MissingPart {
  text: string;
  /** Uids of the objects whose failures explain it. */
  uids: string[];
  /** True of a pod that the scheduler can't place: its claim wasn't created, which no event reports. */
  unschedulable?: boolean;
  /** True while the controller hasn't seen the object: refusals are about its earlier version. */
  unobserved?: boolean;
}

export interface Arrival {
  arrived: boolean;
  /** Reasons if it hasn't: the controllers' refusals, or silence. */
  reasons: string[];
}

/** Time without a change that follows a refusal before it counts as final: the first retries come within it. */
const quietMs = 700;
/**
 * The same in the middle of a roll-out. After a conflict the deployment controller writes the status although it could not
 * scale the old ReplicaSet, and tries again when it has seen the newer one.
 */
const rollOutQuietMs = 3000;
/** Time after which the same state is checked again before it counts as arrived. */
const confirmMs = 100;
/** Time that the quotas have to count what has arrived: the next question reads their status. */
const countedWithinMs = 5000;
/** Time in which quotas, caches and this test's watches learn of a change; refusals within it are about the time before. */
const lagMs = 500;
/** Time without a change after which a pod that can't be scheduled stays so. */
const unschedulableMs = 2500;
/** Time without a change and without a refusal after the last change: controllers wait ever longer to retry. */
const silentMs = { refusedBefore: 30_000, neverRefused: 12_000 };

/** Returns what hasn't arrived of the applied objects. */
export function missingIn(view: NamespaceView, applied: readonly AppliedObject[]): MissingPart[] {
  return [...applied.flatMap((each) => missingOf(view, each)), ...missingPods(view), ...missingClaims(view)];
}

function missingOf(view: NamespaceView, { kind, name, resourceVersion }: AppliedObject): MissingPart[] {
  if (kind === "Service") return [];
  const object = view.named(kind, name);
  if (object === undefined) return [{ text: `${kind} ${name} is not seen`, uids: [], unobserved: true }];
  const { metadata, spec, status = {} } = object;
  const missing = (text: string, more: Partial<MissingPart> = {}): MissingPart[] => [
    { text: `${kind} ${name}: ${text}`, uids: uidsOf(view, object), ...more },
  ];
  if (BigInt(metadata.resourceVersion!) < BigInt(resourceVersion)) {
    return missing("an older version is seen", { unobserved: true });
  }
  const hasGeneration = ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController"].includes(
    kind,
  );
  if (hasGeneration && (status.observedGeneration ?? 0) < (metadata.generation ?? 0)) {
    return missing("not observed", { unobserved: true });
  }
  const { replicas = 0, readyReplicas = 0, updatedReplicas = 0 } = status;
  switch (kind) {
    case "Deployment": {
      const sets = view.ownedBy("ReplicaSet", metadata.uid);
      if (spec.paused) {
        if (sets.length === 0) return [];
        // A pod of the surge may stay.
        return replicas >= spec.replicas && readyReplicas >= spec.replicas
          ? []
          : missing(`paused, ${readyReplicas} of ${spec.replicas} are ready, ${replicas} exist`);
      }
      return updatedReplicas === spec.replicas && replicas === spec.replicas && readyReplicas === spec.replicas
        ? []
        : missing(`${updatedReplicas} of ${spec.replicas} are new, ${readyReplicas} ready, ${replicas} exist`);
    }
    case "ReplicaSet":
    case "ReplicationController":
      return replicas === spec.replicas && readyReplicas === spec.replicas
        ? []
        : missing(`${readyReplicas} of ${spec.replicas} are ready, ${replicas} exist`);
    case "StatefulSet": {
      const { type, rollingUpdate } = spec.updateStrategy;
      const wanted = type === "OnDelete" || status.currentRevision === status.updateRevision
        ? 0
        : Math.max(0, spec.replicas - (rollingUpdate?.partition ?? 0));
      return replicas === spec.replicas && readyReplicas === spec.replicas && updatedReplicas >= wanted
        ? []
        : missing(`${updatedReplicas} of ${wanted} are new, ${readyReplicas} of ${spec.replicas} ready`);
    }
    case "DaemonSet": {
      const { desiredNumberScheduled: wanted = 0, numberReady = 0, updatedNumberScheduled = 0 } = status;
      return numberReady === wanted && (spec.updateStrategy.type === "OnDelete" || updatedNumberScheduled === wanted)
        ? []
        : missing(`${numberReady} of ${wanted} are ready, ${updatedNumberScheduled} are new`);
    }
    case "Job":
      return missingOfJob(view, object, missing);
    case "CronJob": {
      if (spec.suspend) return [];
      const jobs = view.ownedBy("Job", metadata.uid);
      // By its own policy the next Job waits for one that has not ended (event JobAlreadyActive).
      const waits = spec.concurrencyPolicy === "Forbid" && jobs.some((job) => !isOver(job));
      const isDue = !(Date.now() - Date.parse(status.lastScheduleTime) < 399 * 86_400_000);
      if (isDue && !waits) return missing("no Job yet");
      return jobs.flatMap((job) => missingOfJob(view, job, missing));
    }
    case "HorizontalPodAutoscaler": {
      const { kind: target, name: of } = spec.scaleTargetRef;
      const replicas = view.named(target, of)?.spec.replicas;
      if (replicas === undefined || replicas === 0) return [];
      return replicas >= (spec.minReplicas ?? 1) && replicas <= spec.maxReplicas
        ? []
        : missing(`the target has ${replicas} replicas`);
    }
    default:
      return [];
  }
}

const hasCondition = ({ status }: WatchedObject, wanted: string): boolean =>
  (status?.conditions ?? []).some(({ type, status }: AnyObject) => type === wanted && status === "True");

const isOver = (job: WatchedObject): boolean => hasCondition(job, "Complete") || hasCondition(job, "Failed");

function missingOfJob(
  view: NamespaceView,
  job: WatchedObject,
  missing: (text: string) => MissingPart[],
): MissingPart[] {
  const { metadata, spec, status = {} } = job;
  if (hasCondition(job, "Complete")) return [];
  if (hasCondition(job, "Failed")) return missing("it failed");
  const pods = view.ownedBy("Pod", metadata.uid);
  const running = pods.filter((pod) => !hasEnded(pod) && pod.metadata.deletionTimestamp === undefined);
  if (spec.suspend) return running.length === 0 ? [] : missing(`suspended, ${running.length} run`);
  if (view.finishing && spec.parallelism !== 0) return missing("not complete");
  const succeeded = status.succeeded ?? 0;
  const left = spec.completions === undefined ? Infinity : spec.completions - succeeded;
  const wanted = Math.min(spec.parallelism ?? 1, left);
  return running.length === wanted && running.every(isReadyPod)
    ? []
    : missing(`${running.filter(isReadyPod).length} of ${wanted} run`);
}

/**
 * Returns the uids of the object and of all that it made, except pods. Events come late, so a refusal of a ReplicaSet that
 * lacks no pods any more is left out.
 */
function uidsOf(view: NamespaceView, { metadata }: WatchedObject): string[] {
  const lacking = view.ownedBy("ReplicaSet", metadata.uid).filter((set) =>
    activePodsOf(view, set).length < set.spec.replicas
  );
  return [metadata.uid, ...[...lacking, ...view.ownedBy("Job", metadata.uid)].map(({ metadata }) => metadata.uid)];
}

const activePodsOf = (view: NamespaceView, { metadata }: WatchedObject): WatchedObject[] =>
  view.ownedBy("Pod", metadata.uid).filter((pod) => !hasEnded(pod) && pod.metadata.deletionTimestamp === undefined);

/**
 * Reports whether the controllers have seen what this test has seen: the pods of each ReplicaSet are those in its status,
 * and the sums of a Deployment's ReplicaSets are those in its status. Each controller writes the status after it has acted
 * on what it saw, so until then it may still scale. On a busy machine that takes seconds.
 */
function isSettled(view: NamespaceView): boolean {
  const counts = (status: AnyObject = {}) => [status["replicas"] ?? 0, status["readyReplicas"] ?? 0];
  const sets = view.of("ReplicaSet").every((set) => {
    const pods = activePodsOf(view, set);
    const [replicas, ready] = counts(set.status);
    return replicas === pods.length && ready === pods.filter(isReadyPod).length;
  });
  return sets && view.of("Deployment").every((deployment) => {
    const owned = view.ownedBy("ReplicaSet", deployment.metadata.uid).map(({ status }) => counts(status));
    const [replicas, ready] = counts(deployment.status);
    return replicas === sum(owned.map(([each]) => each)) && ready === sum(owned.map(([, each]) => each));
  });
}

const isRollingOut = (view: NamespaceView): boolean =>
  view.of("Deployment").some(({ metadata }) =>
    view.ownedBy("ReplicaSet", metadata.uid).filter(({ spec }) => spec.replicas > 0).length > 1
  );

/** Keys of amounts of pods. */
const amountKey = /^((requests|limits)\.(?!storage)|cpu$|memory$)/;

/** Returns a quota that counts other pods than there are: its controller is late, or missed one that came and went. */
export function miscountedQuota(view: NamespaceView): string | undefined {
  const pods = view.of("Pod");
  const actual: Record<string, number> = {
    pods: pods.filter((pod) => !hasEnded(pod)).length,
    "count/pods": pods.length,
    persistentvolumeclaims: view.of("PersistentVolumeClaim").length,
  };
  for (const { metadata, spec, status } of view.of("ResourceQuota")) {
    if (spec.scopes !== undefined || spec.scopeSelector !== undefined) continue;
    for (const [key, count] of Object.entries(actual)) {
      const used = status?.used?.[key];
      if (used !== undefined && Number(used) !== count) {
        return `quota ${metadata.name} counts ${used} ${key}, but there are ${count}`;
      }
    }
    // Without pods or claims their amounts are zero, whatever they would be each.
    for (const [key, used] of Object.entries<string>(status?.used ?? {})) {
      const of = key.endsWith("requests.storage") ? "persistentvolumeclaims" : amountKey.test(key) ? "pods" : undefined;
      if (of !== undefined && actual[of] === 0 && parseQuantity(String(used)).sign() > 0) {
        return `quota ${metadata.name} counts ${used} ${key}, but there are no ${of}`;
      }
    }
  }
  return undefined;
}

/**
 * Returns a quota that counts more than it allows. The quota controller computes usage from its caches, and writes it over
 * what admission has counted since (syncResourceQuota). A claim that is bound triggers that at each of its updates, so
 * some that are created at the same time are admitted beyond the limit. Nothing here lowers a quota.
 */
export function exceededQuota(view: NamespaceView): string | undefined {
  for (const { metadata, status } of view.of("ResourceQuota")) {
    for (const [key, limit] of Object.entries<string>(status?.hard ?? {})) {
      const used = parseQuantity(String(status?.used?.[key] ?? 0)) as Quantity;
      if (used.compare(parseQuantity(String(limit)) as Quantity) > 0) {
        return `quota ${metadata.name} admitted ${used} ${key}, more than its ${limit}`;
      }
    }
  }
  return undefined;
}

/** Reports whether the quota that refused something has room for it by now, so that the controller's next try succeeds. */
function hasRoomNow(view: NamespaceView, refusal: string): boolean {
  const [, name = "", requested = ""] = /exceeded quota: ([^,]+), requested: (.*?), used: /.exec(refusal) ?? [];
  const { hard, used } = view.named("ResourceQuota", name)?.status ?? {};
  return hard !== undefined && requested.split(",").every((part) => {
    const [key = "", amount = ""] = part.split("=");
    const [has, limit] = [used?.[key], hard[key]].map((each) => parseQuantity(String(each ?? 0))) as [
      Quantity,
      Quantity,
    ];
    return has.add(parseQuantity(amount)).compare(limit) <= 0;
  });
}

const sum = (numbers: number[]): number => numbers.reduce((total, each) => total + each, 0);

const missingPods = (view: NamespaceView): MissingPart[] =>
  view.of("Pod").filter((pod) => !hasEnded(pod) && !isReadyPod(pod)).map(({ metadata, status }) => ({
    text: `Pod ${metadata.name} is ${metadata.deletionTimestamp ? "ending" : `${status?.phase}, not ready`}`,
    uids: [metadata.uid],
    unschedulable: (status?.conditions ?? []).some(({ reason }: AnyObject) => reason === "Unschedulable"),
  }));

function missingClaims(view: NamespaceView): MissingPart[] {
  const used = new Set(
    view.of("Pod").flatMap(({ metadata, spec }) =>
      (spec.volumes ?? []).map(({ name, persistentVolumeClaim, ephemeral }: AnyObject) =>
        persistentVolumeClaim?.claimName ?? (ephemeral ? `${metadata.name}-${name}` : undefined)
      )
    ),
  );
  return view.of("PersistentVolumeClaim").filter(({ metadata, spec, status }) =>
    status?.phase !== "Bound" && metadata.deletionTimestamp === undefined &&
    (used.has(metadata.name) || madeUpClasses.some(({ name, waits }) => name === spec.storageClassName && !waits))
  ).map(({ metadata }) => ({ text: `Claim ${metadata.name} is not bound`, uids: [metadata.uid] }));
}

/**
 * Returns a ReplicaSet or ReplicationController whose pods were refused and have room by now. Their controller tries
 * them again after a delay that doubles at each refusal, from 5 ms to 1,000 s (DefaultTypedControllerRateLimiter), or as soon
 * as the object changes.
 */
function delayedSet(view: NamespaceView): DelayedSet | undefined {
  if (!isSettled(view) || miscountedQuota(view) !== undefined) return undefined;
  return (["ReplicaSet", "ReplicationController"] as const)
    .flatMap((kind) => view.of(kind).map((set) => ({ kind, set })))
    .find(({ set }) => {
      const refusal = view.refusals.get(set.metadata.uid);
      return activePodsOf(view, set).length < set.spec.replicas && refusal !== undefined &&
        hasRoomNow(view, refusal.message);
    });
}

/** An object whose controller waits before it tries to create pods again. */
export interface DelayedSet {
  kind: "ReplicaSet" | "ReplicationController";
  set: WatchedObject;
}

/** Waits, for a limited time, until the quotas count what there is: answers and admission read their status. */
export async function quotasCounted(view: NamespaceView): Promise<string | undefined> {
  const start = performance.now();
  while (miscountedQuota(view) !== undefined && performance.now() - start < countedWithinMs) await view.next(200);
  return miscountedQuota(view);
}

/**
 * Waits until the controllers are at rest, and returns whether everything has arrived.
 *
 * @param retry changes an object, so that its controller's next try comes now rather than after its delay
 */
export async function isAtRest(
  view: NamespaceView,
  applied: readonly AppliedObject[],
  retry?: (delayed: DelayedSet) => Promise<void>,
): Promise<Arrival> {
  const start = performance.now();
  let arrivedAt: number | undefined;
  /** Sets that were tried again, with their number of pods then: another try without more pods would end the same. */
  const retried = new Set<string>();
  while (true) {
    const now = performance.now();
    const missing = missingIn(view, applied);
    if (missing.length === 0) {
      const since = now - (arrivedAt ??= now);
      const isCounted = miscountedQuota(view) === undefined || since > countedWithinMs;
      if (since >= confirmMs && isCounted) return { arrived: true, reasons: [] };
    } else {
      arrivedAt = undefined;
      const isQuiet = now - Math.max(view.changedAt, start) > rollOutQuietMs;
      const delayed = retry && isQuiet ? delayedSet(view) : undefined;
      const key = delayed && `${delayed.set.metadata.uid} ${activePodsOf(view, delayed.set).length}`;
      if (retry && key !== undefined && !retried.has(key)) {
        retried.add(key);
        await retry(delayed!);
        continue;
      }
      const reasons = finalReasons(view, missing, start, now);
      if (reasons) return { arrived: false, reasons };
    }
    await view.next(missing.length === 0 ? confirmMs : 200);
  }
}

function finalReasons(
  view: NamespaceView,
  missing: readonly MissingPart[],
  start: number,
  now: number,
): string[] | undefined {
  const changedAt = Math.max(view.changedAt, start);
  const quiet = now - changedAt;
  if (quiet < (isRollingOut(view) ? rollOutQuietMs : quietMs)) return undefined;
  const refusals = missing.map(({ uids }) =>
    uids.flatMap((uid) => view.refusals.get(uid) ?? []).sort((a, b) => b.at - a.at)[0]
  );
  const isFinal = isSettled(view) && miscountedQuota(view) === undefined && missing.every((each, index) => {
    if (each.unschedulable && quiet > unschedulableMs) return true;
    const refusal = refusals[index];
    // Without its ReplicaSet a Deployment's status isn't written.
    const isObserved = !each.unobserved || refusal?.reason === "ReplicaSetCreateError";
    return refusal !== undefined && refusal.at > changedAt + lagMs && isObserved && !hasRoomNow(view, refusal.message);
  });
  const wasRefused = refusals.some((refusal) => refusal !== undefined && refusal.at > start);
  const limit = wasRefused ? silentMs.refusedBefore : silentMs.neverRefused;
  if (!isFinal && quiet < limit) return undefined;
  return missing.map(({ text }, index) =>
    `${text}; ${refusals[index]?.message ?? "no refusal"}${isFinal ? "" : ` (quiet for ${limit / 1000} s)`}`
  );
}
