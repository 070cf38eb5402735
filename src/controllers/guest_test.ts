import assert from "node:assert/strict";
import { FakeClock } from "../../lib/clock/mod.ts";
import { WorkQueue } from "../../lib/controller/mod.ts";
import { ApiError, type KubernetesObject, type RestClient } from "../../lib/kubernetes/mod.ts";
import { defaultSettings, guestFinalizer } from "../api/mod.ts";
import type { Context, Queues } from "./context.ts";
import { planGuest } from "../core/guest/plan.ts";
import { reconcileGrant } from "./grant.ts";
import { observeGuest, reconcileGuest } from "./guest.ts";
import { executorOf } from "./kinds.ts";
import { Pools } from "./pools.ts";
import { Shares } from "./shares.ts";
import { createStores } from "./stores.ts";
import { Unwritten } from "./unwritten.ts";

const signal = new AbortController().signal;

/** A context of which Alice's cluster is empty, with an API server that takes whatever it is sent. */
function begun(): { context: Context; queues: Queues; sent: string[] } {
  const clock = new FakeClock();
  const queues = Object.fromEntries(
    ["grants", "realms", "guests", "superEntities", "approvers"].map((name) => [name, new WorkQueue({ clock })]),
  ) as unknown as Queues;
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
    queues,
    stores: createStores(),
    pools: new Pools(),
    unwritten: { grants: new Unwritten(), realms: new Unwritten() },
    shares: new Shares(),
    pods: { want: () => {}, get: () => undefined, errorOf: () => undefined },
    cluster: { facts: { ranges: [], extendedKeys: [], storageClasses: [] } },
    names: { get: () => undefined },
    events: { event: () => {} },
    settings: defaultSettings,
    local: () => ({ kind: "known", name: "alice-home" }),
    skewMs: () => 0,
  } as unknown as Context;
  context.executor = executorOf(rest, context);
  return { context, queues, sent };
}

Deno.test("what wakes a guest namespace while a look ends that found nothing to write is looked at again", async () => {
  const { context, queues } = begun();
  queues.guests.add("bob-home");
  const key = await queues.guests.take(signal);
  const look = reconcileGuest(context, key, signal);
  // As a SuperEntity's look that comes next: it has read what was there before the end of this one.
  queues.guests.add(key);
  assert.deepEqual(await look, { urgent: true });
  queues.guests.done(key);
  assert.equal(queues.guests.depth, 1);
});

/** Bob, and what Alice has granted to him. */
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

Deno.test("while the end of another grant is due nothing opens; then it does", async () => {
  const { context, queues, sent } = begun();
  lent(context);
  queues.guests.add("bob-home");
  const key = await queues.guests.take(signal);
  queues.guests.add("carol-home", { urgent: true });
  await reconcileGuest(context, key, signal);
  queues.guests.done(key);
  // With these the namespace is closed.
  assert.deepEqual(sent, ["v1/namespaces", "networkpolicies/default-deny", "resourcequotas/keystone"]);
  assert.equal(await queues.guests.take(signal), "carol-home");
  assert.equal(await queues.guests.take(signal), key);
  await reconcileGuest(context, key, signal);
  assert.ok(sent.includes("networkpolicies/guest-internal"), String(sent));
});

Deno.test("of a grantee who is gone nothing is remembered", async () => {
  const { context } = begun();
  const { stores, pools } = context;
  lent(context);
  await reconcileGuest(context, "bob-home", signal);
  assert.equal(pools.grantees, 1);
  stores.realms.forget("bob-home", "bob-home");
  stores.grants.forget("one", "one");
  const { uid } = stores.namespaces.get("guest-bob-home")!;
  stores.namespaces.forget("guest-bob-home", uid);
  await reconcileGuest(context, "bob-home", signal);
  assert.equal(pools.grantees, 0);
});

const refused = (path: string) =>
  new ApiError(`admission webhook "policy.example.com" denied the request: no ${path}`, {
    code: 403,
    reason: "Forbidden",
    method: "PATCH",
    path,
  });

