/** Approvals of a SuperEntity's terms as they are now, with the subjects that its members have now. */
import type { SuperEntityMember, SuperEntitySpec } from "../../api/mod.ts";
import type { RealmFacts, SuperEntityFacts } from "../facts.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import { contributed, poolOf } from "./contribution.ts";
import { digestOf, type MemberSubjects, subjectTexts } from "./digest.ts";

export interface Consent {
  digest: string;
  /** The members whose approval is of this digest; all others' is void. */
  approved: readonly SuperEntityMember[];
  /** How many have to approve. */
  needed: number;
  /** Whether enough have. */
  given: boolean;
  /** What the approved members have put together. */
  pool: ResourceList;
}

/** The part of a SuperEntity that consent depends on. */
export type Consented = Pick<SuperEntityFacts, "name" | "spec" | "status" | "subjects">;

const known = new WeakMap<SuperEntitySpec, { key: string; consent: Consent }>();

/** Returns the consent, from the terms, the members' subjects and the approvals themselves. */
export function consentOf(entity: Consented): Consent {
  const { name, spec, status, subjects } = entity;
  // A digest takes a moment, and every look at every grant asks for it.
  const key = JSON.stringify([[...subjects ?? []], status.digest, status.approvals, hasSubjects(entity)]);
  const before = known.get(spec);
  if (before?.key === key) return before.consent;
  const digest = digestOf(name, spec, subjects);
  const agreed = new Set((spec.approvals ?? []).filter(countsFor(entity, digest)).map(({ realm }) => realm));
  const approved = spec.members.filter(({ realm }) => agreed.has(realm));
  const needed = spec.quorum ?? spec.members.length;
  const pool = poolOf(approved.map(({ contribution }) => contributed(contribution)));
  const consent = { digest, approved, needed, given: approved.length >= needed, pool };
  known.set(spec, { key, consent });
  return consent;
}

/**
 * An approval counts when it is of this digest. One from before digests had subjects in them counts as long as they are
 * those that were there when the operator first looked at them (ADR 0024): `status` says that it counted then, and has
 * the digest of the subjects of then.
 */
function countsFor(entity: Consented, digest: string): (approval: { realm: string; digest: string }) => boolean {
  const { name, spec, status } = entity;
  const earlier = digestOf(name, spec);
  const isUnchanged = status.digest === digest || (status.digest === earlier && !hasSubjects(entity));
  return (approval) =>
    approval.digest === digest || (isUnchanged && approval.digest === earlier &&
      (status.approvals ?? []).some((each) => each.realm === approval.realm && each.digest === earlier));
}

/** Whether an operator that records subjects has written this status. */
const hasSubjects = ({ status }: Consented): boolean =>
  (status.members ?? []).some(({ subjects }) => subjects !== undefined);

/** The subjects of the members: of their Realms, or, of one that is gone, as last known. */
export function memberSubjects(
  { spec, status }: Pick<SuperEntityFacts, "spec" | "status">,
  realmNamed: (name: string) => RealmFacts | undefined,
): MemberSubjects {
  const before = new Map((status.members ?? []).map(({ realm, subjects }) => [realm, subjects]));
  return new Map(spec.members.map(({ realm: name }) => {
    const realm = realmNamed(name);
    return [
      name,
      realm && !realm.deleting
        ? subjectTexts(name, realm.spec.subjects)
        : before.get(name) ?? subjectTexts(name, undefined),
    ];
  }));
}

/** What a realm has put in and stands by; undefined when it is no member, or has not approved. */
export function contributionOf(entity: Consented, realm: string): ResourceList | undefined {
  const member = consentOf(entity).approved.find((each) => each.realm === realm);
  return member && contributed(member.contribution);
}
