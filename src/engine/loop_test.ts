import assert from "node:assert/strict";
import { FakeClock } from "../../lib/clock/mod.ts";
import { WorkQueue } from "../../lib/controller/mod.ts";
import { ApiError } from "../../lib/kubernetes/mod.ts";
import type { Effect, EffectStage, ObjectRef, Plan } from "../core/effects.ts";
import { defineLoop, type EngineContext, type LoopDeclaration } from "./loop.ts";

const now = Date.parse("2026-06-01T12:00:00Z");
const signal = new AbortController().signal;

const of = (name: string): ObjectRef => ({ kind: "Pod", namespace: "guest-bob-home", name, uid: name });
const ends = (name: string): Effect => ({ delete: of(name) });
const patches = (name: string): Effect => ({ patch: { ...of(name), kind: "Service" }, body: {} });
const nameOf = (effect: Effect): string =>
  "delete" in effect ? effect.delete.name : "patch" in effect ? effect.patch.name : "?";

type Declaration = LoopDeclaration<EngineContext, Plan, Plan>;

/** A loop whose world is its plan, with an executor that refuses effects by name. */
function begun(stages: EffectStage[], more: Partial<Plan & Declaration> = {}, refused: readonly string[] = []) {
  const { wakeAt, faults, ...hooks } = more;
  const plan: Plan = { stages, ...(wakeAt ? { wakeAt } : {}), ...(faults ? { faults } : {}) };
  const done: string[] = [];
  const context = {
    executor: {
      execute: (effect: Effect) => {
        const name = nameOf(effect);
        if (refused.includes(name)) return Promise.reject(new Error(`no ${name}`));
        done.push(name);
        return Promise.resolve();
      },
    },
    skewMs: () => 0,
  };
  const clock = new FakeClock(now);
  const queue = new WorkQueue({ clock });
  const loop = defineLoop({
    name: "loop",
    keyName: "key",
    concurrency: 1,
    keys: () => [],
    triggers: [],
    observe: () => plan,
    plan: (plan) => plan,
    ...hooks,
  });
  return { context, clock, queue, done, reconcile: () => loop.reconcile("key", { context, queue, signal }) };
}

const close = (...effects: Effect[]): EffectStage => ({ kind: "close", effects });
const open = (...effects: Effect[]): EffectStage => ({ kind: "open", effects });
const report = (...effects: Effect[]): EffectStage => ({ kind: "report", effects });

Deno.test("loop: effect fails: all other closing effects are applied, nothing opens or reports", async () => {
  const stages = [close(ends("a"), ends("b")), close(ends("c")), open(patches("d")), report(patches("e"))];
  const { reconcile, done } = begun(stages, {}, ["a"]);
  await assert.rejects(reconcile(), /no a/);
  assert.deepEqual(done, ["b", "c"]);
});

Deno.test("loop: effect that is no foundation fails: opening continues", async () => {
  const stages = [close(ends("a")), open(patches("b"))];
  const { reconcile, done } = begun(stages, { isFoundation: (effect) => nameOf(effect) !== "a" }, ["a"]);
  await assert.rejects(reconcile(), /no a/);
  assert.deepEqual(done, ["b"]);
});

Deno.test("loop: failure or fault: the plan's instant is kept", async () => {
  const fault = { part: "this part", error: new Error("out of order") };
  for (
    const [more, refused, message] of [
      [{}, ["a"], /no a/],
      [{ faults: [fault] }, [], /Planning this part failed: out of order/],
    ] as const
  ) {
    const { reconcile, queue, clock } = begun([close(ends("a"))], { ...more, wakeAt: now + 1000 }, refused);
    await assert.rejects(reconcile(), message);
    assert.equal(queue.depth, 0);
    await clock.advance(1000);
    assert.equal(queue.depth, 1);
  }
});

Deno.test("loop: reserve throws: closing effects are applied, nothing opens, the key has an error", async () => {
  const reserve = () => {
    throw new Error("out of order");
  };
  const { reconcile, done } = begun([close(ends("a")), open(patches("b"))], { reserve });
  await assert.rejects(reconcile(), /Planning the state to enforce failed: out of order/);
  assert.deepEqual(done, ["a"]);
});

Deno.test("loop: confirm: receives the failed effects, may add an instant and an error", async () => {
  const failed: string[] = [];
  const { reconcile } = begun([close(ends("a"), ends("b"))], {
    confirm: (_, outcome) => void failed.push(...outcome.failed.map(({ effect }) => nameOf(effect))),
  }, ["b"]);
  await assert.rejects(reconcile(), /no b/);
  assert.deepEqual(failed, ["b"]);
  const sooner = begun([], { wakeAt: now + 5000, confirm: () => ({ wakeAt: now + 1000 }) });
  assert.deepEqual(await sooner.reconcile(), { wakeAt: now + 1000 });
  await assert.rejects(begun([], { confirm: () => ({ error: new Error("not listed") }) }).reconcile(), /not listed/);
});

Deno.test("loop: plan asks for lists: results are merged into the world until it asks for no more", async () => {
  let lists = 0;
  const lookUp: Declaration["find"] = (_, world) =>
    (world.wakeAt ?? 0) < now + 2 ? Promise.resolve({ wakeAt: now + ++lists }) : undefined;
  assert.deepEqual(await begun([], { find: lookUp }).reconcile(), { wakeAt: now + 2 });
  assert.equal(lists, 2);
});

Deno.test("loop: key has nothing to observe: everything remembered for it is forgotten", async () => {
  const forgotten: string[] = [];
  const { reconcile } = begun([], { observe: () => undefined, forget: (_, key) => void forgotten.push(key) });
  assert.deepEqual(await reconcile(), {});
  assert.deepEqual(forgotten, ["key"]);
});

Deno.test("loop: clocks disagree: no pod is ended, and the key is reconciled again soon", async () => {
  const { reconcile, context, done } = begun([close(ends("a"), patches("b"))], { waitsForClock: true });
  context.skewMs = () => 60_000;
  assert.deepEqual(await reconcile(), { afterMs: 5000 });
  assert.deepEqual(done, ["b"]);
});

Deno.test("loop: object of the key's name is deleted: no error", async () => {
  const { reconcile, context } = begun([report(patches("a"))]);
  const details = { group: "keystone.io", name: "key" };
  context.executor.execute = () =>
    Promise.reject(new ApiError("gone", { code: 404, reason: "NotFound", method: "PATCH", path: "", details }));
  assert.deepEqual(await reconcile(), {});
});
