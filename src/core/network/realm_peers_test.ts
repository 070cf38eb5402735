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

Deno.test("peers: a verified node: its addresses, IPv4 first", () => {
  assert.deepEqual(peers(bob), {
    ranges: [parseRange("100.64.0.2")!, parseRange("fd7a:115c:a1e0::2")!],
    proxies: [],
  });
});

const closed: [string, RealmFacts | undefined, string, boolean][] = [
  ["a missing Realm", undefined, "GranteeUnknown", true],
  ["a Realm being deleted", { ...bob, deleting: true }, "GranteeUnknown", true],
  ["a Realm whose node was replaced", refused("NodeReplaced"), "NodeReplaced", true],
  ["one of two Realms with the same identity", refused("DuplicateIdentity"), "DuplicateIdentity", true],
  ["a Realm while the tailnet can't be queried", refused("NoTailnet", "Unknown"), "NoTailnet", false],
  ["a Realm without a status", { ...bob, status: {} }, "NodeUnknown", false],
  ["a Realm that was pinned to another node", { ...bob, trustedNode: "n2" }, "NodeUnknown", false],
  ["a Realm whose node has no address", { ...bob, status: verified() }, "NodeUnknown", true],
];
for (const [what, realm, reason, wrong] of closed) {
  Deno.test(`peers: ${what}: closed, with the reason`, () => {
    const { ranges, proxies, closed } = peers(realm, [], parseSettings({ realmPeers }));
    assert.deepEqual([ranges, proxies.length, closed?.reason, closed?.wrong], [
      [],
      // Without a tailnet address the node and its proxies are still known.
      realm?.status.node && !realm.deleting && realm.trustedNode === "n1" ? 1 : 0,
      reason,
      wrong,
    ]);
  });
}

Deno.test("peers: an address inside the cluster's own ranges: stays closed, the others open", () => {
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

Deno.test("peers: proxies: open with their own realm's node only, whatever the cluster's ranges", () => {
  const settings = parseSettings({ realmPeers });
  assert.deepEqual(peers(bob, [], settings).proxies, [proxy]);
  assert.deepEqual(peers(bob, ["100.64.0.0/10"], settings).proxies, [proxy]);
  assert.deepEqual(realmPeersOf("carol-home", bob, { settings, cluster: { ranges: [] } }).proxies, []);
});

Deno.test("peers: a realm named like an inherited property: handled like any other", () => {
  const named = realm({ name: "constructor", trustedNode: "n1", status: verified("100.64.0.2") });
  assert.deepEqual(
    realmPeersOf("constructor", named, { settings: defaultSettings, cluster: { ranges: [] } }).proxies,
    [],
  );
});
