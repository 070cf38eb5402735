import assert from "node:assert/strict";
import fc from "fast-check";
import { FakeClock } from "../../lib/clock/mod.ts";
import { LiveNames } from "./live_names.ts";
import type { IPFamily, LookupResult } from "./lookup.ts";

const second = 1000;
const minute = 60 * second;

/** A DNS with the test's answers, after `delayMs`. */
class FakeDns {
  readonly #clock: FakeClock;
  /** Queries, as `name family`, with the time at which they were sent. */
  readonly asked: [number, string][] = [];
  readonly zone = new Map<string, LookupResult | Error>();
  delayMs = 0;
  slow = new Set<string>();
  now = 0;
  most = 0;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  /** Sets the IPv4 and IPv6 addresses of a name; with none, the name doesn't exist. */
  set(name: string, addresses: string[], ttlMs = 30 * second): void {
    for (const family of ["A", "AAAA"] as const) {
      const own = addresses.filter((address) => address.includes(":") === (family === "AAAA"));
      const missing = addresses.length === 0 ? "NXDOMAIN" : "NODATA";
      this.zone.set(`${name} ${family}`, { addresses: own, ...(own.length > 0 ? {} : { missing }), ttlMs });
    }
  }

  fail(name: string, message = "it rains"): void {
    for (const family of ["A", "AAAA"]) this.zone.set(`${name} ${family}`, new Error(message));
  }

