/** Parsers of the texts that name the two ends of a connection. */
import type { Range } from "../address.ts";
import { parseDestination, type Protocol } from "../network/destination.ts";
import type { PortRange } from "./reach.ts";
import { ReachError, type WorkloadKind, workloadKinds } from "./reach_facts.ts";

export type SourceName =
  | { kind: "pod"; name: string }
  | { kind: "workload"; workload: WorkloadKind; name: string }
  /** A pod that doesn't exist yet. */
  | { kind: "labels"; labels: Record<string, string> };

export type TargetName =
  | { kind: "pod" | "service"; namespace: string; name: string }
  | { kind: "workload"; workload: WorkloadKind; namespace: string; name: string }
  | { kind: "node" | "realm" | "name"; name: string }
  | { kind: "range"; range: Range };

export interface ReachTarget {
  text: string;
  to: TargetName;
  /** Absent: any port, or all ports of a Service. */
  ports?: PortRange;
  /** Name of a port, in place of a number. */
  portName?: string;
  protocol?: Protocol;
}

const shortKinds: Readonly<Record<string, WorkloadKind>> = {
  deploy: "deployment",
  rs: "replicaset",
  sts: "statefulset",
  ds: "daemonset",
  cj: "cronjob",
};

/** Returns the kind of a prefix in singular, plural or short form, with or without a group: `deploy`, `pods`, `svc`. */
function kindOf(prefix: string): "pod" | "service" | "node" | "realm" | WorkloadKind | undefined {
  const [word = ""] = prefix.toLowerCase().split(".");
  const singular = word.replace(/s$/, "");
  if (singular === "pod" || word === "po") return "pod";
  if (singular === "service" || word === "svc") return "service";
  if (singular === "node" || word === "no") return "node";
  if (singular === "realm") return "realm";
  return shortKinds[word] ?? (singular in workloadKinds ? singular as WorkloadKind : undefined);
}

/** Parses `web`, `pod/web`, `deployment/web`, or the labels of a pod that doesn't exist yet: `app=web,tier=front`. */
export function parseSource(text: string): SourceName {
  if (text.includes("=")) {
    const pairs = text.split(",").map((pair) => /^([^=\s]+)=([^=\s]*)$/.exec(pair.trim()));
    if (pairs.some((pair) => pair === null)) {
      throw new ReachError(`${text}: use labels as app=web,tier=front.`, "usage");
    }
    return { kind: "labels", labels: Object.fromEntries(pairs.map((pair) => [pair![1]!, pair![2]!])) };
  }
  const [, prefix, name] = /^(?:([^/]+)\/)?([^/]+)$/.exec(text) ?? [];
  const kind = prefix === undefined ? "pod" : kindOf(prefix);
  if (name === undefined || kind === undefined || kind === "service" || kind === "node" || kind === "realm") {
    throw new ReachError(`${text} is not a pod. Use POD, pod/NAME, deployment/NAME or labels as app=web.`, "usage");
  }
  return kind === "pod" ? { kind, name } : { kind: "workload", workload: kind, name };
}

/** Parses a destination, with the namespace of names without one. */
export function parseTarget(text: string, namespace: string): ReachTarget {
  const [, prefix = "", rest = ""] = /^([a-z.]+)\/(.*)$/i.exec(text) ?? [];
  const kind = kindOf(prefix);
  if (kind !== undefined && !/^(tcp|udp|sctp)$/i.test(rest)) {
    return { text, ...namedTarget(text, kind, rest, namespace) };
  }
  const named = /^([^:/]+):([a-z][a-z0-9-]{0,14})(\/(?:tcp|udp|sctp))?$/i.exec(text);
  const destination = parseDestination(named ? named[1]! + (named[3] ?? "") : text);
  if ("error" in destination) throw new ReachError(destination.error, "usage");
  const { to, port, endPort, protocol } = destination;
  if ("internet" in to) {
    throw new ReachError(`${text} means all public addresses. Use one address or a CIDR.`, "usage");
  }
  return {
    text,
    to: "range" in to
      ? { kind: "range", range: to.range }
      : { kind: "name", name: "realm" in to ? to.realm : to.dns + (/\.(?=[:/]|$)/.test(text) ? "." : "") },
    ...(port === undefined ? {} : { ports: { first: port, last: endPort ?? port } }),
    ...(named ? { portName: named[2]! } : {}),
    ...(protocol ? { protocol } : {}),
  };
}

const targetPattern =
  /^(?:([^/:\s]+)\/)?([^/:\s]+)(?::(?:(\d{1,5})(?:-(\d{1,5}))?|([a-z][a-z0-9-]{0,14})))?(?:\/(tcp|udp|sctp))?$/i;

function namedTarget(text: string, kind: NonNullable<ReturnType<typeof kindOf>>, rest: string, namespace: string) {
  const match = targetPattern.exec(rest);
  const [, place, name, first, last = first, portName, protocol] = match ?? [];
  const ports = first === undefined ? undefined : { first: Number(first), last: Number(last) };
  if (!match || (ports && (ports.first < 1 || ports.last > 65535 || ports.first > ports.last))) {
    throw new ReachError(`${text}: use ${kind}/[NAMESPACE/]NAME, with :PORT and /PROTOCOL.`, "usage");
  }
  if ((kind === "node" || kind === "realm") && place !== undefined) {
    throw new ReachError(`${text}: a ${kind} has no namespace.`, "usage");
  }
  const own = { namespace: place ?? namespace, name: name! };
  return {
    to: kind === "pod" || kind === "service"
      ? { kind, ...own }
      : kind === "node" || kind === "realm"
      ? { kind, name: name! }
      : { kind: "workload" as const, workload: kind, ...own },
    ...(ports ? { ports } : {}),
    ...(portName === undefined ? {} : { portName }),
    ...(protocol === undefined ? {} : { protocol: protocol.toUpperCase() as Protocol }),
  };
}
