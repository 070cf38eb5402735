import assert from "node:assert/strict";
import { FakeClock } from "../clock/mod.ts";
import { apiError, connectionError, FakeCollection, type Thing } from "./fake_collection.ts";
import { Reflector, type ReflectorOptions } from "./reflector.ts";
import { Store } from "./store.ts";

/** Runs a reflector on a collection during `test`, and asserts that it leaves nothing behind. */
async function reflecting(
  prepare: (server: FakeCollection) => void,
  test: (parts: {
    server: FakeCollection;
    clock: FakeClock;
    store: Store<string, never, Thing>;
    reflector: Reflector<Thing, string>;
    reports: string[];
    changes: string[];
  }) => Promise<void>,
  options: Partial<ReflectorOptions<Thing, string>> = {},
) {
  const server = new FakeCollection();
  prepare(server);
  const clock = new FakeClock();
  const store = new Store({ project: (thing: Thing) => thing.metadata.resourceVersion });
  const reports: string[] = [];
  const changes: string[] = [];
  store.subscribe((change) => changes.push(`${change.key}: ${change.old ?? "none"} → ${change.new ?? "none"}`));
  const reflector = new Reflector<Thing, string>({
    api: server,
    store,
    clock,
    random: () => 0.5,
    onError: (error) => reports.push(error instanceof Error ? `${error.name}: ${error.message}` : String(error)),
    onRecover: () => reports.push("recovered"),
    ...options,
  });
  const stop = new AbortController();
  const running = reflector.run(stop.signal);
  try {
    await clock.advance(0);
    await test({ server, clock, store, reflector, reports, changes });
  } finally {
    stop.abort();
    await running;
  }
  assert.deepEqual([clock.pending, server.open], [0, 0]);
}

function three(server: FakeCollection) {
  for (const name of ["a", "b", "c"]) server.write(name);
}

Deno.test("reflector: starts: lists in pages, then watches from the list's version", () =>
  reflecting(three, async ({ server, clock, store, reflector, changes, reports }) => {
    assert.deepEqual(server.calls, ["list", "watch from 13"]);
    assert.ok(reflector.hasSynced);
    assert.deepEqual(store.list(), ["11", "12", "13"]);
    server.write("d");
    server.delete("a");
    await clock.advance(0);
    assert.deepEqual(changes.slice(3), ["d: none → 14", "a: 11 → none"]);
    assert.deepEqual(reports, []);
  }));

Deno.test("reflector: server ends the watch: resumed at once from the last version, bookmarks included", () =>
  reflecting(three, async ({ server, clock, reports }) => {
    await clock.advance(300_000);
    server.bookmark();
    await clock.advance(0);
    server.endWatch();
    await clock.advance(0);
    assert.deepEqual(server.calls.slice(1), ["watch from 13", "watch from 14"]);
    assert.deepEqual(reports, []);
  }));

Deno.test("reflector: watches end at once repeatedly: resumed with growing delays", () =>
  reflecting((server) => server.watchFaults.push(...Array(10).fill("end")), async ({ server, clock, reports }) => {
    const watches = () => server.calls.length - 1;
    assert.equal(watches(), 2);
    await clock.advance(249);
    assert.equal(watches(), 2);
    await clock.advance(1);
    assert.equal(watches(), 3);
    await clock.advance(500);
    assert.equal(watches(), 4);
    // 1 + 2 + 4 + 8 + 15 + 15 + 15 s, half of each step up to 30 s.
    await clock.advance(59_999);
    assert.equal(watches(), 10);
    await clock.advance(1);
    assert.equal(watches(), 11);
    assert.equal(server.open, 1);
    assert.deepEqual(reports, []);
  }));

Deno.test("reflector: version expired: listed again after a random time without a report; only differences change the store", () =>
  reflecting(three, async ({ server, clock, changes, reports }) => {
    server.delete("a");
    server.write("b");
    server.write("d");
    server.compact();
    changes.length = 0;
    await clock.advance(249);
    assert.equal(server.calls.length, 2);
    await clock.advance(1);
    assert.deepEqual(server.calls.slice(2), ["list", "watch from 16"]);
    assert.deepEqual(changes, ["a: 11 → none", "b: 12 → 15", "d: none → 16"]);
    assert.deepEqual(reports, []);
  }));

