import assert from "node:assert/strict";
import { grant, now } from "../../../tests/fixtures/made_facts.ts";
import { giversOf } from "./givers.ts";

Deno.test("several grants: givers are those in force, with the amounts on notice, sorted by name", () => {
  const reduction = { until: "2026-07-01T00:00:00Z", hard: { "requests.cpu": "5" } };
  const draining = (reason: string) => [
    { type: "Draining", status: "True" as const, reason, message: "", lastTransitionTime: "" },
  ];
  const givers = giversOf([
    grant({
      name: "b",
      status: {
        phase: "Active",
        hard: { "requests.cpu": "2" },
        reductions: [reduction],
        conditions: draining("Reduced"),
      },
    }),
    grant({ name: "c", status: { phase: "Expired", hard: { "requests.cpu": "2" } } }),
    grant({
      name: "a",
      status: {
        phase: "Active",
        hard: { "requests.cpu": "1", broken: "much" },
        effectiveUntil: "2026-06-01T12:00:00Z",
        conditions: draining("Revoked"),
      },
    }),
  ]);
  assert.deepEqual(
    givers.map(({ name, hard, until, notice }) => [name, hard.get("requests.cpu")?.toString(), until, notice]),
    [
      ["a", "1", now, true],
      ["b", "5", undefined, false],
    ],
  );
  assert.deepEqual([...givers[0]!.hard.keys()], ["requests.cpu"]);
  const [reduced] = givers[1]!.reductions!;
  assert.equal(reduced!.until, Date.parse(reduction.until));
  assert.equal(reduced!.remaining.get("requests.cpu")?.toString(), "2");
});
