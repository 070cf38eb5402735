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
  ["nothing odd", {}, []],
  ["a SuperEntity as grantee", { granteeRealm: "three-homes" }, []],
  ["a SuperEntity as grantor", { grantorRealm: "three-homes" }, []],
  ["no such Realm", { granteeRealm: "nobody" }, [/granteeRealm is nobody, and there is no such Realm/]],
  ["another cluster's", { grantorRealm: "dora-home" }, [/grantorRealm is dora-home, and this cluster is alice-home/]],
  ["past", { validity: { validUntil: "2026-06-01T12:00:00Z" } }, [/which is past/]],
  ["not past yet", { validity: { validUntil: "2026-06-01T12:00:01Z" } }, []],
  ["unreadable validity", { validity: { validUntil: null } }, [/validUntil is null/]],
  ["no memory", { hard: { cpu: "1" } }, [/names no memory/]],
  ["memory as a limit only", { hard: { "requests.cpu": "1", "limits.memory": "1Gi" } }, []],
  ["storage alone", { hard: { "requests.storage": "1Gi" } }, []],
  ["above the ceiling", { granteeRealm: "eve-home" }, [/trust level public allows at most 30 days.*Pending/]],
  ["nowhere", to(), [/nothing is opened/]],
  ["closed", { networkPolicy: { egressAllowed: false, allowedDestinations: ["192.0.2.1"] } }, [/open nothing while/]],
  ["the cluster's own", to("10.42.7.0/24:80"), [/10\.42\.7\.0\/24:80 lies in 10\.42\.0\.0\/16/]],
  ["wider than the cluster's own", to("10.0.0.0/8"), []],
  ["the internet", to("internet:443/tcp", "192.168.1.10:445"), []],
  ["everything, which is the internet", to("0.0.0.0/0"), [/0\.0\.0\.0\/0 opens no private addresses: 10\.0\.0\.0\/8/]],
  ["a name of the LAN, within", within("nas.example.com", "192.168.1.0/24"), []],
  ["within that is wider than a private range", within("example.com", "0.0.0.0/0"), [
    /within\[0\] is 0\.0\.0\.0\/0.*opens none/,
  ]],
  ["within that is public", within("example.com", "203.0.113.0/24"), [/which is public: DNS names are opened there/]],
  ["within the tailnet", within("example.com", "100.64.0.0/16"), [/lies in 100\.64\.0\.0\/10: no DNS name opens that/]],
  ["within that is none", within("example.com", "1::2::3"), [/not a CIDR or an IP address: DNS names stay closed/]],
  ["an except that is none", {
    networkPolicy: { egressAllowed: true, allowedDestinations: ["203.0.113.0/24"], except: ["1::2::3"] },
  }, [/203\.0\.113\.0\/24 stays closed: spec\.networkPolicy\.except\[0\] is 1::2::3/]],
  ["for one's own, named", { granteeRealm: "own-home", ...to("10.42.7.0/24") }, []],
  ["what is none, and a realm that isn't there", to("01.2.3.4", "carla-home", "example.com"), [
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

Deno.test("terms: while the ranges aren't known it is said that destinations stay closed", () => {
  const unknown = { ranges: [], rangesUnknown: "Nobody knows.", extendedKeys: [], storageClasses: [] };
  assert.match(
    grantWarnings("g", spec(to("192.0.2.1")), world({ cluster: unknown })).join(),
    /stays closed: Nobody knows/,
  );
});

Deno.test("terms: a Realm's identity, and what lowered trust does to its grants", () => {
  const of = (more: Partial<RealmSpec>, before?: RealmSpec, grants = [grant({ status: { phase: "Active" } })]) =>
    realmWarnings("bob-home", { ...bob.spec, ...more }, before, world({ grantsTo: () => grants }));
  assert.deepEqual(of({}), []);
  assert.match(of({ identity: "EVE-home.tailnet-name.ts.net." }).join(), /is Realm eve-home already/);
  assert.match(of({ identity: "bobby.tailnet-name.ts.net" }, bob.spec).join(), /while 1 grants are Active/);
  assert.deepEqual(of({ identity: "bobby.tailnet-name.ts.net" }, bob.spec, []), []);
  assert.match(
    of({ trustLevel: "public" }, bob.spec).join(),
    /Grant alice-to-bob: spec.validity.validUntil is not set/,
  );
  assert.deepEqual(of({ trustLevel: "internal" }, bob.spec), []);
});
