import assert from "node:assert/strict";
import fc from "fast-check";
import { afterWrites, grant, guestWorld, now, realm, verified } from "../../../tests/fixtures/facts.ts";
import { type GuestPlan, type GuestWorld, planGuest, type Write } from "./plan.ts";
import { sharesOf } from "./share.ts";

const named = (write: Write): string =>
  "remove" in write
    ? `-${write.remove.kind}/${write.remove.name}`
    : `${write.apply.kind}/${write.apply.metadata!.name}`;
const stages = (plan: GuestPlan): string[][] => plan.stages.map((stage) => stage.map(named));
const carriedOut = (world: GuestWorld): GuestWorld => afterWrites(world, planGuest(world));
const at = (ms: number): string => new Date(now + ms).toISOString();
const open = (...allowedDestinations: string[]) => ({ networkPolicy: { egressAllowed: true, allowedDestinations } });

Deno.test("guest: everything is made in the order of safety, each object once", () => {
  const world = guestWorld({
    realm: realm({ status: verified("100.64.0.2") }),
    grants: [grant({ spec: open("203.0.113.0/24") })],
  });
  assert.deepEqual(stages(planGuest(world)), [
    ["Namespace/guest-bob-home"],
    ["NetworkPolicy/default-deny"],
    ["ResourceQuota/keystone"],
    ["NetworkPolicy/realm", "NetworkPolicy/grant-alice-to-bob"],
  ]);
  assert.deepEqual(planGuest(carriedOut(world)).stages, []);
});

Deno.test("guest: the seed's grant opens nothing but the realm's own node", () => {
  const world = carriedOut(guestWorld({ realm: realm({ status: verified("100.64.0.2", "fd7a:115c:a1e0::2") }) }));
  assert.deepEqual(world.policies.map(({ name, spec }) => [name, spec]), [
    ["default-deny", { podSelector: {}, policyTypes: ["Ingress", "Egress"] }],
    ["realm", {
      podSelector: {},
      policyTypes: ["Ingress", "Egress"],
      ingress: [{ from: [{ ipBlock: { cidr: "100.64.0.2/32" } }, { ipBlock: { cidr: "fd7a:115c:a1e0::2/128" } }] }],
      egress: [{ to: [{ ipBlock: { cidr: "100.64.0.2/32" } }, { ipBlock: { cidr: "fd7a:115c:a1e0::2/128" } }] }],
    }],
  ]);
});

Deno.test("guest: destinations open nothing while egressAllowed is false", () => {
  const closed = grant({ spec: { networkPolicy: { egressAllowed: false, allowedDestinations: ["203.0.113.0/24"] } } });
  assert.deepEqual(carriedOut(guestWorld({ grants: [closed] })).policies.map(({ name }) => name), ["default-deny"]);
});

Deno.test("guest: with no address there is no policy, since an empty list of peers would allow everything", () => {
  for (const status of [{}, verified(), { ...verified("100.64.0.2"), conditions: [] }]) {
    assert.deepEqual(carriedOut(guestWorld({ realm: realm({ status }) })).policies.map(({ name }) => name), [
      "default-deny",
    ]);
  }
});

Deno.test("guest: two grants of 2 and 3 cpu give 5, and ending one leaves the other's", () => {
  const two = grant({ name: "two", spec: { hard: { cpu: 2 } } });
  const three = grant({ name: "three", spec: { hard: { "requests.cpu": "3" }, validity: { validUntil: at(1000) } } });
  const both = carriedOut(guestWorld({ grants: [two, three] }));
  assert.deepEqual(both.quota!.asked, { "requests.cpu": "5" });
  assert.equal(planGuest(both).wakeAt, now + 1000);
  assert.deepEqual(carriedOut({ ...both, now: now + 1000 }).quota!.asked, { "requests.cpu": "2" });
});

Deno.test("guest: at the last end what closes comes first, and the namespace stays, closed", () => {
  const ending = grant({ spec: { ...open("203.0.113.0/24"), validity: { validUntil: at(1000) } } });
  const world = {
    ...carriedOut(guestWorld({ realm: realm({ status: verified("100.64.0.2") }), grants: [ending] })),
    now: now + 1000,
  };
  const plan = planGuest(world);
  assert.deepEqual(stages(plan), [["-NetworkPolicy/realm", "-NetworkPolicy/grant-alice-to-bob"], [
    "ResourceQuota/keystone",
  ]]);
  const closed = afterWrites(world, plan);
  assert.equal(closed.quota!.asked["pods"], "0");
  assert.deepEqual(new Set(Object.values(closed.quota!.asked)), new Set(["0"]));
  assert.deepEqual(closed.policies.map(({ name }) => name), ["default-deny"]);
  assert.deepEqual(planGuest(closed).stages, []);
});

