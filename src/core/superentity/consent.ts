/** Valid approvals of a SuperEntity: of its present terms and its members' present subjects. */
import type { SuperEntityMember, SuperEntitySpec } from "../../api/mod.ts";
import type { RealmFacts, SuperEntityFacts } from "../facts.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import { contributed, poolOf } from "./contribution.ts";
import { digestOf, type MemberSubjects, subjectTexts } from "./digest.ts";

export interface Consent {
  digest: string;
  /** Members that have approved this digest; approvals of another digest are void. */
  approved: readonly SuperEntityMember[];
  /** Number of approvals needed. */
  needed: number;
  /** True if enough members have approved. */
  given: boolean;
  /** Sum of the approved members' contributions. */
  pool: ResourceList;
}

/** Parts of a SuperEntity that consent depends on. */
export type Consented = Pick<SuperEntityFacts, "name" | "spec" | "status" | "subjects">;

const known = new WeakMap<SuperEntitySpec, { key: string; consent: Consent }>();

/** Computes the consent from the terms, the members' subjects and the approvals. */
export function consentOf(entity: Consented): Consent {
  const { name, spec, status, subjects } = entity;
  // Cached, because a digest takes time and every plan of every grant needs it.
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
 * Returns a predicate for valid approvals: those of this digest. An approval from before digests contained subjects is
 * valid as long as the subjects are those that the operator first recorded (ADR 0024): `status` records that approval
 * and the digest with these subjects.
 */
function countsFor(entity: Consented, digest: string): (approval: { realm: string; digest: string }) => boolean {
  const { name, spec, status } = entity;
  const earlier = digestOf(name, spec);
  const isUnchanged = status.digest === digest || (status.digest === earlier && !hasSubjects(entity));
  return (approval) =>
    approval.digest === digest || (isUnchanged && approval.digest === earlier &&
      (status.approvals ?? []).some((each) => each.realm === approval.realm && each.digest === earlier));
}

/** Reports whether an operator that records subjects has written this status. */
const hasSubjects = ({ status }: Consented): boolean =>
  (status.members ?? []).some(({ subjects }) => subjects !== undefined);

/** Returns the subjects of the members' Realms; for a missing Realm the last known ones. */
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

/** Returns a realm's approved contribution; undefined if it isn't a member or hasn't approved. */
export function contributionOf(entity: Consented, realm: string): ResourceList | undefined {
  const member = consentOf(entity).approved.find((each) => each.realm === realm);
  return member && contributed(member.contribution);
}
