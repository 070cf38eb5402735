/** Verdicts about the ways to a destination, by the policies of both ends. */
import { cidr, type Range } from "../address.ts";
import { allowedParts, rangesOf } from "./address_parts.ts";
import { isIpv6, type ReachPlace, type ReachSource } from "./places.ts";
import {
  type FlowEnd,
  type PlacedPolicy,
  type PortRange,
  portSteps,
  type Reach,
  type ReachFlow,
  reachOf,
} from "./reach.ts";
import type { ReachFacts } from "./reach_facts.ts";
import type { ReachWay } from "./service_ways.ts";

/** Verdict about one way of one source. */
export interface WayVerdict {
  source: ReachSource;
  way: ReachWay;
  /** Null if it can't be judged. */
  allowed: boolean | null;
  /** Policies that decide; none if something else does. */
  by: readonly PlacedPolicy[];
  /** Reason, as a clause. */
  because: string;
  notes: readonly string[];
  /** The flow, if policies deny the egress. */
  denied?: { flow: ReachFlow; reach: Reach };
}

/** Judges one way. */
export function judgeWay(facts: ReachFacts, source: ReachSource, way: ReachWay): WayVerdict {
  const verdict = judgeAsIs(facts, source, way);
  const { service, ways = [] } = way.ifNode ?? {};
  const other = ways.map((each) => judgeAsIs(facts, source, each)).find(({ allowed }) => allowed !== verdict.allowed);
  if (!other || verdict.allowed === null) return verdict;
  return {
    source,
    way,
    allowed: null,
    by: [],
    notes: [],
    because: `${verdict.because}; but if ${way.to.ip} is an address that a node doesn't report, ` +
      `it leads to ${service}, and ${other.because}`,
  };
}

function judgeAsIs(facts: ReachFacts, source: ReachSource, way: ReachWay): WayVerdict {
  const { to, blocked, unjudged } = way;
  const verdict = (allowed: boolean | null, because: string, by: readonly PlacedPolicy[] = []): WayVerdict => ({
    source,
    way,
    allowed,
    because,
    by,
    notes: way.notes ?? [],
  });
  if (blocked !== undefined) return verdict(false, blocked);
  if (to.kind === "self") return verdict(true, "no policy applies to traffic of a pod to itself");
  const own = facts.policies(source.namespace);
  if (!("value" in own)) return verdict(null, own.refused);
  if (unjudged !== undefined) return verdict(null, unjudged);
  const others = to.namespace === undefined || to.namespace === source.namespace ? own : facts.policies(to.namespace);
  const policies = others === own ? own.value : [...own.value, ...("value" in others ? others.value : [])];
  const all = partsOf(policies, source, way);
  const some = all.filter(({ reach }) => isAllowed(reach));
  const deciding = some.length === all.length ? all[0]! : all.find(({ reach }) => !isAllowed(reach))!;
  const { flow, reach } = deciding;
  const { egress, ingress } = reach;
  const part = some.length > 0 && some.length < all.length ? partText(policies, way, all) : undefined;
  if (!egress.allowed && part === undefined && egress.maybe.length > 0) {
    const where = to.namespace === undefined
      ? "a pod or Service of another namespace"
      : `a pod that ${names(egress.maybe)} selects`;
    return verdict(
      null,
      `egress is allowed by ${names(egress.maybe)} if ${to.shown || "it"} is ${where}, which you may not read`,
      egress.maybe,
    );
  }
  if (part !== undefined) return { ...verdict(false, part, egress.selecting), denied: { flow, reach } };
  if (!egress.allowed) {
    return {
      ...verdict(false, `egress is not allowed by ${names(egress.selecting)}`, egress.selecting),
      denied: { flow, reach },
    };
  }
  if (!("value" in others) && !way.isLookup) {
    return verdict(
      null,
      `egress is ${
        allowedBy(reach, "egress")
      }, but the network policies of ${to.namespace} decide too: ${others.refused}`,
      egress.by,
    );
  }
  if (!ingress.allowed) {
    const because = `ingress is not allowed by ${
      names(ingress.selecting)
    }. A policy in the target's namespace must allow it`;
    return verdict(false, because, ingress.selecting);
  }
  const differs = way.through && otherIngress(policies, way, deciding);
  if (differs) return verdict(null, differs, ingress.selecting);
  if (to.down !== undefined) {
    return verdict(false, `${to.down}. The policies allow it`);
  }
  const ends = [
    egress.by.length > 0 ? `egress is ${allowedBy(reach, "egress")}` : "no policy restricts egress",
    ...(to.namespace === undefined
      ? []
      : [ingress.by.length > 0 ? `ingress is ${allowedBy(reach, "ingress")}` : "no policy restricts ingress"]),
  ];
  const open = verdict(true, `${to.range ? "all of it: " : ""}${ends.join(", and ")}`, [...egress.by, ...ingress.by]);
  const note = byRangeOnly(policies, flow, to);
  return note === undefined ? open : { ...open, notes: [...open.notes, note] };
}

