/** Digest that members of a SuperEntity approve, of its terms and its members' subjects. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import canonicalize from "canonicalize";
import { minQuantity, parseQuantity, Quantity } from "../../../lib/quantity/mod.ts";
import type { RealmSubject, SuperEntitySpec } from "../../api/mod.ts";
import { quotaKey } from "../resources/quota_lists.ts";
import { realmGroup } from "../names.ts";

/** Terms of a SuperEntity. */
export type DigestTerms = Pick<SuperEntitySpec, "purpose" | "quorum" | "members">;

/** Subjects of members' Realms, by realm, in the form of {@linkcode subjectTexts}. */
export type MemberSubjects = ReadonlyMap<string, readonly string[]>;

/** Returns a realm's subjects, sorted and unique: `User bob@example.com`, or `Group keystone:realm:bob-home`. */
export const subjectTexts = (realm: string, subjects: readonly RealmSubject[] | undefined): string[] =>
  subjects === undefined
    ? [defaultSubject(realm)]
    : [...new Set(subjects.map(({ kind, name }) => `${kind} ${name}`))].sort();

const defaultSubject = (realm: string): string => `Group ${realmGroup(realm)}`;

/**
 * Returns `sha256:` and the hexadecimal SHA-256 of the RFC 8785 JSON of {@linkcode canonicalTerms}. It doesn't depend
 * on the order of fields and members or the spelling of quantities.
 */
export const digestOf = (name: string, terms: DigestTerms, subjects?: MemberSubjects): string =>
  `sha256:${bytesToHex(sha256(utf8ToBytes(canonicalize(canonicalTerms(name, terms, subjects))!)))}`;

/**
 * Returns the input of the digest: `{name, purpose, quorum, members: [{realm, contribution, subjects}]}`. A missing
 * purpose is empty, a missing quorum is the number of members, and members are sorted by realm. Contributions are under
 * quota keys (`requests.cpu` for `cpu`) with each quantity in canonical form: bytes with Ki, Mi, …, everything else
 * with m, k, M, …. A member's subjects are included if its Realm names others than the realm's own group.
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

/** Returns canonical quantities. If a resource has both spellings, the smaller quantity counts, as in the pool. */
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
