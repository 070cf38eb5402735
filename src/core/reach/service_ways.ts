/** Translation of a Service's addresses and ports to its endpoints, as kube-proxy does it. */
import type { Pod, Service, ServicePort } from "../../../lib/kubernetes_apis/core@v1.ts";
import { contains, parseRange } from "../address.ts";
import type { Protocol } from "../network/destination.ts";
import { isEndpointNamed } from "./cluster_names.ts";
import {
  ipsOfPod,
  isIpv6,
  isSameIp,
  nodeAt,
  placeAt,
  placeOfPod,
  type ReachPlace,
  type ReachSource,
} from "./places.ts";
import type { PortRange } from "./reach.ts";
import { ReachError, type ReachFacts, valueOf } from "./reach_facts.ts";
import {
  endpointsOf,
  isReadyEndpoint,
  placeOfEndpoint,
  portText,
  serviceName,
  usableEndpoints,
  whyNoEndpoint,
} from "./service_endpoints.ts";

/** One way that packets to a destination can take. */
export interface ReachWay {
  /** Translation or lookup before, such as `Service guest-bob-home/redis (10.96.0.7:80)`. */
  via?: string;
  to: ReachPlace;
  ports?: PortRange;
  protocol: Protocol;
  /** Another node, where the translation takes place: the source's policies see its address. */
  through?: { to: ReachPlace; port: number };
  /** Reason that nothing passes, independent of policies. */
  blocked?: string;
  /** Reason that this way can't be judged. */
  unjudged?: string;
  notes?: readonly string[];
  /** Ways through a Service whose node port it is, if the address is one of a node that doesn't report it. */
  ifNode?: { service: string; ways: readonly ReachWay[] };
  /** True for the DNS query before a connection. */
  isLookup?: true;
  /** True for an address of a name outside the cluster. */
  isOfName?: true;
  /** True for the node of a realm. */
  isRealm?: true;
}

/** Address of a Service to which packets are sent. */
export interface ServiceEntry {
  ip: string;
  kind: "cluster" | "node" | "external";
  /** The node whose port it is. */
  node?: string;
}

interface Asked {
  ports?: PortRange | undefined;
  portName?: string | undefined;
  protocol?: Protocol | undefined;
}

const nowhere = (ip: string): ReachPlace => ({ kind: "outside", shown: ip, ip });

/** Returns the cluster addresses of a Service; none if it is headless or a name. */
export const clusterIpsOf = ({ spec }: Service): string[] =>
  (spec?.clusterIPs ?? (spec?.clusterIP ? [spec.clusterIP] : [])).filter((ip) => ip !== "None" && ip !== "");

export const isHeadless = ({ spec }: Service): boolean => spec?.clusterIP === "None";

/** Finds the Service whose address and port a packet is sent to. */
export function serviceAt(
  facts: ReachFacts,
  source: ReachSource,
  ip: string,
  { ports, protocol = "TCP" }: Asked,
): { service: Service; entry: ServiceEntry } | undefined {
  const all = valueOf(facts.services()) ?? valueOf(facts.services(source.namespace)) ?? [];
  const byCluster = all.find((service) => clusterIpsOf(service).some((each) => isSameIp(each, ip)));
  if (byCluster) return { service: byCluster, entry: { ip, kind: "cluster" } };
  const byExternal = all.filter((service) => externalIpsOf(service).some((each) => isSameIp(each, ip)))
    .find(({ spec }) =>
      ports === undefined ||
      spec?.ports?.some((each) => each.port === ports.first && (each.protocol ?? "TCP") === protocol)
    );
  if (byExternal) return { service: byExternal, entry: { ip, kind: "external" } };
  const node = nodeAt(facts, source, ip);
  const byNode = node === undefined ? undefined : serviceOfNodePort(facts, source, { ports, protocol });
  return byNode && { service: byNode, entry: { ip, kind: "node", node: node! } };
}

/** Finds the Service with a node port. */
export function serviceOfNodePort(
  facts: ReachFacts,
  source: ReachSource,
  { ports, protocol = "TCP" }: Asked,
): Service | undefined {
  const all = valueOf(facts.services()) ?? valueOf(facts.services(source.namespace)) ?? [];
  return all.find(({ spec }) =>
    ports !== undefined &&
    spec?.ports?.some(({ nodePort, protocol: own = "TCP" }) => nodePort === ports.first && own === protocol)
  );
}

/** Returns addresses outside that the nodes translate themselves; a load balancer in mode Proxy gets its own traffic. */
function externalIpsOf({ spec, status }: Service): string[] {
  const balanced = (status?.loadBalancer?.ingress ?? []).filter(({ ip, ipMode }) => ip && ipMode !== "Proxy");
  return [...spec?.externalIPs ?? [], ...balanced.map(({ ip }) => ip!)];
}

