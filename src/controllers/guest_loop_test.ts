import { isPermanent } from "../core/grant/termination.ts";
import assert from "node:assert/strict";
import { FakeClock } from "../../lib/clock/mod.ts";
import { ApiError, type KubernetesObject, type RestClient } from "../../lib/kubernetes/mod.ts";
import { defaultSettings, guestFinalizer } from "../api/mod.ts";
import type { Context } from "./context.ts";
import { planGuest } from "../core/guest/plan_guest.ts";
import { createQueues } from "../engine/run_loops.ts";
import { grantLoop } from "./grant_loop.ts";
import { guestLoop, observeGuest } from "./guest_loop.ts";
import { executorOf } from "./kinds.ts";
import { Pools } from "./pools.ts";
import { EnforcementCache } from "./enforcement_cache.ts";
import { loops } from "./loops.ts";
import { createStores } from "./stores.ts";
import { Unwritten } from "./unwritten.ts";

const signal = new AbortController().signal;

/** A context over an empty cluster of Alice's, with an API server that accepts every write. */
function begun() {
  const clock = new FakeClock();
  const queues = createQueues(loops, clock);
  const sent: string[] = [];
  const rest = {
    performRequest: ({ method, path, bodyJson }: { method: string; path: string; bodyJson: KubernetesObject }) => {
      if (method === "GET") return Promise.resolve({ metadata: { resourceVersion: "1" }, items: [] });
      sent.push(path.split("/").slice(-2).join("/"));
      return Promise.resolve({ ...bodyJson, metadata: { ...bodyJson.metadata, uid: path, resourceVersion: "1" } });
    },
  } as unknown as RestClient;
  const context = {
    rest,
    clock,
    stores: createStores(),
    pools: new Pools(),
    unwritten: { grants: new Unwritten(isPermanent), realms: new Unwritten() },
    enforcements: new EnforcementCache(),
    pods: { want: () => {}, get: () => undefined, errorOf: () => undefined },
    cluster: { facts: { ranges: [], extendedKeys: [], storageClasses: [] } },
    capacity: {},
    names: { get: () => undefined },
    events: { event: () => {} },
    settings: defaultSettings,
    local: () => ({ kind: "known", name: "alice-home" }),
    skewMs: () => 0,
  } as unknown as Context;
  context.executor = executorOf(rest, context);
  const guests = queues["guests"]!;
  const reconcile = (grantee: string) => guestLoop.reconcile(grantee, { context, queue: guests, signal });
  const reconcileGrant = (grant: string) => grantLoop.reconcile(grant, { context, queue: queues["grants"]!, signal });
  return { context, guests, sent, reconcile, reconcileGrant };
}

Deno.test("guest namespace: triggered while a reconcile without writes ends: reconciled again", async () => {
  const { guests, reconcile } = begun();
  guests.add("bob-home");
  const key = await guests.take(signal);
  const look = reconcile(key);
  // A SuperEntity's reconcile that starts now has read the state before the end of this one.
  guests.add(key);
  assert.deepEqual(await look, { urgent: true });
  guests.done(key);
  assert.equal(guests.depth, 1);
});

/** Adds Bob's realm and a grant to it. */
function lent({ stores }: Context, terms = {}, status = {}): void {
  const spec = { identity: "bob-home.ts.net", connectionType: "tailscale" as const, trustLevel: "partner" as const };
  stores.realms.observe({ metadata: facts("bob-home"), spec });
  stores.grants.observe({
    metadata: { ...facts("one"), creationTimestamp: "2026-06-01T12:00:00Z", finalizers: [guestFinalizer] },
    spec: { grantorRealm: "alice-home", granteeRealm: "bob-home", hard: { cpu: "1" }, ...terms },
    status,
  });
}

const facts = (name: string) => ({ name, uid: name, resourceVersion: "1", generation: 1 });

Deno.test("guest namespace: another grant's end is due: opens only afterwards", async () => {
  const { context, guests, sent, reconcile } = begun();
  lent(context);
  guests.add("bob-home");
  const key = await guests.take(signal);
  guests.add("carol-home", { urgent: true });
  await reconcile(key);
  guests.done(key);
  // These three close the namespace.
  assert.deepEqual(sent, ["v1/namespaces", "networkpolicies/default-deny", "resourcequotas/keystone"]);
  assert.equal(await guests.take(signal), "carol-home");
  assert.equal(await guests.take(signal), key);
  await reconcile(key);
  assert.ok(sent.includes("networkpolicies/guest-internal"), String(sent));
});

Deno.test("guest namespace: grantee and grants are gone: nothing is remembered", async () => {
  const { context, reconcile } = begun();
  const { stores, pools } = context;
  lent(context);
  await reconcile("bob-home");
  assert.equal(pools.grantees, 1);
  stores.realms.forget("bob-home", "bob-home");
  stores.grants.forget("one", "one");
  const { uid } = stores.namespaces.get("guest-bob-home")!;
  stores.namespaces.forget("guest-bob-home", uid);
  await reconcile("bob-home");
  assert.equal(pools.grantees, 0);
});

const refused = (path: string) =>
  new ApiError(`admission webhook "policy.example.com" denied the request: no ${path}`, {
    code: 403,
    reason: "Forbidden",
    method: "PATCH",
    path,
  });

/** Makes the API server refuse matching requests. */
function refusing(context: Context, sent: string[], matches: RegExp): void {
  const { performRequest } = context.rest as unknown as { performRequest: (request: Sent) => Promise<unknown> };
  context.rest.performRequest = ((request: Sent) => {
    if (!matches.test(`${request.method} ${request.path}`)) return performRequest(request);
    sent.push(`refused ${request.path.split("/").slice(-2).join("/")}`);
    return Promise.reject(refused(request.path));
  }) as RestClient["performRequest"];
}

