import assert from "node:assert/strict";
import { localRealmFrom, type LocalRealmWorld } from "./local_realm.ts";

const selfName = "alice-home.tailnet-name.ts.net";
const running = { kind: "running" as const, selfName };
const cases: [string, LocalRealmWorld, unknown][] = [
  ["configured: takes precedence", { configured: "a", tailnet: running, realmsOfIdentity: () => ["b"] }, "a"],
  ["the Realm with this node's identity", { tailnet: running, realmsOfIdentity: () => ["alice"] }, "alice"],
  ["no Realm: the first label of the node's name", { tailnet: running, realmsOfIdentity: () => [] }, "alice-home"],
  ["no tailnet: any", { tailnet: { kind: "none" }, realmsOfIdentity: () => [] }, "any"],
  [
    "tailnet unavailable: unknown",
    { tailnet: { kind: "unavailable", message: "it is down" }, realmsOfIdentity: () => ["alice"] },
    /is unknown: it is down; start tailscaled or set KEYSTONE_REALM/,
  ],
  [
    "several Realms with this node's identity: unknown",
    { tailnet: running, realmsOfIdentity: () => ["b", "a"] },
    /is ambiguous: Realms a, b all have this node's identity alice-home\.tailnet-name\.ts\.net; delete all but one, or set/,
  ],
];
for (const [what, world, expected] of cases) {
  Deno.test(`local realm: ${what}`, () => {
    const local = localRealmFrom(world);
    if (expected instanceof RegExp) assert.match(local.kind === "unknown" ? local.message : local.kind, expected);
    else assert.equal(local.kind === "known" ? local.name : local.kind, expected);
  });
}