Deno.test("guest: nothing is made for a grant that isn't in force", () => {
  for (const spec of [{ validity: { validUntil: at(-1) } }, { validity: { validFrom: at(1) } }, { revocation: {} }]) {
    assert.deepEqual(planGuest(guestWorld({ grants: [grant({ spec })] })).stages, []);
  }
  assert.deepEqual(
    planGuest(guestWorld({ grants: [grant({ finalized: false })] })).stages,
    [],
    "the finalizer comes first",
  );
  assert.deepEqual(planGuest(guestWorld({ grants: [grant({ deleting: true })] })).stages, []);
});

Deno.test("guest: a namespace that Keystone did not make is left alone until it is handed over", () => {
  const foreign = { name: "guest-bob-home", uid: "u", labels: { team: "web" }, deleting: false };
  const world = guestWorld({ namespace: foreign });
  assert.deepEqual(planGuest(world).stages, []);
  const { quota } = sharesOf(world, planGuest(world)).get("alice-to-bob")!;
  assert.equal(quota.reason, "NamespaceConflict");
  assert.match(quota.message, /kubectl annotate namespace guest-bob-home keystone\.io\/adopt=bob-home/);
  const adopted = guestWorld({ namespace: { ...foreign, adopt: "bob-home" } });
  assert.deepEqual(stages(planGuest(adopted))[0], ["Namespace/guest-bob-home"]);
});

Deno.test("guest: a namespace on its way out is waited for", () => {
  const world = carriedOut(guestWorld());
  assert.deepEqual(planGuest({ ...world, namespace: { ...world.namespace!, deleting: true } }).stages, []);
});

Deno.test("guest: drift is repaired, object by object", () => {
  const world = carriedOut(guestWorld({ realm: realm({ status: verified("100.64.0.2") }) }));
  const policy = (name: string) => world.policies.find((policy) => policy.name === name)!;
  const without = (name: string) => world.policies.filter((policy) => policy.name !== name);
  const cases: [string, GuestWorld, string[]][] = [
    ["a deleted deny", { ...world, policies: without("default-deny") }, ["NetworkPolicy/default-deny"]],
    [
      "a deny that was narrowed to some pods",
      {
        ...world,
        policies: [...without("default-deny"), {
          ...policy("default-deny"),
          spec: { podSelector: { matchLabels: { a: "b" } }, policyTypes: ["Ingress", "Egress"] },
        }],
      },
      ["NetworkPolicy/default-deny"],
    ],
    [
      "a rule that was added",
      {
        ...world,
        policies: [...without("realm"), { ...policy("realm"), spec: { ...policy("realm").spec, egress: [{}] } }],
      },
      ["NetworkPolicy/realm"],
    ],
    ["a policy that carries our labels and is not ours", {
      ...world,
      policies: [...world.policies, { ...policy("realm"), name: "open" }],
    }, ["-NetworkPolicy/open"]],
    ["a quota that was raised", { ...world, quota: { ...world.quota!, asked: { "requests.cpu": "99" } } }, [
      "ResourceQuota/keystone",
    ]],
    ["a quota that lost a key", { ...world, quota: { ...world.quota!, asked: {} } }, ["ResourceQuota/keystone"]],
    ["a quota that was narrowed by scopes", { ...world, quota: { ...world.quota!, scoped: true } }, [
      "-ResourceQuota/keystone",
      "ResourceQuota/keystone",
    ]],
    [
      "weakened Pod Security",
      {
        ...world,
        namespace: {
          ...world.namespace!,
          labels: { ...world.namespace!.labels, "pod-security.kubernetes.io/enforce": "privileged" },
        },
      },
      ["Namespace/guest-bob-home"],
    ],
  ];
  for (const [that, drifted, writes] of cases) {
    assert.deepEqual(planGuest(drifted).stages.flat().map(named), writes, that);
  }
});

Deno.test("guest: foreign labels and keys that only take away are left alone", () => {
  const world = carriedOut(guestWorld());
  const touched = {
    ...world,
    namespace: { ...world.namespace!, labels: { ...world.namespace!.labels, "istio-injection": "enabled" } },
    quota: { ...world.quota!, asked: { ...world.quota!.asked, "requests.cpu": "2000m", "count/jobs.batch": "3" } },
  };
  assert.deepEqual(planGuest(touched).stages, []);
});

Deno.test("guest: trust sets the Pod Security level; a realm that is gone gets the strictest", () => {
  const level = (world: GuestWorld) => carriedOut(world).namespace!.labels["pod-security.kubernetes.io/enforce"];
  assert.equal(level(guestWorld({ realm: realm({ spec: { trustLevel: "internal" } }) })), "baseline");
  assert.equal(level(guestWorld({ realm: realm({ spec: { trustLevel: "partner" } }) })), "restricted");
  const lost = { ...guestWorld({ grants: [grant({ status: { phase: "Active" } })] }), realm: undefined };
  assert.equal(level(lost), "restricted");
});

