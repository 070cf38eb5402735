/** Defaults of several LimitRanges that differ: Kubernetes doesn't define which one a container gets. */
import type { Container, LimitRangeItem, PodSpec } from "../../../lib/kubernetes_apis/core@v1.ts";
import { parseQuantity } from "../../../lib/quantity/mod.ts";
import { own } from "../own.ts";

/**
 * Returns a quota key, such as `limits.cpu`, that a container omits and for which the LimitRanges' defaults differ;
 * undefined if there is none. Each pod of a workload may get another one of them. Source: "If two or more LimitRange
 * objects exist in the namespace, it is not deterministic which default value will be used" (LimitRange concept).
 */
export function competingDefault(pod: PodSpec | undefined, limits: readonly LimitRangeItem[]): string | undefined {
  const items = limits.filter(({ type }) => type === "Container");
  const containers = [...pod?.containers ?? [], ...pod?.initContainers ?? []];
  const omits = {
    "limits": ({ resources }: Container, name: string) => own(resources?.limits, name) === undefined,
    // A request that is omitted equals the container's own limit.
    "requests": ({ resources }: Container, name: string) =>
      own(resources?.requests, name) === undefined && own(resources?.limits, name) === undefined,
  };
  for (const [side, field] of [["limits", "default"], ["requests", "defaultRequest"]] as const) {
    for (const name of new Set(items.flatMap((item) => Object.keys(item[field] ?? {})))) {
      const amounts = items.flatMap((item) => own(item[field], name) ?? []).map((amount) =>
        parseQuantity(amount).nanos
      );
      if (new Set(amounts).size > 1 && containers.some((each) => omits[side](each, name))) return `${side}.${name}`;
    }
  }
  return undefined;
}

/** Returns the LimitRanges' items behind one with the largest of their defaults. */
export function largestDefaultsFirst(limits: readonly LimitRangeItem[]): LimitRangeItem[] {
  const items = limits.filter(({ type }) => type === "Container");
  const largest = (field: "default" | "defaultRequest") => {
    const all: Record<string, string> = {};
    for (const [name, amount] of items.flatMap((item) => Object.entries(item[field] ?? {}))) {
      if (all[name] === undefined || parseQuantity(amount).compare(parseQuantity(all[name])) > 0) {
        all[name] = String(amount);
      }
    }
    return all;
  };
  return [{ type: "Container", default: largest("default"), defaultRequest: largest("defaultRequest") }, ...limits];
}
