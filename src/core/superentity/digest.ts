/** The digest of a SuperEntity's terms: what members approve. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import canonicalize from "canonicalize";
import { minQuantity, parseQuantity, Quantity } from "../../../lib/quantity/mod.ts";
import type { SuperEntitySpec } from "../../api/mod.ts";
import { quotaKey } from "../guest/hard.ts";

/** The terms of a SuperEntity: all that a member agrees to. */
export type Terms = Pick<SuperEntitySpec, "purpose" | "quorum" | "members">;

/**
 * `sha256:` and the hexadecimal SHA-256 of the JSON of {@linkcode canonicalTerms} in the form of RFC 8785. It is the same
 * for terms that say the same: whatever the order of fields and members, and however a quantity is spelled.
 */
export const digestOf = (name: string, terms: Terms): string =>
  `sha256:${bytesToHex(sha256(utf8ToBytes(canonicalize(canonicalTerms(name, terms))!)))}`;

/**
 * What is digested: `{name, purpose, quorum, members: [{realm, contribution}]}`. A purpose that isn't there is empty, a
 * quorum that isn't there is the number of members, members are sorted by realm, and contributions are in the keys of a
 * quota (`requests.cpu` for `cpu`) with each quantity in its one canonical form: bytes with Ki, Mi, …, all else with m,
 * k, M, ….
 */
export function canonicalTerms(name: string, { purpose, quorum, members }: Terms): Record<string, unknown> {
  return {
    name,
    purpose: purpose ?? "",
    quorum: quorum ?? members.length,
    members: [...members].sort((a, b) => a.realm < b.realm ? -1 : 1).map(({ realm, contribution }) => ({
      realm,
      contribution: canonicalQuantities(contribution ?? {}),
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
