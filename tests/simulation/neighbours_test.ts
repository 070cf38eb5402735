import assert from "node:assert/strict";
import type { GrantSpec } from "../../src/api/mod.ts";
import type { SeededRandom } from "./random.ts";
import { type ClusterExchange, Neighbours, type Side } from "./neighbours.ts";
import { statusOf, type World } from "./simulated_world.ts";

/** A cluster's statement about itself: the grants that it gives, at a version of its API server. */
interface Word {
  version: number;
  inForce: string[];
  /** Set by a process that has received nothing yet, e.g. after a crash. */
  asks?: true;
}

const inForce = (world: World): string[] =>
  world.list("grants").filter((grant) => statusOf(grant).phase === "Active").map(({ metadata }) => metadata.name);

/** A loop for this test only: sends the grants in force until the other side has acknowledged them. */
class Gossip implements ClusterExchange<Word | { known: number }> {
  readonly #world: World;
  readonly #send: (message: Word | { known: number }) => void;
  #said: Word = { version: -1, inForce: [] };
  #known = -1;
  /** The other side's last statement. */
  other: Word = { version: -1, inForce: [] };

  constructor({ world }: Side<Word | { known: number }>, send: (message: Word | { known: number }) => void) {
    this.#world = world;
    this.#send = send;
  }

  looked(): void {
    const now = inForce(this.#world);
    if (now.join() !== this.#said.inForce.join() || this.#said.version < 0) {
      this.#said = { version: this.#world.version, inForce: now };
    }
    const asks = this.other.version < 0;
    if (this.#known !== this.#said.version || asks) this.#send({ ...this.#said, ...(asks ? { asks } : {}) });
  }

  heard(message: Word | { known: number }): void {
    if ("known" in message) {
      this.#known = message.known;
      return;
    }
    if (message.version >= this.other.version) this.other = message;
    if (message.asks) this.#known = -1;
    this.#send({ known: message.version });
  }
}

function act(side: Side<Word | { known: number }>, random: SeededRandom): string {
  const { world, name } = side;
  const grant = `${name}-${random.below(3)}`;
  if (random.percent(60)) {
    const spec: GrantSpec = {
      grantorRealm: name,
      granteeRealm: name === "alice" ? "bob" : "alice",
      hard: { cpu: 1 + random.below(2) },
      termination: { noticeSeconds: 0, drainSeconds: 0 },
    };
    return "error" in world.create("grants", { metadata: { name: grant }, spec }) ? "" : `creates ${grant}`;
  }
  world.delete("grants", grant, undefined, "other");
  return `deletes ${grant}`;
}

const seeds = Math.ceil(Number(Deno.env.get("KEYSTONE_SCHEDULES") ?? 10_000) / 100);

Deno.test("simulation: two operators learn of each other despite lost, late and duplicated messages", async () => {
  let [lost, twice, active] = [0, 0, 0];
  for (let seed = 0; seed < seeds; seed++) {
    const neighbours = new Neighbours<Word | { known: number }>({
      seed,
      names: ["alice", "bob"],
      exchange: (side, send) => new Gossip(side, send),
      act,
    });
    const [alice, bob] = neighbours.sides as [Side<Word>, Side<Word>];
    for (let round = 0; round < 3; round++) {
      await neighbours.run(80);
      await neighbours.rest();
      const why = `seed ${seed}:\n${neighbours.trace.slice(-60).join("\n")}`;
      assert.deepEqual((bob.exchange as Gossip).other.inForce, inForce(alice.world), why);
      assert.deepEqual((alice.exchange as Gossip).other.inForce, inForce(bob.world), why);
      active += inForce(alice.world).length + inForce(bob.world).length;
    }
    lost += neighbours.trace.filter((text) => text.endsWith("is lost")).length;
    twice += neighbours.trace.filter((text) => text.endsWith("will again")).length;
  }
  assert.ok(lost > seeds && twice > seeds && active > seeds, `${lost} lost, ${twice} twice, ${active} in force`);
});

Deno.test("simulation: a seed determines everything that two operators do", async () => {
  const trace = async () => {
    const options = { seed: 1, names: ["alice", "bob"] as const, act };
    const neighbours = new Neighbours<Word | { known: number }>({
      ...options,
      exchange: (side, send) => new Gossip(side, send),
    });
    await neighbours.run(200);
    await neighbours.rest();
    return neighbours.trace;
  };
  assert.deepEqual(await trace(), await trace());
});