Deno.test("reflector: list fails at its second page: the store is unchanged", () =>
  reflecting(three, async ({ server, clock, store, changes, reports }) => {
    changes.length = 0;
    server.delete("a");
    server.listFaults.push({ error: connectionError(), afterPages: 1 });
    server.compact();
    await clock.advance(250);
    assert.deepEqual(server.calls.slice(2), ["list"]);
    assert.deepEqual([changes, store.size], [[], 3]);
    await clock.advance(10_000);
    assert.deepEqual([changes, store.size], [["a: 11 → none"], 2]);
    assert.deepEqual(reports, ["ConnectionError: connection refused", "recovered"]);
  }));

Deno.test("reflector: page with restart: replaces the earlier pages", async () => {
  const stop = new AbortController();
  const thing = (name: string, resourceVersion: string): Thing => ({
    metadata: { name, uid: name, resourceVersion },
  });
  const store = new Store({ project: ({ metadata }: Thing) => `${metadata.name} ${metadata.resourceVersion}` });
  let watchedFrom: string | undefined;
  const reflector = new Reflector({
    api: {
      async *pages() {
        yield { metadata: { resourceVersion: "10" }, items: [thing("a", "1"), thing("b", "2")] };
        yield { metadata: { resourceVersion: "20" }, items: [thing("b", "2"), thing("c", "15")], restart: true };
      },
      // deno-lint-ignore require-yield
      async *watch({ resourceVersion }) {
        watchedFrom = resourceVersion;
        stop.abort();
      },
    },
    store,
    clock: new FakeClock(),
  });
  await reflector.run(stop.signal);
  assert.deepEqual([store.list(), watchedFrom], [["b 2", "c 15"], "20"]);
});