  readonly lookup = async (name: string, family: IPFamily, signal: AbortSignal): Promise<LookupResult> => {
    signal.throwIfAborted();
    const question = `${name} ${family}`;
    this.asked.push([this.#clock.monotonic(), question]);
    this.most = Math.max(this.most, ++this.now);
    try {
      const delayMs = this.slow.has(name) ? 6 * second : this.delayMs;
      if (delayMs > 0) {
        await new Promise<void>((resolve, reject) => {
          const timer = this.#clock.setTimer(delayMs, resolve);
          signal.addEventListener("abort", () => {
            timer.cancel();
            reject(signal.reason);
          });
        });
      }
    } finally {
      this.now--;
    }
    const answer = this.zone.get(question) ?? { addresses: [], missing: "NXDOMAIN", ttlMs: minute };
    if (answer instanceof Error) throw answer;
    return answer;
  };
}

interface World {
  clock: FakeClock;
  dns: FakeDns;
  names: LiveNames;
  /** Notifications of listeners, in order. */
  told: string[];
}

async function resolving(use: (world: World) => Promise<void>): Promise<void> {
  const clock = new FakeClock();
  const dns = new FakeDns(clock);
  const names = new LiveNames({ clock, lookup: dns.lookup });
  const told: string[] = [];
  names.onChange((name) => told.push(name));
  const abort = new AbortController();
  const run = names.run(abort.signal);
  try {
    await use({ clock, dns, names, told });
  } finally {
    abort.abort();
    await run;
  }
  assert.equal(clock.pending, 0, "a timer was left behind");
  assert.equal(dns.now, 0, "a lookup was left behind");
}

const want = (names: LiveNames, ...wanted: string[]) => names.want(new Set(wanted));
const many = (count: number) => Array.from({ length: count }, (_, i) => `n${i}.example`);
const ips = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `192.0.2.${from + i}`);
const ip6s = (count: number) => Array.from({ length: count }, (_, i) => `2001:db8::${(i + 1).toString(16)}`);

Deno.test("names: name is wanted: queried at once, reported once both families are known", async () => {
  await resolving(async ({ clock, dns, names, told }) => {
    dns.set("a.example", ["2001:db8::1", "192.0.2.10", "192.0.2.9"]);
    dns.delayMs = second;
    want(names, "a.example");
    assert.equal(names.get("a.example"), undefined);
    await clock.advance(second - 1);
    assert.equal(names.get("a.example"), undefined);
    await clock.advance(1);
    assert.deepEqual(names.get("a.example"), { addresses: ["192.0.2.9", "192.0.2.10", "2001:db8::1"] });
    assert.deepEqual(told, ["a.example"]);
    assert.deepEqual(dns.asked, [[0, "a.example A"], [0, "a.example AAAA"]]);
  });
});

Deno.test("names: TTL ends: the family is queried again, unchanged results aren't reported", async () => {
  await resolving(async ({ clock, dns, names, told }) => {
    dns.set("a.example", ["192.0.2.1", "192.0.2.2"]);
    dns.zone.set("a.example AAAA", { addresses: [], missing: "NODATA", ttlMs: 50 * second });
    want(names, "a.example");
    await clock.advance(10 * second);
    dns.set("a.example", ["192.0.2.2", "192.0.2.1"]);
    dns.zone.set("a.example AAAA", { addresses: [], missing: "NXDOMAIN", ttlMs: 50 * second });
    await clock.advance(90 * second);
    assert.deepEqual(dns.asked.filter(([, question]) => question.endsWith(" A")).map(([at]) => at / second), [
      0,
      30,
      60,
      90,
    ]);
    assert.deepEqual(dns.asked.filter(([, question]) => question.endsWith("AAAA")).map(([at]) => at / second), [
      0,
      50,
      100,
    ]);
    assert.deepEqual(told, ["a.example"]);
  });
});

Deno.test("names: answers rotate: settle to one set", async () => {
  await resolving(async ({ clock, dns, names, told }) => {
    const all = ips(1, 13);
    want(names, "a.example");
    for (let round = 0; round < 60; round++) {
      const at = (round * 3) % all.length;
      dns.set("a.example", all.slice(at, at + 3), 5 * second);
      await clock.advance(5 * second);
      if (round === 10) told.length = 0;
    }
    assert.deepEqual(told, []);
    assert.deepEqual(names.get("a.example"), { addresses: all });
  });
});

Deno.test("names: address is no longer in the answer: removed after its hold, and reported", async () => {
  await resolving(async ({ clock, dns, names, told }) => {
    dns.set("a.example", ["192.0.2.1"], 40 * second);
    want(names, "a.example");
    await clock.advance(0);
    dns.set("a.example", ["192.0.2.2"], 3600 * second);
    await clock.advance(80 * second - 1);
    assert.deepEqual(names.get("a.example")?.addresses, ["192.0.2.1", "192.0.2.2"]);
    assert.equal(told.length, 2);
    await clock.advance(1);
    assert.deepEqual(names.get("a.example")?.addresses, ["192.0.2.2"]);
    assert.equal(told.length, 3);
  });
});

Deno.test("names: no name, no address or no answer: different errors", async () => {
  await resolving(async ({ clock, dns, names }) => {
    dns.set("none.example", []);
    for (const family of ["A", "AAAA"]) {
      dns.zone.set(`empty.example ${family}`, { addresses: [], missing: "NODATA", ttlMs: minute });
    }
    dns.zone.set("half.example A", { addresses: [], missing: "NODATA", ttlMs: minute });
    dns.zone.set("half.example AAAA", new Error("it rains"));
    want(names, "none.example", "empty.example", "half.example");
    await clock.advance(0);
    const error = (name: string) => names.get(name)?.error;
    assert.equal(error("none.example"), "The DNS name none.example does not exist (NXDOMAIN).");
    assert.equal(error("empty.example"), "The DNS name empty.example has no address (neither A nor AAAA).");
    assert.equal(error("half.example"), "The DNS name half.example can't be resolved: it rains.");
    assert.deepEqual(names.get("none.example")?.addresses, []);
  });
});

Deno.test("names: one family always fails: the other is still reported", async () => {
  await resolving(async ({ clock, dns, names, told }) => {
    dns.set("a.example", ["192.0.2.1"]);
    dns.zone.set("a.example AAAA", new Error("it rains"));
    want(names, "a.example");
    await clock.advance(20 * minute);
    assert.deepEqual(names.get("a.example"), { addresses: ["192.0.2.1"] });
    assert.deepEqual(told, ["a.example"]);
  });
});

Deno.test("names: DNS fails and recovers: addresses stay for the grace, then the error is reported, then they return", async () => {
  await resolving(async ({ clock, dns, names, told }) => {
    dns.set("a.example", ["192.0.2.1"]);
    want(names, "a.example");
    await clock.advance(0);
    dns.fail("a.example");
    await clock.advance(30 * second + 5 * minute - 1);
    assert.deepEqual(names.get("a.example"), { addresses: ["192.0.2.1"] });
    assert.equal(told.length, 1);
    await clock.advance(1);
    const error = "The DNS name a.example can't be resolved: it rains.";
    assert.deepEqual(names.get("a.example"), { addresses: [], error });
    assert.equal(told.length, 2);
    await clock.advance(10 * minute);
    assert.equal(told.length, 2);
    dns.set("a.example", ["192.0.2.1"]);
    await clock.advance(minute);
    assert.deepEqual(names.get("a.example"), { addresses: ["192.0.2.1"] });
    assert.equal(told.length, 3);
  });
});

Deno.test("names: failures: retried with growing pauses", async () => {
  await resolving(async ({ clock, dns, names }) => {
    dns.fail("a.example");
    want(names, "a.example");
    await clock.advance(4 * minute);
    const times = dns.asked.filter(([, question]) => question.endsWith(" A")).map(([at]) => at / second);
    assert.deepEqual(times, [0, 5, 15, 35, 75, 135, 195]);
  });
});

Deno.test("names: name is no longer wanted: forgotten, its lookup is aborted", async () => {
  await resolving(async ({ clock, dns, names, told }) => {
    dns.set("a.example", ["192.0.2.1"]);
    dns.set("b.example", ["192.0.2.2"]);
    want(names, "a.example");
    await clock.advance(0);
    dns.delayMs = 5 * second;
    want(names, "b.example");
    assert.equal(names.get("a.example"), undefined);
    await clock.advance(second);
    assert.equal(dns.now, 2);
    want(names);
    await clock.advance(0);
    assert.equal(dns.now, 0);
    await clock.advance(10 * minute);
    assert.equal(names.get("b.example"), undefined);
    assert.deepEqual(told, ["a.example"]);
    assert.equal(dns.asked.length, 4);
  });
});

Deno.test("names: same names are wanted again: nothing is queried or forgotten", async () => {
  await resolving(async ({ clock, dns, names }) => {
    dns.set("a.example", ["192.0.2.1"]);
    want(names, "a.example");
    await clock.advance(0);
    want(names, "a.example", "b.example");
    assert.deepEqual(names.get("a.example")?.addresses, ["192.0.2.1"]);
    await clock.advance(0);
    assert.deepEqual(dns.asked.map(([, question]) => question), [
      "a.example A",
      "a.example AAAA",
      "b.example A",
      "b.example AAAA",
    ]);
  });
});

Deno.test("names: invalid name: has an error and is never queried", async () => {
  await resolving(async ({ clock, dns, names, told }) => {
    want(names, "-.example", "a..example");
    want(names, "-.example");
    await clock.advance(minute);
    want(names, "-.example");
    await clock.advance(minute);
    assert.match(names.get("-.example")?.error ?? "", /^-\.example is not a DNS name/);
    assert.deepEqual(told, ["-.example"]);
    assert.deepEqual(dns.asked, []);
    want(names);
    assert.equal(names.get("-.example"), undefined);
  });
});

Deno.test("names: more than 1,000 names: the first are resolved, others when there is room", async () => {
  await resolving(async ({ clock, dns, names, told }) => {
    const list = many(1002);
    want(names, ...list.slice(0, 999));
    // The late ones first: occupied places stay occupied.
    want(names, ...list.toReversed());
    await clock.advance(second);
    assert.equal(told.length, 1002);
    assert.equal(dns.asked.length, 2000);
    const refused = list.filter((name) => names.get(name)?.error?.includes("more than 1000 names"));
    assert.deepEqual(refused, ["n999.example", "n1000.example"]);
    want(names, ...list.slice(1));
    await clock.advance(second);
    assert.match(names.get("n999.example")?.error ?? "", /NXDOMAIN/);
    assert.match(names.get("n1000.example")?.error ?? "", /more than 1000 names/);
  });
});

Deno.test("names: many lookups are due: at most 16 run at once", async () => {
  await resolving(async ({ clock, dns, names }) => {
    dns.delayMs = 100;
    want(names, ...many(100));
    await clock.advance(1300);
    assert.equal(dns.most, 16);
    assert.equal(dns.asked.length, 200);
    assert(many(100).every((name) => names.get(name)));
  });
});

Deno.test("names: some names fail slowly: they hold up the others only once", async () => {
  await resolving(async ({ clock, dns, names }) => {
    const bad = many(200);
    for (const name of bad) {
      dns.slow.add(name);
      dns.fail(name);
    }
    dns.set("good.example", ["192.0.2.1"], 20 * second);
    want(names, "good.example", ...bad);
    await clock.advance(5 * minute);
    const times = dns.asked.filter(([, question]) => question === "good.example A").map(([at]) => at / second);
    assert(times.length >= 9, `${times}`);
    // Once every name has been queried, none is late.
    const late = times.slice(1).map((at, i) => at - times[i]! - 20).slice(-5);
    assert(late.every((seconds) => seconds === 0), `${late}`);
  });
});

Deno.test("names: more than 64 addresses: at most 64 are kept, at least half for each family", async () => {
  await resolving(async ({ clock, dns, names }) => {
    dns.set("both.example", [...ips(1, 101), ...ip6s(100)]);
    dns.set("mostly4.example", [...ips(1, 101), ...ip6s(3)]);
    dns.set("mostly6.example", [...ips(1, 3), ...ip6s(100)]);
    dns.set("only4.example", ips(1, 101));
    want(names, "both.example", "mostly4.example", "mostly6.example", "only4.example");
    await clock.advance(0);
    const counts = (name: string) => {
      const { addresses } = names.get(name)!;
      const six = addresses.filter((address) => address.includes(":")).length;
      return [addresses.length - six, six];
    };
    assert.deepEqual(counts("both.example"), [32, 32]);
    assert.deepEqual(counts("mostly4.example"), [61, 3]);
    assert.deepEqual(counts("mostly6.example"), [2, 62]);
    assert.deepEqual(names.get("only4.example")?.addresses, ips(1, 65));
  });
});

Deno.test("names: more than 64 addresses: those in the current answer are kept", async () => {
  await resolving(async ({ clock, dns, names }) => {
    want(names, "a.example");
    for (let from = 1; from < 200; from += 20) {
      dns.set("a.example", ips(from, from + 20), 5 * second);
      await clock.advance(5 * second);
      const { addresses } = names.get("a.example")!;
      assert(ips(from, from + 20).every((address) => addresses.includes(address)));
      assert(addresses.length <= 64);
    }
    assert.equal(names.get("a.example")?.addresses.length, 64);
  });
});

Deno.test("names: listener throws or changes the wanted names: both are handled", async () => {
  await resolving(async ({ clock, dns, names, told }) => {
    dns.set("a.example", ["192.0.2.1"]);
    dns.set("b.example", ["192.0.2.2"]);
    names.onChange((name) => {
      if (name === "a.example") want(names, "b.example", "-.example");
      throw new Error("listener");
    });
    want(names, "a.example");
    await clock.advance(0);
    assert.deepEqual(told, ["a.example", "-.example", "b.example"]);
    assert.equal(names.get("a.example"), undefined);
    assert.deepEqual(names.get("b.example")?.addresses, ["192.0.2.2"]);
  });
});

Deno.test("names: listener changes the wanted names while nothing else happens: effective at once", async () => {
  await resolving(async ({ clock, names, told }) => {
    names.onChange((name) => {
      if (name === "a.example") want(names, "-.example");
    });
    want(names, "a.example");
    await clock.advance(0);
    assert.deepEqual(told, ["a.example", "-.example"]);
  });
});

Deno.test("names: before run: no queries; signal aborts: run ends with its lookups", async () => {
  const clock = new FakeClock();
  const dns = new FakeDns(clock);
  const names = new LiveNames({ clock, lookup: dns.lookup });
  want(names, "a.example");
  await clock.advance(minute);
  assert.deepEqual(dns.asked, []);
  await names.run(AbortSignal.abort());
  assert.deepEqual(dns.asked, []);
  dns.delayMs = minute;
  const abort = new AbortController();
  const run = names.run(abort.signal);
  await clock.advance(second);
  assert.equal(dns.now, 2);
  abort.abort();
  await run;
  assert.equal(dns.now + clock.pending, 0);
  assert.equal(names.get("a.example"), undefined);

  // An aborted query is no failure.
  dns.delayMs = 0;
  const again = new AbortController();
  const anew = names.run(again.signal);
  await clock.advance(0);
  assert.match(names.get("a.example")?.error ?? "", /NXDOMAIN/);
  again.abort();
  await anew;
});

Deno.test("names: any sequence of events: listeners are notified of each change and of nothing else", async () => {
  const pool = many(4);
  const addresses = fc.subarray([...ips(1, 5), ...ip6s(3)]);
  const step = fc.oneof(
    fc.record({ want: fc.subarray(pool) }),
    fc.record({ name: fc.constantFrom(...pool), addresses, ttlMs: fc.constantFrom(0, 30 * second, 3600 * second) }),
    fc.record({ fails: fc.constantFrom(...pool) }),
    fc.record({ delayMs: fc.constantFrom(0, 1, second) }),
    fc.record({ advance: fc.constantFrom(0, 1, second, 20 * second, minute, 6 * minute) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), (steps) =>
      resolving(async ({ clock, dns, names }) => {
        const known = new Map<string, string>();
        let wanted = new Set<string>();
        const text = (name: string) => JSON.stringify(names.get(name));
        names.onChange((name) => {
          assert(wanted.has(name));
          assert.notEqual(text(name), known.get(name));
          known.set(name, text(name));
        });
        for (const step of steps) {
          if ("want" in step) {
            wanted = new Set(step.want);
            for (const name of known.keys()) if (!wanted.has(name)) known.delete(name);
            names.want(wanted);
          } else if ("addresses" in step) dns.set(step.name, step.addresses, step.ttlMs);
          else if ("fails" in step) dns.fail(step.fails);
          else if ("delayMs" in step) dns.delayMs = step.delayMs;
          else await clock.advance(step.advance);
          for (const name of pool) {
            const resolution = names.get(name);
            assert.equal(wanted.has(name) ? text(name) : undefined, known.get(name));
            if (resolution) assert.equal(resolution.addresses.length === 0, resolution.error !== undefined);
          }
        }
        for (const question of new Set(dns.asked.map(([, question]) => question))) {
          const times = dns.asked.filter(([, other]) => other === question).map(([at]) => at);
          if (steps.filter((step) => "want" in step).length > 1) continue;
          assert(times.slice(1).every((at, i) => at - times[i]! >= 5 * second), `${question}: ${times}`);
        }
      })),
    { numRuns: 60 },
  );
});
