/** From what a cluster says of itself to the ranges that no grant opens and the resources that no quota may forget. */
import type { Settings } from "../../api/mod.ts";
import type { ClusterFacts } from "../facts.ts";
import type { Quantity } from "../../../lib/quantity/mod.ts";
import { sumLists } from "../resources/quota_lists.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import { cidr, compareRanges, contains, parseRange, type Range } from "../address.ts";
import { tailnetRanges } from "../network/special_ranges.ts";

export interface NodeSource {
  name: string;
  podCIDRs: readonly string[];
  addresses: readonly string[];
  /** Names of the resources that it has. */
  resources: readonly string[];
  /** What its pods can have. */
  allocatable?: ReadonlyMap<string, Quantity>;
  /** Nothing is known of it but its name. */
  unreadable?: true;
}

export interface ClassSource {
  name: string;
  provisioner: string;
}

/** The provisioner of classes whose volumes people make. */
const noProvisioner = "kubernetes.io/no-provisioner";

export interface ClusterSources {
  nodes: readonly NodeSource[];
  /** CIDRs of the ServiceCIDRs. */
  services: readonly string[];
  /** Addresses of the API server. */
  api: readonly string[];
  classes: readonly ClassSource[];
  /** What could not be read. */
  unread: Readonly<Record<"nodes" | "services" | "api" | "classes", boolean>>;
}

/** What a quota can name: a node may offer under any name, and a quota that can't be written closes nothing. */
const quotaName = /^([a-z0-9.-]{1,240}\/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,52}[A-Za-z0-9])?$/;
/** Bounds the quota's size. Resources that the quota doesn't name are refused by the guards. */
const mostExtended = 500;

/** Resources that a quota counts as `requests.<name>`; Kubernetes' own names are either counted otherwise or refused. */
const isExtended = (name: string): boolean =>
  quotaName.test(name) &&
  (name.startsWith("hugepages-") || (name.includes("/") && !name.includes("kubernetes.io/")));

/**
 * The facts. Ranges of pods and services that the configuration names take the place of those that were read; those of
 * nodes come beside their addresses, which are never opened.
 */
export function clusterFacts(sources: ClusterSources, { clusterRanges }: Settings): ClusterFacts {
  const { nodes, services, api, classes } = sources;
  const pods = clusterRanges.pods ?? nodes.flatMap(({ podCIDRs }) => podCIDRs);
  const hosts = [...clusterRanges.nodes ?? [], ...nodes.flatMap(({ addresses }) => addresses)];
  const texts = [...pods, ...(clusterRanges.services ?? services), ...hosts, ...api];
  const unknown = rangesUnknown(sources, clusterRanges);
  return {
    ranges: unique(texts),
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
  };
}

/** What a node tells of itself under the keys of a quota; what it doesn't tell of, such as volumes, isn't judged. */
function capacityOf(nodes: readonly NodeSource[]): ResourceList {
  return sumLists(
    nodes.map(({ allocatable = new Map<string, Quantity>() }) =>
      new Map([...allocatable].map(([name, amount]) => [name === "pods" ? name : `requests.${name}`, amount]))
    ),
  );
}

function rangesUnknown({ nodes, unread }: ClusterSources, configured: Settings["clusterRanges"]): string | undefined {
  const setIt = (key: string) => `Name them as clusterRanges.${key} in the operator's configuration.`;
  const unreadable = nodes.find((node) => node.unreadable);
  if (unreadable && !(configured.pods && configured.nodes)) {
    return `Node ${unreadable.name} can't be read, so not all ranges of pods and nodes are known. ${
      setIt(configured.pods ? "nodes" : "pods")
    }`;
  }
  if (!configured.pods) {
    if (unread.nodes) return `The nodes can't be read, so the ranges of pods aren't known. ${setIt("pods")}`;
    // One that has just joined gets its own in a moment, and runs no pods before.
    const reported = nodes.length === 0 || nodes.some(({ podCIDRs }) => podCIDRs.length > 0);
    if (!reported) return `Node ${nodes[0]!.name} has no podCIDR, so the ranges of pods aren't known. ${setIt("pods")}`;
  }
  if (!configured.services && unread.services) {
    return `The ServiceCIDRs can't be read, so the ranges of services aren't known. ${setIt("services")}`;
  }
  return undefined;
}

/** Nodes that join by a VPN, as with k3s --vpn-auth, can tell addresses of it only. */
function lanUnknown({ nodes }: ClusterSources, clusterRanges: Settings["clusterRanges"]): { lanUnknown?: string } {
  const tailnet = tailnetRanges(clusterRanges);
  const addresses = unique(nodes.flatMap(({ addresses }) => addresses));
  const isTailnets = (address: Range) => tailnet.some((range) => contains(range, address));
  if (clusterRanges.nodes || addresses.length === 0 || !addresses.every(isTailnets)) return {};
  return {
    lanUnknown:
      `The nodes tell only addresses of the tailnet (${addresses.slice(0, 3).map(cidr).join(", ")}): those in ` +
      "your LAN aren't known, so a destination inside the LAN can open a node too.",
  };
}

function unique(texts: readonly string[]): Range[] {
  const ranges = [...new Set(texts)].map(parseRange).filter((range) => range !== undefined).sort(compareRanges);
  return ranges.filter((range, index) => index === 0 || compareRanges(range, ranges[index - 1]!) !== 0);
}
