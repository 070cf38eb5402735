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

/** Returns `2 cores, 4Gi of memory, no storage`. */
export function amountsInWords(hard: Readonly<Record<string, string | number>>): string {
  const entries = Object.entries(hard);
  const said = entries.map(([key, amount]) => {
    const noun = nouns[quotaKey(key)];
    const device = /^requests\.(.+\/.+)$/.exec(key)?.[1];
    return noun ? `${amount} ${noun}` : device ? `${amount} ${device}` : `${key} ${amount}`;
  });
  const keys = new Set(entries.map(([key]) => quotaKey(key)));
  const hasLimits = [...keys].some((key) => key.startsWith("limits."));
  const isBoth = !hasLimits && (keys.has("requests.cpu") || keys.has("requests.memory"));
  const hasStorage = [...keys].some((key) => key.includes("storage"));
  return [...said, ...(hasStorage ? [] : ["no storage"])].join(", ") + (isBoth ? "; for requests and for limits" : "");
}

function networkInWords({ granteeRealm, networkPolicy }: GrantSpec, rules: TrustRules | undefined): string {
  const always = `each other and the node of ${granteeRealm}${rules?.dns ? ", and the cluster's DNS" : ""}`;
  const { egressAllowed, allowedDestinations = [], within = [], except = [] } = networkPolicy ?? {};
  if (!egressAllowed || allowedDestinations.length === 0) return `only ${always}`;
  const isInternetOnly = allowedDestinations.every((text) => /^internet($|[:/])/.test(text));
  return [
    `${allowedDestinations.map(destinationInWords).join(", ")}, and ${always}`,
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
    notice === 0 ? "without notice" : `${notice / 1000} s of notice before it, when nothing may grow`,
    `then pods have ${drain / 1000} s to stop`,
    spec.termination?.volumes === "Delete" ? "volumes are deleted" : "volumes stay",
  ].join("; ");
}