/** Returns a note if only an address range opens a pod or node, on which network plugins differ. */
function byRangeOnly(
  policies: readonly PlacedPolicy[],
  flow: ReachFlow,
  { kind, shown }: ReachPlace,
): string | undefined {
  if (kind !== "pod" && kind !== "node") return undefined;
  if (reachOf(policies, { ...flow, to: { ...flow.to, ip: "" } }).egress.allowed) return undefined;
  return `Only an address range opens ${shown}; Cilium applies ranges to addresses outside the cluster only.`;
}

const isAllowed = ({ allowed }: Reach): boolean => allowed;

/** Returns the distinct names of policies. */
const names = (all: readonly PlacedPolicy[]): string => [...new Set(all.map(({ name }) => name))].join(", ");

const allowedBy = (reach: Reach, way: "egress" | "ingress"): string =>
  reach[way].by.length > 0 ? `allowed by ${names(reach[way].by)}` : "not restricted";

interface Part {
  flow: ReachFlow;
  reach: Reach;
  /** The ports from that of the flow on with the same verdict. */
  ports?: PortRange;
}

/** Evaluates each port, and each part of a range, at which the verdict can change. */
function partsOf(policies: readonly PlacedPolicy[], source: ReachSource, way: ReachWay): Part[] {
  const { to, ports, protocol, through } = way;
  const from = fromEnd(source, to.ip);
  const targets: FlowEnd[] = to.range ? partRanges(policies, to.range).map((ip) => ({ ip })) : [through?.to ?? to];
  const steps = ports === undefined ? [] : through ? [through.port] : portSteps(policies, { to }, ports);
  const segments = steps.map((first, at) => ({ first, last: (steps[at + 1] ?? ports!.last + 1) - 1 }));
  return targets.flatMap((target) =>
    (segments.length > 0 ? segments : [undefined]).map((ports): Part => {
      const flow = { from, to: target, protocol, ...(ports ? { port: ports.first } : {}) };
      const reach = reachOf(policies, flow);
      if (!through) return { flow, reach: ofLocalNode(source, to, reach), ...(ports ? { ports } : {}) };
      const last = reachOf(policies, { from, to, protocol, ...(way.ports ? { port: way.ports.first } : {}) });
      return {
        flow,
        reach: { ...reach, ingress: last.ingress, allowed: reach.egress.allowed && last.ingress.allowed },
      };
    })
  );
}

/** Returns the source as the policies see it: without a namespace if it uses its node's network. */
function fromEnd(source: ReachSource, to: string): FlowEnd {
  const ip = source.ips.find((own) => to === "" || isIpv6(own) === isIpv6(to)) ?? "";
  if (source.hostNetwork) return { ip };
  const { namespace, namespaceLabels, labels } = source;
  return { ip, namespace, namespaceLabels, labels };
}

/** Allows what a node sends to its own pods, as network plugins do for the kubelet's probes. */
function ofLocalNode(source: ReachSource, to: ReachPlace, reach: Reach): Reach {
  if (!source.hostNetwork || source.node === undefined || source.node !== to.node) return reach;
  return { ...reach, allowed: reach.egress.allowed, ingress: { ...reach.ingress, allowed: true, by: [] } };
}

/** Returns the texts of the smallest parts of a range that the rules tell apart. */
function partRanges(policies: readonly PlacedPolicy[], range: Range): string[] {
  const parts: string[] = [];
  allowedParts(range, rangesOf(policies), (part) => {
    parts.push(cidr(part));
    return false;
  });
  return parts;
}

/** Returns the text of the allowed parts: ports, addresses, or addresses with their ports. */
function partText(policies: readonly PlacedPolicy[], { to }: ReachWay, all: readonly Part[]): string {
  const some = all.filter(({ reach }) => isAllowed(reach));
  const segments = [...new Set(all.map(({ flow }) => flow.port))];
  const portsOf = ({ ports }: Part) =>
    ports === undefined
      ? ""
      : ports.first === ports.last
      ? `port ${ports.first}`
      : `ports ${ports.first}-${ports.last}`;
  const texts = to.range === undefined ? some.map(portsOf) : segments.flatMap((port) => {
    const open = new Map(some.filter(({ flow }) => flow.port === port).map((each) => [each.flow.to.ip, each]));
    const parts = allowedParts(to.range!, rangesOf(policies), (part) => open.has(cidr(part)));
    const suffix = segments.length > 1 ? ` at ${portsOf([...open.values()][0] ?? all[0]!)}` : "";
    return parts.map((part) => cidr(part) + suffix);
  });
  return `only a part is allowed: ${texts.slice(0, 6).join(", ")}${
    texts.length > 6 ? ` and ${texts.length - 6} more` : ""
  }`;
}

/** Returns a reason if the ingress depends on the source address that the other node shows. */
function otherIngress(
  policies: readonly PlacedPolicy[],
  { to, ports, protocol, through }: ReachWay,
  { reach }: Part,
): string | undefined {
  const from = { ip: through!.to.ip };
  const other = reachOf(policies, { from, to, protocol, ...(ports ? { port: ports.first } : {}) });
  if (other.ingress.allowed === reach.ingress.allowed) return undefined;
  return `${through!.to.shown} may send it on under its own address, which the policies of ${to.namespace} don't allow`;
}
