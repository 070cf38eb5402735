/** A Service: the pods behind it, and its address. */
import type { Pod, Service } from "../../../lib/kubernetes_apis/core@v1.ts";
import { isQuantity, parseQuantity } from "../../../lib/quantity/mod.ts";
import { own } from "../own.ts";
import { eventsOf, warningsAbout } from "./event_report.ts";
import { countText, excerpt, fewOf, type Problem, type Report, type ReportFinding } from "./finding.ts";
import { groupFindings, groupProblem, podGroups } from "./pod_groups.ts";
import { isPodReady } from "./pod_report.ts";
import { amountsOf, quotaNamed } from "./quota_report.ts";
import { controlledBy, type ReportWorld } from "./reported_objects.ts";
import { activePods, surroundingFindings } from "./workload_parts.ts";

export function serviceReport(service: Service, world: ReportWorld): Report {
  const { metadata, spec, status } = service;
  const name = metadata?.name ?? "";
  const selector = spec?.selector ?? {};
  const selects = Object.keys(selector).length > 0;
  const pods = selects
    ? activePods(
      world.pods.filter((pod) =>
        Object.entries(selector).every(([key, value]) => own(pod.metadata?.labels ?? {}, key) === value)
      ),
    )
    : [];
  const slices = controlledBy(service, world.slices);
  const endpoints = slices.flatMap(({ endpoints }) => endpoints ?? []);
  const open = endpoints.filter(({ conditions }) => conditions?.ready !== false).length;
  const groups = podGroups(pods, world);
  const addresses = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip ?? hostname ?? "");
  const isKnown = !world.unread.includes("endpointslices");
  const ready = pods.filter(isPodReady).length;
  const problem = spec?.type === "ExternalName" ? undefined : balancerProblem(service, addresses, world) ??
    (selects ? backendProblem(service, pods, isKnown ? open : ready, world) : isKnown && open === 0
      ? {
        reason: `Service ${name} has no selector and no endpoints, so it leads nowhere.`,
        remedy: "Set spec.selector to the labels of its pods.",
      }
      : undefined);
  return {
    problem,
    good: spec?.type === "ExternalName"
      ? `Service ${name} is another name of ${spec.externalName}.`
      : `Service ${name} leads to ${countText(isKnown ? open : ready, isKnown ? "endpoint" : "ready pod")}${
        addresses.length > 0 ? `, from outside at ${fewOf(addresses)}` : ""
      }.`,
    chain: [
      {
        what: `Service ${name}`,
        status: problem ? "fail" : "ok",
        message: `${spec?.type ?? "ClusterIP"}, ${addressText(service)}, ports ${
          fewOf((spec?.ports ?? []).map(({ port, protocol = "TCP", targetPort }) =>
            `${port}/${protocol}${targetPort === undefined || targetPort === port ? "" : ` to ${targetPort}`}`
          )) || "none"
        }.`,
      },
      ...(selects
        ? [
          {
            what: "pods",
            status: ready > 0 ? "ok" : "fail",
            message: `spec.selector ${selectorText(selector)} selects ${
              countText(pods.length, "pod")
            }, ${ready} ready.`,
          } satisfies ReportFinding,
        ]
        : []),
      ...(isKnown && spec?.type !== "ExternalName"
        ? [
          {
            what: "endpoints",
            status: open > 0 ? "ok" : "fail",
            message: `${open} of ${endpoints.length} ready.`,
          } satisfies ReportFinding,
        ]
        : []),
      ...groupFindings(groups),
      ...warningsAbout(service, world),
      ...surroundingFindings(world),
    ],
  };
}

const selectorText = (selector: Record<string, string>): string =>
  Object.entries(selector).map(([key, value]) => `${key}=${value}`).join(",");

const addressText = ({ spec }: Service): string =>
  spec?.type === "ExternalName"
    ? `name ${spec.externalName}`
    : spec?.clusterIP === "None"
    ? "headless"
    : `cluster IP ${spec?.clusterIP ?? "none"}`;

function backendProblem(service: Service, pods: readonly Pod[], open: number, world: ReportWorld): Problem | undefined {
  const name = service.metadata?.name;
  const selector = selectorText(service.spec?.selector ?? {});
  if (pods.length === 0) {
    return {
      reason: `Service ${name} leads nowhere: no pod has the labels of its spec.selector, ${selector}.`,
      remedy: "Correct spec.selector, or start the pods: kubectl get pods --show-labels.",
    };
  }
  if (open > 0) return portProblem(service, pods);
  const why = groupProblem(podGroups(pods, world));
  return why
    ? {
      reason: `Service ${name} leads nowhere: 0 of its ${countText(pods.length, "pod")} are ready. ${why.reason}`,
      remedy: why.remedy,
    }
    : portProblem(service, pods) ?? {
      reason: `Service ${name} has no endpoints yet, though its pods are ready.`,
      remedy: "If it stays so, ask a cluster admin whether kube-controller-manager runs.",
    };
}

/** Returns the problem that a port by name is not a port of the pods. */
function portProblem({ metadata, spec }: Service, pods: readonly Pod[]): Problem | undefined {
  for (const { port, targetPort } of spec?.ports ?? []) {
    if (typeof targetPort !== "string" || /^\d+$/.test(targetPort)) continue;
    const has = pods.some((pod) =>
      [...pod.spec?.initContainers ?? [], ...pod.spec?.containers ?? []].some(({ ports }) =>
        ports?.some(({ name }) => name === targetPort)
      )
    );
    if (!has) {
      return {
        reason:
          `Port ${port} of Service ${metadata?.name} leads nowhere: no container of its pods has a port named ${targetPort}.`,
        remedy: "Correct spec.ports.targetPort, or name the container's port.",
      };
    }
  }
  return undefined;
}

function balancerProblem(service: Service, addresses: readonly string[], world: ReportWorld): Problem | undefined {
  const { metadata, spec } = service;
  const [closed] = eventsOf(service, world, "MadeInternal");
  if (closed && spec?.type === "ClusterIP") {
    return {
      reason: `Service ${metadata?.name} was made internal. ${excerpt(closed.message ?? "")}`,
      remedy: "Have the exposure granted (services.loadbalancers or services.nodeports), then set spec.type again.",
    };
  }
  if (spec?.type !== "LoadBalancer" || addresses.length > 0) return undefined;
  const [failed] = eventsOf(service, world, "SyncLoadBalancerFailed", "AllocationFailed");
  const quota = quotaNamed(world, "keystone");
  const granted = quota && amountsOf(quota).find(({ key }) => key === "services.loadbalancers");
  const given = granted && isQuantity(granted.hard) && parseQuantity(granted.hard).sign() > 0
    ? ` The grants give ${granted.hard} services.loadbalancers, ${granted.used} used.`
    : " No grant gives services.loadbalancers.";
  const by = spec.loadBalancerClass === undefined ? "the cluster's load balancer" : `class ${spec.loadBalancerClass}`;
  return {
    reason: `Service ${metadata?.name} has no address from outside: ${by} has not assigned one.${
      failed ? ` ${excerpt(failed.message ?? "")}` : ""
    }${given}`,
    remedy: "Ask a cluster admin whether the cluster has a load balancer, and which spec.loadBalancerClass it takes.",
  };
}
