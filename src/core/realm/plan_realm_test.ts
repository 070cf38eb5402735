import assert from "node:assert/strict";
import { node, now, realm } from "../../../tests/fixtures/made_facts.ts";
import type { PingFacts } from "./path.ts";
import { planRealm, type RealmPlan } from "./plan_realm.ts";
import type { NodeFacts, RealmWorld, TailnetFacts } from "./realm_world.ts";

const lastSeenEveryMs = 300_000;
const plan = (world: Partial<RealmWorld>): RealmPlan =>
  planRealm({
    realm: realm(),
    rivals: [],
    tailnet: { kind: "running", current: true, nodes: [node()] },
    local: false,
    lastSeenEveryMs,
    now,
    ...world,
  });
const ready = ({ status }: RealmPlan) => status.conditions!.find(({ type }) => type === "Ready")!;
const conditionOf = ({ status }: RealmPlan, wanted: string) => status.conditions!.find(({ type }) => type === wanted)!;
const condition = (plan: RealmPlan, wanted: string) => conditionOf(plan, wanted).status;
const running = (...nodes: NodeFacts[]): Extract<TailnetFacts, { kind: "running" }> => ({
  kind: "running",
  current: true,
  nodes,
});
const unavailable = {
  kind: "unavailable" as const,
  reason: "TailscaledUnreachable",
  message: "No answer from /x.sock",
};
/** The realm after a plan was executed. */
const after = (done: RealmPlan, trustedNode = done.pin ?? "n1") => realm({ trustedNode, status: done.status });

Deno.test("realm: the first node with the name: pinned and shown", () => {
  const first = plan({});
  assert.equal(first.pin, "n1");
  assert.equal(first.status.connectionState, "Connected");
  assert.equal(first.status.lastSeen, "2026-06-01T12:00:00Z");
  assert.deepEqual(first.status.node!.addresses, ["100.64.0.2", "fd7a:115c:a1e0::2"]);
  assert.deepEqual(first.events.map(({ reason }) => reason), ["Connected"]);
});

Deno.test("realm: nothing changed: nothing is written", () => {
  const first = plan({});
  const again = plan({ realm: after(first), now: now + 1000 });
  assert.deepEqual(again.status, first.status);
  assert.equal(again.pin, undefined);
  assert.deepEqual(again.events, []);
  assert.equal(again.wakeAt, now + lastSeenEveryMs);
});

Deno.test("realm: Connected: lastSeen is updated once it is old enough", () => {
  const again = plan({ realm: after(plan({})), now: now + lastSeenEveryMs });
  assert.equal(again.status.lastSeen, "2026-06-01T12:05:00Z");
  assert.deepEqual(again.events, []);
});

Deno.test("realm: the node goes offline: its addresses stay, and lastSeen is that moment", () => {
  const gone = plan({
    realm: after(plan({})),
    tailnet: { kind: "running", current: true, nodes: [node({ online: false })] },
    now: now + 60_000,
  });
  assert.equal(gone.status.connectionState, "Disconnected");
  assert.equal(gone.status.lastSeen, "2026-06-01T12:01:00Z");
  assert.equal(condition(gone, "IdentityVerified"), "True");
  assert.equal(gone.status.node!.addresses.length, 2);
  assert.equal(gone.wakeAt, undefined);
  const later = plan({
    realm: after(gone),
    tailnet: { kind: "running", current: true, nodes: [node({ online: false })] },
    now: now + 600_000,
  });
  assert.deepEqual(later.status, gone.status);
});

Deno.test("realm: tailscaled unreachable: Unknown with the reason, and a verified node stays verified", () => {
  const lost = plan({ realm: after(plan({})), tailnet: unavailable });
  assert.equal(lost.status.connectionState, "Unknown");
  assert.equal(condition(lost, "IdentityVerified"), "True");
  assert.equal(lost.status.node!.addresses.length, 2);
  assert.match(ready(lost).message, /No answer from \/x\.sock; grants stay in force/);
  const never = plan({ tailnet: unavailable });
  assert.equal(condition(never, "IdentityVerified"), "Unknown");
  assert.equal(never.status.node, undefined);
  assert.equal(plan({ tailnet: { ...unavailable, reason: "Starting" } }).status.connectionState, "Connecting");
  assert.match(ready(plan({ tailnet: { kind: "none" } })).message, /TS_SOCKET/);
});

