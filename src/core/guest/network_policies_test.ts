/** Reach of a guest in the grantor's network: from the Grant to the policies and back to the Grant's status. */
import assert from "node:assert/strict";
import { alice, converged, grant, guestWorld, now, realm, verified } from "../../../tests/fixtures/made_facts.ts";
import { defaultSettings, type GrantSpec, type GrantStatus, parseSettings, type Settings } from "../../api/mod.ts";
import { planGrant } from "../grant/plan_grant.ts";
import { parseRange } from "../address.ts";
import { clusterFacts, type NodeSource } from "./cluster_facts.ts";
import { planGuest } from "./plan_guest.ts";
import type { GuestWorld } from "./guest_world.ts";
import { enforcementsOf } from "./enforcements.ts";

const bob = realm({ status: verified("100.64.0.2"), trustedNode: "n1" });
const networkPolicy = (
  allowedDestinations: string[],
  more: { within?: string[]; except?: string[] } = {},
): Partial<GrantSpec> => ({ networkPolicy: { egressAllowed: true, allowedDestinations, ...more } });

const home = (spec: Partial<GrantSpec>, more: Partial<GuestWorld> = {}, status: GrantStatus = {}): GuestWorld =>
  guestWorld({ realm: bob, grants: [grant({ spec, status })], ...more });
const answering = (...addresses: string[]): Partial<GuestWorld> => ({ addressesOfName: () => addresses });

/** The peers of the grant's policy, each as `CIDR` or `CIDR-EXCEPT-…`. */
const openedBy = (world: GuestWorld, name = "grant-alice-to-bob"): string[] =>
  (converged(world).policies.find((policy) => policy.name === name)?.spec.egress ?? []).flatMap(({ to }) =>
    to!.map(({ ipBlock }) => [ipBlock!.cidr, ...ipBlock!.except ?? []].join("-"))
  );

/** The grant's status once everything is applied. */
function statusOf(world: GuestWorld): GrantStatus {
  const after = converged(world);
  const enforcement = enforcementsOf(after, planGuest(after)).get("alice-to-bob")!;
  const [one] = after.grants;
  return planGrant({
    grant: one!,
    realm: after.realm,
    local: alice,
    settings: after.settings,
    skewMs: 0,
    enforcement,
    now: after.now,
  }).status!;
}
const condition = ({ conditions }: GrantStatus, type: string) => conditions!.find((each) => each.type === type);

Deno.test("network: 0.0.0.0/0 is the internet, without the LAN", () => {
  const [block] = openedBy(home(networkPolicy(["0.0.0.0/0"])));
  for (const range of ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]) assert.ok(block!.split("-").includes(range));
});

Deno.test("network: destinations without egressAllowed: nothing opens, and the grant says why", () => {
  const world = home({ networkPolicy: { egressAllowed: false, allowedDestinations: ["internet"] } });
  assert.deepEqual(openedBy(world), []);
  assert.equal(
    condition(statusOf(world), "NetworkApplied")!.message,
    "Egress is denied except between the guests' own pods and to the node of bob-home. " +
      "spec.networkPolicy.egressAllowed is false, so allowedDestinations open nothing.",
  );
});

for (
  const address of ["192.168.1.10", "10.1.2.3", "fd12:3456::1", "127.0.0.1", "169.254.169.254", "64:ff9b::c0a8:10a"]
) {
  Deno.test(`network: a DNS name resolves to ${address}: opens nothing, and the grant reports it`, () => {
    const world = home(networkPolicy(["mirror.example.com:443"]), answering(address));
    assert.deepEqual(openedBy(world), []);
    const applied = condition(statusOf(world), "NetworkApplied")!;
    assert.match(applied.reason, /^Destination(Private|Protected)$/);
    assert.ok(applied.message.includes("mirror.example.com"), applied.message);
  });
}

Deno.test("network: a DNS name resolves to a node's address of any type: opens nothing", () => {
  const node: NodeSource = {
    name: "n1",
    podCIDRs: ["10.42.0.0/24"],
    addresses: ["192.168.1.5", "203.0.113.5"],
    resources: [],
  };
  const unread = { nodes: false, services: false, api: false, classes: false, pods: false };
  // A configured range of the nodes' LAN is added to the reported addresses and doesn't replace them.
  const settings = parseSettings({ clusterRanges: { nodes: ["192.168.7.0/24"] } });
  const cluster = clusterFacts({ nodes: [node], services: [], api: ["198.51.100.6"], classes: [], unread }, settings);
  for (const address of ["203.0.113.5", "192.168.1.5", "198.51.100.6", "192.168.7.9"]) {
    const within = { within: ["192.168.0.0/16"] };
    const world = home(networkPolicy(["zone.example.com"], within), { cluster, settings, ...answering(address) });
    assert.deepEqual(openedBy(world), [], address);
  }
});

