/** Progress of a grant in words: towards its end, or until it is enforced. */
import type { Pod } from "../../../lib/kubernetes_apis/core@v1.ts";
import type { Grant } from "../../api/client/keystone.io@v1alpha1.ts";
import { conditionOf } from "../../core/conditions.ts";
import { guestNamespace } from "../../core/names.ts";
import { selects } from "../../core/reach/reach.ts";
import { countText, fewOf, sentence } from "../../core/plain_text.ts";
import { rfc3339 } from "../../core/instants.ts";
import type { DisruptionBudget, FollowedGrant } from "./grant_watch.ts";

/** Progress of a grant at one moment. */
export interface GrantProgress {
  /** True if nothing more is to be waited for. */
  done: boolean;
  /** Present step as a sentence, which changes only with the step. */
  text: string;
  /** Epoch milliseconds at which the next step is due, if that is known. */
  until?: number;
  /** One line for each pod that is affected, sorted. */
  pods: readonly string[];
}

const defaultDrainSeconds = 120;

/** Reports the progress of a grant towards its end: until no pod needs it any more, and a deleted one is gone. */
export function endProgress(view: FollowedGrant): GrantProgress {
  const { name, grant } = view;
  if (!grant) return { done: true, text: `Grant ${name} has ended and is removed.${keptText(view)}`, pods: [] };
  const { status = {}, spec, metadata } = grant;
  const draining = conditionOf(status, "Draining");
  const ready = conditionOf(status, "Ready");
  const isDeleted = metadata?.deletionTimestamp !== undefined;
  const endsAt = Date.parse(status.effectiveUntil ?? "");
  const isOver = status.phase === "Revoked" || status.phase === "Expired" || ready?.reason === "Deleted";
  if (!isOver) {
    const seen = status.observedGeneration === metadata?.generation && draining?.status === "True" &&
      draining.reason !== "Reduced" && draining.reason !== "Evicting";
    if (!seen) return { done: false, text: `Grant ${name}: waiting for the operator.`, pods: [] };
    const problem = ready && ready.status !== "True" ? ` ${sentence(ready.message)}` : "";
    return {
      done: false,
      text: `Grant ${name} is on notice. ${sentence(draining.message)}${problem}`,
      ...(Number.isFinite(endsAt) ? { until: endsAt } : {}),
      pods: [],
    };
  }
  const ended = Number.isFinite(endsAt) ? ` at ${rfc3339(endsAt)}` : "";
  if (draining?.status !== "True") {
    return isDeleted
      ? { done: false, text: `Grant ${name} has ended${ended}; it is being removed.${finalizersOf(grant)}`, pods: [] }
      : {
        done: true,
        text: `${sentence(status.message ?? "")} It ended${ended}.${goingOnText(view)}${keptText(view)}`.trim(),
        pods: [],
      };
  }
  const left = podLines(view);
  const drainUntil = endsAt + 1000 * (spec.termination?.drainSeconds ?? defaultDrainSeconds);
  return {
    done: false,
    text: `Grant ${name} ended${ended}: no access, no destinations, no quota. ${sentence(draining.message)}`,
    ...(draining.reason === "Evicting" && Number.isFinite(drainUntil) ? { until: drainUntil } : {}),
    pods: left,
  };
}

/** Reports the progress of a grant until it is enforced with its present terms. */
export function startProgress({ name, grant }: FollowedGrant): GrantProgress {
  if (!grant) return { done: false, text: `Grant ${name} was deleted.`, pods: [] };
  const { status = {}, metadata } = grant;
  if (status.observedGeneration !== metadata?.generation) {
    return { done: false, text: `Grant ${name}: waiting for the operator.`, pods: [] };
  }
  const ready = conditionOf(status, "Ready");
  const message = sentence(status.message ?? "");
  const start = Date.parse(grant.spec.validity?.validFrom ?? "");
  return {
    done: ready?.status === "True" || ready?.reason === "NotYetValid",
    text: `Grant ${name} is ${status.state ?? status.phase ?? "Pending"}. ${message}`,
    ...(ready?.reason === "NotYetValid" && Number.isFinite(start) ? { until: start } : {}),
    pods: [],
  };
}

const isOfWorkload = ({ status }: Pod): boolean => status?.phase !== "Succeeded" && status?.phase !== "Failed";

