import assert from "node:assert/strict";
import fc from "fast-check";
import { FakeClock } from "../clock/mod.ts";
import { apiError, connectionError, FakeCollection, type Thing } from "./fake_collection.ts";
import { Reflector } from "./reflector.ts";
import { isNewer } from "./resource_version.ts";
import { Store } from "./store.ts";

const name = fc.constantFrom("a", "b", "c", "d", "e");
const error = fc.constantFrom(
  connectionError(),
  apiError(410, "Expired"),
  apiError(403, "Forbidden"),
  apiError(429, "TooManyRequests", 1),
  new TypeError("broken"),
);
const watchFault = fc.oneof(fc.constant("end" as const), fc.record({ error }));
const listFault = fc.oneof(
  fc.constant("restart" as const),
  fc.record({ error, afterPages: fc.nat(2) }),
);
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant("write" as const), name }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("delete" as const), name }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("ownWrite" as const), name, late: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("ownDelete" as const), name, late: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("deliver" as const), versions: fc.nat(4) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("advance" as const), ms: fc.nat(3000) }) },
  fc.record({ do: fc.constant("bookmark" as const) }),
  fc.record({ do: fc.constant("repeat" as const) }),
  fc.record({ do: fc.constant("compact" as const) }),
  fc.record({ do: fc.constant("endWatch" as const), error: fc.option(error, { nil: undefined }) }),
  fc.record({ do: fc.constant("watchFault" as const), fault: watchFault }),
  fc.record({ do: fc.constant("listFault" as const), fault: listFault }),
);

Deno.test("reflector: random faults and writes: the store converges to the server's state, and its changes replay to the same", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(name), fc.array(step, { maxLength: 40 }), async (initial, steps) => {
      const server = new FakeCollection({ holdBack: true });
      for (const name of initial) server.write(name);
      const clock = new FakeClock();
      const isReadable = ({ name, resourceVersion }: Thing["metadata"]) =>
        name !== "e" || Number(resourceVersion) % 2 === 0;
      const store = new Store({
        project: ({ metadata }: Thing) => {
          if (!isReadable(metadata)) throw new Error("odd");
          return metadata;
        },
        indexes: { initial: ({ name }) => [name.slice(0, 1)] },
      });
      const replayed = new Map<string, Thing["metadata"]>();
      store.subscribe(({ key, old, new: now }) => {
        assert.equal(replayed.get(key), old);
        if (now === undefined) replayed.delete(key);
        else replayed.set(key, now);
        if (old !== undefined && now !== undefined) assert.ok(isNewer(now.resourceVersion, old.resourceVersion));
      });
      const stop = new AbortController();
      const reflector = new Reflector({ api: server, store, clock, random: () => 0.5 });
      const running = reflector.run(stop.signal);
      /** Responses to own writes that arrive after later steps. */
      const late: (() => void)[] = [];
      for (const step of steps) {
        switch (step.do) {
          case "write":
            server.write(step.name);
            break;
          case "delete":
            server.delete(step.name);
            break;
          case "ownWrite": {
            const answer = server.write(step.name);
            if (step.late) late.push(() => store.observe(answer));
            else store.observe(answer);
            break;
          }
          case "ownDelete": {
            const uid = server.delete(step.name);
            if (uid === undefined) break;
            if (step.late) late.push(() => store.forget(step.name, uid));
            else store.forget(step.name, uid);
            break;
          }
          case "deliver":
            server.deliver(step.versions);
            await clock.advance(0);
            for (const arrive of late.splice(0)) arrive();
            break;
          case "advance":
            await clock.advance(step.ms);
            break;
          case "bookmark":
          case "repeat":
          case "compact":
            server[step.do]();
            break;
          case "endWatch":
            server.endWatch(step.error);
            break;
          case "watchFault":
            server.watchFaults.push(step.fault);
            break;
          case "listFault":
            server.listFaults.push(step.fault);
            break;
        }
      }
      server.watchFaults.length = 0;
      server.listFaults.length = 0;
      for (const arrive of late) arrive();
      server.deliver(Infinity);
      await clock.advance(60_000);
      const byName = (a: Thing["metadata"], b: Thing["metadata"]) => a.name < b.name ? -1 : 1;
      const all = server.truth.map((thing) => thing.metadata).sort(byName);
      const truth = all.filter(isReadable);
      assert.deepEqual(
        store.unreadable.map(({ uid }) => uid),
        all.filter((metadata) => !isReadable(metadata)).map(({ uid }) => uid),
      );
      assert.equal(store.size, truth.length);
      assert.deepEqual(store.list().sort(byName), truth);
      assert.deepEqual([...replayed.values()].sort(byName), truth);
      for (const metadata of truth) assert.deepEqual(store.index("initial", metadata.name), [metadata]);
      stop.abort();
      await running;
      assert.deepEqual([server.open, clock.pending], [0, 0]);
    }),
    { numRuns: 300 },
  );
});
