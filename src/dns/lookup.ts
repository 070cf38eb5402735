/** Questions to DNS and their results. */

/** Kind of address; each is a separate query with a separate TTL. */
export type IPFamily = "A" | "AAAA";

/** Reason why an answer has no addresses: the name doesn't exist, or has none of this family. */
export type Missing = "NXDOMAIN" | "NODATA";

/** An authoritative result of a query. */
export interface LookupResult {
  /** Canonical texts, in no particular order. */
  addresses: readonly string[];
  /** Reason why there are no addresses. */
  missing?: Missing;
  /** Time for which the answer is valid. */
  ttlMs: number;
}

/**
 * Queries the addresses of a name, which is absolute: no search domains. Ends within a bounded time, and soon after
 * the signal aborts. Rejects with a {@linkcode LookupError} if there is no reliable answer.
 */
export type Lookup = (name: string, family: IPFamily, signal: AbortSignal) => Promise<LookupResult>;

/** A query without a reliable answer. The message is a clause with the reason, and is the same for each retry. */
export class LookupError extends Error {
  override readonly name = "LookupError";
}

const label = /^[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?$/i;

/** Returns a sentence if a text can't be queried as a name; undefined if it can. */
export function problemOf(name: string): string | undefined {
  const bare = name.replace(/\.$/, "");
  if (bare.length > 253) return `${name} is not a DNS name: it has more than 253 characters.`;
  return bare.split(".").every((part) => label.test(part))
    ? undefined
    : `${name} is not a DNS name: labels must have 1 to 63 letters, digits and hyphens.`;
}
