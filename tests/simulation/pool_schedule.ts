/**
 * One schedule about a SuperEntity's pool: members approve, change their contributions and withdraw, grants from it are
 * created and deleted, and the operator crashes and sees changes late. Enforcement is compared with this cluster's
 * contribution, computed independently.
 */
import { defaultSettings, type GrantSpec, type SuperEntitySpec } from "../../src/api/mod.ts";
import { guestFlowName } from "../../src/core/names.ts";
import { digestOf } from "../../src/core/superentity/digest.ts";
import { type ActorStage, everybody, machinery, nodeNamed } from "./actors.ts";
import { Coverage } from "./coverage.ts";
import { Broken } from "./invariants.ts";
import { randomOf, type SeededRandom } from "./random.ts";
import { Replica } from "./replica.ts";
import type { SimulatedSurroundings } from "./simulated_surroundings.ts";
import {
  amount,
  type ObjectChange,
  quotaSpecOf,
  quotaStatusOf,
  type SimulatedObject,
  simulatedSpecOf,
  statusOf,
  World,
} from "./simulated_world.ts";

const members = ["alice", "bob", "carol"] as const;
const guests = ["dora", "erin"] as const;
const grantNames = ["c1", "c2", "c3", "c4", "c5"] as const;
const keys = ["requests.cpu", "limits.cpu", "requests.memory", "limits.memory", "pods"] as const;
type Key = typeof keys[number];
type Amounts = Partial<Record<Key, number>>;

const contributions: readonly Record<string, string | number>[] = [
  { cpu: 4, memory: "4Gi" },
  { cpu: 2, memory: "4Gi", pods: 10 },
  { cpu: 2, memory: "1Gi", pods: 5 },
  { "limits.cpu": "3", memory: "2Gi" },
  {},
];
const hards: readonly GrantSpec["hard"][] = [
  { cpu: 3 },
  { "requests.cpu": "1", "limits.cpu": "4", memory: "1Gi" },
  { cpu: "2500m", memory: "2Gi" },
  { cpu: 1, memory: "512Mi", pods: 6 },
  { cpu: 6 },
];

/** Returns the amounts of a ResourceList: requests default to limits, and limits to requests. */
function amounts(hard: Readonly<Record<string, string | number>> = {}): Amounts {
  const named = (...names: string[]) => {
    const name = names.find((each) => hard[each] !== undefined);
    return name === undefined ? undefined : amount(hard[name]!);
  };
  const out: Amounts = {};
  for (const resource of ["cpu", "memory"] as const) {
    const requests = named(`requests.${resource}`, resource) ?? named(`limits.${resource}`);
    if (requests === undefined) continue;
    out[`requests.${resource}`] = requests;
    out[`limits.${resource}`] = named(`limits.${resource}`) ?? requests;
  }
  const pods = named("pods");
  if (pods !== undefined) out.pods = pods;
  return out;
}

const entitySpecOf = (entity: SimulatedObject): SuperEntitySpec => entity.spec as SuperEntitySpec;

export interface PoolOutcome {
  trace: readonly string[];
  /** Reached reasons and phases, with their counts. */
  seen: ReadonlyMap<string, number>;
  broken?: string;
}

export async function runPoolSchedule(seed: number): Promise<PoolOutcome> {
  const schedule = new PoolSchedule(seed);
  try {
    await schedule.run();
    return { trace: schedule.trace, seen: schedule.seen };
  } catch (error) {
    const broken = error instanceof Broken ? error.message : String(error instanceof Error ? error.stack : error);
    return { trace: schedule.trace, seen: schedule.seen, broken };
  }
}

const startedAt = Date.parse("2026-06-01T12:00:00Z");

class PoolSchedule {
  readonly trace: string[] = [];
  readonly seen = new Map<string, number>();
  readonly #random: SeededRandom;
  readonly #world = new World(startedAt);
  readonly #around: SimulatedSurroundings;
  readonly #faulty: boolean;
  #operator: Replica;
  /** The most that this cluster may have to give of each key since nothing was on notice. */
  #bound: Amounts = {};
  /** The most that was pooled of each key since then. */
  #pooled: Amounts = {};
  /** The requirements of each grant when it became Active. */
  readonly #asked = new Map<string, Amounts>();
  #broken: string | undefined;

