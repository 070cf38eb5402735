/** Lifetime of the token in a realm's kubeconfig. */
import type { Grant } from "../api/client/keystone.io@v1alpha1.ts";

/** Shortest and longest lifetime that the API server takes in a request, in seconds. */
export const shortestSeconds = 600;
export const longestSeconds = 2 ** 32;

/** Lifetime without `--for` if no end of a grant is known. */
const defaultDays = 30;

/** Lifetime of a token, and the reason for it. */
export interface TokenLifetime {
  seconds: number;
  /** Reason of an end that no flag sets, in the form "Valid until TIME<because>". */
  because: string;
  /** End of the last grant, RFC 3339; absent if it has none, or the lifetime doesn't depend on it. */
  grantEnd?: string;
}

/**
 * Returns the default lifetime: until the last of the realm's grants in force ends. The API server may give less.
 *
 * @param grants all Grants; undefined if the user may not read them
 */
export function defaultLifetime(realm: string, grants: readonly Grant[] | undefined, now: number): TokenLifetime {
  const withoutEnd = (reason: string): TokenLifetime => ({
    seconds: defaultDays * 86_400,
    because: ` (${defaultDays} days, because ${reason})`,
  });
  if (grants === undefined) return withoutEnd("you may not read the grants' ends");
  const ends = grants
    .filter(({ spec, status }) => spec.granteeRealm === realm && status?.phase === "Active")
    .map(({ metadata, spec, status }) => ({
      name: metadata!.name!,
      end: status?.effectiveUntil ?? spec.validity?.validUntil ?? undefined,
    }));
  const endless = ends.find(({ end }) => end === undefined);
  if (endless) return withoutEnd(`grant ${endless.name} has no end`);
  const [last] = ends.toSorted((a, b) => Date.parse(b.end!) - Date.parse(a.end!));
  if (last === undefined) return withoutEnd("no end of a grant is known");
  const seconds = Math.ceil((Date.parse(last.end!) - now) / 1000);
  return {
    seconds: Math.max(seconds, shortestSeconds),
    because: `, when the last grant (${last.name}) ends`,
    grantEnd: last.end!,
  };
}

/** Returns the sentences about an issued token; `given` is the lifetime that the API server gave, in seconds. */
export function validitySentences(
  realm: string,
  { seconds, because, grantEnd }: TokenLifetime,
  { expires, given }: { expires: string; given: number },
): string {
  if (given < seconds) {
    return `Valid until ${expires}, because the API server gives no longer lifetime.` +
      `${grantEnd ? ` The last grant to ${realm} ends ${grantEnd}.` : ""} Renew it with the same command.`;
  }
  if (grantEnd === undefined) {
    return `Valid until ${expires}${because}, or until the last grant to ${realm} ends or its subjects change. ` +
      "Renew it with the same command.";
  }
  // A token lasts at least ten minutes, but nobody has access after the end.
  const until = Date.parse(expires) > Date.parse(grantEnd) ? grantEnd : expires;
  return `Valid until ${until}${because}, or until the subjects of ${realm} change. After an extension of the grant, ` +
    "renew it with the same command.";
}
