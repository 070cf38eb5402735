/** Messages of outcomes: resource, requested and free amounts, shortage, grants with their ends, and what would fit. */
import { quotaName } from "../guest/objects/quota.ts";
import { rfc3339 } from "../instants.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import type { Giver } from "./givers.ts";
import type { Change, Outcome, Proposal, Shortfall, Surroundings } from "./change.ts";
import { type Course, fenceposts, specOf } from "./course.ts";
import { usageKey } from "./ledger.ts";
import { wholeUsage } from "./pod_shapes.ts";

/** Everything that messages are about. */
export interface Reported {
  verdict: Omit<Outcome, "message" | "warnings" | "notes" | "proposal">;
  proposal: Proposal;
  course: Course;
  change: Change;
  around: Surroundings;
  /** True if the goal has room, but the next step of the roll-out has none. */
  stalled: boolean;
  /** Keys of quota `keystone` that grow. */
  growing: ReadonlySet<string>;
  /** True for a load balancer that takes node ports only by default. */
  unasked: boolean;
}

/** Number of shortages that a message lists in full. */
const mostReported = 3;

const nameOf = ({ verdict: { kind, name } }: Reported): string => name ? `${kind} ${name}` : `This ${kind}`;

/** Returns the message and further warnings. */
export function wordingOf(reported: Reported): Pick<Outcome, "message" | "warnings" | "notes"> {
  const { verdict, course, around } = reported;
  const { fits, obstacle, never, shortfalls } = verdict;
  const blocked = obstacle === undefined
    ? undefined
    : verdict.pods
    ? `No pod of ${nameOf(reported)} can start: ${obstacle}`
    : `${nameOf(reported)} can't be created: ${obstacle}`;
  const short = shortfalls.length === 0
    ? undefined
    : never
    ? refusal(reported)
    : reported.stalled
    ? stall(reported)
    : lack(reported);
  const message = fits === null ? `${nameOf(reported)} was not judged: ${verdict.notJudged}` : short ?? blocked ??
    (fits
      ? `${nameOf(reported)} fits into ${around.namespace}.`
      : `${nameOf(reported)} does not fit into ${around.namespace}.`);
  const named = (text: string) => `${nameOf(reported)}: ${text[0]!.toLowerCase()}${text.slice(1)}`;
  const warnings = [
    ...(short && blocked ? [blocked] : []),
    ...course.warnings.map(named),
    ...(reported.unasked && shortfalls.some(({ key }) => key === "services.nodeports")
      ? [
        `${nameOf(reported)} takes a node port for each of its ports; set spec.allocateLoadBalancerNodePorts to false.`,
      ]
      : []),
    ...notices(reported),
  ];
  return { message, warnings, notes: (course.notes ?? []).map(named) };
}

const sentences = (...parts: (string | undefined)[]): string => parts.filter((part) => part).join(" ");

function refusal(reported: Reported): string {
  const { verdict: { shortfalls }, around } = reported;
  const parts = shortfalls.slice(0, mostReported).map((shortfall) =>
    `${
      amount(reported, shortfall)
    }, but ${around.namespace} is granted ${shortfall.free} in total: short by ${shortfall.short}`
  );
  return sentences(
    `${nameOf(reported)} needs ${parts.join("; ")}${more(shortfalls)}.`,
    giversText(reported),
    remedy(reported),
  );
}

function lack(reported: Reported): string {
  const { verdict: { shortfalls, pods }, change } = reported;
  const parts = shortfalls.slice(0, mostReported).map((shortfall) =>
    `${amount(reported, shortfall)}, but ${freeText(reported, shortfall)}: short by ${shortfall.short}`
  );
  const start = pods && pods.wanted > 1
    ? `${pods.come} of ${pods.wanted} pods ${change.before === undefined ? "can start now" : "come"}.`
    : undefined;
  return sentences(
    `${nameOf(reported)} needs ${parts.join("; ")}${more(shortfalls)}.`,
    start,
    giversText(reported),
    historyText(shortfalls),
    remedy(reported),
  );
}

function freeText({ change, around }: Reported, { quota, free, hard }: Shortfall): string {
  const own = change.before === undefined ? "" : ", with what it has";
  return quota === quotaName
    ? `only ${free} of ${hard} is free in ${around.namespace} now${own}`
    : `only ${free} of ${hard} of quota ${quota} is free${own}`;
}

function stall(reported: Reported): string {
  const { verdict: { shortfalls }, course, change, proposal } = reported;
  const surges = course.stall?.kind === "surge" &&
    (change.before === undefined || fenceposts(specOf(change.after).strategy, course.wanted).maxUnavailable === 0 ||
      String((change.after as { kind?: unknown }).kind) === "DaemonSet");
  const parts = shortfalls.slice(0, mostReported).map((shortfall) =>
    `${shortfall.requested} ${shortfall.key}, but ${
      freeText({ ...reported, change: { ...change, before: undefined } }, shortfall)
    }`
  );
  const why = surges
    ? `it starts a new pod before it ends an old one (maxUnavailable is 0), but there is no room for one more: it needs ${
      parts.join("; ")
    }`
    : `its next pod needs ${parts.join("; ")}`;
  return sentences(
    `The roll-out of ${nameOf(reported)} will stall: ${why}.`,
    proposal.maxUnavailable ? "Set spec.strategy.rollingUpdate.maxUnavailable to 1." : remedy(reported),
  );
}

