/** One schedule: a world, an operator and all other actors, in an order determined by a seed. */
import { parseQuantity } from "../../lib/quantity/mod.ts";
import { defaultSettings } from "../../src/api/mod.ts";
import {
  emptyAnnotation,
  freezeAnnotation,
  guestFlowName,
  guestNamespace,
  keptAnnotation,
  madeAnnotation,
  realmOfNamespace,
  volumesAnnotation,
} from "../../src/core/names.ts";
import {
  act,
  type ActorStage,
  createGrant,
  createRealm,
  everybody,
  grantees,
  machinery,
  passTime,
  refuseNoMore,
} from "./actors.ts";
import type { Coverage } from "./coverage.ts";
import { Broken, Invariants } from "./invariants.ts";
import { Hash, randomOf, type SeededRandom } from "./random.ts";
import { Replica, type Sent, skewLookMs } from "./replica.ts";
import type { SimulatedSurroundings } from "./simulated_surroundings.ts";
import { type SimulatedKind, simulatedSpecOf, statusOf, watchedKinds, World } from "./simulated_world.ts";

export interface ScheduleOutcome {
  hash: number;
  /** Number of crashes and of plans from stale state. */
  crashes: number;
  staleReads: number;
  /** The events, if they were to be kept. */
  trace: readonly string[];
  /** The invariant that was broken. */
  broken?: { message: string };
}

export interface ScheduleOptions {
  coverage: Coverage;
  /** The steps to take. Default: all. */
  only?: ReadonlySet<number>;
  /** True to keep the trace, which takes time. */
  traced?: boolean;
}

const startedAt = Date.parse("2026-06-01T12:00:00Z");

/** The minimum number of steps. */
const minSteps = 40;

/** Returns the number of steps in the schedule of a seed. */
export const stepsOf = (seed: number): number => minSteps + randomOf(seed, -2).below(25);

export async function runSchedule(seed: number, options: ScheduleOptions): Promise<ScheduleOutcome> {
  const schedule = new Schedule(seed, options);
  try {
    await schedule.run();
    return schedule.outcome;
  } catch (error) {
    const message = error instanceof Broken ? error.message : String(error instanceof Error ? error.stack : error);
    return { ...schedule.outcome, broken: { message } };
  }
}

/** Number of turns without rest after which the schedule fails. */
const maxTurns = 4000;

class Schedule {
  readonly #seed: number;
  readonly #options: ScheduleOptions;
  readonly #hash = new Hash();
  readonly #stage: ActorStage;
  readonly #faulty: boolean;
  readonly trace: string[] = [];
  #crashes = 0;
  #staleReads = 0;

