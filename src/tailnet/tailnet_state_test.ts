import assert from "node:assert/strict";
import fc from "fast-check";
import type { PeerStatus, TailscaleStatus } from "../../lib/tailscale/mod.ts";
import { contains, parseAddress, parseRange } from "../core/address.ts";
import { canonicalName } from "../core/realm/identity.ts";
import { addressesIn, isTailnetAddress } from "./peer.ts";
import {
  type Capabilities,
  peerByID,
  peersFrom,
  stateFrom,
  tailnetChange,
  type TailnetPeer,
  type TailnetState,
} from "./tailnet_state.ts";

const socket = "/run/tailscaled.sock";
const node = (name: string, more: Partial<PeerStatus> = {}): PeerStatus => ({
  ID: `id-${name}`,
  DNSName: `${name}.tailnet-name.ts.net.`,
  HostName: name,
  TailscaleIPs: ["100.64.0.2"],
  Online: true,
  UserID: 1,
  ...more,
});
const status = (peers: PeerStatus[], more: Partial<TailscaleStatus> = {}): TailscaleStatus => ({
  BackendState: "Running",
  Self: node("alice-home"),
  Peer: Object.fromEntries(peers.map((peer, index) => [`nodekey:${index}`, peer])),
  User: { "1": { LoginName: "bob@example.com" } },
  MagicDNSSuffix: "tailnet-name.ts.net",
  ...more,
});
const running = (...peers: PeerStatus[]): TailnetState => stateFrom(status(peers), socket);

const names: [string, string][] = [
  ["bob-home.tailnet-name.ts.net", "bob-home.tailnet-name.ts.net"],
  ["Bob-Home.Tailnet-Name.TS.net.", "bob-home.tailnet-name.ts.net"],
  ["", ""],
];
for (const [identity, canonical] of names) {
  Deno.test(`canonical name of "${identity}": "${canonical}"`, () => {
    assert.equal(canonicalName(identity), canonical);
  });
}

const plain: TailnetPeer = {
  stableID: "id-bob-home",
  dnsName: "bob-home.tailnet-name.ts.net",
  hostName: "bob-home",
  addresses: ["100.64.0.2"],
  online: true,
  expired: false,
  ownerLogin: "bob@example.com",
  self: false,
};
const projections: [string, Partial<PeerStatus>, Partial<TailnetPeer>][] = [
  ["a peer", {}, {}],
  ["a peer that went offline", { Online: false }, { online: false }],
  ["a name in capitals", { DNSName: "BOB-home.tailnet-name.ts.net." }, {}],
  ["addresses in any order: v4 first", { TailscaleIPs: ["fd7a:115c:a1e0::2", "100.64.0.3", "100.64.0.2"] }, {
    addresses: ["100.64.0.2", "100.64.0.3", "fd7a:115c:a1e0::2"],
  }],
  ["no addresses", { TailscaleIPs: null }, { addresses: [] }],
  ["a direct path", { CurAddr: "192.0.2.7:41641", Relay: "fra", Active: true }, {
    path: "direct",
    via: "192.0.2.7:41641",
  }],
  ["a path through a relay", { CurAddr: "", Relay: "fra", Active: true }, { path: "relay", via: "fra" }],
  ["a path through a peer relay", { PeerRelay: "192.0.2.9:40000:vni:1", Relay: "fra", Active: true }, {
    path: "relay",
    via: "192.0.2.9:40000:vni:1",
  }],
  ["a home relay, but no traffic: no path", { CurAddr: "", Relay: "fra", Active: false }, {}],
  ["an expiry", { KeyExpiry: "2027-05-01T10:00:00+02:00" }, { keyExpiry: "2027-05-01T08:00:00.000Z" }],
  ["an expiry of year 1: none", { KeyExpiry: "0001-01-01T00:00:00Z" }, {}],
  ["an offline peer that was seen", { Online: false, LastSeen: "2026-11-24T10:00:00Z" }, {
    online: false,
    lastSeen: "2026-11-24T10:00:00.000Z",
  }],
  ["an offline peer of a Headscale", { Online: false, LastSeen: "0001-01-01T00:00:00Z" }, { online: false }],
  ["an expired key", { Expired: true }, { expired: true }],
  ["an operating system and tags", { OS: "linux", Tags: ["tag:b", "tag:a"] }, {
    os: "linux",
    tags: ["tag:a", "tag:b"],
  }],
];
for (const [what, given, expected] of projections) {
  Deno.test(`projection of ${what}`, () => {
    const peers = peersFrom(status([node("bob-home", given)]));
    assert.deepEqual(peers.get(plain.dnsName), [{ ...plain, ...expected }]);
  });
}