function amount({ course }: Reported, { key, requested }: Shortfall): string {
  const size = course.each && wholeUsage(course.each).get(usageKey(key));
  const isSum = size && size.nanos * BigInt(course.wanted) === requested.nanos;
  return `${requested} ${key}${
    isSum && course.wanted > 1 && key !== "pods" && key !== "count/pods"
      ? ` (${course.wanted} pods with ${size} each)`
      : ""
  }`;
}

const more = (all: readonly Shortfall[]): string =>
  all.length > mostReported ? ` and ${all.length - mostReported} more of its resources exceed the limit` : "";

function giversText({ verdict: { shortfalls }, around: { givers } }: Reported): string | undefined {
  const listed = shortfalls.slice(0, mostReported);
  const keys = listed.filter(({ quota }) => quota === quotaName).map(({ key }) => usageKey(key));
  const others = [...new Set(listed.map(({ quota }) => quota).filter((quota) => quota !== quotaName))];
  const foreign = others.length === 0
    ? undefined
    : `No grant gives ${others.length > 1 ? "quotas" : "quota"} ${others.join(", ")}: ${
      others.length > 1 ? "they were" : "it was"
    } made beside Keystone.`;
  if (keys.length === 0) return foreign;
  const giving = givers.filter(({ hard }) => keys.some((key) => (hard.get(key)?.sign() ?? 0) > 0));
  if (giving.length === 0) return sentences(`No grant gives ${keys.join(" or ")}.`, foreign);
  const most = 5;
  const list = giving.slice(0, most).map((giver) => `${giver.name} (${given(giver, keys)}, ${untilText(giver)})`);
  return sentences(
    `${giving.length > 1 ? "Grants" : "Grant"} ${list.join(", ")}${
      giving.length > most ? ` and ${giving.length - most} more` : ""
    }.`,
    foreign,
  );
}

const given = ({ hard }: Giver, keys: readonly string[]): string =>
  keys.flatMap((key) => (hard.get(key)?.sign() ?? 0) > 0 ? [`${hard.get(key)} ${key}`] : []).join(", ");

const untilText = ({ until }: Giver): string => until === undefined ? "until revoked" : `until ${rfc3339(until)}`;

function historyText(shortfalls: readonly Shortfall[]): string | undefined {
  const resource = shortfalls.map(({ key }) => /^count\/(replicasets|controllerrevisions)\.apps$/.exec(key)?.[1])
    .find((each) => each);
  return resource === undefined
    ? undefined
    : `Each new template needs a ${
      resource === "replicasets" ? "ReplicaSet" : "ControllerRevision"
    } beside the old ones, which are deleted only after the roll-out; delete old ones or lower ` +
      "spec.revisionHistoryLimit before.";
}

function remedy({ proposal: { pods, size, upTo } }: Reported): string | undefined {
  if (upTo) return `Up to ${upTo.most} ${upTo.key} would fit.`;
  const sized = size && amountsText(size.amounts);
  if (size?.pods === 1) return `A pod with up to ${sized} would fit.`;
  const other = size && `${size.pods} pods with ${sized} each`;
  if (pods !== undefined) return `${pods} such ${pods > 1 ? "pods" : "pod"} would fit${other ? `, or ${other}` : ""}.`;
  return other && `${other} would fit.`;
}

const amountsText = (amounts: ResourceList): string =>
  [...amounts].map(([key, most]) => `${most} ${key}`).sort().reverse().join(" and ");

/** Returns a warning for each grant of which something is on notice that the change needs more of. */
function notices({ around: { givers }, growing }: Reported): string[] {
  if (growing.size === 0) return [];
  return givers.flatMap(({ name, notice, until, reductions }) => {
    if (notice) {
      const ends = until === undefined ? "" : ` and ends at ${rfc3339(until)}`;
      return [`Grant ${name} is on notice${ends}: running pods go on until then, but nothing may grow.`];
    }
    return (reductions ?? []).flatMap(({ until, remaining }) => {
      const keys = [...remaining].filter(([key]) => growing.has(key));
      if (keys.length === 0) return [];
      const list = keys.slice(0, 5).map(([key, amount]) => `${key} to ${amount}`).join(", ");
      return [
        `Grant ${name} is reduced at ${
          rfc3339(until)
        }: ${list}. Until then running pods go on, but no more than that is ` +
        "admitted.",
      ];
    });
  });
}
