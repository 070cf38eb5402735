/** Which pods have to go when less is granted than runs, and how. */
import { parseQuantity, type Quantity } from "../../../lib/quantity/mod.ts";
import type { PodFacts } from "../facts.ts";
import type { Hard } from "./hard.ts";

/** How long a pod may take to end, whatever it asks for: a guest can ask for a year. */
export const maxGraceSeconds = 30;

/** Keys of a quota that pods fill, and that ending pods makes room in. */
const isPodKey = (key: string): boolean => /^(pods$|requests\.|limits\.)/.test(key) && key !== "requests.storage";

/** Whether pods have to go for the use to come down to what there is. */
export function podsInExcess(hard: Hard, used: Readonly<Record<string, string>>): boolean {
  return [...hard].some(([key, most]) =>
    isPodKey(key) && used[key] !== undefined && parseQuantity(used[key]).compare(most) > 0
  );
}

/**
 * The pods to end so that the rest fits: lowest priority first, then the newest, and none that frees nothing of what is
 * short. Those on their way out count as gone.
 */
export function victims(pods: readonly PodFacts[], hard: Hard): PodFacts[] {
  const counted = pods.filter(({ finished, terminating }) => !finished && !terminating);
  const over = excess(counted, hard);
  const order = [...counted].sort((a, b) =>
    a.priority - b.priority || b.createdAt - a.createdAt || (a.name < b.name ? -1 : 1)
  );
  const chosen: PodFacts[] = [];
  for (const pod of order) {
    if (over.size === 0) break;
    const frees = [...over.keys()].some((key) => (pod.usage.get(key)?.sign() ?? 0) > 0);
    if (!frees) continue;
    chosen.push(pod);
    for (const [key, left] of [...over]) {
      const rest = left.subtract(pod.usage.get(key) ?? parseQuantity("0"));
      if (rest.sign() > 0) over.set(key, rest);
      else over.delete(key);
    }
  }
  return chosen;
}

/** By how much the pods exceed each key. */
function excess(pods: readonly PodFacts[], hard: Hard): Map<string, Quantity> {
  const over = new Map<string, Quantity>();
  for (const [key, most] of hard) {
    if (!isPodKey(key)) continue;
    let used = parseQuantity("0");
    for (const pod of pods) used = used.add(pod.usage.get(key) ?? parseQuantity("0"));
    const beyond = used.subtract(most);
    if (beyond.sign() > 0) over.set(key, beyond);
  }
  return over;
}
