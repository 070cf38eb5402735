import assert from "node:assert/strict";
import { FakeClock } from "../../lib/clock/mod.ts";
import { Store } from "../../lib/controller/mod.ts";
import { parseQuantity } from "../../lib/quantity/mod.ts";
import { grant } from "../../tests/fixtures/made_facts.ts";
import type { ClusterFacts, GrantFacts } from "../core/facts.ts";
import { CapacityLedger } from "./capacity_ledger.ts";

type Made = { metadata: { name: string; uid: string; resourceVersion: string }; facts: GrantFacts };

function begun() {
  const clock = new FakeClock();
  const stop = new AbortController();
  const grants = new Store({ project: ({ facts }: Made) => facts });
  const cluster = {
    facts: { ranges: [], extendedKeys: [], storageClasses: [], provisioningClasses: [] } as ClusterFacts,
    listener: () => {},
    onChange(listener: () => void) {
      this.listener = listener;
    },
  };
  const nodes = (amounts: Record<string, string> | undefined) => {
    const { schedulable: _, ...others } = cluster.facts;
    cluster.facts = amounts === undefined ? others : {
      ...others,
      schedulable: new Map(Object.entries(amounts).map(([key, amount]) => [key, parseQuantity(amount)])),
    };
    cluster.listener();
  };
  let version = 0;
  const put = (name: string, cpu: string, phase: "Active" | "Pending" | "Expired" = "Active") =>
    grants.put({
      metadata: { name, uid: name, resourceVersion: String(++version) },
      facts: grant({ name, spec: { hard: { "requests.cpu": cpu } }, status: { phase } }),
    });
  const ledger = new CapacityLedger({ grants: grants as never, cluster, clock, signal: stop.signal });
  const told: string[][] = [];
  ledger.changes.subscribe((keys) => told.push([...keys]));
  const over = () => [...ledger.room?.overbooked ?? []];
  return { clock, stop, nodes, put, grants, ledger, told, over };
}

Deno.test("capacity: nodes are not known yet: nothing is judged", () => {
  const { ledger, put, told } = begun();
  put("a", "1000");
  assert.equal(ledger.room, undefined);
  assert.deepEqual(told, []);
});

Deno.test("capacity: grants come and go: reports only when a key becomes overbooked or stops to be", () => {
  const { nodes, put, told, over } = begun();
  nodes({ "requests.cpu": "4" });
  told.splice(0);
  put("a", "2");
  put("b", "2");
  assert.deepEqual([told, over()], [[], []]);
  put("c", "1");
  assert.deepEqual([told, over()], [[["requests.cpu"]], ["requests.cpu"]]);
  put("d", "1");
  put("e", "100", "Pending");
  assert.equal(told.length, 1);
  put("c", "1", "Expired");
  assert.equal(told.length, 1);
  put("d", "1", "Expired");
  assert.deepEqual([told.length, over()], [2, []]);
});

Deno.test("capacity: a node restarts within 5 minutes: nothing is reported", async () => {
  const { clock, nodes, put, told, over } = begun();
  nodes({ "requests.cpu": "4" });
  put("a", "4");
  told.splice(0);
  nodes({ "requests.cpu": "2" });
  await clock.advance(299_000);
  nodes({ "requests.cpu": "4" });
  await clock.advance(600_000);
  assert.deepEqual([told, over()], [[], []]);
  assert.equal(clock.pending, 0);
});

Deno.test("capacity: a node stays away for 5 minutes, while others come and go: it no longer counts", async () => {
  const { clock, nodes, put, over, ledger } = begun();
  nodes({ "requests.cpu": "4" });
  put("a", "4");
  for (const cpu of ["2", "3", "2", "3"]) {
    nodes({ "requests.cpu": cpu });
    await clock.advance(80_000);
  }
  assert.deepEqual(over(), ["requests.cpu"]);
  assert.equal(String(ledger.room!.there.get("requests.cpu")), "3");
});

Deno.test("capacity: a node joins: counts at once", () => {
  const { nodes, put, over, told } = begun();
  nodes({ "requests.cpu": "4" });
  put("a", "8");
  assert.deepEqual(over(), ["requests.cpu"]);
  told.splice(0);
  nodes({ "requests.cpu": "8" });
  assert.deepEqual([over(), told], [[], [["requests.cpu"]]]);
});

Deno.test("capacity: nodes can't be read for a while: the last known amounts stay", () => {
  const { nodes, put, over } = begun();
  nodes({ "requests.cpu": "4" });
  put("a", "4");
  nodes(undefined);
  assert.deepEqual(over(), []);
});

Deno.test("capacity: signal aborts: no timer stays", () => {
  const { clock, nodes, stop } = begun();
  nodes({ "requests.cpu": "4" });
  nodes({});
  assert.equal(clock.pending, 1);
  stop.abort();
  assert.equal(clock.pending, 0);
});
