/**
 * What NetworkPolicies let through, as their specification says (networking.k8s.io/v1): by default all, and once a policy
 * selects a pod in a direction, what some rule of some such policy allows.
 */
import type {
  NetworkPolicyPeer,
  NetworkPolicyPort,
  NetworkPolicySpec,
} from "../../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import { contains, parseRange, type Range } from "../address.ts";
import { own } from "../own.ts";

/** A policy, by where it is and what it says. */
export interface PlacedPolicy {
  namespace: string;
  name: string;
  spec: NetworkPolicySpec;
}

/** One end of a connection: a pod when it has a namespace, else something outside of the cluster's pods. */
export interface FlowEnd {
  ip: string;
  namespace?: string;
  namespaceLabels?: Readonly<Record<string, string>>;
  labels?: Readonly<Record<string, string>>;
  /** Container ports that have names, of the pod. */
  namedPorts?: readonly { name: string; port: number; protocol: string }[];
}

export interface ReachFlow {
  from: FlowEnd;
  to: FlowEnd;
  /** Undefined: whatever the port, which only rules without ports allow. */
  port?: number;
  protocol: "TCP" | "UDP" | "SCTP";
}

/** Whether one end lets the flow pass. */
export interface Passage {
  allowed: boolean;
  /** Those that allow it; none when nothing selects the pod. */
  by: PlacedPolicy[];
  /** All that select the pod in this direction: when none of them allows it, they deny it together. */
  selecting: PlacedPolicy[];
}

export interface Reach {
  allowed: boolean;
  egress: Passage;
  ingress: Passage;
}

/** Judges a flow by all policies of the cluster. */
export function reachOf(policies: readonly PlacedPolicy[], flow: ReachFlow): Reach {
  const egress = passage(policies, flow, "Egress");
  const ingress = passage(policies, flow, "Ingress");
  return { allowed: egress.allowed && ingress.allowed, egress, ingress };
}

/** A rule of a policy that would allow a flow's address, but for an exception in it. */
export interface Exception {
  policy: PlacedPolicy;
  cidr: string;
  except: string;
}

/** Where policies that select the source open a range that holds the target, and except a part that does too. */
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
  if (selecting.length === 0) return { allowed: true, by: [], selecting };
  const by = selecting.filter(({ namespace, spec }) => {
    const rules = direction === "Egress"
      ? (spec.egress ?? []).map(({ to, ports }) => ({ peers: to, ports }))
      : (spec.ingress ?? []).map(({ from, ports }) => ({ peers: from, ports }));
    return rules.some(({ peers, ports }) => isPeer(peers, other, namespace) && isPort(ports, flow));
  });
  return { allowed: by.length > 0, by, selecting };
}

/** Without policyTypes a policy is about ingress, and about egress if it has rules for it. */
function directionsOf({ policyTypes, egress }: NetworkPolicySpec): readonly string[] {
  if (policyTypes && policyTypes.length > 0) return policyTypes;
  return egress && egress.length > 0 ? ["Ingress", "Egress"] : ["Ingress"];
}

/** No peers, or an empty list, are all. */
function isPeer(peers: readonly NetworkPolicyPeer[] | undefined, end: FlowEnd, namespace: string): boolean {
  return !peers || peers.length === 0 || peers.some((peer) => isOnePeer(peer, end, namespace));
}

function isOnePeer(
  { ipBlock, podSelector, namespaceSelector }: NetworkPolicyPeer,
  end: FlowEnd,
  namespace: string,
): boolean {
  if (ipBlock) {
    const address = parseRange(end.ip);
    const block = parseRange(ipBlock.cidr);
    if (!address || !block || !contains(block, address)) return false;
    return !(ipBlock.except ?? []).map(parseRange).some((hole?: Range) => hole && contains(hole, address));
  }
  if (end.namespace === undefined) return false;
  if (namespaceSelector ? !selects(namespaceSelector, labelsOfNamespace(end)) : end.namespace !== namespace) {
    return false;
  }
  return !podSelector || selects(podSelector, end.labels);
}

/** The API server puts its name on every namespace. */
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

/** A port by its name is one of the pod that is connected to. */
function numberOf(name: string, { to, protocol }: ReachFlow): number | undefined {
  return (to.namedPorts ?? []).find((named) => named.name === name && named.protocol === protocol)?.port;
}

interface LabelSelector {
  matchLabels?: Readonly<Record<string, string>>;
  matchExpressions?: readonly { key: string; operator: string; values?: readonly string[] }[];
}

/** Whether a label selector selects; an empty one selects all, one that is not there none. */
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
