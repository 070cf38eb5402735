/** Selection of the pods to evict when usage exceeds the remaining grants. */
import { parseQuantity, type Quantity } from "../../../lib/quantity/mod.ts";
import type { PodFacts } from "../facts.ts";
import { own } from "../own.ts";
import { isDevice } from "../resources/quota_lists.ts";
import type { ResourceList } from "../resources/resource_list.ts";

/** Longest grace period of an evicted pod, because a guest's pod can request a year. */
export const maxGraceSeconds = 30;

/** Reports whether pods use a quota key, so that evicting pods frees it. */
const isPodKey = (key: string): boolean => /^(pods$|requests\.|limits\.)/.test(key) && key !== "requests.storage";

/** Reports whether usage exceeds the quota in a key that evicting pods frees. */
export function podsInExcess(hard: ResourceList, used: Readonly<Record<string, string>>): boolean {
  return [...hard].some(([key, most]) => {
    const text = isPodKey(key) ? own(used, key) : undefined;
    return text !== undefined && parseQuantity(text).compare(most) > 0;
  });
}

/**
 * Returns the keys of devices that pods use although no grant includes them: the pods were created before a node
 * offered the device, when no quota counted it.
 *
 * @param granted sum of all grants
 */
export function neverGranted(
  hard: ResourceList,
  granted: ResourceList,
  used: Readonly<Record<string, string>>,
): string[] {
  return [...hard.keys()].filter((key) =>
    isDevice(key) && isPodKey(key) && (granted.get(key)?.sign() ?? 0) === 0 &&
    parseQuantity(own(used, key) ?? "0").sign() > 0
  );
}

/** Reports whether a pod is terminating with too long a grace period: a guest can delete pods with one of a year. */
export const isLingering = ({ terminating, graceSeconds }: PodFacts): boolean =>
  terminating && graceSeconds > maxGraceSeconds;

/** Returns the pods that use any of the keys or can't be read, including those that terminate too slowly. */
export const usersOf = (keys: readonly string[], pods: readonly PodFacts[]): PodFacts[] =>
  pods.filter((pod) => !pod.finished && (!pod.terminating || isLingering(pod))).filter(({ unreadable, usage }) =>
    unreadable || keys.some((key) => (usage.get(key)?.sign() ?? 0) > 0)
  );

/** Returns the pods that run or may start: finished ones use nothing, and terminating ones count as gone. */
export const running = (pods: readonly PodFacts[]): PodFacts[] =>
  pods.filter(({ finished, terminating }) => !finished && !terminating);

/**
 * Returns the pods to evict so that the rest fits: unreadable ones and those that alone exceed the quota, then by
 * lowest priority and newest first. Pods that would free nothing of an exceeded key stay.
 */
export function victims(pods: readonly PodFacts[], hard: ResourceList): PodFacts[] {
  const counted = running(pods);
  const mustGo = (pod: PodFacts) => pod.unreadable === true || isTooLarge(pod, hard);
  const chosen = counted.filter(mustGo);
  const others = counted.filter((pod) => !mustGo(pod));
  const over = excess(others, hard);
  const order = others.sort((a, b) =>
    a.priority - b.priority || b.createdAt - a.createdAt || (a.name < b.name ? -1 : 1)
  );
  for (const pod of order) {
    if (over.size === 0) break;
    const frees = [...over.keys()].some((key) => (pod.usage.get(key)?.sign() ?? 0) > 0);
    if (!frees) continue;
    chosen.push(pod);
    for (const [key, left] of [...over]) {
      const rest = left.subtract(pod.usage.get(key) ?? zero);
      if (rest.sign() > 0) over.set(key, rest);
      else over.delete(key);
    }
  }
  return chosen;
}

const zero = parseQuantity("0");

/** Returns the quota's limit for a key. Without one, devices are limited to zero and other keys are unlimited. */
const mostOf = (hard: ResourceList, key: string): Quantity | undefined =>
  hard.get(key) ?? (isDevice(key) ? zero : undefined);

function isTooLarge({ usage }: PodFacts, hard: ResourceList): boolean {
  return [...usage].some(([key, amount]) => {
    const most = isPodKey(key) ? mostOf(hard, key) : undefined;
    return most !== undefined && amount.compare(most) > 0;
  });
}

/** Returns the pods' excess over each quota key. */
function excess(pods: readonly PodFacts[], hard: ResourceList): Map<string, Quantity> {
  const over = new Map<string, Quantity>();
  for (const [key, most] of hard) {
    if (!isPodKey(key)) continue;
    let used = zero;
    for (const pod of pods) used = used.add(pod.usage.get(key) ?? zero);
    const beyond = used.subtract(most);
    if (beyond.sign() > 0) over.set(key, beyond);
  }
  return over;
}
