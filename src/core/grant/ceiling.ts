/** What the trust level of the grantee allows a grant to ask for: ordered checks, the first that fails is named. */
import type { TrustRules } from "../../api/mod.ts";
import { parseQuantity } from "../../../lib/quantity/mod.ts";
import type { GrantFacts } from "../facts.ts";
import { parseDestination } from "../network/destination.ts";
import { validityOf } from "./validity.ts";

/** Where a grant asks for more than its grantee is trusted with. */
export interface Excess {
  field: string;
  asked: string;
  allowed: string;
}

const dayMs = 86_400_000;

/** The first thing that goes beyond the rules; undefined: nothing does. */
export function excessOf(grant: GrantFacts, rules: TrustRules): Excess | undefined {
  return exposureExcess(grant, rules) ?? validityExcess(grant, rules) ?? noticeExcess(grant, rules) ??
    egressExcess(grant, rules);
}

/** Keys that let the world in. */
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
    asked: grant.spec.validity?.validUntil ?? "no end",
    allowed: `at most ${maxValidityDays} days after the start`,
  };
}

function noticeExcess({ spec }: GrantFacts, { maxNoticeSeconds }: TrustRules): Excess | undefined {
  const asked = spec.termination?.noticeSeconds;
  if (maxNoticeSeconds === null || asked === undefined || asked <= maxNoticeSeconds) return undefined;
  return { field: "spec.termination.noticeSeconds", asked: String(asked), allowed: `at most ${maxNoticeSeconds}` };
}

/** The destinations of a grant that its grantee is trusted with. */
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
    allowed: `${granteeRealm} only`,
  };
}

function isGrantee({ spec }: GrantFacts, text: string): boolean {
  const destination = parseDestination(text);
  return "to" in destination && "realm" in destination.to && destination.to.realm === spec.granteeRealm;
}

/** The excess in a sentence, for a condition. */
export const excessText = ({ field, asked, allowed }: Excess, level: string): string =>
  `${field} is ${asked}; a ${level} realm is trusted with ${allowed}. Lower it, or raise spec.trustLevel of the Realm.`;
