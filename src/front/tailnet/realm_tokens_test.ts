import assert from "node:assert/strict";
import { FakeClock } from "../../../lib/clock/mod.ts";
import { ApiError, ConnectionError, type JSONValue, type RequestOptions } from "../../../lib/kubernetes/mod.ts";
import { accountOf } from "../../core/realm/account.ts";
import { RealmTokenError, RealmTokens } from "./realm_tokens.ts";

const bob = accountOf("bob-home", "Realm/1/0123456789abcdef").name;
const later = accountOf("bob-home", "Realm/1/fedcba9876543210").name;
const carol = accountOf("carol-home", "Realm/2/00112233445566aa").name;

const segment = (value: unknown): string =>
  new TextEncoder().encode(JSON.stringify(value)).toBase64({ alphabet: "base64url", omitPadding: true });

/** An API server that issues tokens like a real one, with a clock an hour ahead. */
class Issuer {
  readonly clock = new FakeClock();
  readonly requests: RequestOptions[] = [];
  accounts: Record<string, string> = { "bob-home": bob, "carol-home": carol };
  /** Changes claims, or throws. */
  answer: (claims: Record<string, unknown>) => unknown = (claims) => claims;
  #held: (() => void)[] | undefined;

  readonly tokens = new RealmTokens({ rest: this, accountOf: (realm) => this.accounts[realm], clock: this.clock });

  /** Holds answers back until `release`. */
  hold(): void {
    this.#held = [];
  }

  async release(): Promise<void> {
    const held = this.#held!;
    this.#held = undefined;
    held.forEach((go) => go());
    await this.clock.advance(0);
  }

