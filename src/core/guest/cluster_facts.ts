/** Cluster facts: address ranges that no grant opens, resources that the quota must name, and capacity. */
import type { Settings } from "../../api/mod.ts";
import type { ClusterFacts } from "../facts.ts";
import type { Quantity } from "../../../lib/quantity/mod.ts";
import { sumLists } from "../resources/quota_lists.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import { cidr, compareRanges, contains, parseRange, type Range } from "../address.ts";
import { RangeIndex } from "../network/range_index.ts";
import { tailnetRanges } from "../network/special_ranges.ts";

export interface NodeSource {
  name: string;
  /** Its ranges of pods, by the API and by annotations of network plugins. */
  podCIDRs: readonly string[];
  addresses: readonly string[];
  /** Names of its resources. */
  resources: readonly string[];
  /** Amounts that its pods can use. */
  allocatable?: ReadonlyMap<string, Quantity>;
  /** True if it takes no pods of guests: it is cordoned, not ready, or reserved for the control plane. */
  closed?: true;
  /** True if nothing but its name is known. */
  unreadable?: true;
  /** Labels and taints, for DaemonSets; only the front keeps them. */
  state?: {
    name: string;
    labels: Readonly<Record<string, string>>;
    taints: readonly { key: string; value?: string; effect: string }[];
  };
}

export interface ClassSource {
  name: string;
  provisioner: string;
  /** Epoch milliseconds of its creation, if it is annotated as a default. */
  defaultFrom?: number;
}

/** An address that a pod has. */
export interface PodAddress {
  address: string;
  /** `namespace/name` of the pod, if it was looked up. */
  pod?: string;
}

/** Provisioner of classes whose volumes are created by hand. */
const noProvisioner = "kubernetes.io/no-provisioner";

export interface ClusterSources {
  nodes: readonly NodeSource[];
  /** CIDRs of the ServiceCIDRs. */
  services: readonly string[];
  /** Addresses of the API server. */
  api: readonly string[];
  classes: readonly ClassSource[];
  /** CIDRs of the network plugin's pools of pods. */
  pools?: readonly string[];
  /** Addresses of pods outside the host network; those inside the known ranges may be left out. */
  pods?: readonly PodAddress[];
  /** Sources that could not be read. */
  unread: Readonly<Record<"nodes" | "services" | "api" | "classes" | "pods", boolean>>;
}

/**
 * Names that a quota accepts: a node may use any name for a resource, and a quota that can't be written closes nothing.
 */
const quotaName = /^([a-z0-9.-]{1,240}\/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,52}[A-Za-z0-9])?$/;
/** Limit on the quota's size. The guards reject resources that the quota doesn't name. */
const mostExtended = 500;

/**
 * Reports whether a quota counts the resource as `requests.<name>`; Kubernetes' own names are counted otherwise or
 * rejected.
 */
const isExtended = (name: string): boolean =>
  quotaName.test(name) &&
  (name.startsWith("hugepages-") || (name.includes("/") && !name.includes("kubernetes.io/")));

/**
 * Computes the facts. Configured ranges of pods and services replace the ones that were read; configured ranges of
 * nodes are added to the nodes' addresses.
 */
export function clusterFacts(sources: ClusterSources, { clusterRanges }: Settings): ClusterFacts {
  const { nodes, services, api, classes, pools = [] } = sources;
  const pods = clusterRanges.pods ?? [...nodes.flatMap(({ podCIDRs }) => podCIDRs), ...pools];
  const hosts = [...clusterRanges.nodes ?? [], ...nodes.flatMap(({ addresses }) => addresses)];
  const texts = [...pods, ...(clusterRanges.services ?? services), ...hosts, ...api];
  const ranges = unique(texts);
  const unknown = rangesUnknown(sources, clusterRanges) ?? podsOutside(sources, unique(pods), ranges);
  return {
    ranges,
    ...(unknown === undefined ? {} : { rangesUnknown: unknown }),
    ...lanUnknown(sources, clusterRanges),
    extendedKeys: [...new Set(nodes.flatMap(({ resources }) => resources))].filter(isExtended).sort()
      .slice(0, mostExtended)
      .map((name) => `requests.${name}`),
    storageClasses: classes.map(({ name }) => name).sort(),
    ...(sources.unread.classes ? {} : {
      provisioningClasses: classes.filter(({ provisioner }) => provisioner !== noProvisioner).map(({ name }) => name)
        .sort(),
    }),
    ...(nodes.length > 0 && !sources.unread.nodes ? { capacity: capacityOf(nodes) } : {}),
    ...(sources.unread.nodes || nodes.some((node) => node.unreadable)
      ? {}
      : { schedulable: capacityOf(nodes.filter(({ closed }) => !closed)) }),
  };
}

