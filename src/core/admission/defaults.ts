/**
 * A pod as the API server creates it from a template, with the defaults of the server and of the namespace's LimitRanges,
 * and the reason for which it would refuse the pod before it checks quotas. Sources: SetDefaults_Pod in
 * pkg/apis/core/v1/defaults.go, plugin/pkg/admission/limitranger and validatePodResourceConsistency in
 * pkg/apis/core/validation.
 */
import type { Container, LimitRangeItem, PodSpec } from "../../../lib/kubernetes_apis/core@v1.ts";
import { parseQuantity, type Quantity } from "../../../lib/quantity/mod.ts";
import { podUsage } from "../guest/pod_usage.ts";
import { own } from "../own.ts";
import { UnreadableWorkload } from "./workload.ts";

type Texts = Readonly<Record<string, string | number>>;
type Sides = { requests?: Record<string, string>; limits?: Record<string, string> };

export interface DefaultedPod {
  spec: PodSpec;
  /** Reason for which the API server would refuse the pod, with the remedy. */
  obstacle?: string;
}

/** Reports whether a pod can set the resource at pod level (IsSupportedPodLevelResource). */
const isPodLevel = (name: string): boolean => name === "cpu" || name === "memory" || name.startsWith("hugepages-");

/** Reports whether the resource's limit must equal its request (IsOvercommitAllowed). */
const isFixed = (name: string): boolean => name.startsWith("hugepages-") || name.includes("/");

/** Returns the pod with all defaults. */
export function withDefaults(template: PodSpec, limits: readonly LimitRangeItem[]): DefaultedPod {
  const containers = template.containers.map(requestsFromLimits);
  const initContainers = (template.initContainers ?? []).map(requestsFromLimits);
  const whole = podLevel({ ...template, containers, initContainers });
  const defaults = limits.filter(({ type }) => type === "Container");
  const fill = (container: Container) => defaults.reduce(withLimitRange, container);
  const spec: PodSpec = {
    ...template,
    ...(whole ? { resources: whole } : {}),
    containers: containers.map(fill),
    initContainers: initContainers.map(fill),
  };
  const obstacle = obstacleOf(template, spec, limits);
  return { spec, ...(obstacle ? { obstacle } : {}) };
}

/** Returns quantities as the API server stores them, rounded up to milli. */
function quantities(list: unknown, what: string): Record<string, string> {
  if (list === undefined || list === null) return {};
  if (typeof list !== "object" || Array.isArray(list)) {
    throw new UnreadableWorkload(`${what} is ${JSON.stringify(list)}. It must be a map of names to quantities.`);
  }
  return Object.fromEntries(
    Object.entries(list).map(([name, text]) => {
      try {
        const quantity = parseQuantity(text).roundUpToMilli();
        if (quantity.sign() < 0) throw new RangeError();
        return [name, quantity.toString()];
      } catch {
        throw new UnreadableWorkload(
          `${what}.${name} is ${JSON.stringify(text)}. It must be a quantity, such as 500m or 4Gi.`,
        );
      }
    }),
  );
}

function requestsFromLimits(container: Container): Container {
  const at = `containers[${container.name}].resources`;
  const limits = quantities(container.resources?.limits, at);
  const requests = { ...limits, ...quantities(container.resources?.requests, at) };
  return { ...container, resources: { requests, limits } };
}

/** Returns the pod-level resources, if any is set: missing ones come from the containers, then from the limits. */
function podLevel(spec: PodSpec): Sides | undefined {
  const stated: Sides = {
    requests: quantities(spec.resources?.requests, "spec.resources.requests"),
    limits: quantities(spec.resources?.limits, "spec.resources.limits"),
  };
  if (Object.keys(stated.requests!).length + Object.keys(stated.limits!).length === 0) return undefined;
  const ofContainers = sideOf(containersOf(spec), "limits");
  const limits = { ...stated.limits };
  for (const [name, quantity] of Object.entries(ofContainers)) {
    if (name.startsWith("hugepages-") && !Object.hasOwn(limits, name) && !Object.hasOwn(stated.requests!, name)) {
      limits[name] = quantity;
    }
  }
  if (Object.keys(limits).length === 0) return stated;
  const requests = { ...stated.requests };
  for (
    const [name, quantity] of [
      ...Object.entries(sideOf(containersOf(spec), "requests")).filter(([name]) => !isFixed(name)),
      ...Object.entries(limits),
    ]
  ) if (isPodLevel(name) && !Object.hasOwn(requests, name)) requests[name] = quantity;
  return { requests, limits };
}

const withoutOverhead = ({ overhead: _, ...spec }: PodSpec): PodSpec => spec;

const containersOf = ({ overhead: _, resources: __, ...spec }: PodSpec): PodSpec => spec;

function sideOf(spec: PodSpec, side: "requests" | "limits"): Record<string, string> {
  const prefix = `${side}.`;
  return Object.fromEntries(
    [...podUsage(spec)].filter(([key]) => key.startsWith(prefix)).map(([key, quantity]) => [
      key.slice(prefix.length),
      quantity.toString(),
    ]),
  );
}

function withLimitRange(container: Container, item: LimitRangeItem): Container {
  const { requests, limits } = container.resources!;
  return {
    ...container,
    resources: {
      requests: { ...texts(item.defaultRequest), ...requests },
      limits: { ...texts(item.default), ...limits },
    },
  };
}

const texts = (list: Texts | undefined): Record<string, string> =>
  Object.fromEntries(Object.entries(list ?? {}).map(([name, value]) => [name, String(value)]));