/** Returns the ways through an address of a Service. */
export function waysThrough(
  facts: ReachFacts,
  source: ReachSource,
  service: Service,
  entry: ServiceEntry,
  asked: Asked,
): ReachWay[] {
  const chosen = portsAsked(service, entry, asked);
  if (typeof chosen === "string") {
    return [{
      to: nowhere(entry.ip),
      ...(asked.ports ? { ports: asked.ports } : {}),
      protocol: asked.protocol ?? "TCP",
      blocked: chosen,
    }];
  }
  return chosen.flatMap((port) => waysThroughPort(facts, source, service, entry, port));
}

function portsAsked(
  service: Service,
  entry: ServiceEntry,
  { ports, portName, protocol }: Asked,
): ServicePort[] | string {
  const all = service.spec?.ports ?? [];
  const has = `it has ${all.map(portText).join(", ") || "no ports"}`;
  if (portName !== undefined) {
    const named = all.filter(({ name }) => name === portName);
    return named.length > 0 ? named : `${serviceName(service)} has no port named ${portName}: ${has}`;
  }
  if (ports === undefined) {
    const found = all.filter((port) => protocol === undefined || (port.protocol ?? "TCP") === protocol);
    return found.length > 0 ? found : `${serviceName(service)} has no ${protocol} port: ${has}`;
  }
  if (ports.first !== ports.last) {
    throw new ReachError(`${serviceName(service)} has single ports. Use one of them: ${has}.`, "usage");
  }
  const numberOf = ({ port, nodePort }: ServicePort) => entry.kind === "node" ? nodePort : port;
  const found = all.filter((port) =>
    numberOf(port) === ports.first && (port.protocol ?? "TCP") === (protocol ?? "TCP")
  );
  if (found.length > 0) return found;
  const other = all.find((port) => numberOf(port) === ports.first);
  const remedy = other && protocol === undefined ? `. Add /${(other.protocol ?? "TCP").toLowerCase()}` : "";
  return `${serviceName(service)} has no port ${ports.first}/${protocol ?? "TCP"}: ${has}${remedy}`;
}

function waysThroughPort(
  facts: ReachFacts,
  source: ReachSource,
  service: Service,
  entry: ServiceEntry,
  port: ServicePort,
): ReachWay[] {
  const { ip, kind, node } = entry;
  const number = kind === "node" ? port.nodePort! : port.port;
  const protocol = port.protocol ?? "TCP";
  const way = {
    via: `${serviceName(service)} (${isIpv6(ip) ? `[${ip}]` : ip}:${number})`,
    protocol,
  };
  const stopped = (reason: Pick<ReachWay, "blocked" | "unjudged">): ReachWay[] => [
    { ...way, to: nowhere(ip), ports: { first: number, last: number }, ...reason },
  ];
  if (kind === "external" && !isInSourceRanges(service, source, ip)) {
    return stopped({
      blocked: `${serviceName(service)} takes traffic to ${ip} only from its loadBalancerSourceRanges`,
    });
  }
  const all = endpointsOf(facts, service, isIpv6(ip), port);
  if (typeof all === "string") return stopped({ unjudged: all });
  let live = usableEndpoints(all);
  if (live.length === 0) return stopped({ blocked: whyNoEndpoint(facts, service, port, all) });
  const isElsewhere = kind === "node" && node !== (source.node ?? onlyNode(facts));
  if (isElsewhere && source.node === undefined) {
    return stopped({ unjudged: "the pod has no node yet, and a node's ports are judged differently on other nodes" });
  }
  const policy = kind === "cluster" ? service.spec?.internalTrafficPolicy : service.spec?.externalTrafficPolicy;
  // Packets of pods to outside addresses of a Service take the way of cluster traffic on the pod's own node.
  if (policy === "Local" && (kind === "cluster" || isElsewhere)) {
    const local = live.filter(({ endpoint }) => endpoint.nodeName === (kind === "cluster" ? source.node : node));
    if (kind === "cluster") {
      if (source.node === undefined) {
        return stopped({
          unjudged: `${serviceName(service)} uses only endpoints on the pod's node, and the pod has none yet`,
        });
      }
      if (local.length === 0) {
        return stopped({
          blocked: `${
            serviceName(service)
          } has internalTrafficPolicy Local, and no ready endpoint on node ${source.node}`,
        });
      }
    } else if (local.length === 0) {
      return stopped({
        unjudged: `${serviceName(service)} has externalTrafficPolicy Local, and no ready endpoint on node ${node}; ` +
          "network plugins differ in what they do then",
      });
    }
    live = local;
  }
  const through = isElsewhere
    ? { through: { to: { kind: "node" as const, shown: `node ${node}`, ip, node: node! }, port: number } }
    : {};
  return live.map((each) => ({
    ...way,
    ...through,
    to: placeOfEndpoint(facts, source, service, each.endpoint),
    ports: { first: each.port!, last: each.port! },
  }));
}

/** Returns the name of the cluster's node if it has just one. */
function onlyNode(facts: ReachFacts): string | undefined {
  const nodes = valueOf(facts.nodes()) ?? [];
  return nodes.length === 1 ? nodes[0]!.metadata!.name! : undefined;
}

