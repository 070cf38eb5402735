/** Exposed Services: their quota usage, and the selection of those that become internal when grants end. */
import { parseQuantity, type Quantity } from "../../../lib/quantity/mod.ts";
import type { Effect } from "../effects.ts";
import type { EventFact, QuotaFacts, ServiceFacts } from "../facts.ts";
import { exposedKeys } from "../grant/ceiling.ts";
import type { ResourceList } from "../resources/resource_list.ts";

const zero = parseQuantity("0");

export interface ExposedPlan {
  effects: Effect[];
  /** True if exposed Services exceed the grants, or that isn't known yet. */
  isOver: boolean;
  /** True if the Services have to be listed. */
  needsServices: boolean;
  /** Sentence with the reason that they can't be listed. */
  obstacle?: string;
}

/**
 * Makes Services internal until the rest is within the grants, the newest first; without a grant, all of them, whatever
 * the quota's usage is. None is deleted: inside the cluster each keeps working.
 *
 * @param services exposed Services of the namespace; undefined while they aren't listed
 * @param servicesError reason that they can't be listed
 * @param granted remaining amounts; undefined if no grant remains
 */
export function planExposed(
  quota: QuotaFacts | undefined,
  services: readonly ServiceFacts[] | undefined,
  servicesError: string | undefined,
  granted: ResourceList | undefined,
): ExposedPlan {
  const none = { effects: [], isOver: false, needsServices: false };
  if (isWithin(quota, granted)) return none;
  if (!services) {
    const unseen = servicesError === undefined ? {} : { obstacle: `Its Services can't be listed: ${servicesError}` };
    return { ...none, isOver: true, needsServices: true, ...unseen };
  }
  const chosen = granted === undefined ? services : inExcess(services, granted);
  const effects = chosen.map(internal);
  return { effects, isOver: effects.length > 0, needsServices: true };
}

/**
 * Changes the type of a Service and removes the fields that the API server rejects for other types. The API server
 * removes all other fields of the type, such as node ports, by itself.
 */
const internal = ({ namespace, name, uid }: ServiceFacts): Effect => ({
  patch: { kind: "Service", namespace, name, uid },
  body: {
    metadata: { annotations: { "service.beta.kubernetes.io/load-balancer-source-ranges": null } },
    spec: { type: "ClusterIP", loadBalancerSourceRanges: null },
  },
  ifPresent: true,
  events: [{ event: madeInternal, about: { apiVersion: "v1", kind: "Service", namespace, name, uid } }],
});

const madeInternal: EventFact = {
  type: "Warning",
  reason: "MadeInternal",
  action: "Close",
  note: "Its type is now ClusterIP, because no grant covers its exposure; inside the cluster it is unchanged.",
};

/**
 * Reports whether the quota's usage shows that no Service exceeds the grants. A key without usage may have Services.
 */
function isWithin(quota: QuotaFacts | undefined, granted: ResourceList | undefined): boolean {
  return exposedKeys.every((key) => {
    const used = quota?.used[key];
    return used !== undefined && parseQuantity(used).compare(granted?.get(key) ?? zero) <= 0;
  });
}

/** Returns the Services to make internal so that the rest fits: the newest first, skipping those that free nothing. */
function inExcess(services: readonly ServiceFacts[], granted: ResourceList): ServiceFacts[] {
  const over = new Map<string, Quantity>();
  for (const key of exposedKeys) {
    const used = services.reduce((sum, each) => sum + (each.usage[key] ?? 0), 0);
    const beyond = parseQuantity(used).subtract(granted.get(key) ?? zero);
    if (beyond.sign() > 0) over.set(key, beyond);
  }
  const chosen: ServiceFacts[] = [];
  for (const service of [...services].sort((a, b) => b.createdAt - a.createdAt || (a.name < b.name ? -1 : 1))) {
    const frees = [...over].filter(([key]) => (service.usage[key] ?? 0) > 0);
    if (frees.length === 0) continue;
    chosen.push(service);
    for (const [key, left] of frees) {
      const rest = left.subtract(parseQuantity(service.usage[key]!));
      if (rest.sign() > 0) over.set(key, rest);
      else over.delete(key);
    }
  }
  return chosen;
}

/** Fields of a Service that determine its quota usage. */
export interface ServiceTerms {
  type?: string;
  ports?: readonly { nodePort?: number }[];
  allocateLoadBalancerNodePorts?: boolean;
}

/** Returns the quota usage of an exposed Service (pkg/quota/v1/evaluator/core/services.go); undefined for others. */
export function exposedUsage(
  { type, ports = [], allocateLoadBalancerNodePorts }: ServiceTerms,
): Record<string, number> | undefined {
  if (type === "NodePort") return { "services.nodeports": ports.length };
  if (type !== "LoadBalancer") return undefined;
  const numbered = ports.filter(({ nodePort }) => nodePort !== undefined && nodePort !== 0).length;
  const nodePorts = allocateLoadBalancerNodePorts === false ? numbered : ports.length;
  return { "services.loadbalancers": 1, "services.nodeports": nodePorts };
}