function obstacleOf(template: PodSpec, spec: PodSpec, limits: readonly LimitRangeItem[]): string | undefined {
  const templates = new Map(
    [...template.containers, ...template.initContainers ?? []].map((each) => [each.name, each]),
  );
  for (const container of [...spec.containers, ...spec.initContainers ?? []]) {
    const obstacle = aboveLimit(container, templates.get(container.name)) ?? outOfRange(container, limits);
    if (obstacle) return obstacle;
  }
  return beyondPod(spec, templates) ?? podOutOfRange(spec, limits);
}

const q = (text: string | number): Quantity => parseQuantity(text);

const nanosOfOne = q("1").nanos;

function aboveLimit({ name, resources }: Container, template: Container | undefined): string | undefined {
  const { requests, limits } = resources as Required<Sides>;
  for (const [resource, request] of Object.entries(requests)) {
    const limit = own(limits, resource);
    if (limit === undefined) {
      if (!isFixed(resource)) continue;
      return `Container ${name} requests ${request} ${resource} without a limit; set its limit to the same amount.`;
    }
    if (isFixed(resource) && q(request).compare(q(limit)) !== 0) {
      return `Container ${name} requests ${request} ${resource} but its limit is ${limit}; both must be equal.`;
    }
    if (q(request).compare(q(limit)) <= 0) continue;
    const given = own(template?.resources?.limits, resource) !== undefined;
    return `Container ${name} requests ${request} ${resource}, which is above its limit of ${limit}${
      given ? "" : ", the default of this namespace"
    }; set its limit to ${request} or more.`;
  }
  return undefined;
}

function outOfRange({ name, resources }: Container, limits: readonly LimitRangeItem[]): string | undefined {
  return rangeText(
    `Container ${name}`,
    resources as Required<Sides>,
    limits.filter(({ type }) => type === "Container"),
  );
}

function podOutOfRange(spec: PodSpec, limits: readonly LimitRangeItem[]): string | undefined {
  const items = limits.filter(({ type }) => type === "Pod");
  if (items.length === 0) return undefined;
  const sides = {
    requests: sideOf(withoutOverhead(spec), "requests"),
    limits: sideOf(withoutOverhead(spec), "limits"),
  };
  return rangeText("The pod", sides, items);
}

function rangeText(who: string, sides: Required<Sides>, items: readonly LimitRangeItem[]): string | undefined {
  for (const { min, max, maxLimitRequestRatio } of items) {
    for (const [resource, least] of Object.entries(texts(min))) {
      for (const side of ["requests", "limits"] as const) {
        const value = own(sides[side], resource);
        if (value === undefined && side === "limits") continue;
        if (value !== undefined && q(value).compare(q(least)) >= 0) continue;
        return `${who} has ${value ?? "no"} ${side}.${resource}; the minimum here is ${least}.`;
      }
    }
    for (const [resource, ratio] of Object.entries(texts(maxLimitRequestRatio))) {
      const [request, limit] = [own(sides.requests, resource), own(sides.limits, resource)];
      const given = request !== undefined && limit !== undefined && q(request).sign() > 0;
      if (given && q(limit).nanos * nanosOfOne <= q(request).nanos * q(ratio).nanos) continue;
      return `${who} has ${request ?? "no"} requests.${resource} and ${
        limit ?? "no"
      } limits.${resource}; the limit may ` +
        `be at most ${ratio} times the request here.`;
    }
    for (const [resource, most] of Object.entries(texts(max))) {
      for (const side of ["limits", "requests"] as const) {
        const value = own(sides[side], resource);
        if (value === undefined && side === "requests") continue;
        if (value !== undefined && q(value).compare(q(most)) <= 0) continue;
        return `${who} has ${value ?? "no"} ${side}.${resource}; the maximum here is ${most}.`;
      }
    }
  }
  return undefined;
}

/** Returns the obstacle if the containers' amounts, with defaults, exceed the pod-level resources. */
function beyondPod(spec: PodSpec, templates: ReadonlyMap<string, Container>): string | undefined {
  const { requests, limits } = (spec.resources ?? {}) as Sides;
  if (!requests && !limits) return undefined;
  for (const [resource, request] of Object.entries(requests ?? {})) {
    const limit = own(limits, resource);
    if (limit !== undefined && q(request).compare(q(limit)) > 0) {
      return `The pod-level request of ${request} ${resource} is above the pod-level limit of ${limit}.`;
    }
  }
  const together = sideOf(containersOf(spec), "requests");
  for (const [resource, sum] of Object.entries(together)) {
    const stated = own(requests, resource);
    if (stated === undefined || q(sum).compare(q(stated)) <= 0) continue;
    return `The pod-level request is ${stated} ${resource}, but its containers request ${sum} together, including this ` +
      `namespace's defaults; set the containers' requests too, or raise the pod's.`;
  }
  for (const { name, resources } of spec.containers) {
    for (const [resource, limit] of Object.entries((resources as Required<Sides>).limits)) {
      const stated = own(limits, resource);
      if (stated === undefined || q(limit).compare(q(stated)) <= 0) continue;
      const given = own(templates.get(name)?.resources?.limits, resource) !== undefined;
      return `Container ${name} has a limit of ${limit} ${resource}${
        given ? "" : " by default"
      }, above the pod-level ` +
        `limit of ${stated}; set the container's limit to ${stated} or less.`;
    }
  }
  return undefined;
}
