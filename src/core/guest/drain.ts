/** Which pods have to go when less is granted than runs, and how. */
import { parseQuantity, type Quantity } from "../../../lib/quantity/mod.ts";
import type { PodFacts } from "../facts.ts";
import { own } from "../own.ts";
import { isDevice } from "../resources/quota_lists.ts";
import type { ResourceList } from "../resources/resource_list.ts";

/** How long a pod may take to end, whatever it asks for: a guest can ask for a year. */
export const maxGraceSeconds = 30;

/** Keys of a quota that pods fill, and that ending pods makes room in. */
const isPodKey = (key: string): boolean => /^(pods$|requests\.|limits\.)/.test(key) && key !== "requests.storage";

/** Whether pods have to go for the use to come down to what there is. */
export function podsInExcess(hard: ResourceList, used: Readonly<Record<string, string>>): boolean {
  return [...hard].some(([key, most]) => {
    const text = isPodKey(key) ? own(used, key) : undefined;
    return text !== undefined && parseQuantity(text).compare(most) > 0;
  });
}

/**
 * The keys of devices that pods use although no grant gives any: they were made before a node offered them, when no quota counted
 * them yet.
 *
 * @param granted what all grants give together
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

/** Whether it is on its way out, but for longer than any pod may take: a guest can delete his with a grace of a year. */
export const isLingering = ({ terminating, graceSeconds }: PodFacts): boolean =>
  terminating && graceSeconds > maxGraceSeconds;

/** The pods that use any of these, and those of which it isn't known; those that go, but not soon, among them. */
export const usersOf = (keys: readonly string[], pods: readonly PodFacts[]): PodFacts[] =>
  pods.filter((pod) => !pod.finished && (!pod.terminating || isLingering(pod))).filter(({ unreadable, usage }) =>
    unreadable || keys.some((key) => (usage.get(key)?.sign() ?? 0) > 0)
  );

/** Those that run or may yet: the finished take nothing, and those on their way out count as gone. */
export const running = (pods: readonly PodFacts[]): PodFacts[] =>
  pods.filter(({ finished, terminating }) => !finished && !terminating);

/**
 * The pods to end so that the rest fits: first those of which nothing is known and those that by themselves take more
 * than there is, then by the lowest priority and the newest, and none that frees nothing of what is short.
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

/** Devices that the quota doesn't name are given to nobody; of what else it doesn't name it limits nothing. */
const mostOf = (hard: ResourceList, key: string): Quantity | undefined =>
  hard.get(key) ?? (isDevice(key) ? zero : undefined);

function isTooLarge({ usage }: PodFacts, hard: ResourceList): boolean {
  return [...usage].some(([key, amount]) => {
    const most = isPodKey(key) ? mostOf(hard, key) : undefined;
    return most !== undefined && amount.compare(most) > 0;
  });
}

/** By how much the pods exceed each key. */
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
