import assert from "node:assert/strict";
import { FakeClock } from "../../lib/clock/mod.ts";
import { WorkQueue } from "../../lib/controller/mod.ts";
import { defaultSettings } from "../api/mod.ts";
import type { Context, Queues } from "./context.ts";
import { reconcileGuest } from "./guest.ts";
import { Pools } from "./pools.ts";
import { Shares } from "./shares.ts";
import { createStores } from "./stores.ts";

Deno.test("what wakes a guest namespace while a look ends that found nothing to write is looked at again", async () => {
  const clock = new FakeClock();
  const queues = Object.fromEntries(
    ["grants", "realms", "guests", "superEntities", "approvers"].map((name) => [name, new WorkQueue({ clock })]),
  ) as unknown as Queues;
  const signal = new AbortController().signal;
  const context = {
    clock,
    queues,
    stores: createStores(),
    pools: new Pools(),
    shares: new Shares(),
    pods: { want: () => {}, get: () => undefined, errorOf: () => undefined },
    cluster: { facts: { ranges: [], extendedKeys: [], storageClasses: [] } },
    names: { get: () => undefined },
    settings: defaultSettings,
    local: () => ({ kind: "known", name: "alice-home" }),
    skewMs: () => 0,
  } as unknown as Context;
  queues.guests.add("bob-home");
  const key = await queues.guests.take(signal);
  const look = reconcileGuest(context, key, signal);
  // As a SuperEntity's look that comes next: it has read what was there before the end of this one.
  queues.guests.add(key);
  assert.deepEqual(await look, { urgent: true });
  queues.guests.done(key);
  assert.equal(queues.guests.depth, 1);
});