interface Sent {
  method: string;
  path: string;
}

Deno.test("guest namespace: a write is refused: others are made, the Grant reports it with the remedy, and it is retried", async () => {
  const { context, sent, reconcile } = begun();
  lent(context);
  refusing(context, sent, /limitranges/);
  await assert.rejects(reconcile("bob-home"), ApiError);
  assert.ok(sent.includes("networkpolicies/guest-internal") && sent.includes("configmaps/keystone"), String(sent));
  const { failure, failingSince } = context.enforcements.get("bob-home", "one")!;
  assert.equal(failure!.reason, "WriteRefused");
  assert.match(
    failure!.message,
    /^Writing LimitRange guest-bob-home\/keystone failed: .*Make the webhook policy\.example\.com admit keystone-op/,
  );
  assert.equal(failingSince, context.clock.now());
});

for (
  const [what, matches] of [["quota", /resourcequotas/], ["default deny", /default-deny/], ["namespace", /namespaces$/]]
) {
  Deno.test(`guest namespace: the ${what as string} can't be written: nothing opens, and everything that closes is written`, async () => {
    const { context, sent, reconcile } = begun();
    lent(context);
    refusing(context, sent, matches as RegExp);
    await assert.rejects(reconcile("bob-home"), ApiError);
    assert.ok(!sent.some((path) => /guest-internal|dns|keystone-guest/.test(path)), String(sent));
    assert.equal(sent.length, 3, String(sent));
  });
}

Deno.test("guest namespace: a part can't be planned: the rest is written, then the key has an error", async () => {
  const { context, sent, reconcile } = begun();
  lent(context);
  const settings = {
    ...defaultSettings,
    get dns(): never {
      throw new Error("out of order");
    },
  };
  (context as { settings: unknown }).settings = settings;
  await assert.rejects(
    reconcile("bob-home"),
    /^Error: Planning the policy for DNS failed: out of order/,
  );
  assert.ok(sent.includes("networkpolicies/guest-internal"), String(sent));
  assert.equal(context.enforcements.get("bob-home", "one")!.failure!.reason, "PlanFailed");
});

Deno.test("guest namespace: recording the state to enforce fails: nothing opens, everything that closes is closed", async () => {
  const { context, sent, reconcile } = begun();
  lent(context);
  context.pools.reserve = () => {
    throw new Error("out of order");
  };
  await assert.rejects(reconcile("bob-home"), /out of order/);
  assert.deepEqual(sent, ["v1/namespaces", "networkpolicies/default-deny", "resourcequotas/keystone"]);
});

Deno.test("guest namespace: revocation can't be written: the grant still ends with its notice", async () => {
  const { context, reconcile, reconcileGrant } = begun();
  const clock = context.clock as FakeClock;
  lent(context, { termination: { noticeSeconds: 60 }, revocation: {} }, { phase: "Active" });
  const { performRequest } = context.rest as unknown as { performRequest: (request: Sent) => Promise<unknown> };
  context.rest.performRequest =
    ((request: Sent) =>
      request.path.endsWith("/status") ? Promise.reject(refused(request.path)) : performRequest(request)) as RestClient[
        "performRequest"
      ];
  await reconcile("bob-home");
  await assert.rejects(reconcileGrant("one"), ApiError);
  const end = () => context.enforcements.get("bob-home", "one")!;
  assert.equal(end().enforced, true);
  for (let second = 0; second < 62; second += 20) {
    await clock.advance(20_000);
    await reconcile("bob-home");
    await reconcileGrant("one").catch(() => {});
  }
  assert.ok(
    observeGuest(context, "bob-home").grants[0]!.status.effectiveUntil !== undefined,
    "the end is known although it isn't written",
  );
  assert.equal(planGuest(observeGuest(context, "bob-home")).sums.entitlements.length, 0, "the grant has ended");
});

Deno.test("guest namespace: quota status arrives while Services are listed: storage is listed too, and the namespace is deleted", async () => {
  const { context, sent, reconcile } = begun();
  const { stores } = context;
  const clock = context.clock as FakeClock;
  let version = 1;
  const put = (status: Record<string, unknown>) => {
    const { specHard, ...quota } = stores.quotas.get("guest-bob-home/keystone")!;
    stores.quotas.put({ metadata: { ...quota, resourceVersion: `${++version}` }, spec: { hard: specHard }, status });
    return specHard;
  };
  const count = () => {
    const asked = put({});
    put({ hard: asked, used: Object.fromEntries(Object.keys(asked).map((key) => [key, "0"])) });
  };
  let onList = (_path: string) => {};
  const { performRequest } = context.rest as unknown as {
    performRequest: (request: Sent) => Promise<KubernetesObject>;
  };
  (context as { rest: RestClient }).rest = {
    performRequest: async (request: Sent) => {
      if (request.method === "GET") onList(request.path);
      if (request.method === "DELETE") sent.push(`deleted ${request.path.split("/").at(-1)}`);
      const { metadata, ...answer } = await performRequest(request);
      const creationTimestamp = new Date(clock.now()).toISOString();
      return { ...answer, metadata: { creationTimestamp, ...metadata, resourceVersion: `${++version}` } };
    },
  } as unknown as RestClient;
  context.executor = executorOf(context.rest, context);
  lent(context);
  await reconcile("bob-home");
  stores.grants.forget("one", "one");
  for (const _ of [1, 2, 3]) {
    count();
    await reconcile("bob-home");
  }
  await clock.advance(31 * 86_400_000);
  put({});
  onList = (path) => path.endsWith("/services") && count();
  await reconcile("bob-home");
  assert.equal(sent.at(-1), "namespaces/guest-bob-home", String(sent));
  assert.equal(sent.at(-2), "deleted guest-bob-home");
});