Deno.test("capabilities: another node of the same name: doesn't get them", () => {
  const known = new Map<string, Capabilities>([["id-bob-home", { "keystone.io/cap/realm": [{ name: "bob" }] }], [
    "id-alice-home",
    {},
  ]]);
  const peers = peersFrom(status([node("bob-home"), node("bob-home", { ID: "other" })]), known);
  assert.deepEqual(peers.get(plain.dnsName)?.map(({ capabilities }) => capabilities), [
    { "keystone.io/cap/realm": [{ name: "bob" }] },
    undefined,
  ]);
  assert.equal(peers.get("alice-home.tailnet-name.ts.net")?.[0]?.capabilities, undefined);
});

Deno.test("this node: among the peers and marked as self", () => {
  assert.deepEqual(peersFrom(status([])).get("alice-home.tailnet-name.ts.net")?.map(({ self }) => self), [true]);
});

Deno.test("nodes with the same name: sorted by ID", () => {
  const peers = peersFrom(status([node("bob-home", { ID: "2" }), node("bob-home", { ID: "1", Online: false })]));
  assert.deepEqual(peers.get(plain.dnsName)?.map(({ stableID }) => stableID), ["1", "2"]);
});

Deno.test("nodes without a name or shared with this tailnet only: ignored", () => {
  assert.equal(peersFrom(status([node("a", { DNSName: "" }), node("b", { ShareeNode: true })])).size, 1);
});

Deno.test("unknown owner or missing fields: read without them", () => {
  const [peer] = peersFrom(status([{ ID: "7", DNSName: "bare.ts.net." }], { User: null })).get("bare.ts.net") ?? [];
  assert.deepEqual(peer, {
    stableID: "7",
    dnsName: "bare.ts.net",
    hostName: "",
    addresses: [],
    online: false,
    expired: false,
    self: false,
  });
});

Deno.test("addresses in and near the tailnets' ranges: accepted exactly if a strict parser accepts them", () => {
  const group = fc.constantFrom("0", "1", "ab", "fd7a", "12345", "", ":", "g", "00a1");
  const text = fc.oneof(
    fc.array(group, { maxLength: 7 }).map((groups) => ["fd7a", "115c", "a1e0", ...groups].join(":")),
    fc.tuple(fc.integer({ min: 60, max: 130 }), fc.nat(300), fc.nat(300)).map((parts) => `100.${parts.join(".")}`),
  );
  const ranges = ["100.64.0.0/10", "fd7a:115c:a1e0::/48"].map((range) => parseRange(range)!);
  fc.assert(
    fc.property(text, (text) => {
      const address = parseAddress(text);
      const bits = address?.kind() === "ipv6" ? 128 : 32;
      const strict = address !== undefined && text !== "100.100.100.100" &&
        ranges.some((range) => contains(range, { address, prefix: bits }));
      assert.equal(isTailnetAddress(text), strict, text);
    }),
    { numRuns: 5000 },
  );
});

