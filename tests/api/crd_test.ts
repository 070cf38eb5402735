/** What the API server itself refuses, and in which words; and what it explains. */
import assert from "node:assert/strict";
import { sharedLab } from "../lab/shared.ts";
import { grantOf, prepared, realmOf, step } from "../fixtures/operator.ts";

type Spec = Record<string, unknown>;
const base = grantOf({ name: "g", to: "bob-home" }).spec as unknown as Spec;
const grant = (spec: Spec, name = "malformed") => ({
  ...grantOf({ name, to: "bob-home" }),
  spec: { ...base, ...spec },
});
const realm = (spec: Spec, name = "malformed") => ({ ...realmOf(name), spec: { ...realmOf(name).spec, ...spec } });
const hard = (values: Spec) => grant({ hard: values });
const destinations = (...list: unknown[]) =>
  grant({ networkPolicy: { egressAllowed: true, allowedDestinations: list } });
const long = "x".repeat(400);

const malformed: [string, unknown, RegExp][] = [
  ["a name with a dot", grant({}, "a.b"), /metadata\.name: a\.b must be a DNS label of at most 57 characters/],
  ["a name too long for a namespace", grant({}, "a".repeat(58)), /must be a DNS label of at most 57/],
  ["no grantor", grant({ grantorRealm: undefined }), /grantorRealm/],
  ["no grantee", grant({ granteeRealm: undefined }), /granteeRealm/],
  ["nothing granted", grant({ hard: undefined }), /hard/],
  ["a grantor that is no name", grant({ grantorRealm: "Alice" }), /Alice is not the name of a Realm or SuperEntity/],
  ["a grantee with a dot", grant({ granteeRealm: "bob.home" }), /bob\.home is not the name of a Realm/],
  ["an empty grantee", grant({ granteeRealm: "" }), /is not the name of a Realm/],
  ["a grantee that is too long", grant({ granteeRealm: "b".repeat(58) }), /granteeRealm.*57/],
  ["a grantee that is a number", grant({ granteeRealm: 7 }), /granteeRealm.*must be of type string/],
  ["a grant to oneself", grant({ grantorRealm: "bob-home" }), /grantorRealm and granteeRealm are both bob-home/],
  [
    "a quantity that is none",
    hard({ cpu: "lots" }),
    /hard\[cpu\].*lots is not a quantity between 0 and 1E; write for example 500m/,
  ],
  ["a negative quantity", hard({ cpu: "-1" }), /-1 is not a quantity/],
  ["a quantity beyond all bounds", hard({ memory: "1e400" }), /1e400 is not a quantity/],
  ["a quantity above 1E", hard({ memory: "2E" }), /2E is not a quantity/],
  ["an empty quantity", hard({ cpu: "" }), / is not a quantity/],
  ["a fraction without quotes", hard({ cpu: 1.5 }), /hard\.cpu.*must be of type integer,string/],
  ["a quantity that is a list", hard({ cpu: ["1"] }), /hard\.cpu.*must be of type integer,string/],
  ["an endless quantity", hard({ cpu: "1".repeat(33) }), /hard.*(Too long|may not be more than 32|32)/],
  [
    "a key that nothing enforces",
    hard({ "requests.gpus": "1" }),
    /hard: requests\.gpus is not enforced by any ResourceQuota/,
  ],
  ["a key in capitals", hard({ CPU: "1" }), /hard: CPU is not enforced/],
  ["a limit of a device", hard({ "limits.nvidia.com/gpu": "1" }), /limits\.nvidia\.com\/gpu is not enforced/],
  ["a bare device", hard({ "nvidia.com/gpu": "1" }), /nvidia\.com\/gpu is not enforced/],
  ["a key that is too long", hard({ [`count/${long}`]: "1" }), /is not enforced by any ResourceQuota/],
  ["half a pod", hard({ pods: "500m" }), /hard: pods is counted: write a whole number/],
  ["half a GPU", hard({ "requests.nvidia.com/gpu": "0.5" }), /requests\.nvidia\.com\/gpu is counted/],
  ["half a secret", hard({ "count/secrets": "1500m" }), /count\/secrets is counted/],
  ["one thing twice", hard({ cpu: "1", "requests.cpu": "2" }), /names one thing twice/],
  [
    "too many keys",
    hard(
      Object.fromEntries(
        Array.from(
          { length: 65 },
          (_, i) => [`count/a${String.fromCharCode(97 + i % 26)}${String.fromCharCode(97 + i / 26)}`, "1"],
        ),
      ),
    ),
    /hard.*(Too many|must have at most 64)/,
  ],
  ["hard as a list", grant({ hard: ["cpu"] }), /hard.*must be of type object/],
  [
    "egressAllowed in words",
    grant({ networkPolicy: { egressAllowed: "yes" } }),
    /egressAllowed.*must be of type boolean/,
  ],
  ["a destination with a space", destinations("10.0.0.0/8 "), /10\.0\.0\.0\/8 {2}is not a destination; write a CIDR/],
  ["a destination with a wildcard", destinations("*.example.com"), /\*\.example\.com is not a destination/],
  ["an empty destination", destinations(""), / is not a destination/],
  ["a destination that is a number", destinations(10), /allowedDestinations\[0\].*must be of type string/],
  ["a destination that is too long", destinations(`${"a".repeat(271)}`), /allowedDestinations\[0\].*270/],
  ["too many destinations", destinations(...Array.from({ length: 257 }, () => "10.0.0.1")), /allowedDestinations.*256/],
  [
    "an end that is no instant",
    grant({ validity: { validUntil: "tomorrow" } }),
    /validUntil.*must be of type date-time: "tomorrow"/,
  ],
  ["an end without a zone", grant({ validity: { validUntil: "2030-01-01T00:00:00" } }), /validUntil.*date-time/],
  ["an end on a day that isn't", grant({ validity: { validUntil: "2030-02-30T00:00:00Z" } }), /validUntil.*date-time/],
  ["an end that is a number", grant({ validity: { validUntil: 1893456000 } }), /validUntil.*must be of type date-time/],
  [
    "an end before the start",
    grant({ validity: { validFrom: "2030-01-02T00:00:00Z", validUntil: "2030-01-01T00:00:00Z" } }),
    /validUntil must be after validity\.validFrom/,
  ],
  [
    "an end at the start, in another zone",
    grant({ validity: { validFrom: "2030-01-01T02:00:00+02:00", validUntil: "2030-01-01T00:00:00Z" } }),
    /validUntil must be after/,
  ],
  ["a revocation in one word", grant({ revocation: "now" }), /revocation.*must be of type object/],
  ["a revocation with a long story", grant({ revocation: { reason: "x".repeat(1025) } }), /revocation\.reason.*1024/],
  ["a realm without an identity", realm({ identity: undefined }), /identity/],
  ["an identity of one label", realm({ identity: "bob-home" }), /bob-home is not a MagicDNS name; write it whole/],
  [
    "an identity that is an address",
    realm({ identity: "bob home.ts.net" }),
    /bob home\.ts\.net is not a MagicDNS name/,
  ],
  ["an identity that is too long", realm({ identity: `${"a.".repeat(130)}net` }), /identity.*253/],
  [
    "an unknown connection type",
    realm({ connectionType: "wireguard" }),
    /connectionType.*supported values: "tailscale", "headscale"/,
  ],
  [
    "an unknown trust level",
    realm({ trustLevel: "friend" }),
    /trustLevel.*supported values: "internal", "partner", "public"/,
  ],
  ["a realm's name that is too long", realm({}, "a".repeat(58)), /must be a DNS label of at most 57/],
];