Deno.test("realm: another node takes the name: not trusted, and its addresses are not shown", () => {
  const taken = plan({
    realm: after(plan({})),
    tailnet: { kind: "running", current: true, nodes: [node({ stableID: "n2", addresses: ["100.64.0.9"] })] },
  });
  assert.equal(taken.status.connectionState, "Error");
  assert.equal(ready(taken).reason, "NodeReplaced");
  assert.match(ready(taken).message, /kubectl annotate --overwrite realm bob-home keystone\.io\/trusted-node=n2/);
  assert.equal(taken.status.node, undefined);
  assert.equal(taken.pin, undefined);
  assert.equal(taken.events[0]!.type, "Warning");
});

Deno.test("realm: several nodes have the name: the pinned one counts, without a pin none", () => {
  const nodes = [node({ stableID: "n2" }), node()];
  assert.equal(
    plan({ realm: realm({ trustedNode: "n1" }), tailnet: { kind: "running", current: true, nodes } }).status.node!
      .stableID,
    "n1",
  );
  const unsure = plan({ tailnet: { kind: "running", current: true, nodes } });
  assert.deepEqual([ready(unsure).reason, unsure.pin, unsure.status.node], ["SeveralNodes", undefined, undefined]);
});

Deno.test("realm: the node is unknown or its key has expired: Error, a person has to act", () => {
  const unknown = plan({ tailnet: { kind: "running", current: true, nodes: [] } });
  assert.deepEqual([unknown.status.connectionState, ready(unknown).reason], ["Error", "NodeNotFound"]);
  const expired = plan({
    tailnet: { kind: "running", current: true, nodes: [node({ expired: true, keyExpiry: "2026-05-01T00:00:00Z" })] },
  });
  assert.deepEqual([expired.status.connectionState, ready(expired).reason], ["Error", "KeyExpired"]);
  assert.match(ready(expired).message, /2026-05-01/);
});

Deno.test("realm: the operator's own node: Connected, whatever the control server reports", () => {
  const self = plan({
    tailnet: { kind: "running", current: true, nodes: [node({ self: true, online: false })] },
    local: true,
  });
  assert.deepEqual([self.status.connectionState, self.status.local], ["Connected", true]);
});

Deno.test("realm: identity or pin changes: no longer verified, even while the tailnet can't be queried", () => {
  const known = after(plan({}));
  const changed = [
    { ...known, spec: { ...known.spec, identity: "mallory.tailnet-name.ts.net" }, generation: 2 },
    { ...known, trustedNode: "n2" },
    { ...known, trustedNode: undefined },
  ] as typeof known[];
  for (const tailnet of [unavailable, { kind: "none" as const }]) {
    for (const realm of changed) {
      const lost = plan({ realm, tailnet });
      assert.equal(condition(lost, "IdentityVerified"), "Unknown");
      assert.equal(lost.status.node, undefined);
      assert.match(
        conditionOf(lost, "IdentityVerified").message,
        /verified before does not match the present identity and pin, so nothing is opened/,
      );
      assert.deepEqual(plan({ realm: { ...realm, status: lost.status }, tailnet }).status.node, undefined);
    }
    // A change of the trust level or of the identity's spelling isn't a change of identity.
    for (const spec of [{ trustLevel: "public" as const }, { identity: "BOB-home.tailnet-name.ts.net." }]) {
      const kept = plan({ realm: { ...known, spec: { ...known.spec, ...spec }, generation: 2 }, tailnet });
      assert.equal(condition(kept, "IdentityVerified"), "True");
      assert.deepEqual(kept.status.node, known.status.node);
    }
  }
});