/** Returns a line for each pod that stops or that a budget holds; the others are counted. */
function podLines({ pods, budgets }: FollowedGrant): string[] {
  const lines: string[] = [];
  let others = 0;
  for (const pod of [...pods].filter(isOfWorkload).sort((a, b) => a.metadata!.name! < b.metadata!.name! ? -1 : 1)) {
    const { name, deletionTimestamp, finalizers = [] } = pod.metadata!;
    const held = finalizers.filter((each) => each !== "batch.kubernetes.io/job-tracking");
    const budget = budgets.find((each) => holds(each, pod));
    if (deletionTimestamp) {
      // The API server sets it to the end of the grace period.
      const until = rfc3339(Date.parse(deletionTimestamp));
      lines.push(
        held.length > 0
          ? `Pod ${name} is held by finalizers: ${fewOf(held)}`
          : `Pod ${name} is stopping; it may take until ${until}`,
      );
    } else if (budget) {
      lines.push(`Pod ${name} waits for PodDisruptionBudget ${budget.metadata!.name}: ${budgetText(budget)}`);
    } else others++;
  }
  return others > 0 ? [...lines, `${countText(others, "other pod")} still running`] : lines;
}

/** Describes the reason that a budget allows no eviction. */
function budgetText({ status = {} }: DisruptionBudget): string {
  const { currentHealthy = 0, desiredHealthy = 0, conditions = [] } = status;
  const failed = conditions.find(({ type, reason }) => type === "DisruptionAllowed" && reason === "SyncFailed");
  if (failed !== undefined) return `it allows no eviction, because ${failed.message}`;
  // maxUnavailable counts the pods that controllers want.
  return currentHealthy > desiredHealthy
    ? "it allows no eviction, because no controller wants the pod"
    : `${currentHealthy} healthy, ${desiredHealthy} needed`;
}

/** Returns a sentence about the pods that other grants to the realm let run on. */
function goingOnText({ pods, grant }: FollowedGrant): string {
  const left = pods.filter((pod) => isOfWorkload(pod) && !pod.metadata?.deletionTimestamp).length;
  return left === 0 || !grant
    ? ""
    : ` ${countText(left, "pod")} in ${guestNamespace(grant.spec.granteeRealm)} ${
      left === 1 ? "goes" : "go"
    } on, under other grants.`;
}

const holds = ({ spec, status }: DisruptionBudget, { metadata }: Pod): boolean =>
  status?.disruptionsAllowed === 0 && selects(spec?.selector, metadata?.labels ?? {});

const finalizersOf = ({ metadata }: Grant): string =>
  metadata?.finalizers?.length ? ` Finalizers: ${fewOf(metadata.finalizers)}.` : "";

/** Returns a sentence about the volume claims that are left. */
function keptText({ claims, grant }: FollowedGrant): string {
  if (claims.length === 0) return "";
  const namespace = claims[0]!.metadata!.namespace!;
  const names = claims.map(({ metadata, spec }) => {
    const size = spec?.resources?.requests?.["storage"];
    return `${metadata!.name}${size === undefined ? "" : ` (${size})`}`;
  }).sort();
  const deletes = grant?.spec.termination?.volumes === "Delete" &&
    namespace === guestNamespace(grant.spec.granteeRealm);
  return deletes
    ? ` ${countText(claims.length, "volume claim")} may still be deleted: ${fewOf(names, 8)}.`
    : ` ${countText(claims.length, "volume claim")} ${claims.length === 1 ? "is" : "are"} left in ${namespace}: ${
      fewOf(names, 8)
    }.`;
}

/** Returns the time that is left, such as `1 min 20 s`; undefined: none is. */
export function leftText(until: number | undefined, now: number): string | undefined {
  const seconds = until === undefined ? 0 : Math.ceil((until - now) / 1000);
  if (!(seconds > 0)) return undefined;
  const parts = [[86_400, "d"], [3600, "h"], [60, "min"], [1, "s"]] as const;
  const found = parts.findIndex(([length]) => seconds >= length);
  const [length, unit] = parts[found]!;
  const [next, nextUnit] = parts[found + 1] ?? [0, ""];
  const rest = next === 0 ? 0 : Math.floor((seconds % length) / next);
  return `${Math.floor(seconds / length)} ${unit}${rest > 0 ? ` ${rest} ${nextUnit}` : ""}`;
}
