/**
 * The operator as one process: the real stores, wakes, shares and planners, with the writes of the controllers one at a
 * time so that others can come between, and a crash too. What `src/controllers` does with promises is a generator here.
 */
import { isDeepStrictEqual } from "node:util";
import { Store } from "../../lib/controller/mod.ts";
import { parseQuantity } from "../../lib/quantity/mod.ts";
import { type GrantStatus, type RealmStatus, type Settings, trustedNodeAnnotation } from "../../src/api/mod.ts";
import type { Context } from "../../src/controllers/context.ts";
import { granteeNamed, type PartySources, poolingOf, Pools, realmNamed } from "../../src/controllers/pools.ts";
import { recallPools } from "../../src/controllers/recall.ts";
import { Shares } from "../../src/controllers/shares.ts";
import { createStores, keyIn, type Stores } from "../../src/controllers/stores.ts";
import { isHeld, sharePool } from "../../src/controllers/superentity.ts";
import { Unwritten } from "../../src/controllers/unwritten.ts";
import { connectLoops } from "../../src/controllers/loops.ts";
import { createSignals } from "../../src/controllers/signals.ts";
import type { ClusterFacts, LocalRealm, PodFacts } from "../../src/core/facts.ts";
import { type Effect, effectText, endsPod, writtenBy } from "../../src/core/effects.ts";
import { planGrant } from "../../src/core/grant/plan.ts";
import { guideName } from "../../src/core/guest/objects/guide.ts";
import { limitRangeName } from "../../src/core/guest/objects/limit_range.ts";
import { quotaName } from "../../src/core/guest/objects/quota.ts";
import { type GuestPlan, planGuest } from "../../src/core/guest/plan.ts";
import type { GuestWorld } from "../../src/core/guest/world.ts";
import { sharesOf } from "../../src/core/guest/share.ts";
import type { Failure } from "../../src/core/grant/share.ts";
import { aboutGrant, isFoundation } from "../../src/core/guest/writes.ts";
import type { KeyQueue } from "../../src/engine/triggers.ts";
import { localRealm } from "../../src/core/local_realm.ts";
import { guestNamespace, guestRole, managedBy, managedByLabel, realmOfNamespace } from "../../src/core/names.ts";
import { earliest } from "../../src/core/instants.ts";
import { entityConflict } from "../../src/core/superentity/conflict.ts";
import { planSuperEntity } from "../../src/core/superentity/plan.ts";
import { canonicalName, rivalsOf } from "../../src/core/realm/identity.ts";
import { planRealm } from "../../src/core/realm/plan.ts";
import type { NodeFacts } from "../../src/core/realm/world.ts";
import type { Coverage } from "./coverage.ts";
import type { Random } from "./random.ts";
import { type Answer, type Change, isMade, keyOf, type Kind, type Stored, watched, type World } from "./world.ts";

/** What isn't in the API server: the tailnet, the operator's clock and its configuration. */
export interface Surroundings {
  settings: Settings;
  cluster: ClusterFacts;
  /** KEYSTONE_REALM. */
  configured?: string;
  tailnet:
    | { kind: "none" }
    | { kind: "unavailable"; reason: string; message: string }
    | { kind: "running"; self: string; nodes: readonly NodeFacts[] };
  /** By how much the operator's clock is ahead, in milliseconds. */
  aheadMs: number;
  /** What can't be read while guest namespaces are planned. */
  broken?: Breakable;
}

/** What a plan is made from, and what it opens by. */
export const breakable = ["realms", "dns", "proxies", "subjects", "guide", "limits", "g1", "g2"] as const;
export type Breakable = typeof breakable[number];

/** The same, of which a field throws when it is read. */
function breaking<T extends object>(whole: T, field: keyof T): T {
  const thrown = () => {
    throw new TypeError("out of order");
  };
  const copy = Object.create(null, Object.getOwnPropertyDescriptors(whole)) as T;
  return Object.defineProperty(copy, field, { get: thrown, enumerable: true, configurable: true });
}

