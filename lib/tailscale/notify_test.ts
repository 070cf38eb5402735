import assert from "node:assert/strict";
import { isHeartbeat, type Notify } from "./mod.ts";

const cases: [string, Notify, boolean][] = [
  ["nothing but the version", { Version: "1.101.0", ErrMessage: null, State: null, NetMap: null }, true],
  ["the engine's counters", { Version: "1.101.0", Engine: { RBytes: 1 }, Prefs: null }, true],
  ["a state", { Version: "1.101.0", State: 6 }, false],
  ["a state that is 0", { State: 0 }, false],
  ["a whole netmap, as 1.98 sends", { NetMap: {} }, false],
  ["a narrow change, as 1.98 sends", { PeerChanges: [{ NodeID: 2, Online: false }] }, false],
  ["a narrow patch, as 1.101 sends", { PeerChangedPatch: [{ NodeID: 2, Online: false }] }, false],
  ["nodes that changed", { PeersChanged: [{ StableID: "2" }] }, false],
  ["removed nodes", { PeersRemoved: [2] }, false],
  ["an unknown field", { Tomorrow: true }, false],
];

for (const [what, line, heartbeat] of cases) {
  Deno.test(`${what}: ${heartbeat ? "a heartbeat" : "news"}`, () => assert.equal(isHeartbeat(line), heartbeat));
}
