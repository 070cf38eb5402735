/** Pods that were ended and are still there, and why. */
import type { PodFacts } from "../facts.ts";

/** Whether it runs, or was ended and hasn't gone. One that has finished by itself does nothing any more. */
export const isThere = ({ finished, terminating }: PodFacts): boolean => !finished || terminating;

/** Whether it was ended and a finalizer holds it. */
export const isHeld = ({ terminating, finalizers }: PodFacts): boolean => terminating && finalizers.length > 0;

/** The Job controller takes it off by itself; of finalizers, pods of guests may have this one. */
const jobTracking = "batch.kubernetes.io/job-tracking";

/** The pod without the finalizer that goes by itself while jobs come and go. */
export const withoutTracking = (pod: PodFacts): PodFacts => ({
  ...pod,
  finalizers: pod.finalizers.filter((each) => each !== jobTracking),
});

/** How many pods are named; more are counted. */
const mostNamed = 5;

/** Names pods that are held by finalizers. */
export const heldText = (pods: readonly PodFacts[]): string =>
  `Pods that were ended are held by finalizers: ${
    listed(pods, ({ name, finalizers }) => `${name} (${finalizers.join(", ")})`)
  }. Let their owners finish, or remove the finalizers.`;

/** Names pods that were ended and don't go. */
export const remainingText = (pods: readonly PodFacts[]): string =>
  `Pods that were ended are still there: ${
    listed(pods, ({ name }) => name)
  }. Their nodes haven't confirmed that they ` +
  "have stopped; repair the nodes, or delete those that are gone for good.";

function listed(pods: readonly PodFacts[], text: (pod: PodFacts) => string): string {
  const sorted = [...pods].sort((a, b) => a.name < b.name ? -1 : 1);
  const more = sorted.length > mostNamed ? ` and ${sorted.length - mostNamed} more` : "";
  return `${sorted.slice(0, mostNamed).map(text).join(", ")}${more}`;
}