/** A world of which something can't be read. */
function brokenWorld(world: GuestWorld, broken: Breakable): GuestWorld {
  const { settings, realm, guide, limitRange, grants } = world;
  switch (broken) {
    case "realms":
      return {
        ...world,
        realmNamed: () => {
          throw new TypeError("out of order");
        },
      };
    case "dns":
      return { ...world, settings: breaking(settings, "dns") };
    case "proxies":
      return { ...world, settings: breaking(settings, "realmPeers") };
    case "subjects":
      return { ...world, realm: realm && { ...realm, spec: breaking(realm.spec, "subjects") } };
    case "guide":
      return { ...world, guide: guide && breaking(guide, "data") };
    case "limits":
      return { ...world, limitRange: limitRange && breaking(limitRange, "limits") };
    default:
      return {
        ...world,
        grants: grants.map((grant) =>
          grant.name === broken ? { ...grant, spec: breaking(breaking(grant.spec, "hard"), "networkPolicy") } : grant
        ),
      };
  }
}

/** How soon it is looked whether the clocks agree again. */
export const skewLookMs = 5000;

const loops = ["guests", "grants", "realms", "superEntities"] as const;
type Loop = typeof loops[number];

/** One write on its way, as a trace names it. */
export interface Request {
  text: string;
  /** What it is about, for the promises. */
  write?: Effect;
  grantee?: string;
  /** What the plan was made from. */
  seen?: GuestWorld;
  send: () => Answer;
}

type Task = Generator<Request, { wakeAt?: number }, Answer>;

/** Told of what the operator does. */
export interface Observer {
  sending(request: Request): void;
  coverage: Coverage;
}

/** A queue as the wakes see it: keys and instants. */
class Queue {
  readonly keys = new Set<string>();
  /** Instants of the operator's clock. */
  readonly times = new Map<string, number>();
  /** The same of a clock that nobody sets. */
  readonly looks = new Map<string, number>();
  /** Keys that failed, by what was known then: they are tried again when that is another. */
  readonly failed = new Map<string, string>();
  add(key: string): void {
    this.keys.add(key);
  }
  /** When it comes is chosen at random anyway. */
  retry(key: string): void {
    this.keys.add(key);
  }
  /** What entered the key since it was taken has been looked at. */
  looked(key: string): void {
    this.keys.delete(key);
  }
}

class WriteFailed extends Error {}