function isInSourceRanges({ spec, status }: Service, source: ReachSource, ip: string): boolean {
  const ranges = spec?.loadBalancerSourceRanges ?? [];
  const balanced = status?.loadBalancer?.ingress?.some((each) => each.ip !== undefined && isSameIp(each.ip, ip)) ??
    false;
  const own = source.ips.map(parseRange).filter((range) => range?.address.kind() === (isIpv6(ip) ? "ipv6" : "ipv4"));
  if (!balanced || ranges.length === 0 || own.length === 0) return true;
  return ranges.map((text) => parseRange(text.trim())).some((range) => range && contains(range, own[0]!));
}

/** Returns the ways to the endpoints of a headless Service, or of one named endpoint: no port is translated. */
export function waysToEndpoints(
  facts: ReachFacts,
  source: ReachSource,
  service: Service,
  asked: Asked,
  named?: string,
): ReachWay[] {
  const listed = service.spec?.ports ?? [];
  const chosen = asked.ports === undefined ? portsAsked(service, { ip: "", kind: "cluster" }, asked) : undefined;
  const protocol = asked.protocol ?? "TCP";
  const via = `${isHeadless(service) ? "headless " : ""}${serviceName(service)}`;
  const stopped = (reason: Pick<ReachWay, "blocked" | "unjudged">): ReachWay[] => [
    { via, to: nowhere(""), ...(asked.ports ? { ports: asked.ports } : {}), protocol, ...reason },
  ];
  if (typeof chosen === "string" && listed.length > 0) return stopped({ blocked: chosen });
  const same = listed.find(({ port, protocol: own = "TCP" }) => port === asked.ports?.first && own === protocol);
  const ways: ReachWay[] = [];
  for (const ipv6 of [false, true]) {
    for (const port of typeof chosen === "object" && chosen.length > 0 ? chosen : [same]) {
      const all = endpointsOf(facts, service, ipv6, port);
      if (typeof all === "string") return stopped({ unjudged: all });
      const live = all.filter(isReadyEndpoint).filter(({ endpoint }) =>
        named === undefined || isEndpointNamed(endpoint, named)
      );
      for (const { endpoint, port: target } of live) {
        const isSelf = source.ips.some((ip) => isSameIp(ip, endpoint.addresses[0]!));
        const to = isSelf
          ? placeAt(facts, source, endpoint.addresses[0]!)
          : placeOfEndpoint(facts, source, service, endpoint);
        const ports = asked.ports ??
          (target === undefined || port === undefined ? undefined : { first: target, last: target });
        ways.push({
          via,
          to,
          ...(ports ? { ports } : {}),
          protocol: port?.protocol ?? protocol,
          ...(same !== undefined && port === same && target !== undefined ? untranslated(via, asked, to, target) : {}),
        });
      }
    }
  }
  // Endpoints of several ports are in the same slices.
  const unique = new Map(ways.map((way) => [JSON.stringify([way.to.ip, way.ports, way.protocol]), way]));
  if (unique.size > 0) return [...unique.values()];
  return stopped({
    blocked: named === undefined
      ? `${via} has no ready endpoint, so its name has no address`
      : `${serviceName(service)} has no ready endpoint named ${named}`,
  });
}

/** Stops at a port that only the Service has: there is no translation to the port of its pods. */
function untranslated(
  via: string,
  { ports }: Asked,
  { declared = [] }: ReachPlace,
  target: number,
): Pick<ReachWay, "blocked"> {
  if (ports === undefined || target === ports.first || declared.some(({ port }) => port === ports.first)) return {};
  return {
    blocked: `the name leads to pods of ${via}, where port ${ports.first} isn't translated: they serve ${target}`,
  };
}

/** Returns a way for each address of a pod. */
export function waysToPod(facts: ReachFacts, source: ReachSource, pod: Pod, asked: Asked): ReachWay[] {
  const { name, namespace } = pod.metadata!;
  const isSelf = !source.hostNetwork && source.namespace === namespace && source.pod.metadata?.name === name;
  const ips = ipsOfPod(pod);
  return (ips.length > 0 ? ips : [""]).map((ip) => {
    const way = wayTo(placeOfPod(facts, pod, ip), asked);
    return isSelf ? { ...way, to: { kind: "self", shown: "the pod itself", ip } } : way;
  });
}

/** Returns the way to a place without translation; the name of a port is one that its containers declare. */
export function wayTo(to: ReachPlace, { ports, portName, protocol }: Asked): ReachWay {
  if (portName === undefined) return { to, ...(ports ? { ports } : {}), protocol: protocol ?? "TCP" };
  const named = to.namedPorts?.find((each) =>
    each.name === portName && (protocol === undefined || each.protocol === protocol)
  );
  if (named) {
    return { to, ports: { first: named.port, last: named.port }, protocol: named.protocol as Protocol };
  }
  const blocked = to.kind === "pod" && !to.hidden
    ? { blocked: `${to.shown} declares no port named ${portName}` }
    : { unjudged: `only ports of Services and pods have names that can be read here, and ${portName} is one` };
  return { to, protocol: protocol ?? "TCP", ...blocked };
}