  constructor(seed: number, options: ScheduleOptions) {
    this.#seed = seed;
    this.#options = options;
    const random = randomOf(seed, -1);
    const world = new World(startedAt);
    world.create("priorityLevels", { metadata: { name: guestFlowName } });
    const around: SimulatedSurroundings = {
      settings: defaultSettings,
      cluster: {
        ranges: [],
        extendedKeys: ["requests.nvidia.com/gpu"],
        storageClasses: [],
        // Enough for some of the grants.
        schedulable: new Map([["requests.cpu", parseQuantity("3")], ["requests.memory", parseQuantity("8Gi")]]),
      },
      ...(random.percent(50) ? { configured: "alice" } : {}),
      tailnet: { kind: "running", self: "alice.tailnet.ts.net", nodes: everybody() },
      aheadMs: 0,
    };
    this.#faulty = random.percent(65);
    const may = {
      drift: random.percent(35),
      skew: random.percent(30),
      foreign: random.percent(20),
      faults: random.percent(35),
    };
    const invariants = new Invariants(world, around);
    world.listener = (change) => invariants.changed(change);
    this.#stage = {
      world,
      around,
      invariants: invariants,
      may,
      operator: this.#operator(world, around, invariants, random),
    };
    for (const name of grantees) this.#note(createRealm(this.#stage, random, name));
    for (const name of ["g1", "g2", "g3"]) this.#note(createGrant(this.#stage, random, name));
  }

  get outcome(): ScheduleOutcome {
    return { hash: this.#hash.value, crashes: this.#crashes, staleReads: this.#staleReads, trace: this.trace };
  }

  #note(text: string): void {
    if (text === "") return;
    this.#hash.add(text);
    if (this.#options.traced) this.trace.push(text);
  }

  /** Starts a new process in a world. */
  #operator(
    world: World,
    around: SimulatedSurroundings,
    invariants: Invariants | undefined,
    random: SeededRandom,
  ): Replica {
    const { coverage } = this.#options;
    const operator: Replica = new Replica(world, around, {
      coverage,
      sending: (request: Sent) => invariants?.sending(request),
    }, random);
    world.listener = (change) => {
      invariants?.changed(change);
      operator.changed(change);
    };
    return operator;
  }

  async run(): Promise<void> {
    const steps = stepsOf(this.#seed);
    for (let step = 0; step < steps; step++) {
      if (this.#options.only && !this.#options.only.has(step)) continue;
      const random = randomOf(this.#seed, step);
      this.#stage.operator.random = random;
      await this.#step(step, random);
    }
    await this.#end(randomOf(this.#seed, -3));
  }

  async #step(step: number, random: SeededRandom): Promise<void> {
    const { invariants } = this.#stage;
    const what = random.below(100);
    if (what < 45) await this.#operate(step, random, random.of([1, 2, 4, 8, 16]));
    else if (what < 72) this.#note(prefixed(step, act(this.#stage, random)));
    else if (what < 80) {
      const all = machinery(this.#stage);
      if (all.length > 0) this.#note(prefixed(step, random.of(all)()));
    } else if (what < 91) this.#note(prefixed(step, passTime(this.#stage, random)));
    else if (what < 95) {
      if (this.#faulty) this.#crash(step, random);
    } else {
      this.#note(`${step} everything comes to rest`);
      await this.#settle(this.#stage, random);
      invariants.atRest();
      // Refused writes are retried, and broken parts are planned again after their repair.
      if (this.#stage.world.refused.size > 0 || this.#stage.around.broken) return invariants.hold();
      await this.#lookAgain(random);
      if (random.percent(40)) await this.#outage(random);
    }
    invariants.hold();
  }

  async #operate(step: number, random: SeededRandom, turns: number): Promise<void> {
    const { operator, invariants } = this.#stage;
    operator.isDisturbed = this.#faulty;
    for (let turn = 0; turn < turns; turn++) {
      if (!this.#faulty) operator.catchUp();
      const choices = operator.choices();
      if (choices.length === 0) return;
      if (operator.isStale) this.#staleReads++;
      this.#note(prefixed(step, await random.of(choices)()));
      invariants.hold();
    }
  }

  #crash(step: number, random: SeededRandom): void {
    const { world, around, invariants } = this.#stage;
    this.#note(`${step} crash${this.#stage.operator.isIdle ? "" : " between two writes"}`);
    this.#crashes++;
    this.#stage.operator = this.#operator(world, around, invariants, random);
  }

  /** Runs the controllers, and no other actor, until nothing is left to do. */
  async #settle(stage: ActorStage, random: SeededRandom, noted = stage === this.#stage): Promise<void> {
    const { operator, invariants } = stage;
    operator.random = random;
    operator.isDisturbed = false;
    for (let turn = 0; turn < maxTurns; turn++) {
      const choices = operator.choices();
      let text = "";
      if (choices.length > 0 && !random.percent(10)) text = await random.of(choices)();
      else {
        const all = random.shuffled(machinery(stage));
        for (const each of all) {
          text = each();
          if (text !== "") break;
        }
        if (text === "" && operator.choices().length === 0) {
          const { doubtfulUntil } = operator;
          if (doubtfulUntil === undefined) return;
          stage.world.now += doubtfulUntil - operator.now;
        }
      }
      if (noted) {
        this.#note(prefixed("rest:", text));
        invariants.hold();
      }
    }
    throw new Broken(
      `all comes to rest without further actions: still at ${
        (await Promise.all(operator.choices().slice(0, 3).map((choice) => choice()))).join(", ")
      }`,
    );
  }

  /** Reconciles everything once more, which must write nothing: all necessary triggers have fired. */
  async #lookAgain(random: SeededRandom): Promise<void> {
    const { operator, around } = this.#stage;
    // A clock that was set back changes statuses.
    if (around.aheadMs !== 0) return;
    const before = operator.requests.length;
    operator.wakeAll();
    await this.#settle(this.#stage, random);
    const more = operator.requests.slice(before);
    if (more.length > 0) throw new Broken(`at rest nothing is written again: ${more.join(", ")}`);
  }

  /** Checks that losing the tailnet removes nothing. */
  async #outage(random: SeededRandom): Promise<void> {
    const { world, around, operator } = this.#stage;
    // A clock that was set back ends notices when the next plan is made.
    if (around.aheadMs !== 0) return;
    // A grant that isn't in force yet needs the local realm's name, so without a tailnet it may be withdrawn.
    if (world.list("grants").some((grant) => grant.metadata.finalizers && statusOf(grant).phase !== "Active")) return;
    const enforced = () => JSON.stringify(kindsOfGuests.map((kind) => dumpOf(world, kind)));
    const phases = () => world.list("grants").map((grant) => `${grant.metadata.name} ${statusOf(grant).phase}`).join();
    const before = [enforced(), phases()];
    const { tailnet } = around;
    around.tailnet = { kind: "unavailable", reason: "TailscaledUnreachable", message: "no response" };
    this.#note("outage");
    operator.tailnetChanged();
    await this.#settle(this.#stage, random);
    const after = [enforced(), phases()];
    if (before[0] !== after[0] || before[1] !== after[1]) {
      throw new Broken(`an outage removes nothing: ${difference(before.join("\n"), after.join("\n"))}`);
    }
    around.tailnet = tailnet;
    operator.tailnetChanged();
  }

  /** Brings two copies to rest in different orders, compares them, and then ends everything. */
  async #end(random: SeededRandom): Promise<void> {
    const { world, around, invariants } = this.#stage;
    this.#note("the end");
    this.#agree();
    // Grantees with a grant that may begin while their pods end: the order of events decides whether the pods still
    // end.
    const beginning = new Set(
      world.list("grants").filter((grant) => statusOf(grant).phase !== "Active").map((grant) =>
        guestNamespace(simulatedSpecOf(grant).granteeRealm)
      ),
    );
    // Both copies start new processes, so neither remembers when it saw earlier events.
    this.#stage.operator = this.#operator(world, around, invariants, random);
    const other = world.clone();
    const twin: ActorStage = {
      ...this.#stage,
      world: other,
      operator: this.#operator(other, around, undefined, random),
    };
    await this.#settle(this.#stage, random);
    invariants.atRest();
    await this.#settle(twin, random);
    // Objects in a namespace of an unknown realm stay as they were found.
    const known = (namespace: string) => invariants.isPresent(realmOfNamespace(namespace)!, namespace);
    const lives = (of: World) =>
      new Map(of.list("namespaces").map(({ metadata }) => [metadata.name, metadata.annotations[madeAnnotation]]));
    const [here, there] = [lives(world), lives(other)];
    const isRemade = (namespace: string) => here.get(namespace) !== there.get(namespace);
    const pods = (of: World, namespace: string) =>
      of.within("pods", namespace).map(({ metadata }) => metadata.name).join();
    const isDrained = (namespace: string) =>
      beginning.has(namespace) && pods(world, namespace) !== pods(other, namespace);
    // A pod with a long grace keeps its namespace terminating, unless a drain ended the pod before: that too depends on the order.
    const isTerminating = (of: World, namespace: string) =>
      of.get("namespaces", namespace)?.metadata.deletionTimestamp !== undefined;
    const isHeldUp = (namespace: string) =>
      isTerminating(world, namespace) !== isTerminating(other, namespace) &&
      pods(world, namespace) !== pods(other, namespace);
    const isBeginning = (namespace: string) => beginning.has(namespace);
    const among: Comparison = { known, isRemade, isDrained, isHeldUp, isBeginning };
    const [one, two] = [dump(world, among), dump(other, among)];
    if (one !== two) throw new Broken(`any order leads to the same state: ${difference(one, two)}`);
    // A restart without changes writes nothing.
    this.#stage.operator = this.#operator(world, around, invariants, random);
    await this.#settle(this.#stage, random);
    const { requests } = this.#stage.operator;
    if (requests.length > 0) throw new Broken(`at rest nothing is written again: ${requests.join(", ")}`);
    await this.#farewell(random);
  }

  /** Makes the clocks agree, lets the operator see it, and ends all breakage, refusals and holds. */
  #agree(): void {
    const { world, around } = this.#stage;
    delete around.broken;
    refuseNoMore(this.#stage);
    for (const { metadata: { namespace, name }, pod } of world.list("pods")) {
      if (pod!.held) world.replace("pods", `${namespace}/${name}`, { pod: { ...pod!, held: false } });
    }
    if (around.aheadMs === 0) return;
    around.aheadMs = 0;
    world.now += skewLookMs;
  }

  async #farewell(random: SeededRandom): Promise<void> {
    const { world, invariants } = this.#stage;
    for (const { metadata: { name } } of world.list("grants")) {
      if (random.percent(30)) world.changeGrant(name, (spec) => ({ ...spec, revocation: { ...spec.revocation } }));
      if (random.percent(80)) world.delete("grants", name, undefined, "other");
    }
    for (let round = 0; round < 3; round++) {
      await this.#settle(this.#stage, random);
      invariants.atRest();
      world.now += 8 * 86_400_000;
    }
    await this.#settle(this.#stage, random);
    invariants.atRest();
    const stuck = world.list("grants").find(({ metadata }) => metadata.deletionTimestamp);
    if (stuck) {
      throw new Broken(`a deleted grant is removed in the end: ${stuck.metadata.name} still has its finalizer`);
    }
  }
}

