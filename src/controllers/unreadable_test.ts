import assert from "node:assert/strict";
import { FakeClock } from "../../lib/clock/mod.ts";
import { Store } from "../../lib/controller/mod.ts";
import { UnreadableObjects } from "./unreadable.ts";

const thing = (name: string, version: number) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "guest-bob", uid: `uid-${name}`, resourceVersion: String(version) },
});

function setUp() {
  const clock = new FakeClock();
  const told: string[] = [];
  const unreadable = new UnreadableObjects(clock, ({ key, why }) => told.push(`${key}: ${why}`));
  const store = new Store({
    project: ({ metadata }: ReturnType<typeof thing>) => {
      if (metadata.name.startsWith("odd")) throw new Error("odd");
      return metadata.name;
    },
  });
  return { clock, told, unreadable, store };
}

Deno.test("unreadable objects: counted by kind while they exist and their store is followed", () => {
  const { unreadable, store } = setUp();
  const forget = unreadable.follow("Pod", store);
  unreadable.follow("Node", setUp().store);
  store.put(thing("odd", 1));
  store.put(thing("fine", 2));
  assert.deepEqual([...unreadable.counts()], [["Pod", 1], ["Node", 0]]);
  store.remove(thing("odd", 3));
  assert.equal(unreadable.counts().get("Pod"), 0);
  store.put(thing("odd", 4));
  forget();
  assert.deepEqual([...unreadable.counts()], [["Node", 0]]);
});

Deno.test("a thousand unreadable objects: neither the log nor the events are flooded", async () => {
  const { clock, told, unreadable, store } = setUp();
  unreadable.follow("Pod", store);
  for (let index = 0; index < 1000; index++) store.put(thing(`odd-${index}`, index + 1));
  assert.equal(told.length, 10);
  assert.equal(told[0], "guest-bob/odd-0: odd");
  await clock.advance(60_000);
  store.put(thing("odd-new", 2000));
  assert.equal(told.at(-1), "guest-bob/odd-new: odd");
  unreadable.tellAll();
  assert.equal(told.length, 20);
});