Deno.test("reflector: failures: each kind is reported once, and the recovery once; delays double up to 30 s", () =>
  reflecting((server) => {
    three(server);
    for (let i = 0; i < 8; i++) server.listFaults.push({ error: connectionError() });
    server.listFaults.push({ error: apiError(404, "NotFound") }, { error: apiError(404, "NotFound") });
  }, async ({ server, clock, reports, reflector }) => {
    const startedAt = clock.monotonic();
    const times: number[] = [];
    for (let tries = server.calls.length; !reflector.hasSynced; await clock.advance(250)) {
      if (server.calls.length === tries) continue;
      tries = server.calls.length;
      times.push(clock.monotonic() - startedAt);
    }
    const delays = times.map((time, i) => time - (times[i - 1] ?? 0));
    assert.deepEqual(delays, [250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
    assert.deepEqual(reports, ["ConnectionError: connection refused", "ApiError: NotFound", "recovered"]);
  }));

Deno.test("reflector: connection breaks: resumed from its version, recovers once connected", () =>
  reflecting(three, async ({ server, clock, reports }) => {
    server.watchFaults.push({ error: connectionError() }, { error: connectionError() });
    server.endWatch(connectionError());
    await clock.advance(10_000);
    assert.deepEqual(server.calls.slice(1), Array(4).fill("watch from 13"));
    assert.deepEqual(reports, ["ConnectionError: connection refused", "recovered"]);
  }));

Deno.test("reflector: watch is refused: lists again, which alone is no recovery", () =>
  reflecting((server) => {
    three(server);
    server.watchFaults.push({ error: apiError(403, "Forbidden") }, { error: apiError(403, "Forbidden") });
  }, async ({ server, clock, reports }) => {
    await clock.advance(10_000);
    assert.deepEqual(server.calls, ["list", "watch from 13", "list", "watch from 13", "list", "watch from 13"]);
    assert.deepEqual(reports, ["ApiError: Forbidden", "recovered"]);
  }));

Deno.test("reflector: server is busy: watches again after Retry-After but within 30 s, without a list", () =>
  reflecting((server) => {
    three(server);
    server.watchFaults.push(
      { error: apiError(429, "TooManyRequests", 7) },
      { error: apiError(503, "ServiceUnavailable", 3600) },
    );
  }, async ({ server, clock }) => {
    await clock.advance(6999);
    assert.equal(server.calls.length, 2);
    await clock.advance(1);
    assert.equal(server.calls.length, 3);
    await clock.advance(29_999);
    assert.equal(server.calls.length, 3);
    await clock.advance(1);
    assert.deepEqual(server.calls.slice(1), Array(3).fill("watch from 13"));
  }));

Deno.test("reflector: watch worked for a while: the delays are reset", () =>
  reflecting((server) => {
    for (let i = 0; i < 6; i++) server.listFaults.push({ error: connectionError() });
  }, async ({ server, clock }) => {
    await clock.advance(60_000);
    server.write("a");
    await clock.advance(60_000);
    server.endWatch(connectionError());
    const calls = server.calls.length;
    await clock.advance(250);
    assert.equal(server.calls.length, calls + 1);
  }));

Deno.test("reflector: synced: resolves with the first list, rejects with the signal's reason", () =>
  reflecting(
    (server) => server.listFaults.push({ error: connectionError() }),
    async ({ clock, reflector, server }) => {
      const stop = new AbortController();
      const aborted = assert.rejects(reflector.synced(stop.signal), /enough/);
      const synced = reflector.synced(new AbortController().signal);
      assert.equal(reflector.hasSynced, false);
      stop.abort(new Error("enough"));
      await aborted;
      await assert.rejects(reflector.synced(stop.signal), /enough/);
      await clock.advance(250);
      await synced;
      assert.equal(server.open, 1);
      await reflector.synced(new AbortController().signal);
    },
  ));

Deno.test("reflector: listener throws: reported, watch and store continue", () =>
  reflecting(three, async ({ server, store, clock, reports }) => {
    const end = store.subscribe(() => {
      throw new Error("broken");
    });
    server.write("d");
    await clock.advance(0);
    assert.equal(reports[0], "AggregateError: Listeners threw on changes of a store; they must not.");
    end();
    server.write("e");
    await clock.advance(0);
    assert.deepEqual(server.calls, ["list", "watch from 13"]);
    assert.deepEqual([store.list(), reports.at(-1)], [["11", "12", "13", "14", "15"], "recovered"]);
  }));

Deno.test("reflector: object can't be read: list, watch and other objects continue", async () => {
  const server = new FakeCollection();
  three(server);
  const clock = new FakeClock();
  const store = new Store({
    project: ({ metadata: { name, resourceVersion } }: Thing) => {
      if (name === "b" && resourceVersion !== "15") throw new RangeError("b is odd");
      return resourceVersion;
    },
  });
  const told: string[] = [];
  store.onUnreadable(({ key, why }) => told.push(`${key}: ${why}`));
  const errors: unknown[] = [];
  const reflector = new Reflector({ api: server, store, clock, onError: (error) => errors.push(error) });
  const stop = new AbortController();
  const running = reflector.run(stop.signal);
  await reflector.synced(AbortSignal.timeout(1000));
  await clock.advance(0);
  assert.deepEqual([store.list(), told], [["11", "13"], ["b: b is odd"]]);
  server.write("d");
  await clock.advance(0);
  assert.deepEqual(store.list(), ["11", "13", "14"]);
  server.write("b");
  await clock.advance(0);
  assert.deepEqual([store.list(), store.unreadable], [["11", "15", "13", "14"], []]);
  server.write("b");
  server.write("a");
  await clock.advance(0);
  assert.deepEqual([store.list(), told.length], [["17", "13", "14"], 2]);
  assert.deepEqual([server.calls, errors], [["list", "watch from 13"], []]);
  stop.abort();
  await running;
});

Deno.test("reflector: abort during a list, during a delay or before the start: ends", async () => {
  for (const moment of ["before", "list", "delay"] as const) {
    const server = new FakeCollection();
    server.listFaults.push({ error: connectionError() });
    const clock = new FakeClock();
    const store = new Store({ project: (thing: Thing) => thing.metadata.name });
    const reports: unknown[] = [];
    const reflector = new Reflector({ api: server, store, clock, onError: (error) => reports.push(error) });
    const stop = new AbortController();
    if (moment === "before") stop.abort();
    const running = reflector.run(stop.signal);
    if (moment === "delay") await clock.advance(0);
    stop.abort();
    await running;
    assert.equal(clock.pending, 0);
    assert.equal(reports.length, moment === "delay" ? 1 : 0);
  }
});

Deno.test("reflector: selector: sent with each list and watch", async () => {
  const seen: unknown[] = [];
  const stop = new AbortController();
  const reflector = new Reflector<Thing, string>({
    api: {
      async *pages({ signal: _, ...options }) {
        seen.push(options);
        yield { metadata: { resourceVersion: "1" }, items: [] };
      },
      // deno-lint-ignore require-yield
      async *watch({ signal: _, onOpen: __, ...options }) {
        seen.push(options);
        stop.abort();
      },
    },
    store: new Store({ project: (thing: Thing) => thing.metadata.name }),
    selector: { labelSelector: "a=b", fieldSelector: "metadata.name=c" },
    clock: new FakeClock(),
  });
  await reflector.run(stop.signal);
  const selector = { labelSelector: "a=b", fieldSelector: "metadata.name=c" };
  assert.deepEqual(seen, [selector, { ...selector, resourceVersion: "1" }]);
});
