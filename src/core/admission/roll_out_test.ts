import assert from "node:assert/strict";
import fc from "fast-check";
import { parseQuantity } from "../../../lib/quantity/mod.ts";
import { Ledger, type Load, replaceLoads } from "./ledger.ts";
import { type ReplicaGroup, type RollOut, rollOut } from "./roll_out.ts";

const ledgerOf = (free: readonly number[]): Ledger =>
  Ledger.of(free.map((amount, index) => ({
    name: `quota-${index}`,
    hard: new Map([["requests.cpu", parseQuantity("10000")]]),
    used: new Map([["requests.cpu", parseQuantity(String(10_000 - amount))]]),
    scopes: [],
  })));
const loadOf = (amounts: readonly number[]): Load =>
  new Map(amounts.flatMap((amount, index) => amount > 0 ? [[index, BigInt(amount) * 10n ** 9n] as const] : []));

const size = fc.integer({ min: 0, max: 4 });
const group = (): fc.Arbitrary<Omit<ReplicaGroup, "claims">> =>
  fc.record({
    sizes: fc.tuple(size, size),
    wanted: fc.integer({ min: 0, max: 60 }),
    short: fc.integer({ min: 0, max: 3 }),
    unready: fc.integer({ min: 0, max: 60 }),
  })
    .map(({ sizes, wanted, short, unready }) => {
      const pods = Math.max(0, wanted - short);
      return { pod: loadOf(sizes), wanted, pods, ready: Math.max(0, pods - unready), waiting: 0 };
    });

Deno.test("roll-outs: skipping rounds that repeat changes no outcome", () => {
  const cases = fc.record({
    free: fc.tuple(fc.integer({ min: -2, max: 150 }), fc.integer({ min: -2, max: 150 })),
    replicas: fc.integer({ min: 0, max: 90 }),
    maxSurge: fc.integer({ min: 0, max: 5 }),
    maxUnavailable: fc.integer({ min: 0, max: 5 }),
    old: fc.array(group(), { maxLength: 2 }),
    next: fc.tuple(group(), fc.boolean()),
    claim: size,
  });
  fc.assert(
    fc.property(cases, ({ free, replicas, maxSurge, maxUnavailable, old, next: [next, exists], claim }) => {
      const ends = [true, false].map((skips) => {
        const claims = loadOf([claim]);
        const state: RollOut = {
          ledger: ledgerOf(free),
          replicas,
          maxSurge,
          maxUnavailable: maxSurge + maxUnavailable === 0 ? 1 : Math.min(maxUnavailable, replicas),
          recreate: false,
          paused: false,
          old: old.map((each) => ({ ...each, claims })),
          next: exists ? { ...next, claims, ready: next.pods } : { ...next, claims, wanted: 0, pods: 0, ready: 0 },
          nextExists: exists,
          replicaSet: new Map(),
        };
        const end = rollOut(state, skips);
        return { end, free: state.ledger.free };
      });
      assert.deepEqual(ends[0], ends[1]);
    }),
    { numRuns: 3000, seed: 19 },
  );
});

Deno.test("replacing loads: as one by one", () => {
  const sizes = fc.tuple(size, size);
  fc.assert(
    fc.property(
      fc.tuple(fc.integer({ min: -5, max: 20 }), fc.integer({ min: -5, max: 20 })),
      sizes,
      sizes,
      fc.integer({ min: 0, max: 12 }),
      fc.boolean(),
      (free, old, next, wanted, first) => {
        const [fast, slow] = [ledgerOf(free), ledgerOf(free)];
        const [from, to] = [loadOf(old), loadOf(next)];
        let count = 0;
        for (; count < wanted; count++) {
          const before = slow.copy();
          if (!first) slow.give(from);
          if (slow.takeMost(to, 1) === 0) {
            slow.free.splice(0, Infinity, ...before.free);
            break;
          }
          if (first) slow.give(from);
        }
        assert.equal(replaceLoads(fast, from, to, wanted, first), count);
        assert.deepEqual(fast.free, slow.free);
      },
    ),
    { numRuns: 3000, seed: 19 },
  );
});