Deno.test("realm: several Realms have the same identity: the node is trusted for none, in any state of the tailnet", () => {
  const known = after(plan({}));
  for (const tailnet of [running(node()), unavailable, { kind: "none" as const }]) {
    const refused = plan({ realm: known, rivals: ["bob-2", "alice-2"], tailnet });
    assert.deepEqual([refused.status.connectionState, refused.status.node, refused.pin], [
      "Error",
      undefined,
      undefined,
    ]);
    for (const type of ["IdentityVerified", "Reachable", "Ready"]) {
      const { status, reason, message } = conditionOf(refused, type);
      assert.deepEqual([status, reason], ["False", "DuplicateIdentity"]);
      assert.match(
        message,
        /^Realms alice-2, bob-2 and bob-home have the same identity, bob-home\.tailnet-name\.ts\.net/,
      );
    }
    assert.deepEqual(refused.events.map(({ type, reason }) => [type, reason]), [["Warning", "DuplicateIdentity"]]);
    assert.equal(ready(plan({ realm: known, rivals: ["bob-2"], tailnet })).reason, "DuplicateIdentity");
    const back = plan({ realm: after(refused, "n1"), tailnet: running(node()) });
    assert.deepEqual(back.status.node, known.status.node);
  }
});

Deno.test("realm: the trusted node was renamed: the message has the new name; it is gone: it doesn't", () => {
  const realm = after(plan({}));
  const renamed = plan({
    realm,
    tailnet: { ...running(), trustedElsewhere: "bob-2.tailnet-name.ts.net" },
  });
  assert.match(ready(renamed).message, /the trusted node n1 is now named bob-2\.tailnet-name\.ts\.net/);
  assert.equal(renamed.status.node, undefined);
  const replaced = plan({ realm, tailnet: running(node({ stableID: "n2" })) });
  assert.match(ready(replaced).message, /n1 is no longer on the tailnet/);
});

Deno.test("realm: a person trusts another node: the previous one is recorded, with an event", () => {
  const first = plan({});
  assert.deepEqual([first.status.trustedNode, first.status.trustedBefore], ["n1", undefined]);
  const second = plan({ realm: after(first, "n2"), tailnet: running(node({ stableID: "n2" })) });
  assert.deepEqual([second.status.trustedNode, second.status.trustedBefore], ["n2", ["n1"]]);
  assert.deepEqual(second.events.map(({ type, reason }) => [type, reason]), [["Warning", "TrustedNodeChanged"]]);
  const back = plan({ realm: after(second, "n1") });
  assert.deepEqual([back.status.trustedNode, back.status.trustedBefore], ["n1", ["n2"]]);
  // Pin removed and no node present: the last trusted node stays recorded.
  const { trustedNode: _, ...released } = after(first);
  const gone = plan({ realm: released, tailnet: running() });
  assert.deepEqual([gone.status.trustedNode, gone.pin], ["n1", undefined]);
  const other = plan({ realm: { ...released, status: gone.status }, tailnet: running(node({ stableID: "n3" })) });
  assert.deepEqual([other.pin, other.status.trustedNode, other.status.trustedBefore], ["n3", "n3", ["n1"]]);
  const many = ["n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9", "na", "nb"].reduce(
    (done, stableID) => plan({ realm: after(done, stableID), tailnet: running(node({ stableID })) }),
    first,
  );
  assert.deepEqual(many.status.trustedBefore, ["n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9"].concat("na").slice(-8));
});

const day = 86_400_000;
const inDays = (days: number): string => new Date(now + days * day).toISOString();