const wellFormed: [string, unknown][] = [
  [
    "every kind of key",
    hard({
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
    }),
  ],
  ["nothing but names", hard({})],
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

Deno.test("the custom resources refuse what is malformed and say why", async (t) => {
  await using lab = await sharedLab();
  using cluster = await prepared(lab);

  for (const [that, object, says] of malformed) {
    await step(t, that, async () => {
      const { code, said } = await cluster.apply(object);
      assert.equal(code, 1, said);
      assert.match(said, says);
    });
  }
  for (const [that, object] of wellFormed) {
    await step(t, `${that} is fine`, async () => {
      const { code, said } = await cluster.apply(object);
      assert.equal(code, 0, said);
      await lab.kubectl(["delete", "grants,realms", "--all"]);
    });
  }

  await step(t, "terms that hold for good can't be changed", async () => {
    await cluster.apply(grant({ revocation: { reason: "moved" } }, "kept"));
    const changes: [Spec, RegExp][] = [
      [{ grantorRealm: "carol", revocation: {} }, /grantorRealm can not be changed from alice-home to carol/],
      [{ granteeRealm: "carol", revocation: {} }, /granteeRealm can not be changed from bob-home to carol/],
    ];
    for (const [spec, says] of changes) assert.match((await cluster.apply(grant(spec, "kept"))).said, says);
    await assert.rejects(
      cluster.grants.patch("kept", [{ op: "remove", path: "/spec/revocation" }], { type: "json" }),
      /revocation can not be taken back/,
    );
  });

  await step(t, "a grant that has ended keeps its terms and its phase", async () => {
    await cluster.apply(grant({}, "over"));
    await cluster.grants.patch("over", { status: { phase: "Expired" } }, { type: "merge", subresource: "status" });
    const says = /this grant has ended \(Expired\): make a new grant, or delete this one/;
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

  await step(t, "a null stays a null, so that it isn't taken for 'no end'", async () => {
    await cluster.grants.create(grant({ validity: { validUntil: null } }, "null-end") as never);
    assert.equal((await cluster.grants.get("null-end")).spec.validity?.validUntil, null);
    await cluster.grants.create(grant({ validity: null }, "null-validity") as never);
    assert.equal((await cluster.grants.get("null-validity")).spec.validity, null);
  });

  await step(t, "kubectl explain is the manual: each field has a description", async () => {
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
      /written in brackets/,
    );
  });

  await step(t, "short names and the category work", async () => {
    assert.equal((await lab.kubectl(["get", "kgrant,keystone"])).code, 0);
  });
});
