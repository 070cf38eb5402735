/**
 * Evaluates NetworkPolicies as specified (networking.k8s.io/v1): all traffic is allowed by default; once a policy selects a
 * pod in a direction, only traffic that a rule of such a policy allows.
 */
import type {
  NetworkPolicyPeer,
  NetworkPolicyPort,
  NetworkPolicySpec,
} from "../../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import { contains, parseRange, type Range } from "../address.ts";
import { own } from "../own.ts";

/** A NetworkPolicy with its namespace. */
export interface PlacedPolicy {
  namespace: string;
  name: string;
  spec: NetworkPolicySpec;
}

/** One end of a connection: a pod if it has a namespace, else an address outside the cluster's pods. */
export interface FlowEnd {
  ip: string;
  namespace?: string;
  namespaceLabels?: Readonly<Record<string, string>>;
  labels?: Readonly<Record<string, string>>;
  /** Named container ports of the pod. */
  namedPorts?: readonly { name: string; port: number; protocol: string }[];
  /** True if it may be a pod of another namespace whose labels can't be read: then no selector matches it for sure. */
  hidden?: true;
}

export interface ReachFlow {
  from: FlowEnd;
  to: FlowEnd;
  /** Undefined means any port, which only rules without ports allow. */
  port?: number;
  protocol: "TCP" | "UDP" | "SCTP";
}

/** Result for one end of the flow. */
export interface Passage {
  allowed: boolean;
  /** Policies that allow it; none if no policy selects the pod. */
  by: PlacedPolicy[];
  /** Policies that select the pod in this direction; if none of them allows the flow, they deny it together. */
  selecting: PlacedPolicy[];
  /** Policies that would allow it if their selectors matched a {@link FlowEnd.hidden} end. */
  maybe: PlacedPolicy[];
}

export interface Reach {
  allowed: boolean;
  egress: Passage;
  ingress: Passage;
}

/** Evaluates a flow by the given policies of both ends. */
export function reachOf(policies: readonly PlacedPolicy[], flow: ReachFlow): Reach {
  const egress = passage(policies, flow, "Egress");
  const ingress = passage(policies, flow, "Ingress");
  return { allowed: egress.allowed && ingress.allowed, egress, ingress };
}

/** A rule that would allow a flow's address if it had no exception for it. */
export interface Exception {
  policy: PlacedPolicy;
  cidr: string;
  except: string;
}

/** Returns the rules for the source that allow a range with the target but except a part with it. */
export function exceptionsOf({ egress }: Reach, { to }: ReachFlow): Exception[] {
  const address = parseRange(to.ip);
  const holds = (text: string): boolean => {
    const range = parseRange(text);
    return address !== undefined && range !== undefined && contains(range, address);
  };
  return egress.selecting.flatMap((policy) =>
    (policy.spec.egress ?? []).flatMap(({ to = [] }) => to).flatMap(({ ipBlock }) => {
      const except = ipBlock && holds(ipBlock.cidr) ? ipBlock.except?.find(holds) : undefined;
      return except === undefined ? [] : [{ policy, cidr: ipBlock!.cidr, except }];
    })
  );
}

type Direction = "Egress" | "Ingress";

function passage(policies: readonly PlacedPolicy[], flow: ReachFlow, direction: Direction): Passage {
  const [own, other] = direction === "Egress" ? [flow.from, flow.to] : [flow.to, flow.from];
  const selecting = own.namespace === undefined
    ? []
    : policies.filter(({ namespace, spec }) =>
      namespace === own.namespace && directionsOf(spec).includes(direction) && selects(spec.podSelector, own.labels)
    );
  if (selecting.length === 0) return { allowed: true, by: [], selecting, maybe: [] };
  const matching = (isMatch: typeof isOnePeer) =>
    selecting.filter(({ namespace, spec }) => {
      const rules = direction === "Egress"
        ? (spec.egress ?? []).map(({ to, ports }) => ({ peers: to, ports }))
        : (spec.ingress ?? []).map(({ from, ports }) => ({ peers: from, ports }));
      const isPeer = (peer: NetworkPolicyPeer) => isMatch(peer, other, namespace);
      // No peers, or an empty list, match all.
      return rules.some(({ peers, ports }) =>
        (!peers || peers.length === 0 || peers.some(isPeer)) && isPort(ports, flow)
      );
    });
  const by = matching(isOnePeer);
  const maybe = other.hidden && by.length === 0 ? matching(isPerhapsPeer) : [];
  return { allowed: by.length > 0, by, selecting, maybe };
}

/** Returns a policy's directions: without policyTypes ingress, and also egress if it has egress rules. */
function directionsOf({ policyTypes, egress }: NetworkPolicySpec): readonly string[] {
  if (policyTypes && policyTypes.length > 0) return policyTypes;
  return egress && egress.length > 0 ? ["Ingress", "Egress"] : ["Ingress"];
}

