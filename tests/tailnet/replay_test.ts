/**
 * Latency from the daemon's status to the tailnet's notification, to Realm.status and to the guests' policies, over changes
 * on a bus that replays recordings of real ones.
 */
import assert from "node:assert/strict";
import { distribution } from "../../bench/statistics.ts";
import type { PeerStatus } from "../../lib/tailscale/mod.ts";
import { createTailnet } from "../../src/tailnet/local_tailnet.ts";
import { eventually, grantOf, prepared, realmOf, startOperator } from "../fixtures/test_operator.ts";
import { replay } from "../fixtures/replay.ts";
import { dialects, ReplayedTailscaled } from "../fixtures/replayed_tailscaled.ts";
import { SeededRandom } from "../simulation/random.ts";
import { startLab } from "../lab/lab.ts";

Deno.test("220 changes on a replayed bus of either dialect: each is reported quickly", async () => {
  await Promise.all(dialects.map(async (dialect) => {
    const { latencies, made, asked } = await replay({ dialect, peers: 50, changes: 220, realms: 20 });
    const { median, p99: { median: p99 }, quantiles, samples } = distribution([latencies]);
    console.log(
      `${dialect}: median ${median} ms, p99 ${p99} ms, at most ${quantiles.at(-1)} ms; ${asked} requests for`,
      made,
    );
    assert.equal(samples, 220);
    assert(made.size >= 6, "some kinds of change are missing");
    assert(p99 < 2000, `p99 ${p99} ms`);
  }));
});

/** Returns the expected state of the Realm, and whether the guests' policy to its node is open. */
function expected(bob: PeerStatus | undefined): { state: string; open: boolean } {
  const named = bob?.DNSName === "bob-home.tailnet-name.ts.net.";
  if (!bob || !named) return { state: "Error NodeNotFound", open: false };
  if (bob.Expired) return { state: "Error KeyExpired", open: true };
  return { state: bob.Online ? "Connected Online" : "Disconnected Offline", open: true };
}

Deno.test("200 changes on a replayed bus: each is quickly in Realm.status and in the guests' policies", {
  // An external cluster may be slow to reach.
  ignore: Deno.env.get("KEYSTONE_LAB") === "external",
}, async () => {
  await using lab = await startLab({});
  using cluster = await prepared(lab);
  await cluster.realms.create(realmOf("bob-home"));
  await cluster.grants.create(grantOf({ name: "bob", to: "bob-home" }));
  const dir = await Deno.makeTempDir();
  const [toStatus, toPolicy]: [number[], number[]] = [[], []];
  try {
    for (const dialect of dialects) {
      const socket = `${dir}/${dialect}`;
      await using daemon = new ReplayedTailscaled(socket, dialect, 50);
      await using _operator = await startOperator(lab, { realm: "alice-home", tailnet: createTailnet({ socket }) });
      const shows = (state: string) =>
        eventually(`the Realm is ${state}`, async () => {
          const { status } = await cluster.realms.get("bob-home");
          const seen = `${status?.connectionState} ${status?.conditions?.find(({ type }) => type === "Ready")?.reason}`;
          return seen === state || seen;
        });
      const isOpen = (open: boolean) =>
        eventually(`the policy to the node is ${open ? "open" : "closed"}`, async () => {
          return (await cluster.policiesOf("bob-home")).includes("realm") === open || "not yet";
        });
      const random = new SeededRandom(11);
      const start = expected(daemon.bob);
      await Promise.all([shows(start.state), isOpen(start.open)]);
      for (let measured = 0; measured < 100;) {
        const before = expected(daemon.bob);
        const possible = daemon.possible();
        const at = daemon.change(random.of(possible));
        const after = expected(daemon.bob);
        if (after.state === before.state) continue;
        measured++;
        await Promise.all([
          shows(after.state).then(() => toStatus.push(performance.now() - at)),
          isOpen(after.open).then(() => {
            if (after.open !== before.open) toPolicy.push(performance.now() - at);
          }),
        ]);
      }
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
  for (const [what, latencies] of [["Realm.status", toStatus], ["NetworkPolicy", toPolicy]] as const) {
    const { median, p99: { median: p99 }, quantiles, samples } = distribution([latencies]);
    console.log(`${what}: ${samples} changes, median ${median} ms, p99 ${p99} ms, at most ${quantiles.at(-1)} ms`);
    assert(p99 < 2000, `${what}: p99 ${p99} ms`);
  }
  assert.ok(toStatus.length >= 200 && toPolicy.length >= 50, `${toStatus.length} and ${toPolicy.length} changes`);
});
