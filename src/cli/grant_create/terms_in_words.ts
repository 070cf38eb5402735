/** The terms of a Grant in plain words, for people who are about to create it. */
import type { GrantSpec, TrustLevel, TrustRules } from "../../api/mod.ts";
import { drainMs, noticeMs } from "../../core/grant/termination.ts";
import { parseDestination } from "../../core/network/destination.ts";
import { quotaKey } from "../../core/resources/quota_lists.ts";
import { periodInWords } from "../time_flags.ts";
import type { Moment } from "../written_instant.ts";

/** Rules of the grantee's trust level; absent if there is no such Realm yet. */
export interface GranteeTrust {
  level: TrustLevel;
  rules: TrustRules;
}

/** Returns lines of a heading and a sentence. */
export function termsInWords(
  name: string,
  spec: GrantSpec,
  trust: GranteeTrust | undefined,
  moment: Moment,
): [heading: string, text: string][] {
  const { validFrom, validUntil } = spec.validity ?? {};
  const period = {
    ...(validFrom ? { start: Date.parse(validFrom) } : {}),
    ...(validUntil ? { end: Date.parse(validUntil) } : {}),
  };
  return [
    ["Grant", `${name}, from ${spec.grantorRealm} to ${spec.granteeRealm}${trust ? ` (${trust.level})` : ""}`],
    ["Amounts", amountsInWords(spec.hard)],
    ["Time", periodInWords(period, moment)],
    ["Network", networkInWords(spec, trust?.rules)],
    ["End", endInWords(spec, trust?.rules)],
  ];
}

const nouns: Readonly<Record<string, string>> = {
  "requests.cpu": "cores",
  "requests.memory": "of memory",
  "requests.storage": "of storage",
  pods: "pods",
};

/** Returns `2 cores and 4Gi of memory for requests and limits, no storage`. */
export function amountsInWords(hard: Readonly<Record<string, string | number>>): string {
  const said = new Map(
    Object.entries(hard).map(([key, amount]) => {
      const noun = nouns[quotaKey(key)] ?? /^requests\.(.+\/.+)$/.exec(key)?.[1];
      const one = String(amount) === "1" ? noun?.replace(/^(core|pod)s$/, "$1") : noun;
      return [quotaKey(key), one === undefined ? `${key} ${amount}` : `${amount} ${one}`];
    }),
  );
  const compute = ["requests.cpu", "requests.memory"].filter((key) => said.has(key));
  const others = [...said.keys()].filter((key) => !compute.includes(key));
  // Limits equal the requests unless the grant names them.
  const both = compute.length > 0 && !others.some((key) => /^limits\.(cpu|memory)$/.test(key));
  return [
    ...(compute.length > 0
      ? [`${compute.map((key) => said.get(key)).join(" and ")}${both ? " for requests and limits" : ""}`]
      : []),
    ...others.map((key) => said.get(key)!),
    ...(others.some((key) => key.includes("requests.storage")) ? [] : ["no storage"]),
  ].join(", ");
}

function networkInWords({ granteeRealm, networkPolicy }: GrantSpec, rules: TrustRules | undefined): string {
  const always = rules?.dns
    ? `each other, the node of ${granteeRealm} and the cluster's DNS`
    : `each other and the node of ${granteeRealm}`;
  const { egressAllowed, allowedDestinations = [], within = [], except = [] } = networkPolicy ?? {};
  if (!egressAllowed || allowedDestinations.length === 0) return `only ${always}`;
  const isInternetOnly = allowedDestinations.every((text) => /^internet($|[:/])/.test(text));
  return [
    `${allowedDestinations.map(destinationInWords).join(", ")}; also ${always}`,
    ...(within.length > 0 ? [`names may open addresses in ${within.join(", ")}`] : []),
    ...(except.length > 0 ? [`closed stay ${except.join(", ")}`] : []),
    isInternetOnly ? "your LAN and other private ranges stay closed" : "private ranges that are not named stay closed",
  ].join("; ");
}

/** Returns the destination, with words instead of the keyword for all public addresses. */
function destinationInWords(text: string): string {
  const destination = parseDestination(text);
  if (!("to" in destination) || !("internet" in destination.to)) return text;
  const { port, endPort, protocol } = destination;
  const ports = port === undefined ? "" : endPort === undefined ? `port ${port}/` : `ports ${port}-${endPort}/`;
  return protocol === undefined ? "the internet" : `the internet (${ports}${protocol})`;
}

function endInWords(spec: GrantSpec, rules: TrustRules | undefined): string {
  const [notice, drain] = [noticeMs({ spec }, rules ?? { maxNoticeSeconds: null }), drainMs({ spec })];
  return [
    notice === 0 ? "without notice" : `${spanInWords(notice)} of notice before it, when nothing may grow`,
    `then ${spanInWords(drain)} for pods to stop`,
    spec.termination?.volumes === "Delete" ? "volumes are deleted" : "volumes stay",
  ].join("; ");
}

/** Returns the span in its largest whole unit: `5 minutes`. */
function spanInWords(ms: number): string {
  const [unit, name] = ([[86_400_000, "day"], [3_600_000, "hour"], [60_000, "minute"]] as const)
    .find(([unit]) => ms >= unit && ms % unit === 0) ?? [1000, "second"];
  return ms === unit ? `1 ${name}` : `${ms / unit} ${name}s`;
}
