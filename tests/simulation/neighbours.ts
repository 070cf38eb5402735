/** Two clusters side by side, each with its own API server and operator, and messages between the operators. */
import { defaultSettings } from "../../src/api/mod.ts";
import { guestFlowName } from "../../src/core/names.ts";
import { type ActorStage, machinery, nodeNamed } from "./actors.ts";
import { Coverage } from "./coverage.ts";
import { Mailbox } from "./mailbox.ts";
import { Broken, Invariants } from "./invariants.ts";
import { randomOf, type SeededRandom } from "./random.ts";
import { Replica } from "./replica.ts";
import type { SimulatedSurroundings } from "./simulated_surroundings.ts";
import { World } from "./simulated_world.ts";

/** A process of one side: the messages that it sends, and its handling of received ones. */
export interface ClusterExchange<M> {
  /** Called after each step of the side's operator. */
  looked(): void;
  heard(message: M): void;
}

/** One of the two clusters. */
export interface Side<M> extends ActorStage {
  name: string;
  /** The exchange of the running process. */
  exchange: ClusterExchange<M>;
}

export interface NeighboursOptions<M> {
  seed: number;
  /** The realms of the two clusters. */
  names: readonly [string, string];
  /** Makes the exchange of a new process, with its own memory. */
  exchange: (side: Side<M>, send: (message: M) => void) => ClusterExchange<M>;
  /** One random action of people. */
  act: (side: Side<M>, random: SeededRandom) => string;
}

const startedAt = Date.parse("2026-06-01T12:00:00Z");
const maxTurns = 4000;

export class Neighbours<M> {
  readonly trace: string[] = [];
  readonly sides: readonly Side<M>[];
  readonly #options: NeighboursOptions<M>;
  readonly #mailbox: Mailbox<M>;
  readonly #random: SeededRandom;

  constructor(options: NeighboursOptions<M>) {
    this.#options = options;
    this.#random = randomOf(options.seed, -21);
    this.#mailbox = new Mailbox((to, message) => this.sides.find(({ name }) => name === to)!.exchange.heard(message));
    this.sides = options.names.map((name) => this.#sideOf(name));
  }

  #sideOf(name: string): Side<M> {
    const { names } = this.#options;
    const world = new World(startedAt);
    world.create("priorityLevels", { metadata: { name: guestFlowName } });
    for (const realm of names) {
      const spec = { identity: `${realm}.tailnet.ts.net`, connectionType: "tailscale", trustLevel: "partner" };
      world.create("realms", { metadata: { name: realm }, spec });
    }
    const around: SimulatedSurroundings = {
      settings: defaultSettings,
      cluster: { ranges: [], extendedKeys: [], storageClasses: [] },
      configured: name,
      tailnet: {
        kind: "running",
        self: `${name}.tailnet.ts.net`,
        nodes: names.map((each) => nodeNamed(each, { self: each === name })),
      },
      aheadMs: 0,
    };
    const may = { drift: false, skew: false, foreign: false, faults: false };
    const side = { name, world, around, invariants: new Invariants(world, around), may } as Side<M>;
    this.#start(side);
    return side;
  }

  /** Starts a new process on one side. */
  #start(side: Side<M>): void {
    const { names, exchange } = this.#options;
    const { name, world, around, invariants } = side;
    const observer = {
      coverage: new Coverage(),
      sending: (request: Parameters<Invariants["sending"]>[0]) => invariants.sending(request),
    };
    const operator: Replica = new Replica(world, around, observer, this.#random);
    side.operator = operator;
    world.listener = (change) => {
      invariants.changed(change);
      operator.changed(change);
    };
    const other = names.find((each) => each !== name)!;
    side.exchange = exchange(side, (message) => this.#mailbox.send(name, other, message));
  }

  /** Runs this many random steps. */
  async run(steps: number): Promise<void> {
    const random = this.#random;
    for (let step = 0; step < steps; step++) {
      const side = random.of(this.sides);
      const what = random.below(100);
      if (what < 60) await this.#operate(side, true);
      else if (what < 75) this.trace.push(`${side.name}: ${this.#options.act(side, random)}`);
      else if (what < 95) { if (!this.#mailbox.isEmpty) this.trace.push(this.#mailbox.step(random)); }
      else if (what < 98) {
        this.trace.push(`${side.name} crashes`);
        this.#start(side);
      } else for (const { world } of this.sides) world.now += 60_000;
      side.invariants.hold();
    }
  }

  async #operate(side: Side<M>, isDisturbed: boolean): Promise<boolean> {
    const { operator, name, exchange } = side;
    operator.isDisturbed = isDisturbed;
    const choices = operator.choices();
    if (choices.length === 0) return false;
    this.trace.push(`${name}: ${await this.#random.of(choices)()}`);
    exchange.looked();
    return true;
  }

  /** Runs without actions and without losses until nothing is left to do. */
  async rest(): Promise<void> {
    this.trace.push("rest");
    for (let turn = 0; turn < maxTurns; turn++) {
      this.#mailbox.deliverAll();
      let isBusy = false;
      for (const side of this.sides) {
        if (await this.#operate(side, false)) isBusy = true;
        else if (machinery(side).some((each) => each() !== "")) isBusy = true;
        side.invariants.hold();
      }
      if (isBusy || !this.#mailbox.isEmpty) continue;
      for (const { exchange } of this.sides) exchange.looked();
      if (this.#mailbox.isEmpty) return this.sides.forEach(({ invariants }) => invariants.atRest());
    }
    throw new Broken("two neighbours come to rest without further actions");
  }
}
