/** Services that let the world in: what they take of the quota, and which become internal when less is granted. */
import { parseQuantity, type Quantity } from "../../../lib/quantity/mod.ts";
import type { Effect } from "../effects.ts";
import type { EventFact, QuotaFacts, ServiceFacts } from "../facts.ts";
import { exposedKeys } from "../grant/ceiling.ts";
import type { ResourceList } from "../resources/resource_list.ts";

const zero = parseQuantity("0");

export interface ExposedPlan {
  effects: Effect[];
  /** Whether more lets the world in than is granted, or that isn't known yet. */
  isOver: boolean;
  /** Whether the Services have to be looked at. */
  needsServices: boolean;
  /** What keeps them from being looked at, in a sentence. */
  obstacle?: string;
}

/**
 * Makes Services internal until the rest is within what is granted, the newest first; where nothing is granted, all of
 * them, whatever the quota counts. None is deleted: within the cluster each stays as it is.
 *
 * @param services those of the namespace that let the world in; undefined while nobody looks at them
 * @param servicesError why nobody can look at them
 * @param granted what remains; undefined where nothing does
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
    const unseen = servicesError === undefined ? {} : { obstacle: `Its Services can't be looked at: ${servicesError}` };
    return { ...none, isOver: true, needsServices: true, ...unseen };
  }
  const chosen = granted === undefined ? services : inExcess(services, granted);
  const effects = chosen.map(internal);
  return { effects, isOver: effects.length > 0, needsServices: true };
}

/**
 * Changes the type of a Service, and takes off what the API server takes for no other type. All else that belongs to the
 * type, node ports among it, goes with it by itself.
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
  note:
    "Its type is ClusterIP now, because no grant gives what let the world in; within the cluster it stays as it was.",
};

/** Whether the quota's count says that there is nothing to look for. What isn't counted may be there. */
function isWithin(quota: QuotaFacts | undefined, granted: ResourceList | undefined): boolean {
  return exposedKeys.every((key) => {
    const used = quota?.used[key];
    return used !== undefined && parseQuantity(used).compare(granted?.get(key) ?? zero) <= 0;
  });
}

/** The ones to make internal, so that the rest fits: the newest first, and none that frees nothing of what is short. */
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

/** The fields of a Service that say what it takes of the quota. */
export interface ServiceTerms {
  type?: string;
  ports?: readonly { nodePort?: number }[];
  allocateLoadBalancerNodePorts?: boolean;
}

/** What a quota counts of a Service that lets the world in (pkg/quota/v1/evaluator/core/services.go); undefined for others. */
export function exposedUsage(
  { type, ports = [], allocateLoadBalancerNodePorts }: ServiceTerms,
): Record<string, number> | undefined {
  if (type === "NodePort") return { "services.nodeports": ports.length };
  if (type !== "LoadBalancer") return undefined;
  const numbered = ports.filter(({ nodePort }) => nodePort !== undefined && nodePort !== 0).length;
  const nodePorts = allocateLoadBalancerNodePorts === false ? numbered : ports.length;
  return { "services.loadbalancers": 1, "services.nodeports": nodePorts };
}
