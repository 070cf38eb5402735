/** From the daemon's status to the tailnet's notification, over changes on a bus that says what real ones have said. */
import assert from "node:assert/strict";
import { summary } from "../../bench/statistics.ts";
import { replay } from "../fixtures/replay.ts";
import { dialects } from "../fixtures/replayed_tailscaled.ts";

Deno.test("each of 220 changes on a replayed bus of either dialect is told, and soon", async () => {
  await Promise.all(dialects.map(async (dialect) => {
    const { latencies, made, asked } = await replay({ dialect, peers: 50, changes: 220, realms: 20 });
    const { median, p99, max, samples } = summary(latencies);
    console.log(`${dialect}: median ${median} ms, p99 ${p99} ms, at most ${max} ms; ${asked} requests for`, made);
    assert.equal(samples, 220);
    assert(made.size >= 6, "not every kind of change was made");
    assert(p99 < 2000, `p99 ${p99} ms`);
  }));
});
