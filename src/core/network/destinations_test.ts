import assert from "node:assert/strict";
import fc from "fast-check";
import { defaultSettings } from "../../api/mod.ts";
import { contains, parseRange } from "../address.ts";
import { type DestinationWorld, resolveDestinations } from "./destinations.ts";
import { parseDestination } from "./destination.ts";
import { alwaysPrivate, alwaysProtected, specialRangesOf } from "./special_ranges.ts";
import type { RealmPeers } from "./realm_peers.ts";

const world: DestinationWorld = {
  specialRanges: specialRangesOf([], defaultSettings.clusterRanges),
  realmPeersOf: (realm: string): RealmPeers =>
    realm === "bob-home"
      ? { ranges: ["100.64.0.2", "fd7a:115c:a1e0::2"].map((text) => parseRange(text)!), proxies: [] }
      : {
        ranges: [],
        proxies: [],
        closed: { reason: "GranteeUnknown", message: `There is no Realm ${realm}.`, wrong: true },
      },
  addressesOfName: (name: string) =>
    ({ "example.com": ["203.0.113.80", "2001:db8::80"], "inside.example.com": ["203.0.113.81", "169.254.169.254"] })[
      name
    ] ?? { error: `${name}: no such name.` },
  mayNameProtected: false,
};

// Entry, and the peers and ports that it opens.
const opens: [string, unknown][] = [
  ["203.0.113.0/24", { to: ["203.0.113.0/24"] }],
  ["203.0.113.7/24", { to: ["203.0.113.0/24"] }],
  ["203.0.113.7", { to: ["203.0.113.7/32"] }],
  ["203.0.113.7:443", { to: ["203.0.113.7/32"], ports: [{ protocol: "TCP", port: 443 }] }],
  ["203.0.113.7:443/udp", { to: ["203.0.113.7/32"], ports: [{ protocol: "UDP", port: 443 }] }],
  ["203.0.113.0/24:8000-8010/TCP", { to: ["203.0.113.0/24"], ports: [{ protocol: "TCP", port: 8000, endPort: 8010 }] }],
  ["203.0.113.0/24/sctp", { to: ["203.0.113.0/24"], ports: [{ protocol: "SCTP" }] }],
  ["203.0.113.0/24:7-7", { to: ["203.0.113.0/24"], ports: [{ protocol: "TCP", port: 7 }] }],
  ["2001:DB8::1", { to: ["2001:db8::1/128"] }],
  ["2001:db8::1/32", { to: ["2001:db8::/32"] }],
  ["[2001:db8::1]:443", { to: ["2001:db8::1/128"], ports: [{ protocol: "TCP", port: 443 }] }],
  ["[2001:db8::/32]:53/udp", { to: ["2001:db8::/32"], ports: [{ protocol: "UDP", port: 53 }] }],
  ["[2001:db8::1]", { to: ["2001:db8::1/128"] }],
  ["bob-home", { to: ["100.64.0.2/32", "fd7a:115c:a1e0::2/128"] }],
  ["example.com:443", { to: ["203.0.113.80/32", "2001:db8::80/128"], ports: [{ protocol: "TCP", port: 443 }] }],
  ["inside.example.com", { to: ["203.0.113.81/32"] }],
  ["bob-home:22", { to: ["100.64.0.2/32", "fd7a:115c:a1e0::2/128"], ports: [{ protocol: "TCP", port: 22 }] }],
];

for (const [text, expected] of opens) {
  Deno.test(`destinations: ${text} opens exactly what it names`, () => {
    const { resolved, egress } = resolveDestinations([text], world);
    assert.equal(resolved[0]!.error, undefined);
    assert.equal(egress.length, 1);
    const { to, ports } = egress[0]!;
    assert.deepEqual({ to: to!.map(({ ipBlock }) => ipBlock!.cidr), ...(ports ? { ports } : {}) }, expected);
  });
}