  constructor(seed: number) {
    this.#random = randomOf(seed, -9);
    this.#faulty = this.#random.percent(70);
    this.#around = {
      settings: defaultSettings,
      cluster: { ranges: [], extendedKeys: [], storageClasses: [] },
      ...(this.#random.percent(60) ? { configured: "alice" } : {}),
      tailnet: {
        kind: "running",
        self: "alice.tailnet.ts.net",
        nodes: [...everybody(), ...guests.map((name) => nodeNamed(name))],
      },
      aheadMs: 0,
    };
    this.#world.create("priorityLevels", { metadata: { name: guestFlowName } });
    for (const name of [...members, ...guests]) this.#createRealm(name);
    this.#createEntity();
    this.#operator = this.#start();
  }

  #start(): Replica {
    const operator: Replica = new Replica(
      this.#world,
      this.#around,
      { coverage: new Coverage(), sending: () => {} },
      this.#random,
    );
    this.#world.listener = (change) => {
      this.#changed(change);
      operator.changed(change);
    };
    return operator;
  }

  #note(text: string): void {
    if (text !== "") this.trace.push(text);
  }

  #createRealm(name: string): string {
    const spec = { identity: `${name}.tailnet.ts.net`, connectionType: "tailscale", trustLevel: "partner" };
    return "error" in this.#world.create("realms", { metadata: { name }, spec }) ? "" : `create realm ${name}`;
  }

  #anyMembers(): SuperEntitySpec["members"] {
    const random = this.#random;
    const among = random.percent(80) ? members : members.slice(random.below(2));
    return among.map((realm) => ({ realm, contribution: random.of(contributions) }));
  }

  #createEntity(): string {
    const random = this.#random;
    const all = this.#anyMembers();
    const spec: SuperEntitySpec = {
      members: all,
      graceSeconds: random.of([0, 60]),
      ...(random.percent(50) ? { quorum: 1 + random.below(all.length) } : {}),
    };
    // Often all have agreed beforehand, which leaves more time for later events.
    if (random.percent(60)) {
      const digest = digestOf("coop", spec);
      spec.approvals = all.map(({ realm }) => ({ realm, digest }));
    }
    const answer = this.#world.create("superEntities", { metadata: { name: "coop" }, spec });
    return "error" in answer ? "" : `create coop ${JSON.stringify(spec)}`;
  }

  /** Returns the members whose approval has the digest of the present terms. */
  #approved({ members, approvals, ...spec }: SuperEntitySpec): SuperEntitySpec["members"] {
    const digest = digestOf("coop", { members, ...spec });
    return members.filter(({ realm }) => approvals?.some((each) => each.realm === realm && each.digest === digest));
  }

  #isGiven(spec: SuperEntitySpec): boolean {
    return this.#approved(spec).length >= (spec.quorum ?? spec.members.length);
  }

  /** Returns Alice's contribution; undefined while approvals are missing. */
  #contributed(): Amounts | undefined {
    const entity = this.#world.get("superEntities", "coop");
    if (!entity || !this.#isGiven(entitySpecOf(entity))) return undefined;
    return amounts(this.#approved(entitySpecOf(entity)).find(({ realm }) => realm === "alice")?.contribution);
  }

  #changed({ kind, object, old, type }: ObjectChange): void {
    if (kind === "superEntities") this.#raise();
    if (kind !== "grants" || type === "gone" || !old) return;
    const [before, phase] = [statusOf(old).phase, statusOf(object).phase];
    if (before === "Active" && phase === "Pending") this.#broken ??= `${object.metadata.name} went back to Pending`;
    if (before !== "Active" && phase === "Active") this.#cameIntoForce(object);
  }

  /**
   * Checks that a new grant doesn't exceed the pool: it must fit beside the requirements of those in force, if they are
   * still the same.
   */
  #cameIntoForce(grant: SimulatedObject): void {
    const { uid, name, generation } = grant.metadata;
    // A grant that was changed meanwhile has its first requirements reserved, and beyond them only the room that was
    // free here.
    if (generation !== 1) return;
    const asked = amounts(simulatedSpecOf(grant).hard);
    const others = this.#grants().filter(({ metadata, ...rest }) =>
      metadata.uid !== uid && statusOf({ metadata, ...rest }).phase === "Active"
    );
    for (const [key, value] of Object.entries(asked) as [Key, number][]) {
      const taken = others.reduce((sum, other) => {
        const now = amounts(simulatedSpecOf(other).hard)[key] ?? 0;
        return sum + Math.min(now, this.#asked.get(other.metadata.uid)?.[key] ?? 0);
      }, 0);
      const pooled = this.#pooled[key] ?? 0;
      if (value + taken > pooled) {
        this.#broken ??= `${name} takes ${value / 1000} ${key} beside ${taken / 1000}, where ${
          pooled / 1000
        } are pooled`;
      }
    }
    this.#asked.set(uid, asked);
  }

  /** Returns the sum of the contributions of all members that have approved. */
  #pool({ spec }: SimulatedObject): Amounts {
    const pool: Amounts = {};
    for (const { contribution } of this.#approved(spec as SuperEntitySpec)) {
      for (const [key, value] of Object.entries(amounts(contribution)) as [Key, number][]) {
        pool[key] = (pool[key] ?? 0) + value;
      }
    }
    return pool;
  }

  #raise(): void {
    const own = this.#contributed();
    if (!own) return;
    const pool = this.#pool(this.#world.get("superEntities", "coop")!);
    for (const key of keys) {
      this.#pooled[key] = Math.max(this.#pooled[key] ?? 0, pool[key] ?? 0);
      // If a contribution has no pods, each grant gives its default of them.
      const value = own[key] ?? (key === "pods" ? Infinity : 0);
      this.#bound[key] = Math.max(this.#bound[key] ?? 0, value);
    }
  }

  /** Checks after every step that this cluster's enforcement from the pool doesn't exceed its contribution. */
  #hold(): void {
    for (const key of keys) {
      const enforced = guests.reduce((sum, guest) => {
        const quota = this.#world.get("quotas", `guest-${guest}/keystone`);
        if (!quota) return sum;
        const of = (hard: Record<string, string>) => hard[key] === undefined ? 0 : amount(hard[key]);
        return sum + Math.max(of(quotaSpecOf(quota).hard), of(quotaStatusOf(quota).hard));
      }, 0);
      const bound = this.#bound[key] ?? 0;
      if (enforced > bound) {
        this.#broken ??= `${enforced / 1000} ${key} are enforced, but ${bound / 1000} are contributed`;
      }
    }
    if (this.#broken !== undefined) throw new Broken(this.#broken);
  }

  async run(): Promise<void> {
    for (let step = 0; step < 70; step++) {
      const what = this.#random.below(100);
      if (what < 50) await this.#operate(this.#random.of([2, 5, 12, 30]));
      else if (what < 80) this.#note(this.#act());
      else if (what < 86) this.#machine();
      else if (what < 90) this.#pass();
      else if (what < 94 && this.#faulty) {
        this.#note("crash");
        this.#operator = this.#start();
      } else if (what >= 94) await this.#rest();
      this.#hold();
    }
    await this.#rest();
    this.#note("restart");
    this.#operator = this.#start();
    await this.#settle();
    const { requests } = this.#operator;
    if (requests.length > 0) throw new Broken(`a restart without changes writes nothing: ${requests.join(", ")}`);
    await this.#end();
  }

  async #operate(turns: number): Promise<void> {
    this.#operator.isDisturbed = this.#faulty;
    for (let turn = 0; turn < turns; turn++) {
      if (!this.#faulty) this.#operator.catchUp();
      const choices = this.#operator.choices();
      if (choices.length === 0) return;
      this.#note(await this.#random.of(choices)());
      this.#hold();
    }
  }

  #machine(): void {
    const all = machinery({ world: this.#world } as ActorStage);
    if (all.length > 0) this.#note(this.#random.of(all)());
  }

  #pass(): void {
    const next = this.#operator.wakes().filter((at) => at > this.#world.now).sort((a, b) => a - b)[0];
    const to = next !== undefined && this.#random.percent(70)
      ? next
      : this.#world.now + this.#random.of([1000, 31_000]);
    this.#note(`+${to - this.#world.now} ms`);
    this.#world.now = to;
  }

  async #settle(): Promise<void> {
    this.#operator.isDisturbed = false;
    for (let turn = 0; turn < 3000; turn++) {
      const choices = this.#operator.choices();
      if (choices.length > 0) this.#note(await this.#random.of(choices)());
      else if (!machinery({ world: this.#world } as ActorStage).some((each) => each() !== "")) return;
      this.#hold();
    }
    throw new Broken("all comes to rest without further actions");
  }

  #grants(): SimulatedObject[] {
    return this.#world.list("grants").filter((grant) => simulatedSpecOf(grant).grantorRealm === "coop");
  }

  async #rest(): Promise<void> {
    this.#note("rest");
    await this.#settle();
    for (const grant of this.#grants()) this.#count(grant);
    this.#nobodyWaitsForWhatIsFree();
    const own = this.#contributed();
    const onNotice = this.#grants().some((grant) => {
      const { reductions, conditions } = statusOf(grant);
      return reductions || conditions?.some(({ type, status }) => type === "Draining" && status === "True");
    });
    // An operator that doesn't know its own member leaves everything unchanged.
    const knows = this.#around.configured !== undefined || this.#around.tailnet.kind === "running";
    if (own && !onNotice && knows) {
      this.#bound = {};
      this.#pooled = {};
      this.#raise();
      this.#hold();
    }
    const before = this.#operator.requests.length;
    this.#operator.wakeAll();
    await this.#settle();
    const more = this.#operator.requests.slice(before);
    if (more.length > 0) throw new Broken(`at rest nothing is written again: ${more.join(", ")}`);
  }

  #count(grant: SimulatedObject): void {
    const { phase, conditions } = statusOf(grant);
    const ready = conditions?.find(({ type }) => type === "Ready");
    for (const what of [`${phase} ${ready?.reason}`]) this.seen.set(what, (this.seen.get(what) ?? 0) + 1);
    const entity = this.#world.get("superEntities", "coop");
    const isActive = (entity?.status as { phase?: string } | undefined)?.phase === "Active";
    const knows = this.#around.configured !== undefined || this.#around.tailnet.kind === "running";
    const gives = entity && this.#approved(entitySpecOf(entity)).some(({ realm }) => realm === "alice");
    if (phase === "Pending" && ready?.reason.startsWith("SuperEntity") && isActive && knows && gives) {
      throw new Broken(`${grant.metadata.name} waits, though its reason no longer holds: ${ready.message}`);
    }
    if (ready?.reason === "PoolPending") throw new Broken(`${grant.metadata.name} is PoolPending at rest`);
  }

  /** Checks that a grant with ExceedsPool really doesn't fit into the pool or into this cluster's part of it. */
  #nobodyWaitsForWhatIsFree(): void {
    const entity = this.#world.get("superEntities", "coop");
    const own = this.#contributed();
    if (!entity || !own) return;
    const pool = this.#pool(entity);
    const active = this.#grants().filter((grant) => statusOf(grant).phase === "Active");
    for (const grant of this.#grants()) {
      const { phase, conditions } = statusOf(grant);
      if (phase !== "Pending" || !conditions?.some(({ reason }) => reason === "ExceedsPool")) continue;
      const asked = Object.entries(amounts(simulatedSpecOf(grant).hard)) as [Key, number][];
      const fits = asked.every(([key, value]) => {
        const taken = active.reduce((sum, other) => sum + (amounts(simulatedSpecOf(other).hard)[key] ?? 0), 0);
        const held = active.reduce((sum, other) => {
          const { hard = {}, reductions = [] } = statusOf(other);
          return sum +
            Math.max(...[hard, ...reductions.map((cut) => cut.hard)].map((each) => amount(each[key] ?? "0")));
        }, 0);
        return value + taken <= (pool[key] ?? 0) && value * (own[key] ?? 0) / pool[key]! + held <= (own[key] ?? 0);
      });
      if (fits) throw new Broken(`${grant.metadata.name} fits, but waits: ${statusOf(grant).message}`);
    }
  }

  #act(): string {
    const random = this.#random;
    const world = this.#world;
    const what = random.below(100);
    if (what < 30) {
      const name = random.of(grantNames);
      const spec: GrantSpec = {
        grantorRealm: "coop",
        granteeRealm: random.of(guests),
        hard: random.of(hards),
        termination: { noticeSeconds: random.of([0, 30]), drainSeconds: 0 },
      };
      const answer = world.create("grants", { metadata: { name }, spec });
      return "error" in answer ? "" : `create ${name} ${JSON.stringify(spec)}`;
    }
    if (what < 55) {
      const entity = world.get("superEntities", "coop");
      if (!entity) return this.#createEntity();
      const { approvals: _, ...terms } = entitySpecOf(entity);
      const realm = random.of(members);
      const digest = digestOf("coop", terms);
      world.changeEntity("coop", ({ approvals = [], ...spec }) => ({
        ...spec,
        approvals: [...approvals.filter((each) => each.realm !== realm), { realm, digest }],
      }));
      return `${realm} approves`;
    }
    if (what < 60) {
      const realm = random.of(members);
      const changed = world.changeEntity("coop", ({ approvals = [], ...spec }) => ({
        ...spec,
        approvals: approvals.filter((each) => each.realm !== realm),
      }));
      return changed ? `${realm} withdraws` : "";
    }
    if (what < 66) {
      const all = this.#anyMembers();
      const changed = world.changeEntity("coop", ({ quorum: _, ...spec }) => ({
        ...spec,
        members: all,
        ...(random.percent(50) ? { quorum: 1 + random.below(all.length) } : {}),
      }));
      return changed ? `terms ${JSON.stringify(all)}` : "";
    }
    const grants = world.list("grants");
    if (what < 88 && grants.length > 0) {
      const { name } = random.of(grants).metadata;
      if (what < 72) {
        world.delete("grants", name, undefined, "other");
        return `delete ${name}`;
      }
      if (what < 77) return world.changeGrant(name, (spec) => ({ ...spec, revocation: {} })) ? `revoke ${name}` : "";
      const hard = random.of(hards);
      return world.changeGrant(name, (spec) => ({ ...spec, hard })) ? `${name} ${JSON.stringify(hard)}` : "";
    }
    if (what < 92) {
      const name = random.of(members.slice(1));
      if (!world.get("realms", name)) return this.#createRealm(name);
      world.delete("realms", name, undefined, "other");
      return `delete realm ${name}`;
    }
    if (what < 95) {
      world.delete("superEntities", "coop", undefined, "other");
      return "delete coop";
    }
    const { tailnet } = this.#around;
    this.#around.tailnet = tailnet.kind === "running"
      ? { kind: "unavailable", reason: "TailscaledUnreachable", message: "no response" }
      : {
        kind: "running",
        self: "alice.tailnet.ts.net",
        nodes: [...everybody(), ...guests.map((name) => nodeNamed(name))],
      };
    this.#operator.tailnetChanged();
    return `tailnet ${this.#around.tailnet.kind}`;
  }

  /** Checks that a deleted SuperEntity ends its grants and is removed, whatever happened before. */
  async #end(): Promise<void> {
    this.#note("the end");
    if (this.#around.tailnet.kind !== "running") {
      this.#around.tailnet = {
        kind: "running",
        self: "alice.tailnet.ts.net",
        nodes: [...everybody(), ...guests.map((name) => nodeNamed(name))],
      };
      this.#operator.tailnetChanged();
    }
    const active = () => this.#grants().filter((grant) => statusOf(grant).phase === "Active");
    await this.#settle();
    this.#world.delete("superEntities", "coop", undefined, "other");
    for (let round = 0; round < 3; round++) {
      await this.#settle();
      this.#world.now += 3_600_000;
    }
    await this.#settle();
    const held = this.#world.get("superEntities", "coop");
    if (held) throw new Broken("a deleted SuperEntity is removed in the end");
    for (const { metadata: { name } } of active()) throw new Broken(`${name} is in force without a grantor`);
  }
}
