/** What is asked of DNS, and what comes back. */

/** The kind of address that is asked for; each is a question of its own with a TTL of its own. */
export type IPFamily = "A" | "AAAA";

/** Why an answer has no addresses: there is no such name, or the name has none of this family. */
export type Missing = "NXDOMAIN" | "NODATA";

/** An answer that DNS stands by. */
export interface LookupResult {
  /** Canonical texts, in no order that means anything. */
  addresses: readonly string[];
  /** Why there are no addresses. */
  missing?: Missing;
  /** For how long the answer holds, as DNS says. */
  ttlMs: number;
}

/**
 * Asks for the addresses of one name, which is absolute: no search domains. Ends within a bounded time, and soon after
 * the signal aborts. Rejects with a {@linkcode LookupError} when there is no answer to rely on.
 */
export type Lookup = (name: string, family: IPFamily, signal: AbortSignal) => Promise<LookupResult>;

/** There is no answer; the message says why, as a part of a sentence without anything that differs from try to try. */
export class LookupError extends Error {
  override readonly name = "LookupError";
}

const label = /^[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?$/i;

/** Why a text can't be asked as a name, in a sentence that names it; undefined if it can be. */
export function problemOf(name: string): string | undefined {
  const bare = name.replace(/\.$/, "");
  if (bare.length > 253) return `${name} is not a DNS name: it has more than 253 characters.`;
  return bare.split(".").every((part) => label.test(part))
    ? undefined
    : `${name} is not a DNS name: between dots there are 1 to 63 letters, digits and hyphens.`;
}