const opensNothing: [string, RegExp][] = [
  ["203.0.113.0/33", /203\.0\.113\.0\/33 is not an IP address or CIDR/],
  ["203.0.113.010", /without leading zeros/],
  ["203.0.113", /is not an IP address/],
  ["1.2.3.4:0", /0 is not a port/],
  ["1.2.3.4:65536", /65536 is not a port/],
  ["1.2.3.4:90-80", /90-80 is not a port/],
  ["1.2.3.4:http", /http is not a port/],
  ["1.2.3.4/icmp", /icmp is not a protocol/],
  ["::ffff:1.2.3.4", /plain IPv4/],
  ["fe80::1%eth0", /fe80::1%eth0/],
  ["[1.2.3.4]:80", /only IPv6/],
  ["[2001:db8::1:443", /\[address\]:port/],
  ["2001:db8::1::2", /is not an IP address/],
  ["carol", /There is no Realm carol/],
  ["nowhere.example.com:443", /no such name/],
  ["-x", /-x is not a CIDR/],
  ["169.254.169.254", /169\.254\.0\.0\/16.*DestinationProtected/],
  ["169.254.0.0/16", /DestinationProtected/],
  ["100.100.100.100", /100\.64\.0\.0\/10/],
  ["100.64.0.2", /name a realm/],
  ["127.0.0.1", /127\.0\.0\.0\/8/],
  ["fd00:ec2::254", /DestinationProtected/],
];

for (const [text, error] of opensNothing) {
  Deno.test(`destinations: ${text} opens nothing and reports the reason`, () => {
    const { resolved, egress } = resolveDestinations([text], world);
    assert.match(resolved[0]!.error ?? "", error);
    assert.deepEqual(egress, []);
  });
}

Deno.test("destinations: one that can't be resolved doesn't block the others", () => {
  const { egress, resolved } = resolveDestinations(["nobody", "203.0.113.0/24"], world);
  assert.equal(egress.length, 1);
  assert.deepEqual(resolved.map(({ error }) => error !== undefined), [true, false]);
});

Deno.test("destinations: the whole internet: without the protected ranges", () => {
  const { egress } = resolveDestinations(["0.0.0.0/0", "::/0"], world);
  const [v4, translated, v6] = egress[0]!.to!;
  assert.deepEqual(v4!.ipBlock, {
    cidr: "0.0.0.0/0",
    except: [
      "0.0.0.0/8",
      "10.0.0.0/8",
      "100.64.0.0/10",
      "127.0.0.0/8",
      "168.63.129.16/32",
      "169.254.0.0/16",
      "172.16.0.0/12",
      "192.0.0.0/24",
      "192.80.8.124/32",
      "192.88.99.0/24",
      "192.168.0.0/16",
      "198.18.0.0/15",
      "224.0.0.0/4",
      "240.0.0.0/4",
    ],
  });
  // Network plugins differ on ::/0: kube-router opens fd00::/8 with it, and a wider `except` doesn't close that.
  assert.deepEqual(v6!.ipBlock, { cidr: "2000::/3", except: ["2001::/23", "2002::/16"] });
  assert.deepEqual(translated!.ipBlock!.cidr, "64:ff9b::/96");
  assert.ok(translated!.ipBlock!.except!.includes("64:ff9b::c0a8:0/112"), "the form of 192.168.0.0/16");
  assert.equal(translated!.ipBlock!.except!.length, v4!.ipBlock!.except!.length);
});

Deno.test("destinations: equal terms in any order: equal rules, one for each set of ports", () => {
  const list = [
    "203.0.113.0/24:443",
    "bob-home",
    "198.51.100.1:443",
    "203.0.113.0/24:53/udp",
    "203.0.113.0/24:443/tcp",
  ];
  const expected = resolveDestinations(list, world).egress;
  assert.equal(expected.length, 3);
  fc.assert(fc.property(fc.shuffledSubarray(list, { minLength: list.length }), (shuffled) => {
    assert.deepEqual(resolveDestinations(shuffled, world).egress, expected);
  }));
});

const ipv4 = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255), fc.integer({ min: 0, max: 32 }))
  .map(([a, b, c, d, prefix]) => `${a}.${b}.${c}.${d}/${prefix}`);