/** Has the API server refuse what matches. */
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

Deno.test("a write that is refused holds up no other, is said on the Grant with its remedy, and is tried again", async () => {
  const { context, sent } = begun();
  lent(context);
  refusing(context, sent, /limitranges/);
  await assert.rejects(reconcileGuest(context, "bob-home", signal), ApiError);
  assert.ok(sent.includes("networkpolicies/guest-internal") && sent.includes("configmaps/keystone"), String(sent));
  const { failure, failingSince } = context.shares.get("bob-home", "one")!;
  assert.equal(failure!.reason, "WriteRefused");
  assert.match(
    failure!.message,
    /^Writing LimitRange guest-bob-home\/keystone failed: .*Let the webhook policy\.example\.com pass what keystone-op/,
  );
  assert.equal(failingSince, context.clock.now());
});

for (
  const [what, matches] of [["quota", /resourcequotas/], ["default deny", /default-deny/], ["namespace", /namespaces$/]]
) {
  Deno.test(`where the ${what as string} can't be written nothing opens, and all that closes is written`, async () => {
    const { context, sent } = begun();
    lent(context);
    refusing(context, sent, matches as RegExp);
    await assert.rejects(reconcileGuest(context, "bob-home", signal), ApiError);
    assert.ok(!sent.some((path) => /guest-internal|dns|keystone-guest/.test(path)), String(sent));
    assert.equal(sent.length, 3, String(sent));
  });
}

Deno.test("what can't be planned is an error of the key, after all that could be planned was written", async () => {
  const { context, sent } = begun();
  lent(context);
  const settings = {
    ...defaultSettings,
    get dns(): never {
      throw new Error("out of order");
    },
  };
  (context as { settings: unknown }).settings = settings;
  await assert.rejects(
    reconcileGuest(context, "bob-home", signal),
    /^Error: Planning the way to DNS failed: out of order/,
  );
  assert.ok(sent.includes("networkpolicies/guest-internal"), String(sent));
  assert.equal(context.shares.get("bob-home", "one")!.failure!.reason, "PlanFailed");
});

Deno.test("what can't be told of what is about to be enforced keeps it from being opened, and nothing from being closed", async () => {
  const { context, sent } = begun();
  lent(context);
  context.pools.announce = () => {
    throw new Error("out of order");
  };
  await assert.rejects(reconcileGuest(context, "bob-home", signal), /out of order/);
  assert.deepEqual(sent, ["v1/namespaces", "networkpolicies/default-deny", "resourcequotas/keystone"]);
});

Deno.test("a revocation that can't be written down ends when its notice is over all the same", async () => {
  const { context } = begun();
  const clock = context.clock as FakeClock;
  lent(context, { termination: { noticeSeconds: 60 }, revocation: {} }, { phase: "Active" });
  const { performRequest } = context.rest as unknown as { performRequest: (request: Sent) => Promise<unknown> };
  (context as { rest: RestClient }).rest = {
    performRequest: (request: Sent) =>
      request.path.endsWith("/status") ? Promise.reject(refused(request.path)) : performRequest(request),
  } as unknown as RestClient;
  await reconcileGuest(context, "bob-home", signal);
  await assert.rejects(reconcileGrant(context, "one", signal), ApiError);
  const end = () => context.shares.get("bob-home", "one")!;
  assert.equal(end().enforced, true);
  for (let second = 0; second < 62; second += 20) {
    await clock.advance(20_000);
    await reconcileGuest(context, "bob-home", signal);
    await reconcileGrant(context, "one", signal).catch(() => {});
  }
  assert.ok(
    observeGuest(context, "bob-home").grants[0]!.status.effectiveUntil !== undefined,
    "the end is known, written or not",
  );
  assert.equal(planGuest(observeGuest(context, "bob-home")).holdings.holdings.length, 0, "and it is over");
});
