import assert from "node:assert/strict";
import { Estimate, Progress } from "./progress.ts";

Deno.test("an estimate starts from the known cost and follows the machine's speed", () => {
  let now = 0;
  const estimate = new Estimate(600, () => now);
  assert.equal(String(estimate), "0 %, about 10 min left");
  now = 300_000; // five minutes for work that should have taken 150 s
  estimate.add(150);
  assert.equal(String(estimate), "25 %, about 15 min left");
  now = 1_180_000;
  estimate.add(440);
  assert.equal(String(estimate), "98 %, about 20 s left");
  estimate.add(1_000);
  assert.equal(String(estimate), "100 %, about 5 s left");
});

for (const live of [true, false]) {
  Deno.test(live ? "on a terminal the line changes in place" : "elsewhere each line is printed separately", () => {
    let written = "";
    const terminal = {
      isTerminal: () => live,
      writeSync: (bytes: Uint8Array) => {
        written += new TextDecoder().decode(bytes);
        return bytes.length;
      },
    };
    new Progress(() => "lab: building etcd", terminal)[Symbol.dispose]();
    assert.equal(written, live ? "\r\x1b[2Klab: building etcd\r\x1b[2K" : "lab: building etcd\n");
  });
}
