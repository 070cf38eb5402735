/**
 * Quota usage of a pod. Source: PodUsageFunc in pkg/quota/v1/evaluator/core/pods.go and PodRequests in
 * k8s.io/component-helpers/resource.
 */
import type { Container, PodSpec } from "../../../lib/kubernetes_apis/core@v1.ts";
import { maxQuantity, parseQuantity, type Quantity } from "../../../lib/quantity/mod.ts";

type Resources = ReadonlyMap<string, Quantity>;
type Side = "requests" | "limits";

/** Returns the pod's usage under each quota key, including `pods: 1`. */
export function podUsage(spec: PodSpec): Map<string, Quantity> {
  const usage = new Map<string, Quantity>([["pods", parseQuantity("1")]]);
  for (const side of ["requests", "limits"] as const) {
    for (const [resource, quantity] of effective(spec, side)) usage.set(`${side}.${resource}`, quantity);
  }
  return usage;
}

/**
 * Returns the larger of the sum over its containers and the maximum over its start steps, plus its overhead. Sidecars
 * (init containers that keep running) count in both.
 */
function effective(spec: PodSpec, side: Side): Map<string, Quantity> {
  let running = sum(...(spec.containers ?? []).map((container) => resourcesOf(container, side)));
  let sidecars: Resources = new Map();
  let starting: Resources = new Map();
  for (const container of spec.initContainers ?? []) {
    const own = resourcesOf(container, side);
    if (container?.restartPolicy === "Always") {
      running = sum(running, own);
      sidecars = sum(sidecars, own);
      starting = larger(starting, sidecars);
    } else {
      starting = larger(starting, sum(own, sidecars));
    }
  }
  const total = larger(running, starting);
  // Pod-level resources replace the sum of the containers' (KEP-2837).
  for (const [resource, quantity] of quantities(spec.resources?.[side])) total.set(resource, quantity);
  const overhead = quantities(spec.overhead);
  if (side === "requests") return sum(total, overhead);
  // The overhead is added only to resources that have a limit.
  return sum(total, new Map([...overhead].filter(([name]) => (total.get(name)?.sign() ?? 0) > 0)));
}

const resourcesOf = (container: Container | null, side: Side): Resources => quantities(container?.resources?.[side]);

const quantities = (list: Readonly<Record<string, string | number>> | null | undefined): Resources =>
  new Map(Object.entries(list ?? {}).map(([name, text]) => [name, parseQuantity(text)]));

function sum(...all: Resources[]): Map<string, Quantity> {
  const out = new Map<string, Quantity>();
  for (const resources of all) {
    for (const [name, quantity] of resources) out.set(name, out.get(name)?.add(quantity) ?? quantity);
  }
  return out;
}

function larger(a: Resources, b: Resources): Map<string, Quantity> {
  const out = new Map(a);
  for (const [name, quantity] of b) out.set(name, out.has(name) ? maxQuantity(out.get(name)!, quantity) : quantity);
  return out;
}
