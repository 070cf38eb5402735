/** Limits of a guest namespace's LimitRange. Without it the quota would reject pods without requests or limits. */
import type { LimitRangeItem } from "../../../lib/kubernetes_apis/core@v1.ts";
import { maxQuantity, minQuantity, parseQuantity, Quantity } from "../../../lib/quantity/mod.ts";
import type { ResourceList } from "./resource_list.ts";

/** Defaults for containers without requests or limits: at most these, and at most a quarter of the granted amounts. */
const usual = [
  { resource: "cpu", request: "100m", limit: "500m", least: "1m", step: "1m" },
  { resource: "memory", request: "128Mi", limit: "512Mi", least: "1Mi", step: "1Mi" },
  { resource: "ephemeral-storage", request: "256Mi", limit: "1Gi", least: "1Mi", step: "1Mi" },
] as const;

const share = 4n;

/** Builds the item for containers: small defaults that fit the grants, and minimum sizes. */
export function containerLimits(hard: ResourceList): LimitRangeItem {
  const defaultRequest: Record<string, string> = {};
  const defaultLimit: Record<string, string> = {};
  for (const { resource, request, limit, least, step } of usual) {
    const requested = fitting(request, least, step, hard.get(`requests.${resource}`));
    const limited = maxQuantity(requested, fitting(limit, least, step, hard.get(`limits.${resource}`)));
    defaultRequest[resource] = requested.toString();
    defaultLimit[resource] = limited.toString();
  }
  return { type: "Container", default: defaultLimit, defaultRequest, min: { cpu: "1m", memory: "1Mi" } };
}

function fitting(usually: string, least: string, step: string, granted: Quantity | undefined): Quantity {
  const [most, smallest, unit] = [usually, least, step].map(parseQuantity) as [Quantity, Quantity, Quantity];
  if (granted === undefined) return most;
  const part = granted.nanos / share;
  const rounded = new Quantity(part - part % unit.nanos, unit.format);
  return maxQuantity(smallest, minQuantity(most, rounded));
}
