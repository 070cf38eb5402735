/** A grant, as an administrator sees it in its status and a guest in the guide. */
import type { Condition } from "../../api/mod.ts";
import { parseQuantity, type Quantity } from "../../../lib/quantity/mod.ts";
import { uninstalledReason } from "../grant/termination.ts";
import { quotaKey } from "../resources/quota_lists.ts";
import { fewOf, type Problem, type Report, type ReportFinding, sentence } from "./finding.ts";
import { podRooms, roomText } from "./pod_room.ts";
import { amountsOf, capital, isOwnQuota, otherQuotaFindings, otherQuotas } from "./quota_report.ts";
import { relative } from "./relative_time.ts";
import type { ReportWorld } from "./reported_objects.ts";

/** A grant, as far as the user may read it. */
export interface GrantView {
  name: string;
  phase: string;
  /** The phase, or Ending. */
  state?: string;
  message: string;
  grantee: string;
  ends?: string;
  /** Message of the notice, while the grant ends. */
  notice?: string;
  /** Canonical quantities by quota key. */
  granted: Readonly<Record<string, string>>;
  used: Readonly<Record<string, string>>;
  reductions: readonly { until?: string; hard?: Readonly<Record<string, string>> }[];
  conditions: readonly Condition[];
  destinations: readonly { destination: string; error?: string; narrowed?: string }[];
  /** ReportFinding about the grantee; undefined: the user may not read it. */
  partner?: ReportFinding;
}

/** Conditions for which True is the problem. */
const negative = new Set(["Draining", "NetworkNarrowed", "Overcommitted", "WritesClosed"]);

/** Reports whether the condition only says that there are no nodes to compare with. */
const isWithoutNodes = ({ type, status }: Pick<Condition, "type" | "status">): boolean =>
  type === "FitsCluster" && status === "Unknown";

/** Returns the conditions that report a problem; not Ready, which sums them up, nor notices. */
export const problemConditions = (conditions: readonly Condition[]): Condition[] =>
  conditions.filter(({ type, status }) =>
    type !== "Ready" && type !== "Draining" && !isWithoutNodes({ type, status }) &&
    (negative.has(type) ? status === "True" : status !== "True")
  );

/** Reports whether Keystone was uninstalled after the conditions were written. */
export const isUninstalled = (conditions: readonly Pick<Condition, "type" | "reason">[]): boolean =>
  conditions.some(({ type, reason }) => type === "Ready" && reason === uninstalledReason);

export function grantReport(grant: GrantView, world: ReportWorld): Report {
  const { phase, message, ends, conditions } = grant;
  const isActive = phase === "Active";
  const amounts = isActive ? amountFindings(grant, world) : [];
  const problem = stateProblem(grant) ?? limitProblem(amounts, world);
  const end = ends
    ? `It ends at ${ends}, ${relative(ends, world.now)}.`
    : isActive
    ? "It lasts until it is revoked."
    : "";
  const isOver = phase === "Expired" || phase === "Revoked";
  const chain: ReportFinding[] = [{
    what: grant.state ?? phase,
    status: isActive ? "ok" : "fail",
    message: [message, isOver || (ends && message.includes(ends)) ? "" : end].filter(Boolean).join(" "),
  }];
  if (grant.notice !== undefined) chain.push({ what: "notice", status: "warn", message: sentence(grant.notice) });
  for (const { until, hard = {} } of isActive ? grant.reductions : []) {
    const keys = Object.entries(hard).map(([key, value]) => `${key} ${value}`);
    chain.push({
      what: "reduction",
      status: "warn",
      message: `${until ? `Until ${until}, ${relative(until, world.now)}` : "For now"} it still gives ${
        fewOf(keys, 5) || "its removed destinations"
      }; then only what its terms say.`,
    });
  }
  if (grant.partner) chain.push(grant.partner);
  // What nobody checks any more is left out.
  const isWatched = !isUninstalled(conditions);
  for (const { type, status, reason, message } of isWatched ? conditions : []) {
    if (type === "Ready" || message === grant.message || message === grant.notice) continue;
    const good = negative.has(type) ? status !== "True" : status === "True" || isWithoutNodes({ type, status });
    if (good && negative.has(type)) continue;
    const isFailure = type === "WritesClosed" || (!negative.has(type) && isActive && type !== "FitsCluster");
    const weight = isFailure ? "fail" : "warn";
    chain.push({ what: `${type} (${reason})`, status: good ? "ok" : weight, message });
  }
  chain.push(...amounts.map(({ finding }) => finding));
  if (isActive) chain.push(...roomFindings(world));
  if (!isActive && !isOver && isWatched) {
    for (const [key, given] of Object.entries(grant.granted)) {
      chain.push({ what: key, status: "ok", message: `${given} granted.` });
    }
  }
  for (const { destination, error, narrowed } of grant.destinations) {
    const said = error ?? narrowed;
    if (said) chain.push({ what: `destination ${destination}`, status: "warn", message: said });
  }
  if (isActive) chain.push(...otherQuotaFindings(world));
  if (world.unread.length > 0) {
    chain.push({
      what: "not read",
      status: "warn",
      message: `You may not read ${world.unread.join(", ")}, so the explanation leaves them out.`,
    });
  }
  // During a notice the quota is frozen at what is used.
  const full = grant.notice !== undefined ? "" : fewOf(amounts.filter(({ isFull }) => isFull).map(({ key }) => key), 4);
  const good = [`Grant ${grant.name} is in force.`, full && `Used up: ${full}.`, grant.notice ?? end];
  return { problem, good: good.filter(Boolean).join(" "), chain };
}

