/**
 * Tokens of the realms' ServiceAccounts, with which the front sends callers' requests to the API server. Without such a
 * token no request is sent: there is no other identity to fall back to.
 */
import { z } from "zod";
import type { Clock } from "../../../lib/clock/mod.ts";
import { isApiError, type RestClient } from "../../../lib/kubernetes/mod.ts";
import { systemNamespace } from "../../core/names.ts";

/** A token of a realm's account, for one node of the tailnet. */
export interface RealmToken {
  token: string;
  /** ID of the token, by which the API server's audit log joins the access log; empty if the API server gives none. */
  jti: string;
  /** Epoch milliseconds, by this process's clock. */
  expiresAt: number;
}

/** Reason why there is no token: a sentence for the caller. `cause` has the API server's error, for the log. */
export class RealmTokenError extends Error {
  override readonly name = "RealmTokenError";
  /** HTTP status: 403 without access, 503 if another try may succeed. */
  readonly status: 403 | 503;

  constructor(message: string, status: 403 | 503, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.status = status;
  }
}

export interface RealmTokensOptions {
  /** A client with the front's own credentials. */
  rest: Pick<RestClient, "performRequest">;
  /** Returns the name of the account that the guests' binding gives access to; undefined without access. */
  accountOf: (realm: string) => string | undefined;
  clock: Clock;
}

/** The shortest lifetime that the API server issues. */
const tokenSeconds = 600;
/** Age from which a token is renewed. Until it is, the old one is used. */
const renewAfterMs = tokenSeconds * 1000 * 2 / 3;
/** A token with less time left is not used, because a request takes time too. */
const leastMs = 30_000;
/** Time after a failure in which the API server is not asked again for the same token. */
const pauseMs = 1000;
const deadlineMs = 5000;

/** The request for one token, and the token that it has led to. */
interface TokenEntry {
  readonly realm: string;
  readonly stableId: string;
  readonly account: string;
  /** `since` is the monotonic time before the request. */
  issued?: { token: RealmToken; since: number; lifetimeMs: number } | undefined;
  flight?: Promise<RealmToken> | undefined;
  failed?: { at: number; error: RealmTokenError } | undefined;
}

/**
 * Keeps one token for each realm and tailnet identity, so that the ID of a token names the caller. Callers of the same
 * token share one request. Nothing runs while nobody asks.
 */
export class RealmTokens {
  readonly #options: RealmTokensOptions;
  readonly #entries = new Map<string, Map<string, TokenEntry>>();

  constructor(options: RealmTokensOptions) {
    this.#options = options;
  }

  /** Number of tokens and requests that are kept. */
  get size(): number {
    return this.#entries.values().reduce((sum, { size }) => sum + size, 0);
  }

  /**
   * Returns a token that is valid for at least half a minute.
   *
   * @throws {RealmTokenError} if there is none: without access, without the account, or if the API server refuses
   */
  async token(realm: string, stableId: string, signal: AbortSignal): Promise<RealmToken> {
    signal.throwIfAborted();
    const entry = this.#entry(realm, stableId);
    const ageMs = entry.issued ? this.#options.clock.monotonic() - entry.issued.since : Infinity;
    if (entry.issued && ageMs < entry.issued.lifetimeMs - leastMs) {
      // The caller doesn't wait for the renewal; its failure counts only once the token is too old.
      if (ageMs >= renewAfterMs) this.#request(entry).catch(() => {});
      return entry.issued.token;
    }
    const token = await until(signal, this.#request(entry));
    if (this.#entries.get(realm)?.get(stableId) === entry && this.#options.accountOf(realm) === entry.account) {
      return token;
    }
    throw new RealmTokenError(`The access of realm ${realm} has changed just now. Try again.`, 503);
  }

  /** Forgets the tokens of a realm, or of one node for it. A request under way leads to no token any more. */
  drop(realm: string, stableId?: string): void {
    if (stableId === undefined) return void this.#entries.delete(realm);
    const ofRealm = this.#entries.get(realm);
    ofRealm?.delete(stableId);
    if (ofRealm?.size === 0) this.#entries.delete(realm);
  }

  #entry(realm: string, stableId: string): TokenEntry {
    if (realm === "" || stableId === "") throw new Error("A token needs the names of a realm and of a node.");
    const account = this.#options.accountOf(realm);
    if (account === undefined) {
      this.drop(realm);
      throw new RealmTokenError(`Realm ${realm} has no access: no grant to it is in force.`, 403);
    }
    if (!isAccountOf(realm, account)) throw new Error(`${account} is not the account of realm ${realm}.`);
    const present = this.#entries.get(realm)?.get(stableId);
    if (present?.account === account) return present;
    this.#forgetOld();
    const entry: TokenEntry = { realm, stableId, account };
    const ofRealm = this.#entries.get(realm) ?? new Map<string, TokenEntry>();
    this.#entries.set(realm, ofRealm.set(stableId, entry));
    return entry;
  }

