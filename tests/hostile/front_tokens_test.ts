/**
 * The front's right to create tokens of the realms' accounts, on a real control plane with all guards: the tokens give
 * exactly the guests' access and end with it, and an attacker with everything that the front has gets nothing else.
 */
import assert from "node:assert/strict";
import { systemClock } from "../../lib/clock/mod.ts";
import {
  type ClosableRestClient,
  createRestClient,
  isApiError,
  Kubeconfig,
  type RequestOptions,
  type RestClient,
} from "../../lib/kubernetes/mod.ts";
import { CoreV1Api } from "../../lib/kubernetes_apis/core@v1.ts";
import { RbacAuthorizationV1Api } from "../../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import { binding } from "../../src/core/guest/objects/binding.ts";
import type { BindingFacts } from "../../src/core/facts.ts";
import { boundAccount } from "../../src/core/realm/account.ts";
import { RealmTokenError, RealmTokens } from "../../src/front/tailnet/realm_tokens.ts";
import { installed } from "../fixtures/in_force.ts";
import { clientOf, eventually, prepared, startOperator, step } from "../fixtures/test_operator.ts";
import { sharedLab } from "../lab/shared.ts";
import { hostileOperator } from "./hostile_scene.ts";

const accounts = "/api/v1/namespaces/keystone-system/serviceaccounts";
const tokenOf = (
  account: string,
  spec: Record<string, unknown> = {},
  namespace = "keystone-system",
): RequestOptions => ({
  method: "POST",
  path: `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`,
  bodyJson: { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: { expirationSeconds: 600, ...spec } },
});

/** Returns the API server's refusal; empty if it accepts the request. */
async function refusalOf(rest: RestClient, request: RequestOptions): Promise<string> {
  try {
    await rest.performRequest(request);
    return "";
  } catch (error) {
    if (isApiError(error)) return `${error.code} ${error.message}`;
    throw error;
  }
}

