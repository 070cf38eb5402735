import assert from "node:assert/strict";
import fc from "fast-check";
import { KeyQueueLane } from "./key_queue_lane.ts";

Deno.test("lane: random operations: equals an array without duplicates", () => {
  const command = fc.record({ do: fc.constantFrom("add", "delete", "shift"), key: fc.nat(9) });
  fc.assert(
    fc.property(fc.array(command, { maxLength: 100 }), (commands) => {
      const lane = new KeyQueueLane<number>();
      let model: number[] = [];
      for (const { do: verb, key } of commands) {
        if (verb === "add") {
          lane.add(key);
          if (!model.includes(key)) model.push(key);
        } else if (verb === "delete") {
          assert.equal(lane.delete(key), model.includes(key));
          model = model.filter((other) => other !== key);
        } else {
          assert.equal(lane.shift(), model.shift());
        }
        assert.equal(lane.size, model.length);
        assert.equal(lane.has(key), model.includes(key));
      }
    }),
    { numRuns: 1000 },
  );
});