/**
 * Sums the nodes' allocatable resources under quota keys; resources that nodes don't report, such as volumes, are
 * absent.
 */
function capacityOf(nodes: readonly NodeSource[]): ResourceList {
  return sumLists(
    nodes.map(({ allocatable = new Map<string, Quantity>() }) =>
      new Map([...allocatable].map(([name, amount]) => [name === "pods" ? name : `requests.${name}`, amount]))
    ),
  );
}

const setIt = (key: string) => `Set clusterRanges.${key} in the operator's configuration.`;

function rangesUnknown(
  { nodes, unread, pools = [] }: ClusterSources,
  configured: Settings["clusterRanges"],
): string | undefined {
  const unreadable = nodes.find((node) => node.unreadable);
  if (unreadable && !(configured.pods && configured.nodes)) {
    return `Node ${unreadable.name} can't be read, so some ranges of pods and nodes are unknown. ${
      setIt(configured.pods ? "nodes" : "pods")
    }`;
  }
  if (!configured.pods) {
    if (unread.nodes) return `The nodes can't be read, so the ranges of pods are unknown. ${setIt("pods")}`;
    // A node that has just joined gets its podCIDR a moment later and runs no pods before.
    const reported = nodes.length === 0 || pools.length > 0 || nodes.some(({ podCIDRs }) => podCIDRs.length > 0);
    if (!reported) return `Node ${nodes[0]!.name} has no podCIDR, so the ranges of pods are unknown. ${setIt("pods")}`;
  }
  if (!configured.pods && unread.pods) {
    return `The pods can't be listed, so their addresses may be outside the known ranges. ${setIt("pods")}`;
  }
  if (!configured.services && unread.services) {
    return `The ServiceCIDRs can't be read, so the ranges of services are unknown. ${setIt("services")}`;
  }
  return undefined;
}

/**
 * Detects pods outside the known ranges: the nodes' podCIDRs are not used, as with Calico's own pools, or the configured
 * ranges are incomplete. Other pods there would be open to guests.
 */
function podsOutside(
  { pods = [] }: ClusterSources,
  known: readonly Range[],
  all: readonly Range[],
): string | undefined {
  const index = new RangeIndex(all);
  const [outside] = pods.filter(({ address }) => parseRange(address) !== undefined && !index.has(address))
    .sort((a, b) => compareRanges(parseRange(a.address)!, parseRange(b.address)!));
  if (outside === undefined) return undefined;
  const shown = known.slice(0, 3).map(cidr).join(", ");
  const ranges = shown === "" ? "no range of pods is known" : `the known ranges of pods are ${shown}`;
  return `${
    outside.pod === undefined ? "A pod" : `Pod ${outside.pod}`
  } has the address ${outside.address}, but ${ranges}${known.length > 3 ? ", …" : ""}. ${setIt("pods")}`;
}

/** Detects nodes that report only VPN addresses, as with k3s --vpn-auth. */
function lanUnknown({ nodes }: ClusterSources, clusterRanges: Settings["clusterRanges"]): { lanUnknown?: string } {
  const tailnet = tailnetRanges(clusterRanges);
  const addresses = unique(nodes.flatMap(({ addresses }) => addresses));
  const isTailnets = (address: Range) => tailnet.some((range) => contains(range, address));
  if (clusterRanges.nodes || addresses.length === 0 || !addresses.every(isTailnets)) return {};
  return {
    lanUnknown:
      `The nodes report only tailnet addresses (${addresses.slice(0, 3).map(cidr).join(", ")}). Their LAN addresses ` +
      "are unknown, so a destination inside the LAN can open a node too.",
  };
}

function unique(texts: readonly string[]): Range[] {
  const ranges = [...new Set(texts)].map(parseRange).filter((range) => range !== undefined).sort(compareRanges);
  return ranges.filter((range, index) => index === 0 || compareRanges(range, ranges[index - 1]!) !== 0);
}
