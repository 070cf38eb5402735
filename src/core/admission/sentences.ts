/** Verdicts in sentences: which grant, which resource, asked, given, short by, until when, and what would fit. */
import { rfc3339 } from "../instants.ts";
import type { Allowance, Giver } from "./allowance.ts";
import { type Shortage, sizeThatFits, type Verdict } from "./verdict.ts";

/** So many shortages are told in full. */
const told = 3;

const nameOf = ({ demand: { kind, name } }: Verdict): string => name ? `${kind} ${name}` : `This ${kind}`;

/** Why a workload is refused; undefined when it isn't. */
export function refusalText(verdict: Verdict, allowance: Allowance): string | undefined {
  const { exceeds } = verdict;
  if (exceeds.length === 0) return undefined;
  const parts = exceeds.slice(0, told).map((shortage) =>
    `${amount(shortage, verdict)}, and ${allowance.namespace} is granted ${shortage.most} in all: short by ` +
    `${shortage.short}`
  );
  return [
    `${nameOf(verdict)} asks for ${parts.join("; for ")}${more(exceeds)}.`,
    giversText(exceeds, allowance),
    remedyText(exceeds, verdict.most, verdict),
  ].filter((part) => part !== "").join(" ");
}

/** Why not all of it can run now; undefined when all can. */
export function lackText(verdict: Verdict, allowance: Allowance): string | undefined {
  const { lacks, admitted, more: wanted } = verdict;
  if (lacks.length === 0) return undefined;
  const parts = lacks.slice(0, told).map((shortage) =>
    `${amount(shortage, verdict)}, and ${shortage.most} of ${allowance.enforced.get(shortage.key)} is free in ` +
    `${allowance.namespace} now: short by ${shortage.short}`
  );
  const start = admitted !== undefined && wanted > 1 ? ` ${admitted} of ${wanted} pods can start now.` : "";
  return [
    `${nameOf(verdict)} asks for ${parts.join("; for ")}${more(lacks)}.${start}`,
    giversText(lacks, allowance),
    remedyText(lacks, admitted, verdict),
  ].filter((part) => part !== "").join(" ");
}

/** All that is to be said besides a refusal. */
export function warningsOf(verdict: Verdict, allowance: Allowance): string[] {
  const { demand, stalls, exceeds } = verdict;
  const out: string[] = [];
  if (demand.obstacle && demand.count > 0) out.push(`No pod of ${nameOf(verdict)} can start: ${demand.obstacle}`);
  const lack = exceeds.length === 0 ? lackText(verdict, allowance) : undefined;
  if (lack) out.push(lack);
  if (stalls) {
    out.push(
      `The roll-out of ${
        nameOf(verdict)
      } starts a new pod before it ends an old one (maxUnavailable is 0), and there ` +
        "is no room for one more: set spec.strategy.rollingUpdate.maxUnavailable to 1.",
    );
  }
  if (demand.unaskedNodePorts && [...exceeds, ...verdict.lacks].some(({ key }) => key === "services.nodeports")) {
    out.push(
      `${nameOf(verdict)} takes a node port for each of its ports; set spec.allocateLoadBalancerNodePorts to false.`,
    );
  }
  if (verdict.more > 0 || demand.count === 0 || lack) out.push(...noticesOf(allowance));
  return out;
}

/** The grants whose end is near. */
function noticesOf({ givers }: Allowance): string[] {
  return givers.filter(({ notice }) => notice).map(({ name, until }) =>
    `Grant ${name} is on notice${until === undefined ? "" : ` and ends at ${rfc3339(until)}`}: what runs goes on ` +
    "until then, and nothing may grow."
  );
}

function amount({ key, asked }: Shortage, { demand: { each, count }, more }: Verdict): string {
  const size = each?.get(key);
  const pods = more > 0 ? more : count;
  return `${asked} ${key}${size && pods > 1 && key !== "pods" ? ` (${pods} pods of ${size})` : ""}`;
}

const more = (all: readonly Shortage[]): string =>
  all.length > told ? ` and ${all.length - told} more of its resources are short` : "";

function giversText(all: readonly Shortage[], { givers }: Allowance): string {
  const keys = all.slice(0, told).map(({ key }) => key);
  const giving = givers.filter(({ hard }) => keys.some((key) => (hard.get(key)?.sign() ?? 0) > 0));
  if (giving.length === 0) return `No grant gives ${keys.join(" or ")}.`;
  const most = 5;
  const list = giving.slice(0, most).map((giver) => `${giver.name} (${given(giver, keys)}, ${untilText(giver)})`);
  return `${giving.length > 1 ? "Grants" : "Grant"} ${list.join(", ")}${
    giving.length > most ? ` and ${giving.length - most} more` : ""
  }.`;
}

const given = ({ hard }: Giver, keys: readonly string[]): string =>
  keys.flatMap((key) => (hard.get(key)?.sign() ?? 0) > 0 ? [`${hard.get(key)} ${key}`] : []).join(", ");

const untilText = ({ until }: Giver): string => until === undefined ? "until revoked" : `until ${rfc3339(until)}`;

function remedyText(all: readonly Shortage[], room: number | undefined, { demand, more: wanted }: Verdict): string {
  const of = demand.each && wanted > 0 ? wanted : demand.count;
  const first = all[0]!;
  const perPod = demand.each?.has(first.key);
  if (!demand.each || !perPod || of === 0) return `Up to ${first.most} ${first.key} would fit.`;
  const size = sizeThatFits(first, of);
  if (room !== undefined && room > 0) {
    return `${room} such ${room > 1 ? "pods" : "pod"} would fit${
      size ? `, or ${of} of ${size} ${first.key} each` : ""
    }.`;
  }
  return of > 1 && size
    ? `${of} pods of ${size} ${first.key} each would fit.`
    : `A pod of up to ${first.most} ${first.key} would fit.`;
}