Deno.test("network: a DNS name in the LAN: opens only inside the grant's within", () => {
  const named = (within: string[], ...addresses: string[]) =>
    openedBy(home(networkPolicy(["nas.alice.lan:445"], { within }), answering(...addresses)));
  assert.deepEqual(named(["192.168.1.0/24"], "192.168.1.10"), ["192.168.1.10/32"]);
  assert.deepEqual(named(["192.168.1.0/24"], "192.168.1.10", "192.168.2.10", "10.0.0.1"), ["192.168.1.10/32"]);
  assert.deepEqual(named(["192.168.1.10"], "192.168.1.10"), ["192.168.1.10/32"]);
  assert.deepEqual(named(["0.0.0.0/0"], "192.168.1.10"), [], "a wider range never includes a private one");
  assert.deepEqual(named(["10.0.0.0/8"], "192.168.1.10"), []);
  assert.deepEqual(named(["169.254.0.0/16"], "169.254.169.254"), []);
  assert.deepEqual(named(["192.168.1.0/24"], "203.0.113.7"), ["203.0.113.7/32"], "public answers stay open");
});

Deno.test("network: except is excluded from all destinations but realms", () => {
  const except = ["203.0.113.128/25", "192.168.1.1", "100.64.0.2"];
  const list = ["internet", "203.0.113.0/24", "203.0.113.200", "192.168.1.0/24", "zone.example.com", "bob-home"];
  const world = home(networkPolicy(list, { except }), answering("203.0.113.130", "203.0.113.7"));
  const opened = openedBy(world);
  assert.ok(opened.includes("203.0.113.0/24-203.0.113.128/25"));
  assert.ok(opened.includes("192.168.1.0/24-192.168.1.1/32"));
  assert.ok(opened.includes("203.0.113.7/32"));
  assert.ok(opened.includes("100.64.0.2/32"), "the realm's node closes only if its name is removed");
  assert.ok(opened.every((text) => !/^203\.0\.113\.(130|200)/.test(text)));
  const [internet] = opened;
  assert.ok(internet!.startsWith("0.0.0.0/0-") && internet!.includes("-203.0.113.128/25"));
  const behind = opened.find((text) => text.startsWith("64:ff9b::/96"))!;
  assert.ok(behind.includes("-64:ff9b::cb00:7180/121"), "nor through NAT64");
  assert.match(statusOf(world).resolvedDestinations![2]!.error!, /203\.0\.113\.128\/25 of spec\.networkPolicy\.except/);
});

Deno.test("network: destinations and except are removed together: excluded ranges stay closed during the notice", () => {
  const before = statusOf(home(networkPolicy(["203.0.113.0/24"], { except: ["203.0.113.7"] })));
  assert.deepEqual(before.except, ["203.0.113.7"]);
  const active = { ...before, phase: "Active" as const };
  const cut = home({}, {}, active);
  assert.deepEqual(openedBy(cut), ["203.0.113.0/24-203.0.113.7/32"], "on notice the same addresses stay open");
  const noticed = statusOf(cut);
  assert.deepEqual(noticed.reductions!.map(({ allowedDestinations, except }) => [allowedDestinations, except]), [
    [["203.0.113.0/24"], ["203.0.113.7"]],
  ]);
  const later = home({}, { now: now + 60_000 }, noticed);
  assert.deepEqual(openedBy(later), ["203.0.113.0/24-203.0.113.7/32"]);
  const over = home({}, { now: Date.parse(noticed.reductions![0]!.until) }, noticed);
  assert.deepEqual(openedBy(over), []);
});

Deno.test("network: an except is added or removed: takes effect at once", () => {
  const before = statusOf(home(networkPolicy(["203.0.113.0/24"])));
  const added = home(networkPolicy(["203.0.113.0/24"], { except: ["203.0.113.7"] }), {}, before);
  assert.deepEqual(openedBy(added), ["203.0.113.0/24-203.0.113.7/32"]);
  assert.deepEqual(openedBy(home(networkPolicy(["203.0.113.0/24"]), {}, statusOf(added))), ["203.0.113.0/24"]);
});