const addresses: [string, boolean][] = [
  ["100.64.0.0", true],
  ["100.127.255.255", true],
  ["100.99.1.1", true],
  ["100.110.1.1", true],
  ["fd7a:115c:a1e0::1", true],
  ["fd7a:115c:a1e0:ab12:4843:cd96:6258:b240", true],
  ["100.63.255.255", false],
  ["100.128.0.0", false],
  ["100.64.0.256", false],
  ["100.064.0.1", false],
  ["100.64.0.1/10", false],
  ["100.100.100.100", false],
  ["0.0.0.0/0", false],
  ["0.0.0.0", false],
  ["10.0.0.1", false],
  ["169.254.169.254", false],
  ["::/0", false],
  ["::ffff:100.64.0.1", false],
  ["fd7a:115c:a1e1::1", false],
  ["fd7a:115c:a1e0::1%eth0", false],
  ["fd7a:115c:a1e0::1/48", false],
  ["fd7a:115c:a1e0:1:2:3:4:5:6", false],
  ["bob-home", false],
  ["", false],
];
for (const [address, good] of addresses) {
  Deno.test(`node's address ${JSON.stringify(address)}: ${good ? "accepted" : "ignored"}`, () => {
    const [peer] = peersFrom(status([node("bob-home", { TailscaleIPs: [address] })])).get(plain.dnsName)!;
    assert.deepEqual(peer?.addresses, good ? [address] : []);
  });
}

Deno.test("node's ID is missing, too long or malformed: the node is ignored", () => {
  for (const ID of ["", "x".repeat(65), "a b", "a\n", "ä"]) {
    assert.equal(peersFrom(status([node("bob-home", { ID })])).get(plain.dnsName), undefined, ID);
  }
});

Deno.test("daemon sends long or invalid values: truncated to the status's limits", () => {
  const long = "x".repeat(100_000);
  const [peer] = peersFrom(
    status([node("bob-home", {
      OS: long,
      CurAddr: long,
      UserID: 2,
      KeyExpiry: "+012345-01-01T00:00:00Z",
      TailscaleIPs: Array.from({ length: 100 }, (_, index) => `100.64.1.${index}`),
    })], { User: { "2": { LoginName: long } } }),
  ).get(plain.dnsName)!;
  assert.deepEqual(
    [peer?.os?.length, peer?.via?.length, peer?.ownerLogin?.length, peer?.keyExpiry, peer?.addresses.length],
    [64, 64, 253, undefined, 16],
  );
  const state = stateFrom(status([], { BackendState: long }), socket);
  assert(state.kind === "unavailable" && state.message.length < 300);
});

Deno.test("daemon's own key has expired: the message says so, with the remedy", () => {
  const expired = status([], { BackendState: "NeedsLogin", Self: node("alice-home", { Expired: true }) });
  const state = stateFrom(expired, socket);
  assert(state.kind === "unavailable" && state.reason === "NeedsLogin");
  assert(state.message.includes("key has expired; run tailscale up"), state.message);
});

Deno.test("peerByID: finds a node under any name, in the given state", () => {
  const before = running(node("bob-home"));
  assert.equal(peerByID(before, "id-bob-home")?.dnsName, plain.dnsName);
  assert.equal(
    peerByID(running(node("robert", { ID: "id-bob-home" })), "id-bob-home")?.dnsName,
    "robert.tailnet-name.ts.net",
  );
  assert.equal(peerByID(before, "id-nobody"), undefined);
  assert.equal(peerByID({ kind: "none" }, "id-bob-home"), undefined);
});

const backends: [string, string, string][] = [
  ["NeedsLogin", "NeedsLogin", "tailscale up"],
  ["NeedsMachineAuth", "NeedsLogin", "has to approve"],
  ["Stopped", "Stopped", "tailscale up"],
  ["Starting", "Starting", "wait"],
  ["NoState", "Starting", "wait"],
  ["InUseOtherUser", "Starting", "InUseOtherUser"],
  ["SomethingNew", "Starting", "SomethingNew"],
];
for (const [backend, reason, word] of backends) {
  Deno.test(`tailscaled in ${backend}: unavailable (${reason}), with the socket and the remedy`, () => {
    const state = stateFrom(status([], { BackendState: backend }), socket);
    assert(state.kind === "unavailable");
    assert.equal(state.reason, reason);
    assert(state.message.includes(word) && state.message.includes(socket), state.message);
  });
}

Deno.test("running: state has this node, the control server and the suffix", () => {
  const state = stateFrom(status([]), socket, { controlURL: "https://headscale.example" });
  assert(state.kind === "running");
  assert.equal(state.self.dnsName, "alice-home.tailnet-name.ts.net");
  assert.equal(state.controlURL, "https://headscale.example");
  assert.equal(state.magicDNSSuffix, "tailnet-name.ts.net");
});

