import assert from "node:assert/strict";
import { realm, verified } from "../../../tests/fixtures/made_facts.ts";
import { defaultSettings, parseSettings } from "../../api/mod.ts";
import type { RealmFacts } from "../facts.ts";
import { cidr, parseRange } from "../address.ts";
import { type RealmPeers, realmPeersOf } from "./realm_peers.ts";

const bob = realm({ trustedNode: "n1", status: verified("fd7a:115c:a1e0::2", "100.64.0.2") });
const peers = (realm: RealmFacts | undefined, ranges: string[] = [], settings = defaultSettings): RealmPeers =>
  realmPeersOf("bob-home", realm, { settings, cluster: { ranges: ranges.map((text) => parseRange(text)!) } });
const opens = ({ ranges }: RealmPeers) => ranges.map(cidr);
const refused = (reason: string, status: "False" | "Unknown" = "False"): RealmFacts => ({
  ...bob,
  status: { conditions: [{ type: "IdentityVerified", status, reason, message: "So.", lastTransitionTime: "" }] },
});

Deno.test("way: to a verified node it is its addresses, IPv4 first", () => {
  assert.deepEqual(peers(bob), {
    ranges: [parseRange("100.64.0.2")!, parseRange("fd7a:115c:a1e0::2")!],
    proxies: [],
  });
});

const closed: [string, RealmFacts | undefined, string, boolean][] = [
  ["a Realm that isn't there", undefined, "GranteeUnknown", true],
  ["one that is going", { ...bob, deleting: true }, "GranteeUnknown", true],
  ["one whose node was replaced", refused("NodeReplaced"), "NodeReplaced", true],
  ["one of two of an identity", refused("DuplicateIdentity"), "DuplicateIdentity", true],
  ["one that nobody can be asked about", refused("NoTailnet", "Unknown"), "NoTailnet", false],
  ["one without a status", { ...bob, status: {} }, "NodeUnknown", false],
  ["one that is pinned to another since", { ...bob, trustedNode: "n2" }, "NodeUnknown", false],
  ["one without an address", { ...bob, status: verified() }, "NodeUnknown", true],
];
for (const [what, realm, reason, wrong] of closed) {
  Deno.test(`way: to ${what} it is closed, and said why`, () => {
    const { ranges, proxies, closed } = peers(realm, [], parseSettings({ realmPeers }));
    assert.deepEqual([ranges, proxies.length, closed?.reason, closed?.wrong], [
      [],
      // Without an address on the tailnet the node is still known, and so are the proxies to it.
      realm?.status.node && !realm.deleting && realm.trustedNode === "n1" ? 1 : 0,
      reason,
      wrong,
    ]);
  });
}

Deno.test("way: an address that could be a pod's of this cluster stays closed, and the others open", () => {
  const taken = peers(bob, ["100.64.0.0/16"]);
  assert.deepEqual(opens(taken), ["fd7a:115c:a1e0::2/128"]);
  assert.equal(taken.closed!.reason, "TailnetInClusterRange");
  assert.match(
    taken.closed!.message,
    /^100\.64\.0\.2\/32 of Realm bob-home's node lies in 100\.64\.0\.0\/16, a range of/,
  );
  assert.equal(peers(bob, ["100.64.0.0/31", "100.65.0.0/16", "10.0.0.0/8"]).closed, undefined);
});

const proxy = {
  namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "tailscale" } },
  podSelector: { matchLabels: { "tailscale.com/parent-resource": "bob-home" } },
};
const realmPeers = { "bob-home": [proxy] };

Deno.test("way: the proxies of a realm are open with its node, whatever the cluster's ranges, and no other's", () => {
  const settings = parseSettings({ realmPeers });
  assert.deepEqual(peers(bob, [], settings).proxies, [proxy]);
  assert.deepEqual(peers(bob, ["100.64.0.0/10"], settings).proxies, [proxy]);
  assert.deepEqual(realmPeersOf("carol-home", bob, { settings, cluster: { ranges: [] } }).proxies, []);
});

Deno.test("way: a realm may have any name, also one that every object has a property of", () => {
  const named = realm({ name: "constructor", trustedNode: "n1", status: verified("100.64.0.2") });
  assert.deepEqual(
    realmPeersOf("constructor", named, { settings: defaultSettings, cluster: { ranges: [] } }).proxies,
    [],
  );
});
