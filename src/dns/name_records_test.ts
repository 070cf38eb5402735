import assert from "node:assert/strict";
import fc from "fast-check";
import { defaultTiming as timing, NameRecords } from "./name_records.ts";

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

const ip = (n: number) => `192.0.2.${n}`;
const some = (ns: number[], ttlMs: number) => ({ addresses: ns.map(ip), ttlMs });
const none = (ttlMs: number) => ({ addresses: [], missing: "NXDOMAIN" as const, ttlMs });

const shown = (records: NameRecords, now: number) => [...records.at(now).addresses].sort();

Deno.test("records: TTL ends: queried again, within the bounds", () => {
  const dueAfter = (answer: Parameters<NameRecords["answered"]>[0]) => {
    const records = new NameRecords(timing, 0);
    assert.equal(records.dueAt, 0);
    records.answered(answer, 10);
    return records.dueAt - 10;
  };
  assert.equal(dueAfter(some([1], 30 * second)), 30 * second);
  assert.equal(dueAfter(some([1], 0)), 5 * second);
  assert.equal(dueAfter(some([1], 24 * hour)), hour);
  assert.equal(dueAfter(none(30 * second)), 30 * second);
  assert.equal(dueAfter(none(0)), 5 * second);
  assert.equal(dueAfter(none(hour)), 5 * minute);
});

Deno.test("records: failures: retried after 5, 10, 20, 40 and then every 60 s; an answer resets this", () => {
  const records = new NameRecords(timing, 0);
  const pauses = [];
  let now = 0;
  for (let i = 0; i < 1100; i++) {
    records.failed("it rains", now);
    pauses.push((records.dueAt - now) / second);
    now = records.dueAt;
  }
  assert.deepEqual(pauses.slice(0, 7), [5, 10, 20, 40, 60, 60, 60]);
  assert.equal(pauses.at(-1), 60);
  records.answered(some([1], minute), now);
  records.failed("it rains", now);
  assert.equal(records.dueAt - now, 5 * second);
});

Deno.test("records: address is missing from the next answer: valid for twice the TTL, at least a minute", () => {
  for (const [ttl, hold] of [[5 * second, minute], [hour, 2 * hour]] as const) {
    const records = new NameRecords(timing, 0);
    records.answered(some([1, 2], ttl), 0);
    records.answered(some([2, 3], ttl), ttl);
    assert.equal(records.changesAt(ttl), hold);
    assert.deepEqual(shown(records, hold - 1), [1, 2, 3].map(ip));
    assert.deepEqual(shown(records, hold), [2, 3].map(ip));
    assert.equal(records.changesAt(hold), Infinity);
  }
});

Deno.test("records: next answer is late: the last one's addresses stay valid", () => {
  const records = new NameRecords(timing, 0);
  records.answered(some([1], 5 * second), 0);
  assert.deepEqual(shown(records, hour), [ip(1)]);
  assert.equal(records.changesAt(0), Infinity);
});

Deno.test("records: answer without addresses: effective at once", () => {
  const records = new NameRecords(timing, 0);
  records.answered(some([1], hour), 0);
  records.answered(none(minute), 1);
  assert.deepEqual(records.at(1), { addresses: [], missing: "NXDOMAIN" });
  records.answered(some([2], hour), 2);
  assert.deepEqual(shown(records, 2), [ip(2)]);
});

Deno.test("records: failures: the last answer stays valid for the grace after the first one", () => {
  const records = new NameRecords(timing, 0);
  records.answered(some([1], hour), 0);
  records.failed("it rains", hour);
  records.failed("it snows", hour + 5 * second);
  const end = hour + 5 * minute;
  assert.equal(records.changesAt(hour + minute), end);
  assert.deepEqual(shown(records, end - 1), [ip(1)]);
  assert.deepEqual(records.at(end), { addresses: [], failure: "it snows" });
  // Ended addresses don't return.
  records.answered(some([2], hour), end + 1);
  assert.deepEqual(shown(records, end + 1), [ip(2)]);
});

Deno.test("records: failure before any answer: effective at once", () => {
  const records = new NameRecords(timing, 0);
  assert.equal(records.asked, false);
  records.failed("it rains", 0);
  assert.equal(records.asked, true);
  assert.deepEqual(records.at(0), { addresses: [], failure: "it rains" });
});

Deno.test("records: too many addresses: those of the last answer are kept, then the latest", () => {
  const records = new NameRecords(timing, 0);
  const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
  records.answered(some(range(0, 60), hour), 0);
  records.answered(some(range(60, 120), hour), 1);
  records.answered(some(range(120, 150), hour), 2);
  const { addresses } = records.at(2);
  assert.deepEqual(addresses.slice(0, 90), [...range(120, 150), ...range(60, 120)].map(ip));
  assert.equal(addresses.length, 128);
});

/** Derives the valid addresses from all events, following the class's description. */
function model(events: readonly Event[], now: number): string[] {
  let era: { at: number; addresses: string[]; hold: number }[] = [];
  let failingSince = Infinity;
  for (const { at, addresses, ttlMs } of events) {
    if (addresses === undefined) {
      failingSince = Math.min(failingSince, at);
      continue;
    }
    if (failingSince + timing.graceMs <= at || addresses.length === 0) era = [];
    failingSince = Infinity;
    const hold = Math.max(2 * Math.min(Math.max(ttlMs, 5 * second), hour), minute);
    if (addresses.length > 0) era.push({ at, addresses, hold });
  }
  if (failingSince + timing.graceMs <= now) return [];
  const last = era.at(-1)?.addresses ?? [];
  const all = new Set(era.flatMap(({ addresses }) => addresses));
  return [...all].filter((address) => {
    const seen = era.findLast(({ addresses }) => addresses.includes(address))!;
    return last.includes(address) || seen.at + seen.hold > now;
  }).sort();
}

interface Event {
  at: number;
  /** Undefined: a failure. */
  addresses: string[] | undefined;
  ttlMs: number;
}

Deno.test("records: any events: the state equals the description's, and changes at the announced instant", () => {
  const pause = fc.oneof(fc.constantFrom(0, 1, 5 * second, 30 * second, minute, 5 * minute, hour), fc.nat(2 * hour));
  const event = fc.record({
    pause,
    addresses: fc.option(fc.uniqueArray(fc.integer({ min: 1, max: 12 }).map(ip), { maxLength: 5 }), { nil: undefined }),
    ttlMs: fc.oneof(fc.constantFrom(0, 30 * second, hour, 24 * hour), fc.nat(2 * hour)),
  });
  fc.assert(fc.property(fc.array(event, { maxLength: 20 }), pause, (steps, after) => {
    const records = new NameRecords(timing, 0);
    const events: Event[] = [];
    let now = 0;
    for (const { pause, addresses, ttlMs } of steps) {
      now += pause;
      events.push({ at: now, addresses, ttlMs });
      if (addresses) records.answered({ addresses, ttlMs }, now);
      else records.failed("it rains", now);
      assert.deepEqual(shown(records, now), model(events, now));
      assert(records.dueAt >= now + 5 * second && records.dueAt <= now + hour);
      // Nothing changes before the announced instant.
      const changesAt = records.changesAt(now);
      assert(changesAt > now);
      const quiet = Math.min(now + after, changesAt - 1);
      assert.deepEqual(model(events, quiet), model(events, now));
      if (changesAt < Infinity) assert.deepEqual(shown(records, changesAt), model(events, changesAt));
    }
  }));
});