Deno.test("running without a name for this node: still starting", () => {
  const state = stateFrom(status([], { Self: null }), socket);
  assert(state.kind === "unavailable" && state.reason === "Starting");
});

const bob = node("bob-home");
const carol = node("carol-home");
const down = stateFrom(status([], { BackendState: "Stopped" }), socket);
const domain = (name: string) => `${name}.tailnet-name.ts.net`;
const changes: [string, TailnetState, TailnetState, string[], boolean][] = [
  ["nothing", running(bob, carol), running(carol, bob), [], false],
  ["a peer that goes offline", running(bob, carol), running({ ...bob, Online: false }, carol), ["bob-home"], false],
  ["a new peer", running(bob), running(bob, carol), ["carol-home"], false],
  ["a removed peer", running(bob, carol), running(bob), ["carol-home"], false],
  [
    "a renamed peer",
    running(bob),
    running({ ...bob, DNSName: carol.DNSName }),
    ["bob-home", "carol-home"],
    false,
  ],
  ["a node that takes over a name", running(bob), running({ ...bob, ID: "other" }), ["bob-home"], false],
  ["a peer's new address", running(bob), running({ ...bob, TailscaleIPs: ["100.64.9.9"] }), ["bob-home"], false],
  ["counters only", running(bob), running({ ...bob, RxBytes: 7 }), [], false],
  ["tailscaled stopping", running(bob), down, ["alice-home", "bob-home"], true],
  ["tailscaled coming back", down, running(bob), ["alice-home", "bob-home"], true],
  ["another suffix", running(bob), stateFrom(status([bob], { MagicDNSSuffix: "b.net" }), socket), [], true],
  [
    "another control server",
    running(bob),
    stateFrom(status([bob]), socket, { controlURL: "https://b.example" }),
    [],
    true,
  ],
  [
    "this node's own address",
    running(bob),
    stateFrom(status([bob], { Self: node("alice-home", { TailscaleIPs: ["100.64.0.9"] }) }), socket),
    ["alice-home"],
    true,
  ],
  ["the reason", down, stateFrom(status([], { BackendState: "NeedsLogin" }), socket), [], true],
  ["none, unchanged", { kind: "none" }, { kind: "none" }, [], false],
];
for (const [what, before, after, names, all] of changes) {
  Deno.test(`difference: ${what}`, () => {
    const change = tailnetChange(before, after);
    assert.deepEqual([...change.names].sort(), names.map(domain));
    assert.equal(change.all, all);
  });
}

Deno.test("change between any two states: exactly the names that differ, in both directions", () => {
  const nodes = fc.uniqueArray(
    fc.record({ name: fc.constantFrom("a", "b", "c", "d", "e"), online: fc.boolean() }),
    { selector: ({ name }) => name },
  );
  const state = (list: { name: string; online: boolean }[]) =>
    running(...list.map((n) => node(n.name, { Online: n.online })));
  fc.assert(fc.property(nodes, nodes, (left, right) => {
    const expected = ["a", "b", "c", "d", "e"]
      .filter((name) => left.find((n) => n.name === name)?.online !== right.find((n) => n.name === name)?.online)
      .map(domain);
    assert.deepEqual([...tailnetChange(state(left), state(right)).names].sort(), expected);
    assert.deepEqual([...tailnetChange(state(right), state(left)).names].sort(), expected);
  }));
});

Deno.test("other ranges are configured: nodes have only addresses in them", () => {
  const isAddress = addressesIn(["10.77.0.0/16", "fd99::/48"]);
  const TailscaleIPs = ["10.77.0.2", "fd99::2", "100.64.0.2", "192.168.1.1", "10.77.0.0/16", "fd7a:115c:a1e0::2"];
  const state = stateFrom(status([node("bob-home", { TailscaleIPs })]), socket, { isAddress });
  assert.deepEqual(
    state.kind === "running" && [...state.peers.values()].flat().find(({ self }) => !self)?.addresses,
    ["10.77.0.2", "fd99::2"],
  );
  assert.equal(addressesIn(["100.64.0.0/10", "fd7a:115c:a1e0::/48"]), isTailnetAddress);
});