function isOnePeer(
  { ipBlock, podSelector, namespaceSelector }: NetworkPolicyPeer,
  end: FlowEnd,
  namespace: string,
): boolean {
  if (ipBlock) {
    const address = parseRange(end.ip);
    const { block, holes } = parsedBlock(ipBlock);
    if (!address || !block || !contains(block, address)) return false;
    return !holes.some((hole) => contains(hole, address));
  }
  if (end.namespace === undefined || end.hidden) return false;
  if (namespaceSelector ? !selects(namespaceSelector, labelsOfNamespace(end)) : end.namespace !== namespace) {
    return false;
  }
  return !podSelector || selects(podSelector, end.labels);
}

type IpBlock = NonNullable<NetworkPolicyPeer["ipBlock"]>;
interface ParsedBlock {
  block: Range | undefined;
  holes: readonly Range[];
}

const parsedBlocks = new WeakMap<IpBlock, ParsedBlock>();

/** Parses a block once, because a question about a range compares it with many parts. */
function parsedBlock(ipBlock: IpBlock): ParsedBlock {
  const known = parsedBlocks.get(ipBlock);
  if (known) return known;
  const holes = (ipBlock.except ?? []).map(parseRange).filter((range) => range !== undefined);
  const parsed = { block: parseRange(ipBlock.cidr), holes };
  parsedBlocks.set(ipBlock, parsed);
  return parsed;
}

/** Reports whether a peer can match a hidden end: of another namespace, whose name may be known. */
function isPerhapsPeer({ namespaceSelector }: NetworkPolicyPeer, { namespace }: FlowEnd): boolean {
  if (!namespaceSelector) return false; // an address range, or pods of the policy's own namespace
  const name = namespaceSelector.matchLabels?.["kubernetes.io/metadata.name"];
  return name === undefined || namespace === undefined || name === namespace;
}

/** Adds the label that the API server sets on every namespace. */
const labelsOfNamespace = ({ namespace, namespaceLabels }: FlowEnd): Readonly<Record<string, string>> => ({
  "kubernetes.io/metadata.name": namespace!,
  ...namespaceLabels,
});

function isPort(ports: readonly NetworkPolicyPort[] | undefined, flow: ReachFlow): boolean {
  return !ports || ports.length === 0 || ports.some(({ port, endPort, protocol = "TCP" }) => {
    if (protocol !== flow.protocol) return false;
    if (port === undefined) return true;
    if (flow.port === undefined) return false;
    const first = typeof port === "number" ? port : numberOf(port, flow);
    return first !== undefined && flow.port >= first && flow.port <= (endPort ?? first);
  });
}

/** Returns the number of a named port of the target pod. */
function numberOf(name: string, { to, protocol }: ReachFlow): number | undefined {
  return (to.namedPorts ?? []).find((named) => named.name === name && named.protocol === protocol)?.port;
}

/** Returns the ports within a range at which the verdict of these policies can change; the first is the range's. */
export function portSteps(
  policies: readonly PlacedPolicy[],
  { to }: Pick<ReachFlow, "to">,
  range: PortRange,
): number[] {
  const steps = new Set([range.first]);
  for (const { spec } of policies) {
    for (const { ports } of [...spec.egress ?? [], ...spec.ingress ?? []]) {
      for (const { port, endPort } of ports ?? []) {
        const firsts = typeof port === "number"
          ? [port]
          : (to.namedPorts ?? []).filter(({ name }) => name === port).map((named) => named.port);
        for (const first of firsts) steps.add(first).add((endPort ?? first) + 1);
      }
    }
  }
  return [...steps].filter((port) => port >= range.first && port <= range.last).sort((a, b) => a - b);
}

/** A range of ports. */
export interface PortRange {
  first: number;
  last: number;
}

interface LabelSelector {
  matchLabels?: Readonly<Record<string, string>>;
  matchExpressions?: readonly { key: string; operator: string; values?: readonly string[] }[];
}

/** Reports whether a label selector matches; an empty one matches all, a missing one none. */
export function selects(selector: LabelSelector | undefined, labels: Readonly<Record<string, string>> = {}): boolean {
  if (!selector) return false;
  const { matchLabels = {}, matchExpressions = [] } = selector;
  return Object.entries(matchLabels).every(([key, value]) => own(labels, key) === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = own(labels, key);
      switch (operator) {
        case "In":
          return value !== undefined && values.includes(value);
        case "NotIn":
          return value === undefined || !values.includes(value);
        case "Exists":
          return value !== undefined;
        case "DoesNotExist":
          return value === undefined;
        default:
          return false;
      }
    });
}
