import { parseQuantity } from "../../../lib/quantity/mod.ts";
import assert from "node:assert/strict";
import { grant, now, realm } from "../../../tests/fixtures/made_facts.ts";
import { defaultSettings, type GrantSpec, type RealmSpec } from "../../api/mod.ts";
import { parseRange } from "../address.ts";
import { grantWarnings, realmWarnings, type TermsWorld } from "./terms.ts";

const bob = realm({ spec: { trustLevel: "partner" } });
const eve = realm({ name: "eve-home", spec: { trustLevel: "public" } });
const own = realm({ name: "own-home", spec: { trustLevel: "internal" } });

const world = (more: Partial<TermsWorld> = {}): TermsWorld => ({
  settings: defaultSettings,
  cluster: { ranges: [parseRange("10.42.0.0/16")!], extendedKeys: [], storageClasses: [] },
  local: { kind: "known", name: "alice-home" },
  realmNamed: (name) => [bob, eve, own].find((each) => each.name === name),
  isCollective: (name) => name === "three-homes",
  realms: () => [bob, eve, own],
  grantsTo: () => [],
  now,
  ...more,
});
const spec = (more: Partial<GrantSpec> = {}): GrantSpec => ({
  grantorRealm: "alice-home",
  granteeRealm: "bob-home",
  hard: { cpu: "1", memory: "1Gi" },
  ...more,
});
const to = (...allowedDestinations: string[]) => ({ networkPolicy: { egressAllowed: true, allowedDestinations } });
const within = (name: string, range: string) => ({
  networkPolicy: { egressAllowed: true, allowedDestinations: [name], within: [range] },
});

const cases: [string, Partial<GrantSpec>, RegExp[]][] = [
  ["valid terms", {}, []],
  ["a SuperEntity as grantee", { granteeRealm: "three-homes" }, []],
  ["a SuperEntity as grantor", { grantorRealm: "three-homes" }, []],
  ["no such Realm", { granteeRealm: "nobody" }, [/granteeRealm is nobody, but there is no such Realm/]],
  ["another cluster's", { grantorRealm: "dora-home" }, [/grantorRealm is dora-home, but this cluster is alice-home/]],
  ["an end in the past", { validity: { validUntil: "2026-06-01T12:00:00Z" } }, [/which is in the past/]],
  ["an end in the future", { validity: { validUntil: "2026-06-01T12:00:01Z" } }, []],
  ["unreadable validity", { validity: { validUntil: null } }, [/validUntil is null/]],
  ["no memory", { hard: { cpu: "1" } }, [/has no memory/]],
  ["memory as a limit only", { hard: { "requests.cpu": "1", "limits.memory": "1Gi" } }, []],
  ["storage alone", { hard: { "requests.storage": "1Gi" } }, []],
  ["above the ceiling", { granteeRealm: "eve-home" }, [/trust level public allows at most 30 days.*Pending/]],
  ["no destinations", to(), [/nothing is opened/]],
  ["egress not allowed", { networkPolicy: { egressAllowed: false, allowedDestinations: ["192.0.2.1"] } }, [
    /so allowedDestinations open nothing/,
  ]],
  ["the cluster's own", to("10.42.7.0/24:80"), [/10\.42\.7\.0\/24:80 lies in 10\.42\.0\.0\/16/]],
  ["wider than the cluster's own", to("10.0.0.0/8"), []],
  ["the internet", to("internet:443/tcp", "192.168.1.10:445"), []],
  ["everything, which is the internet", to("0.0.0.0/0"), [/0\.0\.0\.0\/0 opens no private addresses: 10\.0\.0\.0\/8/]],
  ["a name of the LAN, within", within("nas.example.com", "192.168.1.0/24"), []],
  ["within that is wider than a private range", within("example.com", "0.0.0.0/0"), [
    /within\[0\] is 0\.0\.0\.0\/0.*opens nothing/,
  ]],
  ["within that is public", within("example.com", "203.0.113.0/24"), [
    /which is public: DNS names open public addresses without it/,
  ]],
  ["within the tailnet", within("example.com", "100.64.0.0/16"), [
    /lies in 100\.64\.0\.0\/10: DNS names never open it/,
  ]],
  ["within that is not a range", within("example.com", "1::2::3"), [/not a CIDR or IP address: DNS names stay closed/]],
  ["an except that is not a range", {
    networkPolicy: { egressAllowed: true, allowedDestinations: ["203.0.113.0/24"], except: ["1::2::3"] },
  }, [/203\.0\.113\.0\/24 stays closed: spec\.networkPolicy\.except\[0\] is 1::2::3/]],
  ["the cluster's own range, to an internal realm", { granteeRealm: "own-home", ...to("10.42.7.0/24") }, []],
  ["an invalid address, and a Realm that does not exist", to("01.2.3.4", "carla-home", "example.com"), [
    /01\.2\.3\.4 is not an IP address/,
    /There is no Realm carla-home/,
  ]],
];
for (const [that, more, expected] of cases) {
  Deno.test(`terms: ${that}`, () => {
    const warnings = grantWarnings("g", spec(more), world());
    assert.equal(warnings.length, expected.length, warnings.join("\n"));
    for (const [index, pattern] of expected.entries()) assert.match(warnings[index]!, pattern);
  });
}

Deno.test("terms: more than the nodes have: a warning, but not again while the amounts stay", () => {
  const schedulable = new Map([["requests.cpu", parseQuantity("1")], ["requests.memory", parseQuantity("64Gi")]]);
  const small = world({ cluster: { ranges: [], extendedKeys: [], storageClasses: [], schedulable } });
  const lent = spec({ hard: { cpu: "2", memory: "1Gi" } });
  assert.match(grantWarnings("g", lent, small).join(), /2 requests\.cpu \(the nodes have 1\)/);
  assert.deepEqual(grantWarnings("g", { ...lent, revocation: {} }, small, lent), []);
  assert.match(grantWarnings("g", spec({ hard: { cpu: "3", memory: "1Gi" } }), small, lent).join(), /3 requests\.cpu/);
});

Deno.test("terms: the cluster's ranges are not known: a warning says that destinations stay closed", () => {
  const unknown = { ranges: [], rangesUnknown: "Nobody knows.", extendedKeys: [], storageClasses: [] };
  assert.match(
    grantWarnings("g", spec(to("192.0.2.1")), world({ cluster: unknown })).join(),
    /stays closed: Nobody knows/,
  );
});

Deno.test("terms: a Realm's identity is taken or changes, or its trust is lowered: a warning", () => {
  const of = (more: Partial<RealmSpec>, before?: RealmSpec, grants = [grant({ status: { phase: "Active" } })]) =>
    realmWarnings("bob-home", { ...bob.spec, ...more }, before, world({ grantsTo: () => grants }));
  assert.deepEqual(of({}), []);
  assert.match(of({ identity: "EVE-home.tailnet-name.ts.net." }).join(), /which Realm eve-home already has/);
  assert.match(of({ identity: "bobby.tailnet-name.ts.net" }, bob.spec).join(), /while 1 grant is Active/);
  assert.deepEqual(of({ identity: "bobby.tailnet-name.ts.net" }, bob.spec, []), []);
  assert.match(
    of({ trustLevel: "public" }, bob.spec).join(),
    /Grant alice-to-bob: spec.validity.validUntil is not set/,
  );
  assert.deepEqual(of({ trustLevel: "internal" }, bob.spec), []);
});