Deno.test("realm: the key expires: one warning 7 days before, and expired by this clock too", () => {
  const at = (days: number, realmBefore = after(plan({})), expired = false) =>
    plan({ realm: realmBefore, tailnet: running(node({ keyExpiry: inDays(days), expired })) });
  const fine = at(8);
  assert.deepEqual([conditionOf(fine, "KeyExpiring").status, conditionOf(fine, "KeyExpiring").reason], [
    "False",
    "KeyValid",
  ]);
  assert.equal(fine.status.node!.keyExpiry, "2026-06-09T12:00:00Z");
  assert.equal(at(7.0001).wakeAt, now + Math.round(0.0001 * day), "due when the 7 days begin");
  const near = at(7, after(fine));
  const { status, reason, message } = conditionOf(near, "KeyExpiring");
  assert.deepEqual([status, reason], ["True", "KeyExpiring"]);
  assert.match(message, /expires at 2026-06-08T12:00:00/);
  assert.deepEqual(near.events.map(({ type, reason }) => [type, reason]), [["Warning", "KeyExpiring"]]);
  assert.equal(near.status.connectionState, "Connected");
  assert.deepEqual(at(6.5, after(near)).events, []);
  for (const past of [at(0, after(near)), at(3, after(near), true)]) {
    assert.deepEqual([past.status.connectionState, ready(past).reason], ["Error", "KeyExpired"]);
    assert.equal(conditionOf(past, "KeyExpiring").reason, "KeyExpired");
    assert.equal(condition(past, "IdentityVerified"), "True", "it is still the same node");
    assert.deepEqual(past.events.map(({ type, reason }) => [type, reason]), [["Warning", "KeyExpired"]]);
  }
  assert.equal(conditionOf(plan({}), "KeyExpiring").reason, "KeyNeverExpires");
  assert.equal(condition(plan({ tailnet: running() }), "KeyExpiring"), "Unknown");
  // The clock goes on while tailscaled is away.
  const away = plan({ realm: after(near), tailnet: unavailable, now: now + 8 * day });
  assert.equal(conditionOf(away, "KeyExpiring").reason, "KeyExpired");
});

Deno.test("realm: the control server differs from spec.connectionType: reported, but works", () => {
  const seen = (connectionType: "tailscale" | "headscale", controlServer?: string) =>
    plan({
      realm: realm({ spec: { connectionType } }),
      tailnet: { ...running(node()), ...(controlServer ? { controlServer } : {}) },
    });
  const conditions = [
    seen("tailscale", "https://controlplane.tailscale.com"),
    seen("tailscale", "https://login.tailscale.com/"),
    seen("headscale", "https://headscale.example"),
    seen("tailscale", "https://tailscale.com.example.org"),
    seen("tailscale", "http://127.0.0.1:8080"),
    seen("headscale", "https://controlplane.tailscale.com"),
    seen("headscale", "not a URL"),
    seen("tailscale"),
  ].map((plan) => [condition(plan, "ConnectionTypeMatches"), condition(plan, "Ready"), plan.events.length]);
  assert.deepEqual(conditions, [
    ["True", "True", 1],
    ["True", "True", 1],
    ["True", "True", 1],
    ["False", "True", 2],
    ["False", "True", 2],
    ["False", "True", 2],
    ["True", "True", 1],
    ["Unknown", "True", 1],
  ]);
  assert.match(
    conditionOf(seen("tailscale", "http://127.0.0.1:8080"), "ConnectionTypeMatches").message,
    /is tailscale, but the control server is http:\/\/127\.0\.0\.1:8080, .* Set spec\.connectionType to headscale/,
  );
});

Deno.test("realm: the capability is recorded as granted by the policy, within limits", () => {
  const granted = (realmCapability?: unknown[] | null, before = realm()) =>
    plan({
      realm: before,
      tailnet: running(node(realmCapability === undefined ? {} : { realmCapability })),
    }).status.node!.realmCapability;
  const known = after(plan({ tailnet: running(node({ realmCapability: ["x"] })) }));
  assert.deepEqual(granted(undefined, known), ['"x"'], "unknown, as after a restart: the recorded value stays");
  assert.equal(granted(null, known), undefined);
  assert.equal(granted(), undefined);
  assert.deepEqual(granted([]), []);
  assert.deepEqual(granted([{ realm: "bob-home" }, "x"]), ['{"realm":"bob-home"}', '"x"']);
  assert.deepEqual(granted(["y".repeat(2000), 7]), ["7"], "one that is too long is left out, not cut");
  assert.equal(granted(Array.from({ length: 99 }, (_, index) => index))!.length, 16);
});