Deno.test("guest: a lost realm closes its own policy and leaves the rest", () => {
  const active = grant({ status: { phase: "Active" }, spec: open("203.0.113.0/24") });
  const world = carriedOut(guestWorld({ realm: realm({ status: verified("100.64.0.2") }), grants: [active] }));
  assert.deepEqual(stages(planGuest({ ...world, realm: undefined })), [["-NetworkPolicy/realm"]]);
});

Deno.test("shares: applied means that admission counts, not that it was asked to", () => {
  const world = carriedOut(guestWorld());
  const share = (changed: Partial<GuestWorld["quota"] & object>) => {
    const observed = { ...world, quota: { ...world.quota!, ...changed } };
    return sharesOf(observed, planGuest(observed)).get("alice-to-bob")!;
  };
  assert.equal(share({}).quota.status, "True");
  assert.equal(share({ enforced: {} }).quota.reason, "QuotaPending");
  assert.equal(share({ enforced: { "requests.cpu": "1" } }).quota.reason, "QuotaPending");
  assert.match(share({ used: {} }).quota.message, /not counted yet for requests\.cpu/);
  assert.equal(share({ asked: { "requests.cpu": "1" } }).quota.reason, "Applying");
});

Deno.test("shares: an ended grant is enforced until all that closes has been written", () => {
  const ending = grant({ spec: { validity: { validUntil: at(1000) } } });
  const world = { ...carriedOut(guestWorld({ grants: [ending] })), now: now + 1000 };
  assert.equal(sharesOf(world, planGuest(world)).get("alice-to-bob")!.enforced, true);
  const closed = carriedOut(world);
  assert.equal(sharesOf(closed, planGuest(closed)).get("alice-to-bob")!.enforced, false);
});

// Any set of grants, some of them ended, deleted, open or closed, at any step of carrying out the plan.
const anyGrant = (name: string) =>
  fc.record({
    hard: fc.dictionary(
      fc.constantFrom("cpu", "requests.memory", "limits.cpu", "requests.storage", "pods"),
      fc.constantFrom("1", "2", 3, "500"),
      { minKeys: 1 },
    ),
    destinations: fc.subarray(["203.0.113.0/24", "198.51.100.7:443", "0.0.0.0/0", "carol", "169.254.169.254"]),
    egressAllowed: fc.boolean(),
    deleting: fc.boolean(),
    ends: fc.constantFrom(-1, 1000, undefined),
  }).map(({ hard, destinations, egressAllowed, deleting, ends }) =>
    grant({
      name,
      deleting,
      spec: {
        hard,
        networkPolicy: { egressAllowed, allowedDestinations: destinations },
        ...(ends === undefined ? {} : { validity: { validUntil: at(ends) } }),
      },
    })
  );
const anyWorld = fc.tuple(
  anyGrant("a"),
  anyGrant("b"),
  anyGrant("c"),
  fc.constantFrom(verified(), verified("100.64.0.2")),
)
  .map(([a, b, c, status]) => guestWorld({ grants: [a, b, c], realm: realm({ status }) }));

Deno.test("guest: a plan that was carried out wants nothing more, from any earlier state, also when it broke off", () => {
  fc.assert(fc.property(anyWorld, anyWorld, fc.nat(8), (before, after, count) => {
    const broken = afterWrites(carriedOut(before), planGuest(before), count);
    const world = { ...after, namespace: broken.namespace, quota: broken.quota, policies: broken.policies };
    assert.deepEqual(planGuest(carriedOut(world)).stages, []);
  }));
});

Deno.test("guest: at every step nothing opens before the deny and the quota stand", () => {
  fc.assert(fc.property(anyWorld, (world) => {
    const plan = planGuest(world);
    for (let count = 0; count <= plan.stages.flat().length; count++) {
      const { policies, quota, namespace } = afterWrites(world, plan, count);
      const opening = policies.filter(({ name }) => name !== "default-deny");
      if (opening.length > 0) assert.ok(namespace && quota && policies.some(({ name }) => name === "default-deny"));
      for (const { spec } of policies) {
        for (const rule of [...spec.egress ?? [], ...spec.ingress ?? []]) {
          assert.ok(
            ("to" in rule ? rule.to : "from" in rule ? rule.from : [])!.length > 0,
            "an empty list of peers allows everything",
          );
        }
      }
    }
  }));
});

Deno.test("guest: the order in which grants arrive changes nothing", () => {
  fc.assert(fc.property(anyWorld, (world) => {
    const other = { ...world, grants: [...world.grants].reverse() };
    const sorted = (plan: GuestPlan) => plan.stages.map((stage) => stage.map((write) => JSON.stringify(write)).sort());
    assert.deepEqual(sorted(planGuest(other)), sorted(planGuest(world)));
  }));
});
