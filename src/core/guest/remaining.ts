/** Pods that still exist after their eviction or deletion, and the reasons. */
import type { PodFacts } from "../facts.ts";

/** Reports whether the pod runs or is terminating. One that has finished by itself doesn't count. */
export const isThere = ({ finished, terminating }: PodFacts): boolean => !finished || terminating;

/** Reports whether the pod is terminating and held by a finalizer. */
export const isHeld = ({ terminating, finalizers }: PodFacts): boolean => terminating && finalizers.length > 0;

/** The only finalizer that guests' pods may have; the Job controller removes it by itself. */
const jobTracking = "batch.kubernetes.io/job-tracking";

/** Returns the pod without the finalizer that the Job controller removes by itself. */
export const withoutTracking = (pod: PodFacts): PodFacts => ({
  ...pod,
  finalizers: pod.finalizers.filter((each) => each !== jobTracking),
});

/** Number of pods to name; further ones are only counted. */
const mostNamed = 5;

/** Describes pods held by finalizers. */
export const heldText = (pods: readonly PodFacts[]): string =>
  `Terminating pods are held by finalizers: ${
    listed(pods, ({ name, finalizers }) => `${name} (${finalizers.join(", ")})`)
  }. Wait for the finalizers' owners, or remove the finalizers.`;

/** Describes pods whose eviction PodDisruptionBudgets refuse. */
export function budgetText(pods: readonly PodFacts[]): string {
  const held = Map.groupBy(pods, ({ budget = "" }) => budget);
  const budgets = [...held].sort(([a], [b]) => a < b ? -1 : 1).slice(0, mostNamed);
  const more = held.size > mostNamed ? ` And ${held.size - mostNamed} more budgets.` : "";
  return budgets.map(([budget, pods]) =>
    `PodDisruptionBudget ${budget} allows no eviction now of ${listed(pods, ({ name }) => name)}.`
  ).join(" ") + more;
}

/** Describes pods that don't terminate. */
export const remainingText = (pods: readonly PodFacts[]): string =>
  `Terminating pods still exist: ${listed(pods, ({ name }) => name)}. Their nodes haven't confirmed that they have ` +
  "stopped; repair the nodes, or delete nodes that no longer exist.";

function listed(pods: readonly PodFacts[], text: (pod: PodFacts) => string): string {
  const sorted = [...pods].sort((a, b) => a.name < b.name ? -1 : 1);
  const more = sorted.length > mostNamed ? ` and ${sorted.length - mostNamed} more` : "";
  return `${sorted.slice(0, mostNamed).map(text).join(", ")}${more}`;
}
