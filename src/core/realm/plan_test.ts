import assert from "node:assert/strict";
import { node, now, realm } from "../../../tests/fixtures/facts.ts";
import { planRealm, type RealmPlan, type RealmWorld } from "./plan.ts";

const lastSeenEveryMs = 300_000;
const plan = (world: Partial<RealmWorld>): RealmPlan =>
  planRealm({
    realm: realm(),
    tailnet: { kind: "running", nodes: [node()] },
    local: false,
    lastSeenEveryMs,
    now,
    ...world,
  });
const ready = ({ status }: RealmPlan) => status.conditions!.find(({ type }) => type === "Ready")!;
const condition = ({ status }: RealmPlan, wanted: string) =>
  status.conditions!.find(({ type }) => type === wanted)!.status;
/** The realm after a plan was carried out. */
const after = (done: RealmPlan, trustedNode = done.pin ?? "n1") => realm({ trustedNode, status: done.status });

Deno.test("realm: the first node that answers is pinned and shown", () => {
  const first = plan({});
  assert.equal(first.pin, "n1");
  assert.equal(first.status.connectionState, "Connected");
  assert.equal(first.status.lastSeen, "2026-06-01T12:00:00Z");
  assert.deepEqual(first.status.node!.addresses, ["100.64.0.2", "fd7a:115c:a1e0::2"]);
  assert.deepEqual(first.events.map(({ reason }) => reason), ["Connected"]);
});

Deno.test("realm: nothing new, nothing written", () => {
  const first = plan({});
  const again = plan({ realm: after(first), now: now + 1000 });
  assert.deepEqual(again.status, first.status);
  assert.equal(again.pin, undefined);
  assert.deepEqual(again.events, []);
  assert.equal(again.wakeAt, now + lastSeenEveryMs);
});

Deno.test("realm: lastSeen is renewed while Connected when it is old enough", () => {
  const again = plan({ realm: after(plan({})), now: now + lastSeenEveryMs });
  assert.equal(again.status.lastSeen, "2026-06-01T12:05:00Z");
  assert.deepEqual(again.events, []);
});

Deno.test("realm: a node that goes offline keeps its addresses; lastSeen is that moment", () => {
  const gone = plan({
    realm: after(plan({})),
    tailnet: { kind: "running", nodes: [node({ online: false })] },
    now: now + 60_000,
  });
  assert.equal(gone.status.connectionState, "Disconnected");
  assert.equal(gone.status.lastSeen, "2026-06-01T12:01:00Z");
  assert.equal(condition(gone, "IdentityVerified"), "True");
  assert.equal(gone.status.node!.addresses.length, 2);
  assert.equal(gone.wakeAt, undefined);
  const later = plan({
    realm: after(gone),
    tailnet: { kind: "running", nodes: [node({ online: false })] },
    now: now + 600_000,
  });
  assert.deepEqual(later.status, gone.status);
});

Deno.test("realm: without tailscaled it is Unknown with the reason, and what was verified stays so", () => {
  const unavailable = {
    kind: "unavailable" as const,
    reason: "TailscaledUnreachable",
    message: "No answer from /x.sock",
  };
  const lost = plan({ realm: after(plan({})), tailnet: unavailable });
  assert.equal(lost.status.connectionState, "Unknown");
  assert.equal(condition(lost, "IdentityVerified"), "True");
  assert.equal(lost.status.node!.addresses.length, 2);
  assert.match(ready(lost).message, /No answer from \/x\.sock; grants stay as they are/);
  const never = plan({ tailnet: unavailable });
  assert.equal(condition(never, "IdentityVerified"), "Unknown");
  assert.equal(never.status.node, undefined);
  assert.equal(plan({ tailnet: { ...unavailable, reason: "Starting" } }).status.connectionState, "Connecting");
  assert.match(ready(plan({ tailnet: { kind: "none" } })).message, /TS_SOCKET/);
});

Deno.test("realm: a node that takes over the name is not trusted, and its addresses are not shown", () => {
  const taken = plan({
    realm: after(plan({})),
    tailnet: { kind: "running", nodes: [node({ stableID: "n2", addresses: ["100.64.0.9"] })] },
  });
  assert.equal(taken.status.connectionState, "Error");
  assert.equal(ready(taken).reason, "NodeReplaced");
  assert.match(ready(taken).message, /kubectl annotate --overwrite realm bob-home keystone\.io\/trusted-node=n2/);
  assert.equal(taken.status.node, undefined);
  assert.equal(taken.pin, undefined);
  assert.equal(taken.events[0]!.type, "Warning");
});

Deno.test("realm: among several of one name the pinned one counts; without a pin none does", () => {
  const nodes = [node({ stableID: "n2" }), node()];
  assert.equal(
    plan({ realm: realm({ trustedNode: "n1" }), tailnet: { kind: "running", nodes } }).status.node!.stableID,
    "n1",
  );
  const unsure = plan({ tailnet: { kind: "running", nodes } });
  assert.deepEqual([ready(unsure).reason, unsure.pin, unsure.status.node], ["SeveralNodes", undefined, undefined]);
});

Deno.test("realm: a node that nobody knows, and one whose key has expired, are for a person to mend", () => {
  const unknown = plan({ tailnet: { kind: "running", nodes: [] } });
  assert.deepEqual([unknown.status.connectionState, ready(unknown).reason], ["Error", "NodeNotFound"]);
  const expired = plan({
    tailnet: { kind: "running", nodes: [node({ expired: true, keyExpiry: "2026-05-01T00:00:00Z" })] },
  });
  assert.deepEqual([expired.status.connectionState, ready(expired).reason], ["Error", "KeyExpired"]);
  assert.match(ready(expired).message, /2026-05-01/);
});

Deno.test("realm: the operator's own node is there, whatever the control server says", () => {
  const self = plan({ tailnet: { kind: "running", nodes: [node({ self: true, online: false })] }, local: true });
  assert.deepEqual([self.status.connectionState, self.status.local], ["Connected", true]);
});
