/** Who has approved the terms of a SuperEntity as they are now. */
import type { SuperEntityMember, SuperEntitySpec } from "../../api/mod.ts";
import type { SuperEntityFacts } from "../facts.ts";
import type { Hard } from "../guest/hard.ts";
import { contributed, poolOf } from "./contribution.ts";
import { digestOf } from "./digest.ts";

export interface Consent {
  digest: string;
  /** The members whose approval is of this digest; all others' is void. */
  approved: readonly SuperEntityMember[];
  /** How many have to approve. */
  needed: number;
  /** Whether enough have. */
  given: boolean;
  /** What the approved members have put together. */
  pool: Hard;
}

const known = new WeakMap<SuperEntitySpec, Consent>();

/** The consent, from the terms and approvals themselves and nothing that was seen before. */
export function consentOf({ name, spec }: Pick<SuperEntityFacts, "name" | "spec">): Consent {
  // A digest takes a moment, and every look at every grant asks for it.
  const before = known.get(spec);
  if (before) return before;
  const digest = digestOf(name, spec);
  const agreed = new Set((spec.approvals ?? []).filter((each) => each.digest === digest).map(({ realm }) => realm));
  const approved = spec.members.filter(({ realm }) => agreed.has(realm));
  const needed = spec.quorum ?? spec.members.length;
  const pool = poolOf(approved.map(({ contribution }) => contributed(contribution)));
  const consent = { digest, approved, needed, given: approved.length >= needed, pool };
  known.set(spec, consent);
  return consent;
}

/** What a realm has put in and stands by; undefined when it is no member, or has not approved. */
export function contributionOf(entity: Pick<SuperEntityFacts, "name" | "spec">, realm: string): Hard | undefined {
  const member = consentOf(entity).approved.find((each) => each.realm === realm);
  return member && contributed(member.contribution);
}
