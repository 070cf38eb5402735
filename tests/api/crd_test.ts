/** Custom resources on a real API server: valid values, immutable fields, descriptions. */
import assert from "node:assert/strict";
import { sharedLab } from "../lab/shared.ts";
import { grantOf, prepared, realmOf, step } from "../fixtures/test_operator.ts";

type Spec = Record<string, unknown>;
const base = grantOf({ name: "g", to: "bob-home" }).spec as unknown as Spec;
const grant = (spec: Spec, name = "well-formed") => ({
  ...grantOf({ name, to: "bob-home" }),
  spec: { ...base, ...spec },
});
const realm = (spec: Spec, name = "well-formed") => ({ ...realmOf(name), spec: { ...realmOf(name).spec, ...spec } });
const destinations = (...list: unknown[]) =>
  grant({ networkPolicy: { egressAllowed: true, allowedDestinations: list } });

/** Amounts that a grant may name: a ResourceQuota has to accept them too, or all grants of the realm would be held up. */
const quantities: [string, Spec][] = [
  [
    "every kind of key",
    {
      cpu: 2,
      "limits.memory": "1Gi",
      "requests.ephemeral-storage": "1.5Gi",
      pods: "10",
      "count/jobs.batch": 3,
      "requests.nvidia.com/gpu": "1",
      "requests.hugepages-2Mi": "4Mi",
      "fast.storageclass.storage.k8s.io/requests.storage": "10Gi",
      "fast.storageclass.storage.k8s.io/persistentvolumeclaims": "2",
      "services.loadbalancers": "0",
    },
  ],
  [
    "the longest keys",
    {
      [`requests.${`${"a".repeat(48)}.`.repeat(4)}${"a".repeat(48)}/${"b".repeat(63)}`]: "1",
      [`${"a".repeat(225)}.storageclass.storage.k8s.io/requests.storage`]: "1Gi",
      [`count/${"c".repeat(63)}`]: "1",
    },
  ],
  [
    "every way to write a quantity",
    {
      cpu: "+1",
      memory: ".5Gi",
      "limits.cpu": "5.",
      "limits.memory": "1e9",
      "requests.storage": "9007199254740993",
      pods: "1E",
    },
  ],
  ["the least and the most", { cpu: "1e-32", "limits.cpu": "1E", memory: "0", "limits.memory": 9007199254740991 }],
  ["only the realms' names", {}],
];

const wellFormed: [string, unknown][] = [
  [
    "every kind of destination",
    destinations(
      "10.0.0.0/8",
      "203.0.113.7:443",
      "[2001:db8::1]:8000-8010/tcp",
      "2001:db8::/32",
      "carol-home:22",
      "example.com:443/udp",
    ),
  ],
  [
    "instants in any zone",
    grant({ validity: { validFrom: "2030-01-01T00:00:00.5+05:30", validUntil: "2031-01-01T00:00:00Z" } }),
  ],
  ["a realm in capitals, with a dot", realm({ identity: "Bob-Home.Tailnet-Name.ts.net." })],
];

Deno.test("the custom resources on a real API server", async (t) => {
  await using lab = await sharedLab();
  using cluster = await prepared(lab);

  /** Applies an object and deletes it again. */
  const takes = async (object: unknown) => {
    const { code, said } = await cluster.apply(object);
    assert.equal(code, 0, said);
    await lab.kubectl(["delete", "-f", "-"], { stdin: JSON.stringify(object) });
  };

  for (const [that, object] of wellFormed) await step(t, `${that}: accepted`, () => takes(object));
  for (const [that, hard] of quantities) {
    await step(t, `${that}: accepted, by a ResourceQuota as well`, async () => {
      await takes(grant({ hard }));
      await takes({
        apiVersion: "v1",
        kind: "ResourceQuota",
        metadata: { name: "as-well", namespace: "default" },
        spec: { hard },
      });
    });
  }

  await step(t, "null in an optional field: dropped, except for instants", async () => {
    const { spec } = await cluster.grants.create(
      grant({
        hard: { cpu: null },
        networkPolicy: { egressAllowed: null, allowedDestinations: null },
        termination: { noticeSeconds: null, volumes: null },
        revocation: null,
      }, "nulls") as never,
    );
    assert.deepEqual(spec, {
      ...base,
      hard: {},
      networkPolicy: { egressAllowed: false, allowedDestinations: [] },
      termination: {},
    });
    await cluster.grants.delete("nulls");
  });

  await step(t, "immutable terms can't be changed", async () => {
    await cluster.apply(grant({ revocation: { reason: "moved" } }, "kept"));
    const changes: [Spec, RegExp][] = [
      [{ grantorRealm: "carol", revocation: {} }, /grantorRealm cannot be changed from alice-home to carol/],
      [{ granteeRealm: "carol", revocation: {} }, /granteeRealm cannot be changed from bob-home to carol/],
    ];
    for (const [spec, says] of changes) assert.match((await cluster.apply(grant(spec, "kept"))).said, says);
    await assert.rejects(
      cluster.grants.patch("kept", [{ op: "remove", path: "/spec/revocation" }], { type: "json" }),
      /revocation cannot be removed/,
    );
  });

  await step(t, "an ended grant: its terms and its phase can't be changed", async () => {
    await cluster.apply(grant({}, "over"));
    await cluster.grants.patch("over", { status: { phase: "Expired" } }, { type: "merge", subresource: "status" });
    const says = /this grant has ended \(Expired\); create a new grant or delete this one/;
    assert.match((await cluster.apply(grant({ hard: { cpu: "9" } }, "over"))).said, says);
    await assert.rejects(
      cluster.grants.patch("over", { status: { phase: "Active" } }, { type: "merge", subresource: "status" }),
      says,
    );
    await assert.rejects(
      cluster.grants.patch("over", { status: null }, { type: "merge", subresource: "status" }),
      says,
    );
    await cluster.grants.patch("over", { metadata: { labels: { kept: "yes" } } }, { type: "merge" });
    await cluster.grants.delete("over");
  });

  await step(t, "null as an instant: stays null, so it isn't read as 'no end'", async () => {
    await cluster.grants.create(grant({ validity: { validUntil: null } }, "null-end") as never);
    assert.equal((await cluster.grants.get("null-end")).spec.validity?.validUntil, null);
    await cluster.grants.create(grant({ validity: null }, "null-validity") as never);
    assert.equal((await cluster.grants.get("null-validity")).spec.validity, null);
  });

  await step(t, "kubectl explain: every field has a description", async () => {
    for (const kind of ["grant", "realm"]) {
      const { stdout, code } = await lab.kubectl(["explain", kind, "--recursive"]);
      assert.equal(code, 0);
      for (const path of [`${kind}.spec`, `${kind}.status`]) {
        const said = await lab.kubectl(["explain", path]);
        assert.doesNotMatch(said.stdout, /<no description>/, path);
      }
      assert.match(stdout, /status/);
    }
    assert.match(
      (await lab.kubectl(["explain", "grant.spec.networkPolicy.allowedDestinations"])).stdout,
      /written\s+in\s+brackets/,
    );
  });

  await step(t, "short names and the category work", async () => {
    assert.equal((await lab.kubectl(["get", "kgrant,keystone"])).code, 0);
  });
});
