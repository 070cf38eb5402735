import assert from "node:assert/strict";
import fc from "fast-check";
import { FakeClock } from "../clock/mod.ts";
import { WorkQueue } from "./work_queue.ts";

/**
 * The queue's contract in a naive form: all requests are kept, and the next key is searched for. Times are on the
 * fake clock's scales; with `random: () => 0` the backoff is exactly 100 ms · 2ⁿ⁻¹.
 */
class Model {
  now = 0;
  monotonic = 0;
  readonly taken = new Set<string>();
  requests: Request[] = [];
  readonly failures = new Map<string, number>();
  #order = 0;

  request(key: string, request: Omit<Request, "key" | "order">) {
    const order = this.#order++;
    this.requests.push({ ...request, key, order });
  }

  isDue({ scale, at }: Request): boolean {
    return at <= this[scale];
  }

  /** Returns the keys that may be taken now. */
  dueKeys(): Set<string> {
    return new Set(this.requests.filter((r) => this.isDue(r) && !this.taken.has(r.key)).map((r) => r.key));
  }

  take(key: string) {
    this.taken.add(key);
    this.requests = this.requests.filter((r) => r.key !== key);
  }

  mustGoFirst(key: string): boolean {
    return this.requests.some((r) => r.key === key && r.urgent && this.isDue(r));
  }

  /** True if the key has an urgent request, due or not: the queue keeps one instant for all of a key's requests. */
  mayGoFirst(key: string): boolean {
    return this.requests.some((r) => r.key === key && r.urgent);
  }
}

interface Request {
  key: string;
  scale: "now" | "monotonic";
  at: number;
  urgent: boolean;
  order: number;
}

const key = fc.constantFrom("a", "b", "c", "d", "e");
const command = fc.oneof(
  fc.record({ do: fc.constant("add" as const), key, urgent: fc.boolean() }),
  fc.record({
    do: fc.constant("addAt" as const),
    key,
    afterMs: fc.integer({ min: -10, max: 100_000 }),
    urgent: fc.boolean(),
  }),
  fc.record({ do: fc.constant("retry" as const), key }),
  fc.record({ do: fc.constant("retryAfter" as const), key, afterMs: fc.nat(1000) }),
  fc.record({ do: fc.constant("forget" as const), key }),
  fc.record({ do: fc.constant("take" as const) }),
  fc.record({ do: fc.constant("take" as const) }),
  fc.record({ do: fc.constant("done" as const), nth: fc.nat(4) }),
  fc.record({ do: fc.constant("looked" as const), nth: fc.nat(4) }),
  fc.record({ do: fc.constant("advance" as const), ms: fc.oneof(fc.nat(500), fc.nat(90_000)) }),
  fc.record({ do: fc.constant("step" as const), ms: fc.integer({ min: -50_000, max: 50_000 }) }),
);

Deno.test("work queue: random operations: never two at once, nothing lost, never early, urgent first", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 60 }), async (commands) => {
      const clock = new FakeClock(1_000_000);
      const queue = new WorkQueue({ clock, random: () => 0 });
      const model = new Model();
      const tick = () => {
        model.now = clock.now();
        model.monotonic = clock.monotonic();
        assert.equal(queue.depth, model.dueKeys().size);
      };
      const take = async () => {
        const due = model.dueKeys();
        if (due.size === 0) return;
        const key = await queue.take(AbortSignal.timeout(1000));
        assert.ok(!model.taken.has(key), `${key} was given out twice`);
        assert.ok(due.has(key), `${key} was given out before its time`);
        const anyUrgent = [...due].some((other) => model.mustGoFirst(other));
        if (anyUrgent) assert.ok(model.mayGoFirst(key), `${key} went before an urgent key`);
        model.take(key);
      };
      const done = (key: string) => {
        model.taken.delete(key);
        queue.done(key);
      };
      tick();
      for (const command of commands) {
        switch (command.do) {
          case "add":
            model.request(command.key, { scale: "now", at: -Infinity, urgent: command.urgent });
            queue.add(command.key, { urgent: command.urgent });
            break;
          case "addAt":
            model.request(command.key, { scale: "now", at: clock.now() + command.afterMs, urgent: command.urgent });
            queue.addAt(command.key, clock.now() + command.afterMs, { urgent: command.urgent });
            break;
          case "retry": {
            const failures = (model.failures.get(command.key) ?? 0) + 1;
            model.failures.set(command.key, failures);
            const delay = Math.min(60_000, 100 * 2 ** (failures - 1));
            model.request(command.key, { scale: "monotonic", at: clock.monotonic() + delay, urgent: false });
            queue.retry(command.key);
            break;
          }
          case "retryAfter":
            model.request(command.key, {
              scale: "monotonic",
              at: clock.monotonic() + command.afterMs,
              urgent: false,
            });
            queue.retry(command.key, { afterMs: command.afterMs });
            break;
          case "forget":
            model.failures.delete(command.key);
            queue.forget(command.key);
            break;
          case "take":
            await take();
            break;
          case "done": {
            const key = [...model.taken][command.nth];
            if (key !== undefined) done(key);
            break;
          }
          case "looked": {
            const key = [...model.taken][command.nth];
            if (key === undefined) break;
            model.requests = model.requests.filter((r) => r.key !== key || !model.isDue(r));
            queue.looked(key);
            break;
          }
          case "advance":
            await clock.advance(command.ms);
            break;
          case "step":
            // A key stays due when the clock is set back, so the queue is checked after each step (tick).
            clock.step(command.ms);
            for (const r of model.requests) if (r.scale === "now" && r.at <= clock.now()) r.at = -Infinity;
            break;
        }
        for (const r of model.requests) if (r.at <= clock[r.scale]()) r.at = -Infinity;
        tick();
      }
      // Nothing lost: after all instants, every requested key is given out, and then no other.
      for (const key of [...model.taken]) done(key);
      clock.step(200_000);
      await clock.advance(60_000);
      tick();
      while (model.dueKeys().size > 0) {
        await take();
        for (const key of [...model.taken]) done(key);
      }
      assert.deepEqual(model.requests, []);
      assert.deepEqual([queue.depth, queue.waiting, clock.pending], [0, 0, 0]);
    }),
    { numRuns: 300 },
  );
});