Deno.test("tokens of the realms' accounts are the front's right alone", async (t) => {
  await using lab = await sharedLab();
  using cluster = await prepared(lab);
  await installed(lab, "base", "webhook");
  await using leaving = new AsyncDisposableStack();
  const kubeconfig = await lab.user(hostileOperator);
  const operator = leaving.use(await startOperator(lab, { kubeconfig, realm: "alice-home", servesTailnet: true }));
  using asOperator = await clientOf(kubeconfig);
  const config = await (await Kubeconfig.load({ paths: [lab.kubeconfig] })).clientConfig();
  /** Returns a client with this token and nothing else. */
  const bearing = (token: string): ClosableRestClient => {
    const { server, caCerts } = config;
    const credentials = {
      current: () => Promise.resolve({ authorization: `Bearer ${token}` }),
      renew: () => Promise.resolve(false),
    };
    const place = { source: "a token", server, namespace: "default", credentials, ...(caCerts ? { caCerts } : {}) };
    return createRestClient(place, { userAgent: "keystone-test" });
  };
  const issued = await asOperator.performRequest(tokenOf("keystone-front")) as { status: { token: string } };
  /** As the front, with the token that the operator hands over. */
  const front = leaving.use(bearing(issued.status.token));

  const suffix = crypto.randomUUID().slice(0, 6);
  const [bob, carol] = [`bob-${suffix}`, `carol-${suffix}`] as const;
  const bindings = new Map<string, BindingFacts>();
  /** Reads the guests' bindings as the front. */
  const look = async () => {
    const found = await new RbacAuthorizationV1Api(front).roleBindings.all({
      fieldSelector: "metadata.name=keystone-guest",
    });
    bindings.clear();
    for (const each of found) bindings.set(each.metadata!.namespace!, binding.project(each));
  };
  const accountOf = (realm: string) => boundAccount(realm, bindings.get(`guest-${realm}`));
  const tokens = new RealmTokens({ rest: front, accountOf, clock: systemClock });
  const never = new AbortController().signal;
  /** Returns a token, as soon as the operator has created the account. */
  const tokenFor = (realm: string, node = "nNode") =>
    eventually(`a token of ${realm}`, async () => {
      await look();
      return await tokens.token(realm, node, never).catch((error) => {
        if (!(error instanceof RealmTokenError)) throw error;
        return error.message;
      });
    });
  const lend = async (realm: string) => {
    await cluster.createRealm(realm);
    await cluster.create({
      name: realm,
      to: realm,
      hard: { cpu: "1", memory: "1Gi", pods: "4" },
      termination: { noticeSeconds: 0 },
    });
    await cluster.grantIn("Active", realm);
  };
  await Promise.all([bob, carol].map(lend));

  await step(
    t,
    "a grant in force: the operator creates the account; its token is the guest's and has its own ID",
    async () => {
      const [one, other, carols] = [await tokenFor(bob), await tokenFor(bob, "nOther"), await tokenFor(carol)];
      assert.equal(new Set([one, other, carols].map(({ jti }) => jti)).size, 3);
      using rest = bearing(one.token);
      const review = await rest.performRequest({
        method: "POST",
        path: "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        bodyJson: { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" },
      }) as { status: { userInfo: { username: string; extra: Record<string, string[]> } } };
      const { username, extra } = review.status.userInfo;
      assert.equal(username, `system:serviceaccount:keystone-system:${accountOf(bob)}`);
      assert.deepEqual(extra["authentication.kubernetes.io/credential-id"], [`JTI=${one.jti}`]);
      await new CoreV1Api(rest).namespace(`guest-${bob}`).pods.list();
      for (
        const path of [
          `/api/v1/namespaces/guest-${carol}/pods`,
          "/api/v1/pods",
          "/api/v1/namespaces",
          "/api/v1/namespaces/keystone-system/secrets",
        ]
      ) {
        assert.match(await refusalOf(rest, { method: "GET", path }), /^403 /, path);
      }
      const account = await new CoreV1Api(cluster.rest).namespace("keystone-system").serviceAccounts.get(
        accountOf(bob)!,
      );
      assert.equal(account.automountServiceAccountToken, false);
      assert.equal(account.metadata?.ownerReferences?.[0]?.kind, "Realm");
    },
  );

  await step(t, "the operator gets no token of a realm, by request or by a Secret", async () => {
    assert.match(
      await refusalOf(asOperator, tokenOf(accountOf(bob)!)),
      /^403 .*cannot create resource "serviceaccounts\/token"/,
    );
    for (const account of [accountOf(bob)!, "keystone-operator"]) {
      const secret = {
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name: "keystone-webhook", annotations: { "kubernetes.io/service-account.name": account } },
        type: "kubernetes.io/service-account-token",
      };
      const applied: RequestOptions = {
        method: "PATCH",
        path: "/api/v1/namespaces/keystone-system/secrets/keystone-webhook",
        querystring: new URLSearchParams({ fieldManager: "attacker", force: "true" }),
        contentType: "application/apply-patch+yaml",
        bodyJson: secret,
      };
      // Of a Secret that is there already, the API server refuses another type before it asks the policies.
      assert.match(
        await refusalOf(asOperator, applied),
        /keystone-fence.*the only Secret that it writes|type: .*field is immutable/,
      );
    }
  });

  await step(t, "everything that the front has: no token but a realm's, no Secret", async () => {
    const realm = accountOf(bob)!;
    await cluster.rest.performRequest({
      method: "POST",
      path: accounts,
      bodyJson: { metadata: { name: `realm-admin-${suffix}` } },
    });
    leaving.defer(async () =>
      void await refusalOf(cluster.rest, { method: "DELETE", path: `${accounts}/realm-admin-${suffix}` })
    );
    const bound = { boundObjectRef: { apiVersion: "v1", kind: "Secret", name: "keystone-webhook" } };
    const tried: [RequestOptions, RegExp][] = [
      ...["keystone-operator", "keystone-front", "default", `realm-admin-${suffix}`].map((
        name,
      ): [RequestOptions, RegExp] => [tokenOf(name), /keystone-front.*only for the accounts realm-REALM-DIGEST/]),
      [tokenOf(realm, { expirationSeconds: 3601 }), /valid for at most 3600 seconds/],
      [tokenOf(realm, { expirationSeconds: 2 ** 31 }), /valid for at most 3600 seconds/],
      [tokenOf(realm, bound), /bound to no other object/],
      [tokenOf("default", {}, `guest-${bob}`), /cannot create resource/],
      [tokenOf("namespace-controller", {}, "kube-system"), /cannot create resource/],
      // The name in the body is another.
      [{
        ...tokenOf(realm),
        bodyJson: { ...tokenOf(realm).bodyJson as object, metadata: { name: "keystone-operator" } },
      }, /must match/],
      // Paths that a proxy might resolve.
      [
        { ...tokenOf(realm), path: `${accounts}/${realm}${encodeURIComponent("/../")}keystone-operator/token` },
        /not found|keystone-front|invalid/,
      ],
      [{ ...tokenOf(realm), path: `${accounts}/keystone-operator/token/` }, /not found|keystone-front/],
    ];
    for (const [request, says] of tried) {
      const said = await refusalOf(front, request);
      assert.match(said, says, request.path);
    }
    for (
      const path of [
        "/api/v1/secrets",
        "/api/v1/namespaces/keystone-system/secrets",
        "/api/v1/namespaces/keystone-system/secrets/keystone-webhook",
        `/api/v1/namespaces/guest-${bob}/secrets`,
        "/api/v1/namespaces/keystone-system/serviceaccounts",
      ]
    ) {
      assert.match(await refusalOf(front, { method: "GET", path }), /^403 /, path);
    }
  });

  await step(t, "each write that the operator has made: refused to the front, and to a realm's token", async () => {
    using guest = bearing((await tokenFor(bob)).token);
    const writes = new Map(
      operator.writes().filter(({ code }) => code < 300).map((each) => [`${each.method} ${each.path}`, each]),
    );
    assert.ok(writes.size > 15, [...writes.keys()].join("\n"));
    // Guests create accounts, and may change the account default of their namespace.
    const guestsOwn = new RegExp(`^PATCH .*/guest-${bob}/serviceaccounts/default$`);
    for (const [name, { method, path }] of writes) {
      const request: RequestOptions = {
        method: method as RequestOptions["method"],
        path,
        querystring: new URLSearchParams({ dryRun: "All" }),
        ...(method === "DELETE" ? {} : { bodyJson: { metadata: { labels: { attack: "er" } } } }),
        ...(method === "PATCH" ? { contentType: "application/merge-patch+json" } : {}),
      };
      for (const [who, rest] of [["the front", front], ["a realm's token", guest]] as const) {
        const said = await refusalOf(rest, request);
        if (who !== "the front" && guestsOwn.test(name)) assert.equal(said, "", `${who}: ${name}`);
        else assert.match(said, /^403 /, `${who}: ${name}`);
      }
    }
  });

  await step(t, "more rights by mistake: the fence refuses everything but tokens of realms", async () => {
    const mistake = `mistake-${suffix}`;
    const made = await lab.kubectl([
      "create",
      "clusterrolebinding",
      mistake,
      "--clusterrole=cluster-admin",
      "--serviceaccount=keystone-system:keystone-front",
    ]);
    assert.equal(made.code, 0, made.stderr);
    try {
      await eventually(
        "the front has more rights",
        async () => await refusalOf(front, { method: "GET", path: "/api/v1/pods" }) === "" || "not yet",
      );
      const fenced = /ValidatingAdmissionPolicy 'keystone-front'/;
      assert.match(await refusalOf(front, tokenOf("keystone-operator")), fenced);
      assert.match(await refusalOf(front, tokenOf("namespace-controller", {}, "kube-system")), fenced);
      const made = { metadata: { name: "x" } };
      const inGuests = `/api/v1/namespaces/guest-${bob}`;
      for (
        const request of [
          { method: "POST", path: `${inGuests}/configmaps`, bodyJson: made },
          { method: "DELETE", path: `${inGuests}/resourcequotas` },
          { method: "DELETE", path: `/apis/keystone.io/v1alpha1/grants/${bob}` },
          { method: "DELETE", path: accounts },
        ] as RequestOptions[]
      ) assert.match(await refusalOf(front, request), fenced, request.path);
    } finally {
      await lab.kubectl(["delete", "clusterrolebinding", mistake]);
    }
  });

  await step(t, "people change: the old token is of no use, and the new account has another name", async () => {
    const before = accountOf(carol)!;
    const { token } = await tokenFor(carol);
    await cluster.realms.patch(carol, { spec: { subjects: [{ kind: "User", name: `carol-${suffix}@example.com` }] } }, {
      type: "merge",
    });
    using old = bearing(token);
    await eventually(
      "the old token opens nothing",
      async () =>
        /^40[13] /.test(await refusalOf(old, { method: "GET", path: `/api/v1/namespaces/guest-${carol}/pods` })) ||
        "still open",
    );
    await eventually("a token of the new account", async () => {
      await look();
      return accountOf(carol) !== before || "not yet";
    });
    const now = await tokenFor(carol);
    using rest = bearing(now.token);
    await new CoreV1Api(rest).namespace(`guest-${carol}`).pods.list();
  });

  await step(t, "the grant ends: no token, the old one opens nothing at once, and the account goes", async () => {
    const { token } = await tokenFor(bob);
    const account = accountOf(bob)!;
    using rest = bearing(token);
    await cluster.grants.patch(bob, { spec: { revocation: { reason: "enough" } } }, { type: "merge" });
    await cluster.grantIn("Revoked", bob);
    assert.match(await refusalOf(rest, { method: "GET", path: `/api/v1/namespaces/guest-${bob}/pods` }), /^40[13] /);
    await look();
    await assert.rejects(tokens.token(bob, "nNode", never), /has no access: no grant to it is in force/);
    assert.match(await refusalOf(front, tokenOf(account)), /^404 /);
  });

  await step(
    t,
    "the account is deleted by hand: an error with a sentence, then the operator creates it again",
    async () => {
      const account = accountOf(carol)!;
      await refusalOf(cluster.rest, { method: "DELETE", path: `${accounts}/${account}` });
      await eventually(
        "it is there again",
        async () =>
          await refusalOf(cluster.rest, { method: "GET", path: `${accounts}/${account}` }) === "" || "not yet",
      );
      tokens.drop(carol);
      await tokenFor(carol);
    },
  );

  await step(t, "the operator has logged no error", () => {
    assert.deepEqual(operator.log.filter((line) => /failed|can't/i.test(line)), []);
    return Promise.resolve();
  });
});
