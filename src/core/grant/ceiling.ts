/** Limits of a grant by its grantee's trust level: ordered checks, of which the first failure is reported. */
import { countText } from "../plain_text.ts";
import type { TrustRules } from "../../api/mod.ts";
import { parseQuantity } from "../../../lib/quantity/mod.ts";
import type { GrantFacts } from "../facts.ts";
import { parseDestination } from "../network/destination.ts";
import { validityOf } from "./validity.ts";

/** A field of a grant that exceeds the limit of its grantee's trust level. */
export interface Excess {
  field: string;
  asked: string;
  allowed: string;
}

const dayMs = 86_400_000;

/** Returns the first excess over the rules, if any. */
export function excessOf(grant: GrantFacts, rules: TrustRules): Excess | undefined {
  return exposureExcess(grant, rules) ?? validityExcess(grant, rules) ?? noticeExcess(grant, rules) ??
    egressExcess(grant, rules);
}

/** Quota keys of Services that are reachable from outside the cluster. */
export const exposedKeys = ["services.loadbalancers", "services.nodeports"] as const;

function exposureExcess({ spec }: GrantFacts, rules: TrustRules): Excess | undefined {
  if (rules.exposed) return undefined;
  const key = exposedKeys.find((key) => key in spec.hard && parseQuantity(spec.hard[key]!).sign() > 0);
  return key && { field: `spec.hard[${key}]`, asked: String(spec.hard[key]), allowed: "0" };
}

function validityExcess(grant: GrantFacts, { maxValidityDays }: TrustRules): Excess | undefined {
  if (maxValidityDays === null) return undefined;
  const { from = grant.createdAt, until } = validityOf(grant);
  if (until !== undefined && until - from <= maxValidityDays * dayMs) return undefined;
  return {
    field: "spec.validity.validUntil",
    asked: grant.spec.validity?.validUntil ?? "not set",
    allowed: `at most ${countText(maxValidityDays, "day")} after the start`,
  };
}

function noticeExcess({ spec }: GrantFacts, { maxNoticeSeconds }: TrustRules): Excess | undefined {
  const asked = spec.termination?.noticeSeconds;
  if (maxNoticeSeconds === null || asked === undefined || asked <= maxNoticeSeconds) return undefined;
  return { field: "spec.termination.noticeSeconds", asked: String(asked), allowed: `at most ${maxNoticeSeconds}` };
}

/** Returns the destinations that the grantee's trust level permits. */
export function trustedDestinations(grant: GrantFacts, rules: TrustRules, destinations: readonly string[]): string[] {
  return destinations.filter((text) => rules.egress !== "realm" || isGrantee(grant, text));
}

function egressExcess(grant: GrantFacts, rules: TrustRules): Excess | undefined {
  const { networkPolicy, granteeRealm } = grant.spec;
  if (!networkPolicy?.egressAllowed) return undefined;
  const trusted = new Set(trustedDestinations(grant, rules, networkPolicy.allowedDestinations ?? []));
  const index = (networkPolicy.allowedDestinations ?? []).findIndex((text) => !trusted.has(text));
  if (index < 0) return undefined;
  return {
    field: `spec.networkPolicy.allowedDestinations[${index}]`,
    asked: networkPolicy.allowedDestinations![index]!,
    allowed: `only ${granteeRealm}`,
  };
}

function isGrantee({ spec }: GrantFacts, text: string): boolean {
  const destination = parseDestination(text);
  return "to" in destination && "realm" in destination.to && destination.to.realm === spec.granteeRealm;
}

/** Describes the excess for a condition. */
export const excessText = ({ field, asked, allowed }: Excess, level: string): string =>
  `${field} is ${asked}; trust level ${level} allows ${allowed}. Change it, or raise the Realm's spec.trustLevel.`;
