import assert from "node:assert/strict";
import fc from "fast-check";
import { InstantHeap } from "./instant_heap.ts";

const KEYS = Array.from("abcdefghijklmnop");

Deno.test("heap: random operations: equals a map searched for its minimum", () => {
  const key = fc.constantFrom(...KEYS);
  const command = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant("add" as const), key, at: fc.nat(20), urgent: fc.boolean() }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("delete" as const), key }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("shift" as const) }) },
  );
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60, size: "max" }), (commands) => {
      const heap = new InstantHeap<string>();
      const model = new Map<string, { at: number; urgent: boolean }>();
      for (const command of commands) {
        if (command.do === "add") {
          const { key, at, urgent } = command;
          const old = model.get(key);
          model.set(key, { at: Math.min(at, old?.at ?? Infinity), urgent: urgent || (old?.urgent ?? false) });
          heap.add(key, at, urgent);
        } else if (command.do === "delete") {
          model.delete(command.key);
          heap.delete(command.key);
        } else {
          const first = heap.peek();
          if (first === undefined) continue;
          assert.deepEqual({ at: first.at, urgent: first.urgent }, model.get(first.key));
          model.delete(first.key);
          heap.delete(first.key);
        }
        assert.equal(heap.size, model.size);
        const earliest = Math.min(...Array.from(model.values(), (entry) => entry.at));
        assert.equal(heap.peek()?.at ?? Infinity, earliest);
      }
      const order: number[] = [];
      for (let first = heap.peek(); first !== undefined; first = heap.peek()) {
        order.push(first.at);
        heap.delete(first.key);
      }
      assert.deepEqual(order, Array.from(model.values(), (entry) => entry.at).sort((a, b) => a - b));
    }),
    { numRuns: 1000 },
  );
});