const pinged = (facts: Partial<PingFacts>): PingFacts => ({
  stableID: "n1",
  address: "100.64.0.2",
  alike: 1,
  at: now,
  ...facts,
});

Deno.test("realm: an online node is pinged at once, then rarely; other nodes never", () => {
  const due = (ping?: PingFacts, tailnet: TailnetFacts = running(node())) => {
    const { ping: asked, wakeAt } = plan({ realm: after(plan({})), tailnet, ...(ping ? { ping } : {}) });
    return asked ? asked.address : wakeAt === undefined ? undefined : wakeAt - now;
  };
  assert.equal(due(), "100.64.0.2");
  assert.equal(due(pinged({ stableID: "n2", path: "direct" })), "100.64.0.2", "another node was pinged");
  assert.equal(due(pinged({ address: "100.64.0.9", path: "direct" })), "100.64.0.2", "it has moved");
  assert.equal(due(pinged({ path: "direct", at: now - 15 * 60_000 })), "100.64.0.2");
  assert.equal(due(pinged({ path: "relay" })), 1000, "a direct path may come");
  assert.equal(due(pinged({ path: "relay", alike: 3 })), 300_000, "lastSeen is due before");
  assert.deepEqual([1, 2, 3, 4].map((alike) => due(pinged({ alike }))), [1000, 2000, 4000, 8000]);
  assert.equal(due(pinged({ alike: 5000 })), 300_000);
  for (const absent of [{ online: false }, { self: true }, { expired: true }, { addresses: [] }]) {
    assert.notEqual(due(undefined, running(node(absent))), "100.64.0.2");
  }
});

Deno.test("realm: one lost ping: no change; two: unreachable, and nothing else changes", () => {
  const shown = plan({ realm: after(plan({})), ping: pinged({ path: "direct", latencyMs: 1.2 }) });
  assert.deepEqual([shown.status.node!.path, shown.status.node!.latencyMs], ["direct", 2]);
  const one = plan({ realm: after(shown), ping: pinged({}) });
  assert.deepEqual(one.status, shown.status);
  const two = plan({ realm: after(shown), ping: pinged({ alike: 2 }), now: now + 1000 });
  assert.deepEqual([two.status.connectionState, condition(two, "Reachable"), ready(two).reason], [
    "Connected",
    "False",
    "NoAnswer",
  ]);
  assert.equal(two.status.node!.path, undefined);
  assert.equal(two.status.lastSeen, shown.status.lastSeen, "not seen now");
  assert.equal(condition(two, "IdentityVerified"), "True");
  assert.deepEqual(two.events.map(({ reason }) => reason), ["NoAnswer"]);
  for (const ping of [undefined, pinged({})]) {
    assert.deepEqual(plan({ realm: after(two), ping }).status, two.status, "another process has yet to find out");
  }
  const later = plan({ realm: after(two), ping: pinged({ alike: 9 }), now: now + 3_600_000 });
  assert.deepEqual(later.status, two.status, "nor is lastSeen renewed");
  const gone = plan({ realm: after(two), tailnet: running(node({ online: false })), now: now + 5000 });
  assert.deepEqual([gone.status.connectionState, gone.status.lastSeen], ["Disconnected", shown.status.lastSeen]);
  const back = plan({ realm: after(two), ping: pinged({ path: "direct", latencyMs: 1 }), now: now + 60_000 });
  assert.deepEqual([condition(back, "Reachable"), back.status.lastSeen], ["True", "2026-06-01T12:01:00Z"]);
});