function stateProblem({ name, phase, message, conditions }: GrantView): Problem | undefined {
  if (phase === "Revoked" || phase === "Expired") {
    return { reason: `Grant ${name} is no longer in force. ${message}`, remedy: "Ask for a new grant, or create one." };
  }
  if (phase !== "Active") return { reason: `Grant ${name} is not in force. ${sentence(message)}`, remedy: "" };
  const ready = conditions.find(({ type }) => type === "Ready");
  if (ready && ready.status !== "True") {
    return { reason: `Grant ${name} is not fully in force. ${sentence(ready.message)}`, remedy: "" };
  }
  const closed = conditions.find(({ type, status }) => type === "WritesClosed" && status === "True");
  return closed && { reason: sentence(closed.message), remedy: "" };
}

interface AmountFinding {
  finding: ReportFinding;
  /** Quota by others that is full in this key although the grants have room. */
  blockedBy?: string;
  isFull: boolean;
  key: string;
}

const zero = parseQuantity("0");

/** Part in percent from which an amount is nearly used up. */
const nearPercent = 80n;

/**
 * Returns what is granted, used and free of each key, with the quota's own figures where it can be read: first what is
 * used up, then by the part that is used. Requests and limits of a resource stay together.
 */
function amountFindings(grant: GrantView, world: ReportWorld): AmountFinding[] {
  const own = world.quotas.find(({ metadata }) => isOwnQuota(metadata?.name));
  const enforced = new Map(own ? amountsOf(own).map((amount) => [amount.key, amount]) : []);
  const found = Object.entries(grant.granted).map(([key, given]): AmountFinding & { rank: bigint } => {
    const amount = enforced.get(key);
    const used = amount?.used ?? grant.used[key] ?? "0";
    const left = amount?.free ?? least(parseQuantity(given).subtract(parseQuantity(used)));
    const all = amount && parseQuantity(amount.hard).compare(parseQuantity(given)) !== 0
      ? `${given} granted; ${world.namespace} uses ${used} of ${amount.hard}`
      : `${used} of ${given} used`;
    const limit = limitByOthers(key, left, world);
    const isFull = left.sign() === 0 && parseQuantity(given).sign() > 0;
    const total = parseQuantity(amount?.hard ?? given).nanos;
    const percent = total === 0n ? 0n : parseQuantity(used).nanos * 100n / total;
    const isOfPods = key === "pods" || /^(requests|limits)\./.test(key);
    const minor = isFull || limit
      ? undefined
      : parseQuantity(given).sign() === 0
      ? "not granted" as const
      : percent >= nearPercent || (percent > 0n && isOfPods)
      ? undefined
      : "roomy" as const;
    return {
      key,
      rank: isFull || limit ? 101n : percent,
      isFull,
      ...(limit && limit.free.sign() === 0 && !isFull ? { blockedBy: limit.name } : {}),
      finding: {
        what: key,
        status: isFull || limit ? "warn" : "ok",
        message: limit
          ? `${all}, ${left} free, but quota ${limit.name} leaves only ${limit.free}.`
          : `${all}, ${left} free.`,
        ...(minor === undefined ? {} : { minor }),
      },
    };
  });
  const sides = (of: AmountFinding) => found.filter(({ key }) => resourceOfSide(key) === resourceOfSide(of.key));
  for (const each of found) {
    const { finding } = each;
    if (finding.minor && sides(each).some(({ finding }) => finding.minor === undefined)) delete finding.minor;
  }
  const rankOf = (of: AmountFinding) => sides(of).reduce((most, { rank }) => rank > most ? rank : most, 0n);
  return found.map((each) => ({ each, rank: rankOf(each) })).sort((a, b) => Number(b.rank - a.rank))
    .map(({ each }) => each);
}

/** Returns the same for the requests and the limits of a resource, which belong together. */
const resourceOfSide = (key: string): string => key.replace(/^limits\./, "requests.");

/** Returns the room for more pods, as guests ask for it. */
const roomFindings = ({ pods, quotas, limitRanges, unread }: ReportWorld): ReportFinding[] =>
  unread.includes("pods") || unread.includes("resourcequotas")
    ? []
    : podRooms(pods, quotas, limitRanges).map((room) => ({
      what: "room",
      status: room.room === 0 ? "warn" : "ok",
      message: capital(roomText(room)),
    }));

const least = (quantity: Quantity): Quantity => quantity.sign() < 0 ? zero : quantity;

/** Returns the quota by others that leaves least of a key, if that is less than the grants leave. */
function limitByOthers(key: string, left: Quantity, world: ReportWorld): { name: string; free: Quantity } | undefined {
  let lowest: { name: string; free: Quantity } | undefined;
  for (const quota of otherQuotas(world)) {
    // A quota with scopes limits only some pods; its own line says so.
    if (quota.spec?.scopes?.length || quota.spec?.scopeSelector) continue;
    for (const { key: other, free } of amountsOf(quota)) {
      if (quotaKey(other) !== key || free.compare(lowest?.free ?? left) >= 0) continue;
      lowest = { name: quota.metadata?.name ?? "", free };
    }
  }
  return lowest;
}

function limitProblem(amounts: readonly AmountFinding[], { namespace }: ReportWorld): Problem | undefined {
  const blocked = amounts.filter(({ blockedBy }) => blockedBy !== undefined);
  if (blocked.length === 0) return undefined;
  const quotas = [...new Set(blocked.map(({ blockedBy }) => blockedBy!))];
  return {
    reason: `The grant has room, but another quota in ${namespace} is full: ${fewOf(quotas)} leaves no ${
      fewOf(blocked.map(({ key }) => key))
    }.`,
    remedy: `Raise or delete it: kubectl -n ${namespace} edit quota ${quotas[0]}.`,
  };
}
