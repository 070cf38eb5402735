/** Ends of connections as network policies see them: pods, nodes, and addresses outside the cluster. */
import type { Pod } from "../../../lib/kubernetes_apis/core@v1.ts";
import { cidr, contains, parseAddress, parseRange, type Range } from "../address.ts";
import type { FlowEnd } from "./reach.ts";
import { type PodLike, type ReachFacts, valueOf } from "./reach_facts.ts";

export interface ReachPlace extends FlowEnd {
  /** `self`: the source itself, whose packets to itself no policy sees. */
  kind: "pod" | "node" | "outside" | "self" | "range";
  /** Description for messages. */
  shown: string;
  /** Node of a pod, or the node itself. */
  node?: string;
  /** Range of addresses, if it is more than one. */
  range?: Range;
  /** Ports that the pod's containers declare. */
  declared?: readonly { port: number; protocol: string }[];
  /** Reason that nothing can answer there. */
  down?: string;
}

/** The pod that connects, or one that could be made. */
export interface ReachSource {
  shown: string;
  namespace: string;
  labels: Readonly<Record<string, string>>;
  namespaceLabels: Readonly<Record<string, string>>;
  /** Addresses; none if it doesn't run yet. */
  ips: readonly string[];
  node?: string;
  nodeIps: readonly string[];
  hostNetwork: boolean;
  pod: PodLike;
}

const loopback = ["127.0.0.0/8", "::1"].map((text) => parseRange(text)!);

export const isIpv6 = (ip: string): boolean => ip.includes(":");

/** Returns the canonical text of an address, so that two spellings are equal. */
export const plainIp = (ip: string): string => {
  const range = parseRange(ip);
  return range ? cidr(range).split("/")[0]! : ip;
};

export const isSameIp = (one: string, other: string): boolean => plainIp(one) === plainIp(other);

/** Returns all addresses of a pod, of both families. */
export const ipsOfPod = ({ status }: PodLike): string[] =>
  status?.podIPs?.map(({ ip }) => ip) ?? (status?.podIP ? [status.podIP] : []);

/** Reports whether the pod's containers have ended, so that its address may be another pod's. */
export const isFinishedPod = ({ status }: PodLike): boolean =>
  status?.phase === "Succeeded" || status?.phase === "Failed";

const labelsOfNamespace = (facts: ReachFacts, namespace: string) => valueOf(facts.namespaceLabels(namespace)) ?? {};

/** Returns the containers that run beside each other: sidecars are init containers that don't end. */
const runningContainers = ({ spec }: PodLike) => [
  ...spec?.containers ?? [],
  ...(spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always"),
];

/** Returns a pod as the end of a connection, for one of its addresses; without addresses it doesn't run. */
export function placeOfPod(facts: ReachFacts, pod: Pod, ip = ipsOfPod(pod)[0] ?? ""): ReachPlace {
  const { metadata, spec, status } = pod;
  const [name, namespace] = [metadata!.name!, metadata!.namespace!];
  const node = spec?.nodeName === undefined ? {} : { node: spec.nodeName };
  const down = metadata!.deletionTimestamp === undefined && status?.phase === "Running" && ip !== ""
    ? {}
    : { down: `pod ${namespace}/${name} is not running: it is ${phaseOf(pod)}` };
  // The policies of most plugins don't apply to these pods, and other pods' policies see the node.
  if (spec?.hostNetwork) {
    return { kind: "node", shown: `pod ${namespace}/${name} in its node's network`, ip, ...node, ...down };
  }
  const ports = runningContainers(pod).flatMap(({ ports }) => ports ?? []);
  return {
    kind: "pod",
    shown: `pod ${namespace}/${name}`,
    ip,
    namespace,
    namespaceLabels: labelsOfNamespace(facts, namespace),
    labels: metadata!.labels ?? {},
    namedPorts: ports.flatMap(({ name, containerPort: port, protocol = "TCP" }) =>
      name === undefined ? [] : [{ name, port, protocol }]
    ),
    declared: ports.map(({ containerPort: port, protocol = "TCP" }) => ({ port, protocol })),
    ...node,
    ...down,
  };
}

const phaseOf = ({ metadata, status }: Pod): string =>
  metadata!.deletionTimestamp === undefined ? status?.phase ?? "Pending" : "Terminating";

/** Returns the source, as the pod is or as it would be. */
export function sourceOfPod(facts: ReachFacts, pod: PodLike, namespace: string, shown: string): ReachSource {
  const { metadata, spec, status } = pod;
  return {
    shown,
    namespace,
    labels: metadata?.labels ?? {},
    namespaceLabels: labelsOfNamespace(facts, namespace),
    ips: ipsOfPod(pod),
    ...(spec?.nodeName === undefined ? {} : { node: spec.nodeName }),
    nodeIps: status?.hostIPs?.map(({ ip }) => ip) ?? (status?.hostIP ? [status.hostIP] : []),
    hostNetwork: spec?.hostNetwork ?? false,
    pod,
  };
}

/** Returns the name of the node with an address, as far as nodes are known; a pod's own node always is. */
export function nodeAt(facts: ReachFacts, source: ReachSource, ip: string): string | undefined {
  if (source.nodeIps.some((each) => isSameIp(each, ip))) return source.node ?? "";
  const found = valueOf(facts.nodes())?.find(({ status }) =>
    status?.addresses?.some(({ address }) => parseAddress(address) !== undefined && isSameIp(address, ip))
  );
  if (found) return found.metadata!.name!;
  const beside = valueOf(facts.pods(source.namespace))?.find(({ status }) =>
    status?.hostIPs?.some((each) => isSameIp(each.ip, ip))
  );
  return beside?.spec?.nodeName;
}

/** Returns what policies see at an address that isn't translated any more. */
export function placeAt(facts: ReachFacts, source: ReachSource, address: string): ReachPlace {
  const ip = plainIp(address);
  const range = parseRange(ip);
  if (range && loopback.some((each) => contains(each, range))) {
    return { kind: "self", shown: "the pod itself", ip };
  }
  if (!source.hostNetwork && source.ips.some((each) => isSameIp(each, ip))) {
    return { kind: "self", shown: "the pod itself", ip };
  }
  const node = nodeAt(facts, source, ip);
  if (node !== undefined) return { kind: "node", shown: node === "" ? "the pod's node" : `node ${node}`, ip, node };
  const everywhere = facts.podsAt(ip);
  const pods = valueOf(everywhere) ?? valueOf(facts.pods(source.namespace)) ?? [];
  const pod = pods.find((each) => !isFinishedPod(each) && ipsOfPod(each).some((own) => isSameIp(own, ip)));
  if (pod) return placeOfPod(facts, pod, ip);
  const hidden = !("value" in everywhere) || !("value" in facts.services());
  return { kind: "outside", shown: ip, ip, ...(hidden ? { hidden: true } : {}) };
}