const ipv6 = fc.tuple(fc.ipV6(), fc.integer({ min: 0, max: 128 })).map(([address, prefix]) => `${address}/${prefix}`);

Deno.test("destinations: any range: no protected address is opened, and except lies strictly inside", () => {
  fc.assert(fc.property(fc.array(fc.oneof(ipv4, ipv6), { maxLength: 8 }), (list) => {
    for (const rule of resolveDestinations(list, world).egress) {
      assert.ok(rule.to!.length > 0, "an empty list of peers would allow everything");
      for (const { ipBlock } of rule.to!) {
        const block = parseRange(ipBlock!.cidr!)!;
        const except = (ipBlock!.except ?? []).map((text) => parseRange(text)!);
        for (const inner of except) assert.ok(contains(block, inner) && inner.prefix > block.prefix);
        for (const range of alwaysProtected) {
          assert.ok(!contains(range, block));
          if (contains(block, range)) assert.ok(except.some((outer) => contains(outer, range)));
        }
        for (const range of alwaysPrivate) {
          const isWider = contains(block, range) && !contains(range, block);
          if (isWider) assert.ok(except.some((outer) => contains(outer, range)));
        }
      }
    }
  }));
});

Deno.test("destinations: no text makes the parser throw", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ maxLength: 300 }), fc.stringMatching(/^[0-9a-f.:\/\[\]-]{0,40}$/)), (text) => {
      const destination = parseDestination(text);
      assert.ok("error" in destination ? destination.error.length > 0 : "to" in destination);
    }),
  );
});

Deno.test("destinations: a protected range opens only if it is named and the trust level permits it", () => {
  const trusting = { ...world, mayNameProtected: true };
  const { egress } = resolveDestinations(["0.0.0.0/0", "169.254.169.254:80"], trusting);
  const blocks = egress.flatMap(({ to }) => to!.map(({ ipBlock }) => ipBlock!));
  assert.deepEqual(blocks.map(({ cidr }) => cidr), ["0.0.0.0/0", "169.254.169.254/32"]);
  assert.ok(blocks[0]!.except!.includes("169.254.0.0/16"), "a range that covers it doesn't name it");
  assert.equal(resolveDestinations(["169.254.169.254:80"], world).egress.length, 0);
});

Deno.test("destinations: a DNS name opens no protected range, at any trust level", () => {
  const trusting = { ...world, mayNameProtected: true };
  const { egress } = resolveDestinations(["inside.example.com"], trusting);
  assert.deepEqual(egress, [{ to: [{ ipBlock: { cidr: "203.0.113.81/32" } }] }]);
  const only = { ...trusting, addressesOfName: () => ["169.254.169.254"] };
  const { egress: none, resolved } = resolveDestinations(["metadata.example.com:80"], only);
  assert.deepEqual(none, []);
  assert.match(resolved[0]!.error!, /metadata\.example\.com:80 \(169\.254\.169\.254\/32\) lies in 169\.254\.0\.0\/16/);
});

Deno.test("destinations: a name without addresses: no rule, because a rule without a peer would allow everything", () => {
  for (const addresses of [[], ["no address"]]) {
    const { egress, resolved } = resolveDestinations(["empty.example.com"], {
      ...world,
      addressesOfName: () => addresses,
    });
    assert.deepEqual(egress, []);
    assert.match(resolved[0]!.error!, /empty\.example\.com resolves to no address/);
  }
});

Deno.test("destinations: some ranges of the cluster are unknown: only realms are opened", () => {
  const { egress, resolved } = resolveDestinations(["203.0.113.0/24", "example.com", "bob-home"], {
    ...world,
    rangesUnknown: "Node n1 has no podCIDR. Set clusterRanges.pods.",
  });
  assert.deepEqual(egress.flatMap(({ to }) => to!.map(({ ipBlock }) => ipBlock!.cidr)), [
    "100.64.0.2/32",
    "fd7a:115c:a1e0::2/128",
  ]);
  assert.match(resolved[0]!.error!, /203\.0\.113\.0\/24 stays closed: Node n1 has no podCIDR/);
});