Deno.test("network: a grant opens less than it names: condition NetworkNarrowed, and one event", () => {
  const narrowed = (world: GuestWorld) => condition(statusOf(world), "NetworkNarrowed");
  assert.equal(narrowed(home(networkPolicy(["internet", "192.168.1.10:445"]))), undefined);
  const wide = home(networkPolicy(["0.0.0.0/0"]));
  assert.match(narrowed(wide)!.message, /0\.0\.0\.0\/0 opens no private addresses: 10\.0\.0\.0\/8/);
  assert.equal(condition(statusOf(wide), "Ready")!.status, "True");
  const mixed = home(networkPolicy(["nas.alice.lan"]), answering("203.0.113.7", "192.168.1.10"));
  assert.match(narrowed(mixed)!.message, /nas\.alice\.lan \(192\.168\.1\.10\/32\).*spec\.networkPolicy\.within/);
  const only = home(networkPolicy(["nas.alice.lan"]), answering("192.168.1.10"));
  assert.match(narrowed(only)!.message, /DestinationPrivate/);

  const events = (status: GrantStatus) => {
    const after = converged(home(networkPolicy(["0.0.0.0/0"]), {}, status));
    const enforcement = enforcementsOf(after, planGuest(after)).get("alice-to-bob")!;
    return planGrant({
      grant: after.grants[0]!,
      realm: bob,
      local: alice,
      settings: defaultSettings,
      skewMs: 0,
      enforcement,
      now,
    })
      .events.map(({ reason }) => reason);
  };
  const { conditions, ...status } = statusOf(wide);
  const old = { ...status, conditions: conditions!.filter(({ type }) => type !== "NetworkNarrowed") };
  assert.deepEqual(events(old), ["NetworkNarrowed"], "an upgrade reports it");
  assert.deepEqual(events(statusOf(wide)), []);
});

Deno.test("network: the control server assigns an address outside the tailnet: it stays closed", () => {
  for (
    const address of ["192.168.1.1", "10.0.0.7", "203.0.113.7", "100.100.100.200", "fd7a:115c:a1e0::53", "fd12::1"]
  ) {
    const node = { ...bob, status: verified(address) };
    const own = home({}, { realm: node });
    assert.deepEqual(openedBy(own, "realm"), [], address);
    assert.equal(condition(statusOf(own), "NetworkApplied")!.reason, "AddressNotOfTailnet");
    const named = home(networkPolicy(["bob-home:22"]), { realm: node });
    assert.deepEqual(openedBy(named), [], address);
  }
  const settings: Settings = parseSettings({ clusterRanges: { tailnet: ["10.77.0.0/16"] } });
  const other = { ...bob, status: verified("10.77.0.2", "100.64.0.2") };
  assert.deepEqual(openedBy(home({}, { realm: other, settings }), "realm"), ["10.77.0.2/32"]);
});

Deno.test("network: a tailnet with custom ranges: the rest of 100.64.0.0/10 is private like a LAN", () => {
  const settings = parseSettings({ clusterRanges: { tailnet: ["100.64.0.0/16"] } });
  assert.deepEqual(openedBy(home(networkPolicy(["100.80.1.0/24"]), { settings })), ["100.80.1.0/24"]);
  assert.deepEqual(openedBy(home(networkPolicy(["100.64.1.0/24"]), { settings })), []);
  const [block] = openedBy(home(networkPolicy(["0.0.0.0/0"]), { settings }));
  assert.ok(block!.includes("-100.64.0.0/10-"));
});

const nodes = (
  ...addresses: string[]
): NodeSource[] => [{ name: "n1", podCIDRs: ["10.42.0.0/24"], addresses, resources: [] }];

Deno.test("network: nodes report only tailnet addresses: LAN addresses are unknown unless configured", () => {
  const unread = { nodes: false, services: false, api: false, classes: false, pods: false };
  const reported = (nodes: NodeSource[], settings = defaultSettings) =>
    clusterFacts({ nodes, services: [], api: [], classes: [], unread }, settings).lanUnknown;
  assert.match(
    reported(nodes("100.64.0.5", "fd7a:115c:a1e0::5"))!,
    /^The nodes report only tailnet addresses \(100\.64\./,
  );
  assert.equal(reported(nodes("100.64.0.5", "192.168.1.5")), undefined);
  assert.equal(reported([]), undefined);
  assert.equal(
    reported(nodes("100.64.0.5"), parseSettings({ clusterRanges: { nodes: ["192.168.1.5/32"] } })),
    undefined,
  );
});

Deno.test("network: nodes report only tailnet addresses: the LAN stays closed nevertheless", () => {
  const cluster = { ranges: [parseRange("100.64.0.5")!], extendedKeys: [], storageClasses: [] };
  const [block] = openedBy(home(networkPolicy(["0.0.0.0/0"]), { cluster }));
  assert.ok(block!.includes("-192.168.0.0/16"));
  const zone = home(networkPolicy(["zone.example.com"]), { cluster, ...answering("192.168.1.5") });
  assert.deepEqual(openedBy(zone), []);
});
