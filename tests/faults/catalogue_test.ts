/** Whether the catalogue is of today can't be said by one run alone. */
import assert from "node:assert/strict";
import { stale } from "./catalogue.ts";

const known = { "patch.grants:one": 1, "event.pods:guest-bob": 3, "create.events:default": 0 };

const found = (...runs: string[][]) => stale("revoke", runs.map((run) => new Map(run.map((name) => [name, 1]))), known);

Deno.test("catalogue: what comes in none of the runs doesn't come, what comes in one of them does", () => {
  assert.deepEqual(found(["patch.grants:one"]), ["event.pods:guest-bob doesn't come"]);
  assert.deepEqual(found(["patch.grants:one"], ["patch.grants:one"]), ["event.pods:guest-bob doesn't come"]);
  assert.deepEqual(found(["patch.grants:one"], ["patch.grants:one", "event.pods:guest-bob"]), []);
});

Deno.test("catalogue: what comes in all of the runs is new, what comes in one of them, or with time, isn't", () => {
  const all = ["patch.grants:one", "event.pods:guest-bob", "create.events:default", "update.leases:keystone-operator"];
  assert.deepEqual(found(all), []);
  assert.deepEqual(found([...all, "get.nodes"], [...all, "get.nodes"]), ["get.nodes is new"]);
  assert.deepEqual(found([...all, "get.nodes"], all), []);
});
