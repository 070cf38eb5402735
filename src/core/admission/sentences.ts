/** Messages about a fit: resource, requested and granted amounts, shortage, grants with their ends, and what would fit. */
import { rfc3339 } from "../instants.ts";
import type { Budget, BudgetGrant } from "./budget.ts";
import { type Fit, type Shortage, sizeThatFits } from "./fit.ts";

/** Number of shortages that a message lists in full. */
const reported = 3;

const nameOf = ({ requirements: { kind, name } }: Fit): string => name ? `${kind} ${name}` : `This ${kind}`;

/** Returns the message that refuses a workload; undefined if it is not refused. */
export function refusalText(fit: Fit, budget: Budget): string | undefined {
  const { exceeds } = fit;
  if (exceeds.length === 0) return undefined;
  const parts = exceeds.slice(0, reported).map((shortage) =>
    `${amount(shortage, fit)}, but ${budget.namespace} is granted ${shortage.most} in total: short by ` +
    `${shortage.short}`
  );
  return [
    `${nameOf(fit)} needs ${parts.join("; ")}${more(exceeds)}.`,
    giversText(exceeds, budget),
    remedyText(exceeds, fit.most, fit),
  ].filter((part) => part !== "").join(" ");
}

/** Returns why not all of the workload can run now; undefined if all of it can. */
export function lackText(fit: Fit, budget: Budget): string | undefined {
  const { lacks, admitted, more: wanted } = fit;
  if (lacks.length === 0) return undefined;
  const parts = lacks.slice(0, reported).map((shortage) =>
    `${amount(shortage, fit)}, but only ${shortage.most} of ${budget.statusHard.get(shortage.key)} is free in ` +
    `${budget.namespace} now: short by ${shortage.short}`
  );
  const start = admitted !== undefined && wanted > 1 ? ` ${admitted} of ${wanted} pods can start now.` : "";
  return [
    `${nameOf(fit)} needs ${parts.join("; ")}${more(lacks)}.${start}`,
    giversText(lacks, budget),
    remedyText(lacks, admitted, fit),
  ].filter((part) => part !== "").join(" ");
}

/** Returns the warnings in addition to a refusal. */
export function warningsOf(fit: Fit, budget: Budget): string[] {
  const { requirements, stalls, exceeds } = fit;
  const out: string[] = [];
  if (requirements.obstacle && requirements.count > 0) {
    out.push(`No pod of ${nameOf(fit)} can start: ${requirements.obstacle}`);
  }
  const lack = exceeds.length === 0 ? lackText(fit, budget) : undefined;
  if (lack) out.push(lack);
  if (stalls) {
    out.push(
      `The roll-out of ${
        nameOf(fit)
      } will stall: it starts a new pod before it ends an old one (maxUnavailable is 0), ` +
        "but there is no room for one more. Set spec.strategy.rollingUpdate.maxUnavailable to 1.",
    );
  }
  if (requirements.unaskedNodePorts && [...exceeds, ...fit.lacks].some(({ key }) => key === "services.nodeports")) {
    out.push(
      `${nameOf(fit)} takes a node port for each of its ports; set spec.allocateLoadBalancerNodePorts to false.`,
    );
  }
  if (fit.more > 0 || requirements.count === 0 || lack) out.push(...noticesOf(budget));
  return out;
}

/** Returns a warning for each grant on notice. */
function noticesOf({ givers }: Budget): string[] {
  return givers.filter(({ notice }) => notice).map(({ name, until }) =>
    `Grant ${name} is on notice${until === undefined ? "" : ` and ends at ${rfc3339(until)}`}: running pods go on ` +
    "until then, but nothing may grow."
  );
}

function amount({ key, requested }: Shortage, { requirements: { each, count }, more }: Fit): string {
  const size = each?.get(key);
  const pods = more > 0 ? more : count;
  return `${requested} ${key}${size && pods > 1 && key !== "pods" ? ` (${pods} pods with ${size} each)` : ""}`;
}

const more = (all: readonly Shortage[]): string =>
  all.length > reported ? ` and ${all.length - reported} more of its resources exceed the limit` : "";

function giversText(all: readonly Shortage[], { givers }: Budget): string {
  const keys = all.slice(0, reported).map(({ key }) => key);
  const giving = givers.filter(({ hard }) => keys.some((key) => (hard.get(key)?.sign() ?? 0) > 0));
  if (giving.length === 0) return `No grant gives ${keys.join(" or ")}.`;
  const most = 5;
  const list = giving.slice(0, most).map((giver) => `${giver.name} (${given(giver, keys)}, ${untilText(giver)})`);
  return `${giving.length > 1 ? "Grants" : "Grant"} ${list.join(", ")}${
    giving.length > most ? ` and ${giving.length - most} more` : ""
  }.`;
}

const given = ({ hard }: BudgetGrant, keys: readonly string[]): string =>
  keys.flatMap((key) => (hard.get(key)?.sign() ?? 0) > 0 ? [`${hard.get(key)} ${key}`] : []).join(", ");

const untilText = ({ until }: BudgetGrant): string => until === undefined ? "until revoked" : `until ${rfc3339(until)}`;

function remedyText(all: readonly Shortage[], room: number | undefined, { requirements, more: wanted }: Fit): string {
  const of = requirements.each && wanted > 0 ? wanted : requirements.count;
  const first = all[0]!;
  const perPod = requirements.each?.has(first.key);
  if (!requirements.each || !perPod || of === 0) return `Up to ${first.most} ${first.key} would fit.`;
  const size = sizeThatFits(first, of);
  if (room !== undefined && room > 0) {
    return `${room} such ${room > 1 ? "pods" : "pod"} would fit${
      size ? `, or ${of} pods with ${size} ${first.key} each` : ""
    }.`;
  }
  return of > 1 && size
    ? `${of} pods with ${size} ${first.key} each would fit.`
    : `A pod with up to ${first.most} ${first.key} would fit.`;
}
