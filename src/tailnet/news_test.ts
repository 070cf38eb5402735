import assert from "node:assert/strict";
import type { Notify } from "../../lib/tailscale/mod.ts";
import { isNews, tellsOfPolicy } from "./news.ts";

const bus = (dialect: string): { change: string; line: Notify }[] =>
  Deno.readTextFileSync(new URL(`../../tests/fixtures/bus/${dialect}.jsonl`, import.meta.url))
    .trim().split("\n").map((line) => JSON.parse(line));

for (const dialect of ["1.98", "1.101"]) {
  Deno.test(`${dialect}: recorded bus: lines about nodes are news, heartbeats are not`, () => {
    const lines = bus(dialect);
    for (const { change, line } of lines) assert.equal(isNews(line), change !== "heartbeat", change);
    assert.deepEqual(
      [...new Set(lines.filter(({ line }) => tellsOfPolicy(line)).map(({ change }) => change))]
        .filter((change) => ["first", "policy", "heartbeat"].includes(change)),
      ["first", "policy"],
    );
  });
}

const cases: [string, Notify, boolean][] = [
  [
    "endpoints and relays of nodes",
    { PeerChangedPatch: [{ NodeID: 2, Endpoints: ["1.2.3.4:5"], DERPRegion: 3 }] },
    false,
  ],
  [
    "the same with a node that is removed",
    { PeerChangedPatch: [{ NodeID: 2, Endpoints: [] }, { NodeID: 3, Online: false }] },
    true,
  ],
  [
    "a new key of a node",
    { PeerChangedPatch: [{ NodeID: 2, Key: "nodekey:1", KeyExpiry: "2027-01-01T00:00:00Z" }] },
    true,
  ],
  ["an unknown field of a node", { PeerChanges: [{ NodeID: 2, Tomorrow: 1 }] }, true],
  ["null in a field of a node", { PeerChanges: [{ NodeID: 2, Online: null }] }, false],
  ["health, such as the loss of the control server", { Version: "1", Health: { Warnings: {} } }, true],
  ["health and a state", { Health: {}, State: 4 }, true],
  ["a user", { UserProfiles: { 1: {} } }, false],
  ["an unknown field", { Tomorrow: 1 }, true],
  ["preferences", { Prefs: { WantRunning: false } }, true],
  ["this node", { SelfChange: { StableID: "1" } }, true],
  ["added nodes", { PeersChanged: [{ StableID: "1" }] }, true],
  ["removed nodes", { PeersRemoved: [1] }, true],
  ["a critical error", { ErrMessage: "x" }, true],
];
for (const [what, notify, expected] of cases) {
  Deno.test(`line with ${what}: ${expected ? "" : "no "}news`, () => assert.equal(isNews(notify), expected));
}
