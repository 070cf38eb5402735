/** Refusals by admission, as controllers report them in conditions and events: the reason, and the remedy. */
import { isQuantity, parseQuantity } from "../../../lib/quantity/mod.ts";
import { amountsOf, capital, isOwnQuota, noticeText, quotaNamed, quotaText } from "./quota_report.ts";
import { excerpt, fewOf, type Problem } from "./finding.ts";
import type { ReportWorld } from "./reported_objects.ts";

export interface RefusedObject {
  /** Noun for the refused objects, such as `pod`. */
  noun: string;
  /** Remedies that only the caller knows, such as another number of replicas; each completes "…, or …". */
  remedies?: readonly string[];
  /** Remedy that frees a count: which objects to delete, or which field to lower. */
  countRemedy?: string;
  /** Command that makes the controller try again at once. */
  retry?: string;
}

/** Returns the reason and the remedy of a refusal, by the API server's own text. */
export function refusalReason(text: string, refused: RefusedObject, world: ReportWorld): Problem {
  const said = withoutNames(text);
  return exceeded(said, refused, world) ?? unset(said, refused) ?? standards(said, refused) ?? range(said, world) ??
    guard(said, refused) ?? missing(said) ??
    { reason: excerpt(`The API server refuses the ${refused.noun}: ${said}`), remedy: "" };
}

/** Returns the text without the name of the refused object, which differs with each try. */
const withoutNames = (text: string): string =>
  text.replace(/^.*?\b[a-z.]+ "[^"]*" is forbidden: /s, "").replace(
    /^(\(combined from similar events\): )?(Error creating( job)?: )?/,
    "",
  ).trim();

/** Returns the amounts of a list such as `limits.cpu=2,pods=1`. */
const amountsIn = (list: string): [key: string, amount: string][] =>
  list.split(",").flatMap((part): [string, string][] => {
    const at = part.lastIndexOf("=");
    return at < 0 ? [] : [[part.slice(0, at).trim(), part.slice(at + 1).trim()]];
  });

function exceeded(said: string, refused: RefusedObject, world: ReportWorld): Problem | undefined {
  const found = /exceeded quota: ([^\s,]+), requested: (.*?), used: (.*?), limited: (.*)$/s.exec(said);
  if (!found) return undefined;
  const [, name, requested, used, limited] = found as unknown as [string, string, string, string, string];
  const quota = quotaNamed(world, name);
  const now = new Map(quota ? amountsOf(quota).map((amount) => [amount.key, amount]) : []);
  const [usedThen, limitedThen] = [new Map(amountsIn(used)), new Map(amountsIn(limited))];
  const lacks = amountsIn(requested).map(([key, amount]) => {
    const live = now.get(key);
    return {
      key,
      amount,
      used: live?.used ?? usedThen.get(key) ?? "?",
      hard: live?.hard ?? limitedThen.get(key) ?? "?",
      hasRoom: live !== undefined && isQuantity(amount) && live.free.compare(parseQuantity(amount)) >= 0,
    };
  });
  const needs = lacks.map(({ key, amount, used, hard }) => `${amount} ${key} (${used} of ${hard} used)`);
  const one = `${refused.noun === "pod" ? "a" : "the"} ${refused.noun}`;
  const by = capital(quotaText(quota, name));
  if (lacks.length > 0 && lacks.every(({ hasRoom }) => hasRoom)) {
    const keys = fewOf(lacks.map(({ key }) => key));
    return {
      reason: `${by} had no room for ${one} (${keys}) at the last try; by now it has.`,
      remedy: "The controller tries again by itself within 17 minutes" +
        (refused.retry === undefined ? "." : `; to make it try now: ${refused.retry}.`),
    };
  }
  return {
    reason: `${by} has no room: ${one} needs ${fewOf(needs)}.`,
    remedy: roomRemedy(name, lacks, refused, world),
  };
}

interface Lacking {
  key: string;
  amount: string;
  hard: string;
}

function roomRemedy(name: string, lacks: readonly Lacking[], refused: RefusedObject, world: ReportWorld): string {
  const keys = fewOf(lacks.map(({ key }) => key));
  const ways = [...refused.remedies ?? []];
  const counts = lacks.every(({ key }) =>
    /^count\/|^(pods|services|secrets|configmaps|persistentvolumeclaims)$/.test(key)
  );
  if (counts && refused.countRemedy !== undefined) ways.unshift(refused.countRemedy);
  else if (!counts && refused.noun === "pod") ways.push("lower the pods' requests and limits");
  const isZero = lacks.some(({ hard }) => isQuantity(hard) && parseQuantity(hard).sign() === 0);
  if (!isOwnQuota(name)) {
    return `${capital([...ways, `ask a cluster admin to raise quota ${name}`].join(", or "))}. ` +
      "More of a grant would not help.";
  }
  if (world.grants?.length === 0) return `No grant is in force in ${world.namespace}.`;
  const notice = noticeText(world.grants);
  if (isZero && notice === "") {
    const zeros = lacks.filter(({ hard }) => isQuantity(hard) && parseQuantity(hard).sign() === 0).map(({ key }) =>
      key
    );
    return `No grant gives ${fewOf(zeros)}: don't use it, or have it added to a grant's spec.hard.`;
  }
  const more = `have ${keys} raised in a grant's spec.hard`;
  return `${capital([...ways, more].join(", or "))}.${notice === "" ? "" : ` ${notice}`}`;
}

