/** An operator that continues after another one's crash, with a grant from a pool. */
import assert from "node:assert/strict";
import { defaultSettings, type GrantSpec, type SuperEntitySpec } from "../../src/api/mod.ts";
import { digestOf } from "../../src/core/superentity/digest.ts";
import { type ActorStage, everybody, machinery, nodeNamed } from "./actors.ts";
import { Coverage } from "./coverage.ts";
import { randomOf } from "./random.ts";
import { Replica } from "./replica.ts";
import type { SimulatedSurroundings } from "./simulated_surroundings.ts";
import { type ObjectChange, statusOf, World } from "./simulated_world.ts";

const around: SimulatedSurroundings = {
  settings: defaultSettings,
  cluster: { ranges: [], extendedKeys: [], storageClasses: [] },
  configured: "alice",
  tailnet: { kind: "running", self: "alice.tailnet.ts.net", nodes: [...everybody(), nodeNamed("dora")] },
  aheadMs: 0,
};

/** Alice and Bob have pooled 4 CPUs each, and Dora is granted 3 of the 8. */
function begun(): World {
  const world = new World(Date.parse("2026-06-01T12:00:00Z"));
  for (const name of ["alice", "bob", "dora"]) {
    const spec = { identity: `${name}.tailnet.ts.net`, connectionType: "tailscale", trustLevel: "partner" };
    world.create("realms", { metadata: { name }, spec });
  }
  const members = ["alice", "bob"].map((realm) => ({ realm, contribution: { cpu: 4 } }));
  const terms: SuperEntitySpec = { members, graceSeconds: 600 };
  const digest = digestOf("coop", terms);
  const spec = { ...terms, approvals: members.map(({ realm }) => ({ realm, digest })) };
  world.create("superEntities", { metadata: { name: "coop" }, spec });
  const grant: GrantSpec = { grantorRealm: "coop", granteeRealm: "dora", hard: { cpu: 3 } };
  world.create("grants", { metadata: { name: "one" }, spec: grant });
  return world;
}

/** Runs until all is at rest, or until this many writes are sent. Returns the requests. */
async function operate(world: World, seed: number, writes = Infinity): Promise<readonly string[]> {
  const random = randomOf(seed, -11);
  const operator = new Replica(world, around, { coverage: new Coverage(), sending: () => {} }, random);
  world.listener = (change: ObjectChange) => operator.changed(change);
  for (let turn = 0; turn < 3000 && operator.requests.length < writes; turn++) {
    operator.catchUp();
    const choices = operator.choices();
    if (choices.length > 0) await random.of(choices)();
    else if (!machinery({ world } as ActorStage).some((each) => each() !== "")) break;
  }
  return operator.requests;
}

Deno.test("simulation: an operator crashes at any point of activating a pooled grant: the next one closes nothing", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const all = (await operate(begun(), seed)).length;
    assert.ok(all > 8, `${all} writes`);
    for (let writes = 0; writes <= all; writes++) {
      const world = begun();
      const before = await operate(world, seed, writes);
      // A start takes longer than the quota controller.
      while (machinery({ world } as ActorStage).some((each) => each() !== ""));
      const after = await operate(world, seed + 1000);
      assert.equal(statusOf(world.get("grants", "one")!).phase, "Active");
      const deletions = after.filter((text) => text.includes(" delete "));
      assert.deepEqual(deletions, [], `seed ${seed}, crashed after ${before.at(-1)}`);
    }
  }
});