export class Operator {
  readonly #world: World;
  readonly #around: Surroundings;
  readonly #observer: Observer;
  readonly #stores: Stores = createStores();
  readonly #shares = new Shares();
  readonly #pools = new Pools();
  readonly #unwritten = { grants: new Unwritten<GrantStatus>(), realms: new Unwritten<RealmStatus>() };
  readonly #parties: PartySources = {
    stores: this.#stores,
    pools: this.#pools,
    local: () => this.#local(),
    unwritten: this.#unwritten,
  };
  readonly #queues = {
    grants: new Queue(),
    realms: new Queue(),
    guests: new Queue(),
    superEntities: new Queue(),
    // Their loop writes roles, of which nothing here depends.
    approvers: new Queue(),
    guestFlows: new Queue(),
  };
  readonly #pending = new Map<Kind, Change[]>();
  readonly #pods = new Map<string, { store: Store<PodFacts, never>; synced: boolean; pending: Change[] }>();
  readonly #running = new Map<string, { loop: Loop; key: string; task: Task; answer?: Answer }>();
  /** How often the watches have told something. */
  #told = 0;
  readonly #tailnetListeners: ((change: { names: Set<string>; all: boolean }) => void)[] = [];
  /** What it has sent, but for evictions, which are tried again whenever it looks. */
  readonly requests: string[] = [];
  /** Chooses the order of the writes of one stage: they are independent, so any is right. */
  random: Random;

  /** Starts as a new process does: reads everything, and looks at everything once. */
  constructor(world: World, around: Surroundings, observer: Observer, random: Random) {
    this.random = random;
    this.#world = world;
    this.#around = around;
    this.#observer = observer;
    connectLoops(
      {
        stores: this.#stores,
        shares: this.#shares,
        pools: this.#pools,
        unwritten: this.#unwritten,
        signals: createSignals(),
        local: () => this.#local(),
        cluster: { onChange() {} },
        names: { want() {}, onChange() {} },
        tailnet: {
          onChange: (listener: (change: { names: Set<string>; all: boolean }) => void) => {
            this.#tailnetListeners.push(listener);
          },
          watch: () => {},
        },
      } as unknown as Context,
      (name) => this.#queues[name as Loop] as unknown as KeyQueue,
    );
    for (const kind of watched) {
      this.#pending.set(kind, []);
      const store = this.#storeOf(kind);
      if (!store) continue;
      const listing = store.listing();
      let newest = 1;
      for (const object of world.list(kind)) {
        newest = Math.max(newest, Number(object.metadata.resourceVersion));
        if (this.#selects(kind, object)) listing.add(object);
      }
      listing.commit(String(newest));
    }
    this.wakeAll();
  }

  /** All keys, as when the Lease is taken. */
  wakeAll(): void {
    this.#pools.forget();
    this.#shares.forget();
    this.#unwritten.grants.forgetAll();
    this.#unwritten.realms.forgetAll();
    recallPools(this.#sharing, (grantee) => this.#observeGuest(grantee));
    for (const { name } of this.#stores.realms.list()) this.#queues.realms.add(name);
    for (const { name } of this.#stores.superEntities.list()) this.#queues.superEntities.add(name);
    for (const { name, spec } of this.#stores.grants.list()) {
      this.#queues.grants.add(name);
      this.#queues.guests.add(spec.granteeRealm);
    }
    for (const namespace of this.#stores.namespaces.list()) {
      const grantee = namespace && realmOfNamespace(namespace.name);
      if (grantee) this.#queues.guests.add(grantee);
    }
  }

  tailnetChanged(): void {
    for (const listener of this.#tailnetListeners) listener({ names: new Set(), all: true });
  }

  get now(): number {
    return this.#world.now + this.#around.aheadMs;
  }

  get skewMs(): number {
    return -this.#around.aheadMs;
  }

  // deno-lint-ignore no-explicit-any
  #storeOf(kind: Kind): Store<any, any, any> | undefined {
    return kind === "pods" || kind === "claims" ? undefined : this.#stores[kind];
  }

  #selects(kind: Kind, { metadata: { name, labels } }: Stored): boolean {
    if (kind === "grants" || kind === "realms" || kind === "superEntities" || kind === "namespaces") return true;
    if (labels[managedByLabel] !== managedBy) return false;
    const names: Partial<Record<Kind, string>> = {
      quotas: quotaName,
      limitRanges: limitRangeName,
      serviceAccounts: "default",
      bindings: guestRole,
      guides: guideName,
    };
    return kind === "policies" || names[kind] === name;
  }

  /** The watch has something to tell; it tells when a step delivers it. */
  changed(change: Change): void {
    const { kind, object } = change;
    if (kind === "claims") return;
    if (kind === "pods") this.#pods.get(object.metadata.namespace!)?.pending.push(change);
    else this.#pending.get(kind)!.push(change);
  }

  /** What the operator could do next, one entry for each choice. */
  choices(): (() => string)[] {
    const out: (() => string)[] = [];
    for (const [id, running] of this.#running) out.push(() => this.#goOn(id, running));
    for (const loop of loops) {
      const queue = this.#queues[loop];
      for (const key of this.#due(queue)) {
        if (!this.#running.has(`${loop}/${key}`)) out.push(() => this.#begin(loop, key));
      }
    }
    for (const [kind, changes] of this.#pending) {
      if (changes.length > 0) out.push(() => this.#deliver(kind));
    }
    for (const [namespace, watch] of this.#pods) {
      if (!watch.synced || watch.pending.length > 0) out.push(() => this.#lookAtPods(namespace));
    }
    return out;
  }

  /** Delivers all that the watches have to tell. */
  catchUp(): void {
    for (const kind of watched) while (this.#pending.get(kind)!.length > 0) this.#deliver(kind);
    for (const [namespace, watch] of this.#pods) {
      if (!watch.synced || watch.pending.length > 0) this.#lookAtPods(namespace);
    }
  }

  /** Whether something of what it sees is older than the truth. */
  get isStale(): boolean {
    return [...this.#pending.values()].some((changes) => changes.length > 0);
  }

  get isIdle(): boolean {
    return this.#running.size === 0;
  }

  /** What a failure may depend on. */
  get #moment(): string {
    const { broken, aheadMs } = this.#around;
    return [this.#world.version, this.#world.now, this.#world.refused.size, this.#told, broken, aheadMs].join();
  }

  *#due(queue: Queue): Iterable<string> {
    yield* queue.keys;
    for (const [key, moment] of queue.failed) if (moment !== this.#moment && !queue.keys.has(key)) yield key;
    for (const [key, at] of queue.times) if (at <= this.now && !queue.keys.has(key)) yield key;
    for (const [key, at] of queue.looks) {
      if (at <= this.#world.now && !queue.keys.has(key) && !((queue.times.get(key) ?? Infinity) <= this.now)) yield key;
    }
  }

  /** The instants for which keys wait, on the operator's clock. */
  wakes(): number[] {
    const { grants, guests, superEntities } = this.#queues;
    return [grants, guests, superEntities].flatMap(({ times }) => [...times.values()]);
  }

  #begin(loop: Loop, key: string): string {
    this.#queues[loop].keys.delete(key);
    this.#queues[loop].times.delete(key);
    this.#queues[loop].looks.delete(key);
    this.#queues[loop].failed.delete(key);
    const begin = {
      guests: () => this.#guest(key),
      grants: () => this.#grant(key),
      realms: () => this.#realm(key),
      superEntities: () => this.#superEntity(key),
    };
    const task = begin[loop]();
    const running = { loop, key, task };
    this.#running.set(`${loop}/${key}`, running);
    return this.#goOn(`${loop}/${key}`, running);
  }

  #goOn(id: string, running: { loop: Loop; key: string; task: Task; answer?: Answer }): string {
    const { loop, key, task } = running;
    try {
      // The first next() starts the generator and takes no answer.
      const { done, value } = task.next(running.answer as Answer);
      if (!done) {
        if (!value.text.startsWith("evict")) this.requests.push(`${id} ${value.text}`);
        this.#observer.sending(value);
        running.answer = value.send();
        const { answer } = running;
        return `${id}: ${value.text}${"error" in answer ? ` → ${answer.error} ${answer.why}` : ""}`;
      }
      if (value.wakeAt !== undefined) {
        const { times } = this.#queues[loop];
        times.set(key, Math.min(times.get(key) ?? Infinity, value.wakeAt > this.now ? value.wakeAt : this.now + 10));
      }
      // Nothing tells that the clocks agree again.
      if (this.skewMs !== 0) this.#queues[loop].looks.set(key, this.#world.now + skewLookMs);
      this.#running.delete(id);
      return `${id}: done`;
    } catch (error) {
      if (!(error instanceof WriteFailed)) throw error;
      this.#running.delete(id);
      // However long it backs off: when nothing has changed since, it comes to the same.
      this.#queues[loop].failed.set(key, this.#moment);
      return `${id}: failed, again`;
    }
  }

  #deliver(kind: Kind): string {
    this.#told++;
    const { object, old, type } = this.#pending.get(kind)!.shift()!;
    const store = this.#storeOf(kind)!;
    if (type === "put" && this.#selects(kind, object)) store.put(object);
    else if (type === "gone" || old && this.#selects(kind, old)) store.remove(object);
    return `sees ${kind} ${keyOf(object.metadata.namespace, object.metadata.name)}`;
  }

  #lookAtPods(namespace: string): string {
    this.#told++;
    const watch = this.#pods.get(namespace)!;
    if (!watch.synced) {
      watch.synced = true;
      watch.pending = [];
      for (const pod of this.#world.within("pods", namespace)) watch.store.put(pod);
    } else {
      for (const { type, object } of watch.pending.splice(0)) {
        if (type === "put") watch.store.put(object);
        else watch.store.remove(object);
      }
    }
    const grantee = realmOfNamespace(namespace);
    if (grantee !== undefined) this.#queues.guests.add(grantee);
    return `sees pods of ${namespace}`;
  }

  #wantPods(namespace: string, wanted: boolean): void {
    if (!wanted) this.#pods.delete(namespace);
    else if (!this.#pods.has(namespace)) {
      const store = new Store<PodFacts, never>({ project: (object) => podFacts(object as unknown as Stored) });
      this.#pods.set(namespace, { store, synced: false, pending: [] });
    }
  }

  #local(): LocalRealm {
    const { configured, tailnet } = this.#around;
    return localRealm({
      ...(configured === undefined ? {} : { configured }),
      tailnet: tailnet.kind === "running" ? { kind: "running", selfName: tailnet.self } : tailnet,
      realmsOfIdentity: (identity) =>
        this.#stores.realms.index("identity", identity).filter(({ deleting }) => !deleting).map(({ name }) => name),
    });
  }

  // From here on: src/controllers/guest.ts, src/engine/execute.ts, grant.ts and realm.ts, a write at a time.

  *#guest(grantee: string): Task {
    const seen = this.#observeGuest(grantee);
    const plan = planGuest(seen);
    this.#observer.coverage.planned(seen, plan);
    this.#wantPods(guestNamespace(grantee), plan.needsPods);
    this.#announce(plan);
    this.#pools.announce(seen, plan);
    const failed: Effect[] = [];
    for (const { kind, effects } of plan.stages) {
      if (kind !== "close" && failed.some(isFoundation)) break;
      for (const write of this.random.shuffled(effects)) {
        if (this.skewMs !== 0 && endsPod(write)) continue;
        for (const request of this.#requestsOf(write, grantee, seen)) {
          const answer = yield request;
          if (!this.#taken(write, answer)) failed.push(write);
        }
      }
    }
    const world = plan.stages.length === 0 ? seen : this.#observeGuest(grantee);
    const after: GuestPlan = plan.stages.length === 0 ? plan : planGuest(world);
    const failures = failed.map((write): Failure => ({
      ...aboutGrant(write),
      reason: "WriteRefused",
      message: effectText(write),
    }));
    this.#shares.set(grantee, sharesOf(world, after, failures), this.now);
    this.#wantPods(guestNamespace(grantee), after.needsPods);
    this.#pools.settle(world, after);
    if (failed.length > 0 || after.faults.length > 0) {
      // A failure costs no instant.
      if (after.wakeAt !== undefined) {
        const { times } = this.#queues.guests;
        times.set(grantee, Math.min(times.get(grantee) ?? Infinity, Math.max(after.wakeAt, this.now + 10)));
      }
      throw new WriteFailed();
    }
    if (after.stages.length === 0) this.#queues.guests.looked(grantee);
    return after.wakeAt === undefined ? {} : { wakeAt: after.wakeAt };
  }

  get #sharing() {
    return {
      ...this.#parties,
      stores: this.#stores,
      settings: this.#around.settings,
      skewMs: () => this.skewMs,
      clock: { now: () => this.now },
    } as unknown as Context;
  }

  /** What is about to be enforced is as good as enforced: an end that comes meanwhile waits for it to be taken away. */
  #announce({ holdings: { holdings } }: GuestPlan): void {
    const [first] = holdings;
    if (!first) return;
    this.#shares.announce(first.grant.spec.granteeRealm, holdings.map(({ grant }) => grant.name));
  }

  #observeGuest(grantee: string): GuestWorld {
    const { broken } = this.#around;
    const whole = this.#wholeGuest(grantee);
    return broken ? brokenWorld(whole, broken) : whole;
  }

  #wholeGuest(grantee: string): GuestWorld {
    const stores = this.#stores;
    const namespace = guestNamespace(grantee);
    const pods = this.#pods.get(namespace);
    return {
      grantee,
      realm: granteeNamed(this.#parties, grantee),
      grants: stores.grants.index("grantee", grantee).map((grant) => this.#unwritten.grants.decided(grant)),
      local: this.#local(),
      pooling: poolingOf(this.#parties),
      settings: this.#around.settings,
      cluster: this.#around.cluster,
      realmNamed: (name) => realmNamed(this.#parties, name),
      addressesOfName: () => undefined,
      namespace: stores.namespaces.get(namespace),
      quota: stores.quotas.get(keyIn(namespace, quotaName)),
      limitRange: stores.limitRanges.get(keyIn(namespace, limitRangeName)),
      serviceAccount: stores.serviceAccounts.get(keyIn(namespace, "default")),
      binding: stores.bindings.get(keyIn(namespace, guestRole)),
      guide: stores.guides.get(keyIn(namespace, guideName)),
      policies: stores.policies.index("namespace", namespace).filter((policy) => policy !== undefined),
      otherPolicies: [],
      pods: pods?.synced ? pods.store.list() : undefined,
      // Listed where the plan asks for it; nobody makes Services or snapshots here, or accounts of realms.
      services: [],
      stored: { claims: this.#world.within("claims", namespace).length, snapshots: 0 },
      skewMs: this.skewMs,
      now: this.now,
    };
  }

  #requestsOf(write: Effect, grantee: string, seen: GuestWorld): Request[] {
    const world = this.#world;
    const request = (text: string, send: () => Answer): Request[] => [{ text, write, grantee, seen, send }];
    const written = writtenBy(write);
    if (written) {
      const kind = kindOf[written.kind!]!;
      const { name, namespace } = written.metadata!;
      const object = written as unknown as Stored;
      const text = `apply ${written.kind} ${keyOf(namespace, name!)}`;
      const key = keyOf(namespace, name!);
      if (kind !== "namespaces") {
        return request(
          text,
          () => this.#fence(namespace!) ?? world.refuses(kind, key) ?? world.apply(kind, object),
        );
      }
      return request(
        text,
        () =>
          world.refuses(kind, key) ??
            ("apply" in write ? world.apply(kind, object, write.uid) : world.create(kind, object, "operator")),
      );
    }
    if ("patch" in write) {
      const { patch: { name, uid }, body: { metadata: { labels = {}, annotations = {} } = {} } } = write;
      return request(
        `adopt ${name}`,
        () => world.refuses("namespaces", name) ?? world.patch(name, uid, labels, annotations),
      );
    }
    if ("delete" in write) {
      const { kind, namespace, name, uid } = write.delete;
      const of = kind === "Pod" ? "pods" : kindOf[kind]!;
      const key = keyOf(namespace, name);
      return request(
        `delete ${kind} ${key}`,
        () =>
          (namespace && this.#fence(namespace)) ||
          (world.refuses(of, key) ?? world.delete(of, key, uid, "operator", write.graceSeconds)),
      );
    }
    if ("evict" in write) {
      const { namespace, name, uid } = write.evict;
      return request(`evict ${namespace}/${name}`, () => world.evict(`${namespace}/${name}`, uid, write.graceSeconds));
    }
    if (!("deleteAll" in write)) throw new Error(`Nothing is there for it: ${JSON.stringify(write)}`);
    const { namespace } = write.deleteAll;
    return world.within("claims", namespace).flatMap(({ metadata: { name, uid } }) =>
      request(
        `delete claim ${namespace}/${name}`,
        () => this.#fence(namespace) ?? world.delete("claims", `${namespace}/${name}`, uid, "operator"),
      )
    );
  }

  /** The admission policy on the operator itself: it writes only in namespaces that it has made. */
  #fence(namespace: string): Answer | undefined {
    const home = this.#world.get("namespaces", namespace);
    return home && !isMade(home) ? { error: 403, why: `${namespace} is not Keystone's` } : undefined;
  }

  /** Takes the answer into the stores as src/engine/execute.ts does. Returns whether the write was made. */
  #taken(write: Effect, answer: Answer): boolean {
    const refusals = "delete" in write || "deleteAll" in write ? [404] : "evict" in write ? [404, 429] : [];
    if ("error" in answer) return refusals.includes(answer.error);
    const written = writtenBy(write);
    if (written || "patch" in write) this.#observe(written ? kindOf[written.kind!]! : "namespaces", answer.ok);
    else if ("delete" in write) {
      const { kind, namespace, name, uid } = write.delete;
      if (kind !== "Pod" && kind !== "Namespace") this.#storeOf(kindOf[kind]!)!.forget(keyOf(namespace, name), uid);
    }
    return true;
  }

  #observe(kind: Kind, object: Stored | null): void {
    if (object && this.#selects(kind, object)) this.#storeOf(kind)!.observe(object);
  }

  *#grant(name: string): Task {
    const written = this.#stores.grants.get(name);
    if (!written) {
      this.#unwritten.grants.forget(name);
      return {};
    }
    const grant = this.#unwritten.grants.decided(written);
    const { granteeRealm } = grant.spec;
    const world = {
      grant,
      realm: granteeNamed(this.#parties, granteeRealm),
      local: this.#local(),
      pooling: poolingOf(this.#parties),
      settings: this.#around.settings,
      skewMs: this.skewMs,
      share: this.#shares.get(granteeRealm, name),
      now: this.now,
    };
    const plan = planGrant(world);
    this.#observer.coverage.plannedGrant(world, plan);
    if (plan.finalizer) {
      const wanted = plan.finalizer === "add";
      const answer: Answer = yield {
        text: `${plan.finalizer} finalizer`,
        grantee: granteeRealm,
        send: () =>
          wanted
            ? this.#world.addFinalizer(name, grant.uid)
            : this.#world.removeFinalizer(name, grant.uid, grant.resourceVersion),
      };
      if ("error" in answer) throw new WriteFailed();
      if (wanted) this.#observe("grants", answer.ok);
    }
    const status = plan.status ?? grant.status;
    if (!isDeepStrictEqual(status, written.status)) {
      const answer: Answer = yield {
        text: `status ${status.phase} ${status.conditions?.find(({ type }) => type === "Ready")?.reason}`,
        grantee: granteeRealm,
        send: () => this.#world.refuses("grants", name) ?? this.#world.applyStatus("grants", name, grant.uid, status),
      };
      if ("error" in answer) {
        if (status.phase !== "Expired" && status.phase !== "Revoked") {
          this.#unwritten.grants.keep(grant, status);
        }
        throw new WriteFailed();
      }
      this.#observe("grants", answer.ok);
    }
    // It was written, maybe before, with an answer that was lost.
    this.#unwritten.grants.forget(name);
    return plan.wakeAt === undefined ? {} : { wakeAt: plan.wakeAt };
  }

  *#superEntity(name: string): Task {
    const entity = this.#stores.superEntities.get(name);
    if (!entity) {
      this.#pools.set(name, undefined);
      return {};
    }
    const grants = this.#stores.grants;
    const parties = [...grants.index("grantor", name), ...grants.index("grantee", name)];
    const plan = planSuperEntity({
      entity,
      realmNamed: (realm) => realmNamed(this.#parties, realm),
      conflict: entityConflict(entity, this.#stores.realms.get(name), this.#local()),
      isHeld: parties.some((grant) => isHeld(grant, this.#shares)),
      local: this.#local(),
      capacity: undefined,
      now: this.now,
    });
    if (plan.finalizer) {
      const wanted = plan.finalizer === "add";
      const answer: Answer = yield {
        text: `${plan.finalizer} finalizer`,
        send: () =>
          wanted
            ? this.#world.addFinalizer(name, entity.uid, "superEntities")
            : this.#world.removeFinalizer(name, entity.uid, entity.resourceVersion, "superEntities"),
      };
      if ("error" in answer) throw new WriteFailed();
      if (wanted) this.#observe("superEntities", answer.ok);
    }
    const { status } = plan;
    if (status && !isDeepStrictEqual(status, entity.status)) {
      const answer: Answer = yield {
        text: `status ${status.phase}`,
        send: () => this.#world.applyStatus("superEntities", name, entity.uid, status),
      };
      if ("error" in answer) throw new WriteFailed();
      this.#observe("superEntities", answer.ok);
    }
    const wakeAt = earliest(
      plan.wakeAt,
      sharePool(this.#sharing, name),
    );
    return wakeAt === undefined ? {} : { wakeAt };
  }

  *#realm(name: string): Task {
    const realm = this.#stores.realms.get(name);
    if (!realm || realm.deleting) return {};
    const { tailnet } = this.#around;
    const local = this.#local();
    const identity = canonicalName(realm.spec.identity);
    const plan = planRealm({
      realm,
      rivals: rivalsOf(this.#stores.realms.index("identity", identity), realm),
      tailnet: tailnet.kind === "running"
        ? {
          kind: "running",
          current: true,
          nodes: tailnet.nodes.filter(({ dnsName }) => canonicalName(dnsName) === identity),
        }
        : tailnet,
      local: local.kind === "known" && local.name === name,
      lastSeenEveryMs: 300_000,
      now: this.now,
    });
    this.#observer.coverage.plannedRealm(plan);
    const { pin, status } = plan;
    if (pin !== undefined) {
      const answer: Answer = yield {
        text: `pin ${pin}`,
        send: () => this.#world.applyPin(name, realm.uid, trustedNodeAnnotation, pin),
      };
      if ("error" in answer) throw new WriteFailed();
      this.#observe("realms", answer.ok);
    }
    if (!isDeepStrictEqual(status, realm.status)) {
      const answer: Answer = yield {
        text: `status ${status.connectionState}`,
        send: () => this.#world.applyStatus("realms", name, realm.uid, status),
      };
      if ("error" in answer) throw new WriteFailed();
      this.#observe("realms", answer.ok);
    }
    return plan.wakeAt === undefined ? {} : { wakeAt: plan.wakeAt };
  }
}

const kindOf: Readonly<Record<string, Exclude<Kind, "pods" | "claims" | "superEntities">>> = {
  Namespace: "namespaces",
  ResourceQuota: "quotas",
  LimitRange: "limitRanges",
  ServiceAccount: "serviceAccounts",
  NetworkPolicy: "policies",
  RoleBinding: "bindings",
  ConfigMap: "guides",
};

function podFacts({ metadata, pod }: Stored): PodFacts {
  const { cpuMilli, memoryMi, priority, graceSeconds, finished, held } = pod!;
  const [cpu, memory] = [parseQuantity(`${cpuMilli}m`), parseQuantity(`${memoryMi}Mi`)];
  return {
    namespace: metadata.namespace!,
    name: metadata.name,
    uid: metadata.uid,
    createdAt: Date.parse(metadata.creationTimestamp),
    priority,
    usage: new Map([
      ["pods", parseQuantity("1")],
      ["requests.cpu", cpu],
      ["limits.cpu", cpu],
      ["requests.memory", memory],
      ["limits.memory", memory],
    ]),
    finished,
    terminating: metadata.deletionTimestamp !== undefined,
    graceSeconds,
    finalizers: held ? ["batch.kubernetes.io/job-tracking"] : [],
  };
}