function unset(said: string, { noun }: RefusedObject): Problem | undefined {
  const found = /failed quota: ([^:\s]+): must specify (.*)$/s.exec(said);
  if (!found) return undefined;
  const lists = found[2]!.split(";").map((part) => part.trim().replace(/ for: /, " of container "));
  return {
    reason: `Quota ${found[1]} refuses each ${noun}, because it does not set ${fewOf(lists)}.`,
    remedy: "Set these in the containers' resources.",
  };
}

/** Beginning of the reason of all refusals by Pod Security. */
export const securityRefusal = "Pod Security refuses";

function standards(said: string, { noun }: RefusedObject): Problem | undefined {
  const found = /violates PodSecurity "([^":]*)[^"]*": (.*)$/s.exec(said);
  if (!found) return undefined;
  return {
    reason: `${securityRefusal} each ${noun}: level ${found[1]} requires more.`,
    remedy: excerpt(`Set these fields in the pod template: ${found[2]}`, 900),
  };
}

function range(said: string, { limitRanges }: ReportWorld): Problem | undefined {
  const found = /(maximum|minimum) (\S+) usage per (\S+) is ([^,\s]+?)[,.]( |$)/.exec(said) ??
    /(\S+) (max limit to request ratio) per (\S+) is ([^,\s]+),/.exec(said);
  if (!found) return undefined;
  const [, first, second, type, amount] = found;
  const [resource, bound] = second!.startsWith("max limit")
    ? [first!, "maxLimitRequestRatio" as const]
    : [second!, first === "maximum" ? "max" as const : "min" as const];
  const setting = limitRanges.filter(({ spec }) =>
    spec?.limits?.some((limit) => limit.type === type && String(limit[bound]?.[resource] ?? "") === amount)
  ).map(({ metadata }) => metadata?.name ?? "");
  const by = setting.length > 0 ? `LimitRange ${fewOf(setting)}` : "A LimitRange";
  return {
    reason: excerpt(`${by} refuses it: ${said}`),
    remedy: `Change ${resource} in the resources of the ${type!.toLowerCase()}, within ${bound} ${amount}.`,
  };
}

function guard(said: string, { noun }: RefusedObject): Problem | undefined {
  const own = /ValidatingAdmissionPolicy 'keystone-[^']*'.*? denied request: (.*?)\.? \(guard ([a-z-]+)\)/s.exec(said);
  if (own) {
    // The object is older than the guard, or a controller outside the namespace wrote it.
    const stay = noun === "pod" ? "Change the pod template; pods that run stay." : `Change the ${noun} template.`;
    return { reason: excerpt(`Guard ${own[2]} refuses each ${noun}: ${own[1]}`, 900), remedy: stay };
  }
  const policy = /ValidatingAdmissionPolicy '([^']+)'.*? denied request: (.*)$/s.exec(said);
  if (policy) return { reason: excerpt(`Policy ${policy[1]} refuses it: ${policy[2]}`, 900), remedy: "" };
  const hook = /admission webhook "([^"]+)" denied the request: (.*)$/s.exec(said);
  return hook ? { reason: excerpt(`Webhook ${hook[1]} refuses it: ${hook[2]}`, 900), remedy: "" } : undefined;
}

function missing(said: string): Problem | undefined {
  const account = /error looking up service account \S+\/([^\s:]+): /.exec(said);
  if (account) {
    return {
      reason: `ServiceAccount ${account[1]} does not exist.`,
      remedy: `Remove spec.serviceAccountName from the pod template, or create it: kubectl create serviceaccount ${
        account[1]
      }.`,
    };
  }
  const priority = /no PriorityClass with name (\S+) was found/.exec(said);
  if (priority) {
    return { reason: `PriorityClass ${priority[1]} does not exist.`, remedy: "Remove spec.priorityClassName." };
  }
  const runtime = /RuntimeClass "([^"]+)" not found/.exec(said);
  return runtime
    ? { reason: `RuntimeClass ${runtime[1]} does not exist.`, remedy: "Remove spec.runtimeClassName." }
    : undefined;
}