const prefixed = (step: number | string, text: string): string => text === "" ? "" : `${step} ${text}`;

const kindsOfGuests = ["namespaces", "quotas", "bindings", "policies", "pods", "claims"] as const;

/** Differences between namespaces that equal histories may have. */
interface Comparison {
  /** Its grantee is known. */
  known(namespace: string): boolean;
  /** It was deleted and created again in one of them. */
  isRemade(namespace: string): boolean;
  /** Other pods were ended. */
  isDrained(namespace: string): boolean;
  /** It is terminating in one of them only, held up by a pod. */
  isHeldUp(namespace: string): boolean;
  /** A grant to it may begin: whether the namespace was closed before, empty or with claims, depends on the order. */
  isBeginning(namespace: string): boolean;
}

const alike: Comparison = {
  known: () => true,
  isRemade: () => false,
  isDrained: () => false,
  isHeldUp: () => false,
  isBeginning: () => false,
};

/** Returns all objects of a kind as text, without the parts that differ between equal histories, such as timestamps. */
function dumpOf(
  world: World,
  kind: SimulatedKind,
  { known, isRemade, isDrained, isHeldUp, isBeginning }: Comparison = alike,
): string {
  return world.list(kind).map(({ metadata, owned: _, ...rest }) => {
    const { name, namespace, labels, annotations, deletionTimestamp } = metadata;
    // A grant whose activation was interrupted may or may not have its finalizer.
    const finalizers = statusOf({ metadata, ...rest }).phase === "Active" ? metadata.finalizers : undefined;
    const home = kind === "grants"
      ? guestNamespace(simulatedSpecOf({ metadata, ...rest }).granteeRealm)
      : kind === "namespaces"
      ? name
      : namespace;
    if (home !== undefined && isHeldUp(home)) return "";
    if (asFound.has(kind) && !known(namespace!)) return "";
    if (kind === "pods" && isDrained(namespace!)) return "";
    // A freeze records the usage seen at its beginning.
    if (kind === "quotas" && annotations[freezeAnnotation]) return `${kind} ${namespace} frozen`;
    // A namespace that was empty for long enough is deleted, or is granted again at that very time and keeps its
    // annotations.
    const remembered = kind !== "namespaces" ? [] : [
      ...(isRemade(name) ? [madeAnnotation, volumesAnnotation] : []),
      ...(isBeginning(name) ? [emptyAnnotation, keptAnnotation] : []),
    ];
    const noted = Object.fromEntries(
      Object.entries(annotations).filter(([key, value]) => value !== "" && !remembered.includes(key)),
    );
    const whole = { name, namespace, labels, annotations: noted, finalizers, deletionTimestamp, ...rest };
    return `${kind} ${JSON.stringify(sorted(whole, home !== undefined && isDrained(home)))}`;
  }).filter(Boolean).sort().join("\n");
}

const dump = (world: World, among: Comparison): string =>
  [...watchedKinds, "claims" as const].map((kind) => dumpOf(world, kind, among)).join("\n");

/** Includes the quota, which for an unknown realm is only ever lowered. */
const asFound = new Set<SimulatedKind>(["limitRanges", "policies", "quotas", "serviceAccounts"]);

const seenAt = new Set(["lastTransitionTime", "lastSeen"]);
const counted = new Set([...seenAt, "used", "actualUsage"]);

function sorted(value: unknown, isDrained: boolean): unknown {
  if (Array.isArray(value)) return value.map((each) => sorted(each, isDrained));
  if (typeof value !== "object" || value === null) return value;
  const left = isDrained ? counted : seenAt;
  const out: Record<string, unknown> = {};
  for (const key of Object.keys(value).sort()) {
    if (!left.has(key)) out[key] = sorted((value as Record<string, unknown>)[key], isDrained);
  }
  return out;
}

function difference(one: string, two: string): string {
  const [a, b] = [one.split("\n"), two.split("\n")];
  const only = (lines: string[], others: string[]) => lines.filter((line) => !others.includes(line)).join("\n    ");
  return `\n    ${only(a, b)}\n  or\n    ${only(b, a)}`;
}