Deno.test("realm: path and latency change only after a clear difference", () => {
  const first = plan({ realm: after(plan({})), ping: pinged({ path: "direct", latencyMs: 9 }) });
  const shows = (ping: Partial<PingFacts>, before = first) => {
    const { path, latencyMs } = plan({ realm: after(before), ping: pinged(ping) }).status.node!;
    return [path, latencyMs];
  };
  const kept = ["direct", 10];
  assert.deepEqual(shows({ path: "direct", latencyMs: 80 }), kept, "nor is one slow answer");
  assert.deepEqual(shows({ path: "direct", latencyMs: 15, alike: 2 }), kept);
  assert.deepEqual(shows({ path: "direct", latencyMs: 2.6, alike: 2 }), kept);
  assert.deepEqual(shows({ path: "relay", latencyMs: 80 }), kept, "a relay is not believed at once");
  assert.deepEqual(shows({ path: "direct", latencyMs: 15.1, alike: 2 }), ["direct", 20]);
  assert.deepEqual(shows({ path: "direct", latencyMs: 2.4, alike: 2 }), ["direct", 5]);
  assert.deepEqual(shows({ path: "relay", latencyMs: 80, alike: 3 }), ["relay", 100]);
  const fresh = after(plan({}));
  const latencies = [0, 0.3, 1, 1.1, 4.9, 10, 11, 999, 1000, 4300].map((latencyMs) =>
    plan({ realm: fresh, ping: pinged({ path: "direct", latencyMs }) }).status.node!.latencyMs
  );
  assert.deepEqual(latencies, [1, 1, 1, 2, 5, 10, 20, 1000, 1000, 5000]);
});

Deno.test("realm: an offline node: lastSeen is the time reported by the control server", () => {
  const lastSeen = "2026-06-01T11:00:00.000Z";
  const never = plan({ tailnet: running(node({ online: false, lastSeen })) });
  assert.equal(never.status.lastSeen, "2026-06-01T11:00:00Z");
  const connected = after(plan({}));
  const gone = (lastSeen: string) =>
    plan({ realm: connected, tailnet: running(node({ online: false, lastSeen })), now: now + 90_000 }).status.lastSeen;
  assert.equal(gone("2026-06-01T12:01:20Z"), "2026-06-01T12:01:20Z");
  assert.equal(gone(lastSeen), "2026-06-01T12:00:00Z", "lastSeen was later than that");
});

Deno.test("realm: the node is missing for a moment: not gone; renamed or replaced: gone at once", () => {
  const realmBefore = after(plan({}));
  const at = (ms: number, tailnet: TailnetFacts = running()) =>
    plan({ realm: realmBefore, tailnet, missingSince: now, now: now + ms });
  for (const ms of [0, 499]) {
    assert.deepEqual(at(ms).status, realmBefore.status);
    assert.deepEqual([at(ms).wakeAt, at(ms).events], [now + 500, []]);
  }
  assert.equal(ready(at(500)).reason, "NodeNotFound");
  assert.equal(ready(at(0, { ...running(), trustedElsewhere: "bob-2.tailnet-name.ts.net" })).reason, "NodeNotFound");
  assert.equal(ready(at(0, running(node({ stableID: "n2" })))).reason, "NodeReplaced");
  // A node that was never verified can't lose anything.
  assert.equal(ready(plan({ tailnet: running(), missingSince: now })).reason, "NodeNotFound");
});

Deno.test("realm: control server unreachable: an unlisted node doesn't count as gone", () => {
  const realmBefore = after(plan({}));
  const away = { ...running(), current: false };
  const unsure = plan({ realm: realmBefore, tailnet: away, missingSince: now - 60_000 });
  assert.deepEqual([unsure.status.connectionState, ready(unsure).reason], ["Unknown", "ControlServerUnreachable"]);
  assert.equal(condition(unsure, "IdentityVerified"), "True");
  assert.deepEqual(unsure.status.node, realmBefore.status.node);
  // A listed node is known.
  assert.equal(
    plan({ realm: realmBefore, tailnet: { ...running(node()), current: false } }).status.connectionState,
    "Connected",
  );
  assert.equal(
    ready(plan({ realm: realmBefore, tailnet: { ...running(node({ stableID: "n2" })), current: false } })).reason,
    "NodeReplaced",
  );
});
