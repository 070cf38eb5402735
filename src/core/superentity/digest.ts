/** The digest of what members of a SuperEntity approve: its terms, and who acts for each of them. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import canonicalize from "canonicalize";
import { minQuantity, parseQuantity, Quantity } from "../../../lib/quantity/mod.ts";
import type { RealmSubject, SuperEntitySpec } from "../../api/mod.ts";
import { quotaKey } from "../resources/quota_lists.ts";
import { realmGroup } from "../names.ts";

/** The terms of a SuperEntity: all that a member agrees to. */
export type DigestTerms = Pick<SuperEntitySpec, "purpose" | "quorum" | "members">;

/** The subjects of members' Realms, by realm, as {@linkcode subjectTexts} spells them. */
export type MemberSubjects = ReadonlyMap<string, readonly string[]>;

/** The subjects that act for a realm, sorted, each once: `User bob@example.com`, or `Group keystone:realm:bob-home`. */
export const subjectTexts = (realm: string, subjects: readonly RealmSubject[] | undefined): string[] =>
  subjects === undefined
    ? [defaultSubject(realm)]
    : [...new Set(subjects.map(({ kind, name }) => `${kind} ${name}`))].sort();

const defaultSubject = (realm: string): string => `Group ${realmGroup(realm)}`;

/**
 * `sha256:` and the hexadecimal SHA-256 of the JSON of {@linkcode canonicalTerms} in the form of RFC 8785. It is the same
 * for terms that say the same: whatever the order of fields and members, and however a quantity is spelled.
 */
export const digestOf = (name: string, terms: DigestTerms, subjects?: MemberSubjects): string =>
  `sha256:${bytesToHex(sha256(utf8ToBytes(canonicalize(canonicalTerms(name, terms, subjects))!)))}`;

/**
 * What is digested: `{name, purpose, quorum, members: [{realm, contribution, subjects}]}`. A purpose that isn't there is empty, a
 * quorum that isn't there is the number of members, members are sorted by realm, and contributions are in the keys of a
 * quota (`requests.cpu` for `cpu`) with each quantity in its one canonical form: bytes with Ki, Mi, …, all else with m,
 * k, M, …. The subjects of a member are there where its Realm names others than the realm's own group.
 */
export function canonicalTerms(
  name: string,
  { purpose, quorum, members }: DigestTerms,
  subjects: MemberSubjects = new Map(),
): Record<string, unknown> {
  const named = (realm: string): readonly string[] | undefined => {
    const texts = subjects.get(realm);
    return texts?.length === 1 && texts[0] === defaultSubject(realm) ? undefined : texts;
  };
  return {
    name,
    purpose: purpose ?? "",
    quorum: quorum ?? members.length,
    members: [...members].sort((a, b) => a.realm < b.realm ? -1 : 1).map(({ realm, contribution }) => ({
      realm,
      contribution: canonicalQuantities(contribution ?? {}),
      ...(named(realm) ? { subjects: named(realm) } : {}),
    })),
  };
}

const isBytes = (key: string): boolean => /(memory|storage)$|hugepages-/.test(key);

/** Of a thing named by both its spellings, the less: that is what it counts as. */
function canonicalQuantities(contribution: Readonly<Record<string, string | number>>): Record<string, string> {
  const out = new Map<string, Quantity>();
  for (const [written, value] of Object.entries(contribution)) {
    const [key, quantity] = [quotaKey(written), parseQuantity(value)];
    const other = out.get(key);
    out.set(key, other ? minQuantity(other, quantity) : quantity);
  }
  return Object.fromEntries(
    [...out].map(([key, { nanos }]) => [key, new Quantity(nanos, isBytes(key) ? "BinarySI" : "DecimalSI").toString()]),
  );
}
