import assert from "node:assert/strict";
import { FakeClock } from "../clock/mod.ts";
import { ServerTime } from "./server_time.ts";

const start = Date.parse("2026-06-01T12:00:00Z");

Deno.test("server time: clocks agree within a Date header's precision: no skew, however old the response", async () => {
  for (const offset of [-2000, -1000, 0, 1000, 1500]) {
    const clock = new FakeClock(start);
    const time = new ServerTime(clock);
    time.observe({ serverDate: start + offset, durationMs: 20 });
    await clock.advance(3_600_000);
    assert.equal(time.skewMs(), 0, `${offset}`);
  }
});

Deno.test("server time: this machine's clock jumps: visible before the next response", () => {
  const clock = new FakeClock(start);
  const time = new ServerTime(clock);
  time.observe({ serverDate: start, durationMs: 0 });
  clock.step(3_600_000);
  assert.equal(time.skewMs(), -3_600_000 + 500);
  time.observe({ serverDate: start + 3_600_000, durationMs: 0 });
  assert.equal(time.skewMs(), 0, "the server's clock was set too");
});

Deno.test("server time: slow response: imprecise, not a wrong clock", async () => {
  const clock = new FakeClock(start);
  const time = new ServerTime(clock);
  await clock.advance(30_000);
  for (const written of [0, 15_000, 30_000]) {
    time.observe({ serverDate: start + written, durationMs: 30_000 });
    assert.equal(time.skewMs(), 0, `written after ${written} ms`);
  }
  time.observe({ serverDate: start + 60_000, durationMs: 30_000 });
  assert.ok(time.skewMs()! > 30_000);
});

Deno.test("server time: response without a date: the last result stays", () => {
  const time = new ServerTime(new FakeClock(start));
  time.observe({ durationMs: 5 });
  assert.equal(time.skewMs(), undefined);
  time.observe({ serverDate: start + 60_000, durationMs: 0 });
  time.observe({ durationMs: 5 });
  assert.equal(time.skewMs(), 60_500);
});