  /** Forgets what has no use any more: tokens after their end, and failures after their pause. */
  #forgetOld(): void {
    const now = this.#options.clock.monotonic();
    for (const { realm, stableId, issued, flight, failed } of this.#entries.values().flatMap((each) => each.values())) {
      const isUsed = flight || (issued && now - issued.since < issued.lifetimeMs) ||
        (failed && now - failed.at < pauseMs);
      if (!isUsed) this.drop(realm, stableId);
    }
  }

  /** Requests a token, unless a request is under way or has just failed. */
  #request(entry: TokenEntry): Promise<RealmToken> {
    const { clock } = this.#options;
    if (entry.failed && clock.monotonic() - entry.failed.at < pauseMs) return Promise.reject(entry.failed.error);
    return entry.flight ??= this.#issue(entry).catch((cause) => {
      const error = errorOf(entry, cause);
      entry.failed = { at: clock.monotonic(), error };
      // The account is gone, or its tokens are refused: an old one must not be used either.
      if (isRefusal(cause)) entry.issued = undefined;
      throw error;
    }).finally(() => entry.flight = undefined);
  }

  async #issue(entry: TokenEntry): Promise<RealmToken> {
    const { rest, clock } = this.#options;
    const since = clock.monotonic();
    const at = clock.now();
    const answer = await rest.performRequest({
      method: "POST",
      path: `/api/v1/namespaces/${systemNamespace}/serviceaccounts/${entry.account}/token`,
      bodyJson: {
        apiVersion: "authentication.k8s.io/v1",
        kind: "TokenRequest",
        spec: { expirationSeconds: tokenSeconds },
      },
      timeoutMs: deadlineMs,
    });
    const { token } = tokenResponse.parse(answer).status;
    const { sub, jti, iat, exp } = claimsOf(token);
    const subject = `system:serviceaccount:${systemNamespace}:${entry.account}`;
    if (sub !== subject) throw new Error(`The API server's token is of ${sub} and not of ${subject}`);
    const lifetimeMs = Math.min(exp - iat, tokenSeconds) * 1000;
    const issued = { token, jti, expiresAt: at + lifetimeMs };
    entry.issued = { token: issued, since, lifetimeMs };
    entry.failed = undefined;
    return issued;
  }
}

const tokenResponse = z.object({
  // Nothing else may get into a header.
  status: z.object({ token: z.string().regex(/^[\w-]+\.[\w-]+\.[\w-]+$/, "is not a signed token") }),
});

const tokenClaims = z.object({
  sub: z.string(),
  jti: z.string().default(""),
  iat: z.number(),
  exp: z.number(),
});

/** Reads the claims of a token. The API server that issued it over TLS needs no check of its signature. */
function claimsOf(token: string): z.infer<typeof tokenClaims> {
  const text = new TextDecoder().decode(Uint8Array.fromBase64(token.split(".")[1]!, { alphabet: "base64url" }));
  return tokenClaims.parse(JSON.parse(text));
}

/** Reports whether the name is one that {@linkcode boundAccount} returns for the realm. */
const isAccountOf = (realm: string, account: string): boolean =>
  account.startsWith(`realm-${realm}-`) && /^[0-9a-f]{16}$/.test(account.slice(`realm-${realm}-`.length));

const isRefusal = (error: unknown): boolean =>
  isApiError(error, 403) || isApiError(error, 404) || isApiError(error, 422);

/** Returns the sentence for the caller. It quotes nothing of the API server, whose messages name Keystone's accounts. */
function errorOf({ realm, account }: TokenEntry, cause: unknown): RealmTokenError {
  const sentence = isApiError(cause, 404)
    ? `The account of realm ${realm}, ServiceAccount ${systemNamespace}/${account}, does not exist. The operator creates ` +
      "it while a grant is in force: try again in a moment, then ask the owner of the cluster to run keystone doctor."
    : isRefusal(cause)
    ? `The tailnet server gets no token for realm ${realm}, because the API server refuses it. ` +
      "Ask the owner of the cluster to run keystone doctor."
    : `The tailnet server got no token for realm ${realm} from the API server. Try again in a moment.`;
  return new RealmTokenError(sentence, 503, cause);
}

/** Settles like the promise, or rejects when the signal aborts; others may wait for the same promise. */
async function until<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
