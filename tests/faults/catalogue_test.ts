/** One run alone can't tell whether the catalogue is up to date. */
import assert from "node:assert/strict";
import { stale } from "./catalogue.ts";

const known = { "patch.grants:one": 1, "event.pods:guest-bob": 3, "create.events:default": 0 };

const found = (...runs: string[][]) => stale("revoke", runs.map((run) => new Map(run.map((name) => [name, 1]))), known);

Deno.test("catalogue: an entry that occurs in no run is reported, one that occurs in a single run isn't", () => {
  assert.deepEqual(found(["patch.grants:one"]), ["event.pods:guest-bob doesn't occur"]);
  assert.deepEqual(found(["patch.grants:one"], ["patch.grants:one"]), ["event.pods:guest-bob doesn't occur"]);
  assert.deepEqual(found(["patch.grants:one"], ["patch.grants:one", "event.pods:guest-bob"]), []);
});

Deno.test("catalogue: a request in all runs is new, one in a single run or one that depends on time isn't", () => {
  const all = ["patch.grants:one", "event.pods:guest-bob", "create.events:default", "update.leases:keystone-operator"];
  assert.deepEqual(found(all), []);
  assert.deepEqual(found([...all, "get.nodes"], [...all, "get.nodes"]), ["get.nodes is new"]);
  assert.deepEqual(found([...all, "get.nodes"], all), []);
});