  async performRequest(options: RequestOptions): Promise<JSONValue> {
    this.requests.push(options);
    const { length } = this.requests;
    if (this.#held) await new Promise<void>((resolve) => this.#held!.push(resolve));
    const [, account] = /^\/api\/v1\/namespaces\/keystone-system\/serviceaccounts\/([^/]+)\/token$/.exec(options.path)!;
    const iat = Math.floor(this.clock.now() / 1000) + 3600;
    const claims = {
      sub: `system:serviceaccount:keystone-system:${account}`,
      jti: `jti-${length}`,
      iat,
      exp: iat + (options.bodyJson as { spec: { expirationSeconds: number } }).spec.expirationSeconds,
    };
    const answered = this.answer(claims);
    return { status: { token: typeof answered === "string" ? answered : `e30.${segment(answered)}.c2ln` } };
  }

  get(realm = "bob-home", stableId = "nBob", signal: AbortSignal = new AbortController().signal) {
    return this.tokens.token(realm, stableId, signal);
  }
}

const status = (code: number, reason: string, message = "no"): ApiError =>
  new ApiError(message, { code, reason, method: "POST", path: "/" });
const throws = (error: unknown) => () => {
  throw error;
};

Deno.test("RealmTokens: first request: token of the realm's account for ten minutes, with its ID", async () => {
  const issuer = new Issuer();
  const { token, jti, expiresAt } = await issuer.get();
  assert.equal(jti, "jti-1");
  assert.equal(expiresAt, issuer.clock.now() + 600_000);
  assert.match(token, /^e30\./);
  const [{ method, path, bodyJson }] = issuer.requests as [RequestOptions];
  assert.equal(`${method} ${path}`, `POST /api/v1/namespaces/keystone-system/serviceaccounts/${bob}/token`);
  assert.deepEqual(bodyJson, {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: { expirationSeconds: 600 },
  });
});

Deno.test("RealmTokens: same realm and node: one token; another realm or node: another token", async () => {
  const issuer = new Issuer();
  const first = await issuer.get();
  assert.deepEqual(await issuer.get(), first);
  const others = [
    await issuer.get("bob-home", "nOther"),
    await issuer.get("carol-home"),
    await issuer.get("carol-home", "nOther"),
  ];
  assert.equal(new Set([first, ...others].map(({ jti }) => jti)).size, 4);
  assert.equal(issuer.requests.length, 4);
});

Deno.test("RealmTokens: names that join to the same text: different tokens", async () => {
  const issuer = new Issuer();
  issuer.accounts = {
    a: accountOf("a", "Realm/1/0123456789abcdef").name,
    "a-n": accountOf("a-n", "Realm/1/0123456789abcdef").name,
  };
  const [one, two] = [await issuer.get("a", "n-n"), await issuer.get("a-n", "n")];
  assert.notEqual(one.jti, two.jti);
});

Deno.test("RealmTokens: many callers at once: one request", async () => {
  const issuer = new Issuer();
  issuer.hold();
  const all = Promise.all(Array.from({ length: 50 }, () => issuer.get()));
  await issuer.release();
  assert.equal(new Set((await all).map(({ token }) => token)).size, 1);
  assert.equal(issuer.requests.length, 1);
});

Deno.test("RealmTokens: a waiting caller goes: it ends at once, and the others get the token", async () => {
  const issuer = new Issuer();
  issuer.hold();
  const leaving = new AbortController();
  const gone = issuer.get("bob-home", "nBob", leaving.signal);
  const staying = issuer.get();
  leaving.abort(new Error("gone"));
  await assert.rejects(gone, /gone/);
  await issuer.release();
  assert.equal((await staying).jti, "jti-1");
  await assert.rejects(issuer.get("bob-home", "nBob", leaving.signal), /gone/, "aborted before");
});

Deno.test("RealmTokens: two thirds of the lifetime are over: renewed once, without a wait", async () => {
  const issuer = new Issuer();
  await issuer.get();
  await issuer.clock.advance(399_999);
  assert.equal((await issuer.get()).jti, "jti-1");
  assert.equal(issuer.requests.length, 1);
  await issuer.clock.advance(1);
  issuer.hold();
  assert.deepEqual([(await issuer.get()).jti, (await issuer.get()).jti], ["jti-1", "jti-1"]);
  assert.equal(issuer.requests.length, 2);
  await issuer.release();
  assert.equal((await issuer.get()).jti, "jti-2");
});

Deno.test("RealmTokens: unused until shortly before its end: the caller waits for a new one", async () => {
  const issuer = new Issuer();
  await issuer.get();
  await issuer.clock.advance(570_000);
  assert.equal((await issuer.get()).jti, "jti-2");
});

Deno.test("RealmTokens: this machine's clock is set: lifetimes don't change", async () => {
  const issuer = new Issuer();
  await issuer.get();
  issuer.clock.step(7_200_000);
  assert.equal((await issuer.get()).jti, "jti-1");
  issuer.clock.step(-14_400_000);
  await issuer.clock.advance(570_000);
  assert.equal((await issuer.get()).jti, "jti-2");
});

Deno.test("RealmTokens: API server issues for less than requested: renewed before that end", async () => {
  const issuer = new Issuer();
  issuer.answer = (claims) => ({ ...claims, exp: (claims.iat as number) + 120 });
  await issuer.get();
  await issuer.clock.advance(90_000);
  assert.equal((await issuer.get()).jti, "jti-2");
});

Deno.test("RealmTokens: no access: error with a sentence, no request", async () => {
  const issuer = new Issuer();
  delete issuer.accounts["bob-home"];
  await assert.rejects(issuer.get(), (error) => {
    assert.ok(error instanceof RealmTokenError);
    assert.equal(error.status, 403);
    assert.equal(error.message, "Realm bob-home has no access: no grant to it is in force.");
    return true;
  });
  assert.equal(issuer.requests.length, 0);
});

Deno.test("RealmTokens: access ends: its token is not used again, also after it returns", async () => {
  const issuer = new Issuer();
  await issuer.get();
  delete issuer.accounts["bob-home"];
  await assert.rejects(issuer.get(), /no access/);
  assert.equal(issuer.tokens.size, 0);
  issuer.accounts["bob-home"] = bob;
  assert.equal((await issuer.get()).jti, "jti-2");
});

Deno.test("RealmTokens: the realm's people change: token of the new account", async () => {
  const issuer = new Issuer();
  await issuer.get();
  issuer.accounts["bob-home"] = later;
  assert.equal((await issuer.get()).jti, "jti-2");
  assert.match(issuer.requests[1]!.path, new RegExp(`/${later}/token$`));
});

Deno.test("RealmTokens: absent account, refused request, no answer: error with a sentence, never a token", async () => {
  const refused =
    `serviceaccounts "x" is forbidden: User "system:serviceaccount:keystone-system:keystone-front" cannot`;
  for (
    const [error, says] of [
      [
        status(404, "NotFound"),
        /ServiceAccount keystone-system\/realm-bob-home-0123456789abcdef, does not exist\. .*keystone doctor/,
      ],
      [
        status(403, "Forbidden", refused),
        /the API server refuses it\. Ask the owner of the cluster to run keystone doctor/,
      ],
      [status(422, "Invalid", "denied"), /the API server refuses it/],
      [status(401, "Unauthorized"), /got no token for realm bob-home from the API server\. Try again/],
      [status(500, "InternalError"), /Try again in a moment/],
      [new ConnectionError("refused"), /Try again in a moment/],
    ] as const
  ) {
    const issuer = new Issuer();
    issuer.answer = throws(error);
    await assert.rejects(issuer.get(), (thrown) => {
      assert.ok(thrown instanceof RealmTokenError);
      assert.equal(thrown.status, 503);
      assert.match(thrown.message, says);
      assert.doesNotMatch(thrown.message, /keystone-front/);
      assert.equal(thrown.cause, error);
      return true;
    });
  }
});

Deno.test("RealmTokens: failing API server, many callers: one request a second", async () => {
  const issuer = new Issuer();
  issuer.answer = throws(status(404, "NotFound"));
  for (let call = 0; call < 20; call++) await assert.rejects(issuer.get(), /does not exist/);
  assert.equal(issuer.requests.length, 1);
  await issuer.clock.advance(1000);
  issuer.answer = (claims) => claims;
  assert.equal((await issuer.get()).jti, "jti-2");
  await issuer.clock.advance(1);
  assert.equal((await issuer.get()).jti, "jti-2");
});

Deno.test("RealmTokens: several nodes in turn, each refused: one request a second for each", async () => {
  const issuer = new Issuer();
  issuer.answer = throws(status(404, "NotFound"));
  for (let call = 0; call < 20; call++) {
    for (const node of ["nOne", "nTwo", "nThree"]) await assert.rejects(issuer.get("bob-home", node));
  }
  assert.equal(issuer.requests.length, 3);
});

Deno.test("RealmTokens: renewal fails: the old token until its end; after a refusal not even that", async () => {
  for (const [error, isKept] of [[new ConnectionError("refused"), true], [status(404, "NotFound"), false]] as const) {
    const issuer = new Issuer();
    await issuer.get();
    await issuer.clock.advance(400_000);
    issuer.answer = throws(error);
    assert.equal((await issuer.get()).jti, "jti-1", "the renewal is under way");
    await issuer.clock.advance(1000);
    if (isKept) assert.equal((await issuer.get()).jti, "jti-1");
    else await assert.rejects(issuer.get(), /does not exist/);
    await issuer.clock.advance(170_000);
    await assert.rejects(issuer.get(), RealmTokenError);
  }
});

Deno.test("RealmTokens: token of another subject: error, not kept", async () => {
  const subjects = [
    "system:serviceaccount:keystone-system:keystone-operator",
    `system:serviceaccount:default:${bob}`,
    `system:serviceaccount:keystone-system:${carol}`,
  ];
  for (const sub of subjects) {
    const issuer = new Issuer();
    issuer.answer = (claims) => ({ ...claims, sub });
    await assert.rejects(issuer.get(), RealmTokenError);
    await issuer.clock.advance(1000);
    issuer.answer = (claims) => claims;
    assert.equal((await issuer.get()).jti, "jti-2");
  }
});

Deno.test("RealmTokens: answer that is no signed token: error", async () => {
  for (
    const answer of [
      "",
      "x",
      "a.b",
      "e30.e30.c2ln",
      "e30.!!!.c2ln",
      "e30.e30.c2ln\r\nImpersonate-User: admin",
      "e30.bnVsbA.c2ln",
    ]
  ) {
    const issuer = new Issuer();
    issuer.answer = () => answer;
    await assert.rejects(issuer.get(), RealmTokenError, answer);
  }
});

Deno.test("RealmTokens: account of another realm, or of no realm: no request", async () => {
  for (
    const account of [
      "keystone-operator",
      "default",
      carol,
      "realm-bob-home",
      "realm-bob-home-x",
      `${bob}/../default`,
      "realm-bob-home-guests-0123456789abcdef",
    ]
  ) {
    const issuer = new Issuer();
    issuer.accounts = { "bob-home": account };
    await assert.rejects(issuer.get(), /is not the account of realm bob-home/, account);
    assert.equal(issuer.requests.length, 0);
  }
});

Deno.test("RealmTokens: empty realm or node: error, no request", async () => {
  const issuer = new Issuer();
  issuer.accounts[""] = "realm--0123456789abcdef";
  await assert.rejects(issuer.get("", "nBob"));
  await assert.rejects(issuer.get("bob-home", ""));
  assert.equal(issuer.requests.length, 0);
});

Deno.test("drop: of a node or of a realm: only its tokens are requested again", async () => {
  const issuer = new Issuer();
  const all = [["bob-home", "nBob"], ["bob-home", "nOther"], ["carol-home", "nBob"]] as const;
  const ids = () => Promise.all(all.map(async ([realm, node]) => (await issuer.get(realm, node)).jti));
  assert.deepEqual(await ids(), ["jti-1", "jti-2", "jti-3"]);
  issuer.tokens.drop("bob-home", "nOther");
  assert.deepEqual(await ids(), ["jti-1", "jti-4", "jti-3"]);
  issuer.tokens.drop("bob-home");
  assert.deepEqual(await ids(), ["jti-5", "jti-6", "jti-3"]);
});

Deno.test("drop: while its token is requested: the callers get an error, the next a new token", async () => {
  for (const [stableId, change] of [["nBob", true], [undefined, true], [undefined, false]] as const) {
    const issuer = new Issuer();
    issuer.hold();
    const waiting = issuer.get();
    if (change) issuer.tokens.drop("bob-home", stableId);
    else delete issuer.accounts["bob-home"];
    await Promise.all([assert.rejects(waiting, /has changed just now/), issuer.release()]);
    issuer.accounts["bob-home"] = bob;
    const { jti } = await issuer.get();
    if (change) assert.equal(jti, "jti-2");
  }
});

Deno.test("RealmTokens: tokens of nodes that left: forgotten after their end", async () => {
  const issuer = new Issuer();
  for (let node = 0; node < 100; node++) await issuer.get("bob-home", `n${node}`);
  assert.equal(issuer.tokens.size, 100);
  await issuer.clock.advance(600_000);
  await issuer.get("carol-home", "nCarol");
  assert.equal(issuer.tokens.size, 1);
  assert.equal(issuer.clock.pending, 0);
});
