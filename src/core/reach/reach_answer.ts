/** The answer to a question about reachability: the verdict about each flow, and one sentence about all. */
import { defaultClusterDomain } from "./cluster_names.ts";
import { judgeWay, type WayVerdict } from "./judge_ways.ts";
import { isIpv6, type ReachSource } from "./places.ts";
import { countText, isOrAre, sentence as asSentence } from "../plain_text.ts";
import type { ReachFacts } from "./reach_facts.ts";
import { parseSource, parseTarget } from "./reach_texts.ts";
import { waysTo } from "./target_ways.ts";
import { sourcesOf } from "./workload_pods.ts";

export interface ReachQuestion {
  /** Namespace of the source, and of names without one. */
  namespace: string;
  source: string;
  destination: string;
  /** Domain of the cluster's names. */
  domain?: string;
}

/** Verdict about one flow, for programs. */
export interface FlowAnswer {
  from: string;
  /** End of the flow as network policies see it, after translation. */
  to: string;
  /** Translation before, such as the Service. */
  via: string | null;
  /** Null for any port. */
  port: number | string | null;
  protocol: string;
  /** Null if it is not judged. */
  allowed: boolean | null;
  by: string[];
  message: string;
}

export interface ReachAnswer {
  /** Null if it is not judged. */
  allowed: boolean | null;
  /** Policies that decide, as namespace/name. */
  by: string[];
  message: string;
  flows: FlowAnswer[];
}

/** Judges all ways from the source to the destination; a client may take any of them. */
export function judgeReach(
  facts: ReachFacts,
  { namespace, source, destination, domain = defaultClusterDomain }: ReachQuestion,
): { answer: ReachAnswer; deciding: WayVerdict } {
  const target = parseTarget(destination, namespace);
  const sources = sourcesOf(facts, namespace, parseSource(source));
  const all = sources.flatMap((each) => waysTo(facts, each, target, domain).map((way) => judgeWay(facts, each, way)));
  // A query to the cluster's DNS is part of the answer only if it fails.
  const verdicts = all.filter(({ way, allowed }) => !way.isLookup || allowed !== true);
  const deciding = verdicts.find(({ allowed, way }) => allowed === false && !way.isLookup) ??
    verdicts.find(({ allowed }) => allowed === false) ?? verdicts.find(({ allowed }) => allowed === null) ??
    verdicts[0]!;
  const { allowed } = deciding;
  const shown = allowed === true ? { ...deciding, by: verdicts.flatMap(({ by }) => by) } : deciding;
  const from = allowed === true || sources.length === 1 ? sourceText(source, sources) : deciding.source.shown;
  return {
    deciding,
    answer: {
      allowed,
      by: policyNames(shown),
      message: [sentence(from, destination, deciding, verdicts), ...notesOf(verdicts, sources)].join(" "),
      flows: verdicts.map(flowAnswer),
    },
  };
}

const sourceText = (text: string, sources: readonly ReachSource[]): string =>
  sources.length > 1 ? `${text} (${countText(sources.length, "pod")})` : text.includes("=") ? sources[0]!.shown : text;

const policyNames = ({ by }: Pick<WayVerdict, "by">): string[] => [
  ...new Set(by.map(({ namespace, name }) => `${namespace}/${name}`)),
];

function sentence(from: string, destination: string, deciding: WayVerdict, all: readonly WayVerdict[]): string {
  const { allowed, because, way } = deciding;
  const others = all.filter(({ way }) => !way.isLookup);
  const open = others.filter((each) => each.allowed === true).length;
  const where = way.blocked === undefined && !way.isLookup ? whereText(destination, deciding) : "";
  const more = where !== "" && others.length > 1 && allowed === true ? ` and ${others.length - 1} more` : "";
  const target = `${destination}${where === "" ? "" : ` (${where}${more})`}`;
  const reason = way.isLookup ? `its name can't be looked up at ${way.via} (53/UDP): ${because}` : because;
  const counted = allowed !== true && open > 0
    ? ` ${open} of ${countText(others.length, "flow")} ${isOrAre(others.length)} allowed.`
    : "";
  if (allowed === null) return `It is not known whether ${from} can reach ${target}: ${asSentence(reason)}${counted}`;
  return `${from} ${allowed ? "can" : "can't"} reach ${target}: ${asSentence(reason)}${counted}`;
}

/** Returns what is behind the destination, unless its text says it already. */
function whereText(destination: string, { way: { via, to, ports, protocol } }: WayVerdict): string {
  if (to.kind === "self") return [via, to.shown].filter(Boolean).join(" → ");
  const port = ports === undefined
    ? ""
    : `${ports.first === ports.last ? ports.first : `${ports.first}-${ports.last}`}/${protocol}`;
  const address = to.ip === "" ? port : port === "" ? to.ip : `${isIpv6(to.ip) ? `[${to.ip}]` : to.ip}:${port}`;
  const isPlain = to.kind === "outside" || to.kind === "range";
  if (isPlain && (destination.replace("[", "").startsWith(to.ip) || to.shown === "")) return via ?? "";
  const place = isPlain
    ? (to.kind === "range" || to.shown !== to.ip ? to.shown : to.ip)
    : [to.shown, address].filter(Boolean).join(", ");
  return via === undefined ? place : `${via} → ${place}`;
}

function notesOf(verdicts: readonly WayVerdict[], sources: readonly ReachSource[]): string[] {
  const early = sources.filter(({ ips, pod }) => ips.length === 0 && pod.metadata?.name !== undefined);
  return [
    ...new Set([
      ...early.map(({ shown }) => `${shown} has no address yet, and is judged by its labels.`),
      ...verdicts.flatMap(({ notes }) => notes),
    ]),
  ].slice(0, 5);
}

function flowAnswer(verdict: WayVerdict): FlowAnswer {
  const { source, way: { to, via, ports, protocol }, allowed, because } = verdict;
  return {
    from: source.pod.metadata?.name === undefined ? source.shown : `${source.namespace}/${source.shown}`,
    to: to.shown === to.ip || to.ip === "" || to.kind === "range" ? to.shown : `${to.shown} (${to.ip})`,
    via: via ?? null,
    port: ports === undefined ? null : ports.first === ports.last ? ports.first : `${ports.first}-${ports.last}`,
    protocol,
    allowed,
    by: policyNames(verdict),
    message: because,
  };
}
