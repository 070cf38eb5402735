import assert from "node:assert/strict";
import type { Condition, RealmStatus } from "../../api/mod.ts";
import { realm } from "../../../tests/fixtures/made_facts.ts";
import { realmTransitions } from "./realm_transitions.ts";

const condition = (type: string, status: Condition["status"], reason: string): Condition => ({
  type,
  status,
  reason,
  message: `Because ${reason}.`,
  lastTransitionTime: "2026-06-01T12:00:00Z",
});

const connected: RealmStatus = {
  connectionState: "Connected",
  trustedNode: "n1",
  conditions: [
    condition("Reachable", "True", "Online"),
    condition("IdentityVerified", "True", "NodePinned"),
    condition("KeyExpiring", "False", "KeyValid"),
    condition("Ready", "True", "Online"),
  ],
};

const statusOf = (
  connectionState: NonNullable<RealmStatus["connectionState"]>,
  ...changed: Condition[]
): RealmStatus => ({
  ...connected,
  connectionState,
  conditions: [
    ...connected.conditions!.filter(({ type }) => !changed.some((each) => each.type === type)),
    ...changed,
  ],
});

const offline = statusOf(
  "Disconnected",
  condition("Reachable", "False", "Offline"),
  condition("Ready", "False", "Offline"),
);
const replaced = statusOf(
  "Error",
  condition("Reachable", "False", "NodeReplaced"),
  condition("IdentityVerified", "False", "NodeReplaced"),
  condition("Ready", "False", "NodeReplaced"),
);
const unknown = statusOf(
  "Unknown",
  condition("Reachable", "Unknown", "TailscaledUnreachable"),
  condition("IdentityVerified", "Unknown", "TailscaledUnreachable"),
  condition("Ready", "Unknown", "TailscaledUnreachable"),
);

const lines = (before: RealmStatus | undefined, after: RealmStatus | undefined): string[] =>
  realmTransitions(
    before && realm({ name: "bob", status: before }),
    after && realm({ name: "bob", status: after }),
  ).map(({ level, transition, message }) => `${level} ${transition}: ${message}`);

const cases: [string, RealmStatus | undefined, RealmStatus | undefined, string[]][] = [
  ["first seen", {}, connected, ["info connected: Realm bob is Connected (Online): Because Online."]],
  ["goes offline", connected, offline, ["warn lost: Realm bob is Disconnected (Offline): Because Offline."]],
  ["comes back", offline, connected, ["info connected: Realm bob is Connected (Online): Because Online."]],
  ["another node has its name: one line", connected, replaced, [
    "warn node-replaced: Realm bob is Error (NodeReplaced): Because NodeReplaced.",
  ]],
  ["its key expires soon", connected, statusOf("Connected", condition("KeyExpiring", "True", "KeyExpiring")), [
    "warn key-expiring: Realm bob has a key that expires: Because KeyExpiring.",
  ]],
  ["its key is renewed", statusOf("Connected", condition("KeyExpiring", "True", "KeyExpiring")), connected, [
    "info key-renewed: Realm bob has a key that doesn't expire soon: Because KeyValid.",
  ]],
  ["a person trusts another node", connected, { ...connected, trustedNode: "n2" }, [
    "warn trusted-node: Realm bob trusts node n2; before n1.",
  ]],
  ["tailscaled is gone: only for debugging, because the tailnet has its own line", connected, unknown, [
    "debug unknown: Realm bob is Unknown (TailscaledUnreachable): Because TailscaledUnreachable.",
  ]],
  ["tailscaled is back", unknown, connected, [
    "debug connected: Realm bob is Connected (Online): Because Online.",
  ]],
  ["lost while tailscaled was gone", unknown, offline, [
    "warn lost: Realm bob is Disconnected (Offline): Because Offline.",
  ]],
  ["only lastSeen differs", connected, { ...connected, lastSeen: "2026-06-01T12:00:00Z" }, []],
  ["deleted", connected, undefined, ["info deleted: Realm bob is deleted; access of its people is closed."]],
];

for (const [title, before, after, expected] of cases) {
  Deno.test(`realm transitions: ${title}`, () => assert.deepEqual(lines(before, after), expected));
}
