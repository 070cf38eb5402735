/**
 * The operator as one process: its own loops, stores, triggers and memory, on the API server, tailnet and clock of the
 * simulation. This is the only connection between the two.
 *
 * Each request waits until the schedule releases it, so that others act between any two writes. A request may be lost,
 * its response may be late or lost, and a process that has crashed gets no response any more.
 */
import { isPermanent } from "../../src/core/grant/termination.ts";
import { setImmediate } from "node:timers";
import type { Next, Store } from "../../lib/controller/mod.ts";
import { ApiError, ConnectionError, type JSONValue, type RequestOptions } from "../../lib/kubernetes/mod.ts";
import type { Context } from "../../src/controllers/context.ts";
import { executorOf } from "../../src/controllers/kinds.ts";
import { beginToLead, connectLoops, knowFlows, loops } from "../../src/controllers/loops.ts";
import { Pings } from "../../src/controllers/pings.ts";
import { createPodStore } from "../../src/controllers/pod_watches.ts";
import { Pools } from "../../src/controllers/pools.ts";
import { CapacityLedger } from "../../src/controllers/capacity_ledger.ts";
import { EnforcementCache } from "../../src/controllers/enforcement_cache.ts";
import { createSignals } from "../../src/controllers/signals.ts";
import { createStores } from "../../src/controllers/stores.ts";
import { Unwritten } from "../../src/controllers/unwritten.ts";
import type { NamespaceFacts, PodFacts } from "../../src/core/facts.ts";
import { guideName } from "../../src/core/guest/objects/guide.ts";
import { limitRangeName } from "../../src/core/guest/objects/limit_range.ts";
import { quotaName } from "../../src/core/guest/objects/quota.ts";
import type { GuestPlan } from "../../src/core/guest/plan_guest.ts";
import type { GuestWorld } from "../../src/core/guest/guest_world.ts";
import { localRealmFrom } from "../../src/core/local_realm.ts";
import { guestFlowName, guestRole, managedBy, managedByLabel } from "../../src/core/names.ts";
import type { Loop as AnyLoop } from "../../src/engine/loop.ts";
import { Feed } from "../../src/engine/triggers.ts";
import type { Ping, TailnetChange, TailnetState } from "../../src/tailnet/tailnet.ts";
import { ApiServer, eventText, targetOf } from "./api_server.ts";
import { brokenContext } from "./broken.ts";
import type { Coverage } from "./coverage.ts";
import { podObject } from "./pod_object.ts";
import { Queue } from "./queue.ts";
import type { SeededRandom } from "./random.ts";
import { pinged, type SimulatedSurroundings, tailnetState } from "./simulated_surroundings.ts";
import {
  type ObjectChange,
  simulatedKeyOf,
  type SimulatedKind,
  type SimulatedObject,
  watchedKinds,
  type World,
} from "./simulated_world.ts";

type Loop = AnyLoop<Context>;

/** Milliseconds until the clocks are compared again. */
export const skewLookMs = 5000;

/** A request as the invariants see it, when the operator sends it. */
export interface Sent {
  text: string;
  /** The grantee whose namespace is reconciled. */
  grantee?: string;
  /** The namespace as the plan saw it. */
  home?: NamespaceFacts | undefined;
  /** The method by which it ends a pod. */
  ends?: "evict" | "delete";
}

/** Observer of the operator's actions. */
export interface SimulatedObserver {
  sending(request: Sent): void;
  coverage: Coverage;
}

/** A running reconcile. */
interface Running {
  loop: Loop;
  key: string;
  id: string;
  /** A part of it was lost. */
  disturbed: boolean;
  /** A part of its input could not be read. */
  broken: boolean;
  /** The namespace as the plan saw it. */
  home?: NamespaceFacts | undefined;
}

/** A request, or a ping, that waits for the schedule. */
interface Parked {
  text: string;
  running: Running;
  request: RequestOptions;
  resolve: (body: JSONValue) => void;
  reject: (error: unknown) => void;
  /** The response, once it is performed. */
  answer?: { body: JSONValue } | { error: ApiError };
}

interface PodWatch {
  store: ReturnType<typeof createPodStore>;
  synced: boolean;
  pending: ObjectChange[];
  ending: Set<string>;
  /** As in PodWatches. */
  budgets: Map<string, string>;
}

/** Runs everything that is ready to run, including what that makes ready. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Reports each plan before it is applied. */
class WatchedPools extends Pools {
  readonly #onPlan: (seen: GuestWorld, plan: GuestPlan) => void;

  constructor(onPlan: (seen: GuestWorld, plan: GuestPlan) => void) {
    super();
    this.#onPlan = onPlan;
  }

  override reserve(seen: GuestWorld, plan: GuestPlan): void {
    this.#onPlan(seen, plan);
    super.reserve(seen, plan);
  }
}

export class Replica {
  readonly #world: World;
  readonly #around: SimulatedSurroundings;
  readonly #observer: SimulatedObserver;
  readonly #api: ApiServer;
  readonly #context: Context;
  readonly #queues = new Map<string, Queue>();
  readonly #pending = new Map<SimulatedKind, ObjectChange[]>();
  readonly #pods = new Map<string, PodWatch>();
  readonly #running = new Map<string, Running>();
  readonly #bySignal = new WeakMap<AbortSignal, Running>();
  readonly #parked = new Set<Parked>();
  readonly #pings = new Set<{ address: string; resolve: (ping: Ping) => void }>();
  /** Reconciles that ended in this turn. */
  #ended: string[] = [];
  /** An unexpected error. */
  #bug: unknown;
  /** Number of watch events delivered so far. */
  #told = 0;
  #tailnet: { of: SimulatedSurroundings["tailnet"]; state: TailnetState } | undefined;
  readonly #tailnetChanges = new Feed<TailnetChange>();
  /** Writes that it has sent, without evictions, which are retried at every reconcile. */
  readonly requests: string[] = [];
  /** Chooses the losses. */
  random: SeededRandom;
  /** Requests and responses may be lost or late. */
  isDisturbed = false;

  /** Starts like a new process: lists everything, and reconciles every key once. */
  constructor(world: World, around: SimulatedSurroundings, observer: SimulatedObserver, random: SeededRandom) {
    this.random = random;
    this.#world = world;
    this.#around = around;
    this.#observer = observer;
    this.#api = new ApiServer(world);
    for (const { name } of loops) this.#queues.set(name, new Queue(() => this.now));
    this.#context = this.#createContext();
    connectLoops(this.#context, this.#queueOf);
    for (const kind of watchedKinds) {
      this.#pending.set(kind, []);
      const store = this.#storeOf(kind);
      if (!store) continue;
      const listing = store.listing();
      let newest = 1;
      for (const object of world.list(kind)) {
        newest = Math.max(newest, Number(object.metadata.resourceVersion));
        if (selects(kind, object)) listing.add(object);
      }
      listing.commit(String(newest));
    }
    knowFlows(this.#context);
    this.wakeAll();
  }

  #createContext(): Context {
    const stores = createStores();
    const signals = createSignals();
    const clock = {
      now: () => this.now,
      monotonic: () => this.#world.now,
      setTimer: () => {
        throw new Error("Nothing in a simulation waits for a timer");
      },
    };
    const tailnetOf = () => this.#tailnetState();
    const local = () => {
      const { configured } = this.#around;
      const tailnet = tailnetOf();
      return localRealmFrom({
        ...(configured === undefined ? {} : { configured }),
        tailnet: tailnet.kind === "running" ? { kind: "running", selfName: tailnet.self.dnsName } : tailnet,
        realmsOfIdentity: (identity) =>
          stores.realms.index("identity", identity).filter(({ deleting }) => !deleting).map(({ name }) => name),
      });
    };
    const around = this.#around;
    const cluster = { facts: around.cluster, onChange() {} };
    const context = {
      rest: {
        performRequest: (request: RequestOptions) => this.#park(request),
        performStream: () => Promise.reject(new Error("Nothing is streamed in a simulation")),
      },
      executor: undefined as unknown,
      events: { event: ({ reason }: { reason: string }) => this.#observer.coverage.count(`event ${reason}`) },
      stores,
      cluster,
      capacity: new CapacityLedger({
        grants: stores.grants,
        cluster,
        clock,
        signal: new AbortController().signal,
      }),
      pods: {
        get: (namespace: string) => this.#podsOf(namespace),
        errorOf: () => undefined,
        want: (namespace: string, wanted: boolean) => this.#wantPods(namespace, wanted),
        ending: (namespace: string, uid: string) => void this.#pods.get(namespace)?.ending.add(uid),
        waits: (namespace: string, uid: string, budget: string) =>
          void this.#pods.get(namespace)?.budgets.set(uid, budget),
      },
      names: { get: () => undefined, want() {}, onChange() {} },
      storage: {
        get bytes() {
          return around.storedBytes;
        },
      },
      enforcements: new EnforcementCache(),
      pings: new Pings({
        ping: (address) => new Promise((resolve) => this.#pings.add({ address, resolve })),
        clock,
        signal: new AbortController().signal,
        wake: (key, at) => signals.pinged.emit(at === undefined ? { key } : { key, at }),
      }),
      missingSince: new Map(),
      pools: new WatchedPools((seen, plan) => {
        this.#observer.coverage.planned(seen, plan);
        const running = this.#running.get(`guests/${seen.grantee}`);
        if (running) running.home = seen.namespace;
      }),
      unwritten: { grants: new Unwritten(isPermanent), realms: new Unwritten() },
      tailnet: {
        get state() {
          return tailnetOf();
        },
        onChange: (listener: (change: TailnetChange) => void) => this.#tailnetChanges.subscribe(listener),
        watch() {},
      },
      settings: around.settings,
      local,
      skewMs: () => this.skewMs,
      clock,
      lastSeenEveryMs: 300_000,
      signals,
      knowsFlows: false,
    };
    const whole = context as unknown as Context;
    whole.executor = executorOf(whole.rest, whole);
    return whole;
  }

  #queueOf = (loop: string): Queue => this.#queues.get(loop)!;

  /** Adds all keys, as when the Lease is taken. */
  wakeAll(): void {
    beginToLead(this.#context, this.#queueOf, (_, restore) => restore());
  }

  tailnetChanged(): void {
    this.#tailnetChanges.emit({ names: new Set(), all: true });
  }

  /** The size of the database was read again. */
  storageRead(): void {
    this.#context.signals.storage.emit();
  }

  get now(): number {
    return this.#world.now + this.#around.aheadMs;
  }

  get skewMs(): number {
    return -this.#around.aheadMs;
  }

  #tailnetState(): TailnetState {
    const { tailnet } = this.#around;
    if (this.#tailnet?.of !== tailnet) this.#tailnet = { of: tailnet, state: tailnetState(this.#around) };
    return this.#tailnet.state;
  }

  // deno-lint-ignore no-explicit-any
  #storeOf(kind: SimulatedKind): Store<any, any, any> | undefined {
    return kind === "pods" || kind === "claims" ? undefined : this.#context.stores[kind];
  }

  /** Enqueues a watch event, which a later step delivers. */
  changed(change: ObjectChange): void {
    const { kind, object } = change;
    if (kind === "claims") return;
    if (kind === "pods") this.#pods.get(object.metadata.namespace!)?.pending.push(change);
    else this.#pending.get(kind)!.push(change);
  }

  /** Returns the operator's possible next steps, one entry per choice. */
  choices(): (() => Promise<string>)[] {
    const out: (() => Promise<string>)[] = [];
    for (const parked of this.#parked) out.push(() => this.#goOn(parked));
    // Without a tailnet pings wait for it; the retry of a failed ping has a test beside its code.
    for (const ping of this.#around.tailnet.kind === "running" ? this.#pings : []) {
      out.push(() => {
        this.#pings.delete(ping);
        ping.resolve(pinged(this.#around, ping.address));
        return this.#after(`ping of ${ping.address}`);
      });
    }
    const moment = () => this.#moment;
    for (const loop of loops) {
      for (const key of this.#queueOf(loop.name).due(moment, this.#world.now)) out.push(() => this.#begin(loop, key));
    }
    for (const [kind, changes] of this.#pending) {
      if (changes.length > 0) out.push(() => Promise.resolve(this.#deliver(kind)));
    }
    for (const [namespace, watch] of this.#pods) {
      if (!watch.synced || watch.pending.length > 0) out.push(() => Promise.resolve(this.#lookAtPods(namespace)));
    }
    return out;
  }

  /** Delivers all watch events. */
  catchUp(): void {
    for (const kind of watchedKinds) while (this.#pending.get(kind)!.length > 0) this.#deliver(kind);
    for (const [namespace, watch] of this.#pods) {
      if (!watch.synced || watch.pending.length > 0) this.#lookAtPods(namespace);
    }
  }

  /** True while some of its state is older than the truth. */
  get isStale(): boolean {
    return [...this.#pending.values()].some((changes) => changes.length > 0);
  }

  get isIdle(): boolean {
    return this.#running.size === 0;
  }

  /** Returns the times for which keys wait, on the operator's clock. */
  wakes(): number[] {
    return ["grants", "guests", "superEntities"].flatMap((loop) => this.#queueOf(loop).instants);
  }

  /** The time from which it is sure of nodes that were missing at first: it waits half a second for them. */
  get doubtfulUntil(): number | undefined {
    const soon = this.#queueOf("realms").instants.filter((at) => at > this.now && at <= this.now + 500);
    return soon.length > 0 ? Math.min(...soon) : undefined;
  }

  /** The whole state that a failure may depend on, as text. */
  get #moment(): string {
    const { broken, aheadMs } = this.#around;
    return [this.#world.version, this.#world.now, this.#world.refused.size, this.#told, broken, aheadMs].join();
  }

  async #after(text: string): Promise<string> {
    await turn();
    if (this.#bug !== undefined) throw this.#bug;
    const ended = this.#ended;
    this.#ended = [];
    return [text, ...ended].join("; ");
  }

  #begin(loop: Loop, key: string): Promise<string> {
    const id = `${loop.name}/${key}`;
    const running: Running = { loop, key, id, disturbed: false, broken: this.#around.broken !== undefined };
    const signal = quietSignal();
    this.#queueOf(loop.name).take(key);
    this.#running.set(id, running);
    this.#bySignal.set(signal, running);
    void this.#reconcile(running, signal).then(
      (next) => this.#succeeded(running, next),
      (error) => this.#failed(running, error),
    );
    return this.#after(id);
  }

  #reconcile({ loop, key }: Running, signal: AbortSignal): Promise<Next> {
    const { broken } = this.#around;
    const isBroken = broken !== undefined && loop.name === "guests";
    const context = isBroken ? brokenContext(this.#context, broken, key) : this.#context;
    return loop.reconcile(key, { context, queue: this.#queueOf(loop.name), signal });
  }

  #succeeded({ loop, key, id }: Running, { wakeAt, afterMs, urgent }: Next): void {
    const queue = this.#queueOf(loop.name);
    this.#running.delete(id);
    queue.done(key);
    // Here a near time isn't deferred; a process defers it by a few milliseconds.
    if (wakeAt !== undefined) queue.addAt(key, wakeAt > this.now ? wakeAt : this.now + 10, urgent ? { urgent } : {});
    if (afterMs !== undefined) queue.lookAt(key, this.#world.now + afterMs);
    this.#ended.push(`${id} done`);
  }

  #failed({ loop, key, id, disturbed, broken }: Running, error: unknown): void {
    const queue = this.#queueOf(loop.name);
    this.#running.delete(id);
    queue.done(key);
    if (disturbed) queue.add(key);
    else queue.fail(key, this.#moment);
    const isExpected = error instanceof ApiError || error instanceof ConnectionError || disturbed || broken;
    if (!isExpected) this.#bug ??= error;
    this.#ended.push(`${id} failed: ${error}`);
  }

  #park(request: RequestOptions): Promise<JSONValue> {
    const running = this.#bySignal.get(request.abortSignal!);
    if (!running) return Promise.reject(this.#bug = new Error(`${request.path} belongs to no reconcile`));
    const text = eventText(request);
    const { loop, key, home } = running;
    const { kind, subresource } = targetOf(request);
    const ends = subresource === "eviction" ? "evict" : kind === "pods" ? "delete" : undefined;
    if (request.method !== "GET") {
      if (ends !== "evict") this.requests.push(`${running.id} ${text}`);
      this.#observer.coverage.sent(request);
      if (loop.name === "guests") this.#observer.sending({ text, grantee: key, home, ...(ends ? { ends } : {}) });
    }
    return new Promise((resolve, reject) => this.#parked.add({ text, running, request, resolve, reject }));
  }

  #goOn(parked: Parked): Promise<string> {
    const { running, text, request, resolve, reject } = parked;
    const said = `${running.id} ${text}`;
    if (parked.answer === undefined) {
      const chance = this.isDisturbed ? this.random.below(100) : 100;
      if (chance < 6) running.disturbed = true;
      if (chance < 3) {
        this.#parked.delete(parked);
        reject(new ConnectionError("no response"));
        return this.#after(`${said}: the request is lost`);
      }
      parked.answer = this.#perform(request);
      if (chance < 6) {
        this.#parked.delete(parked);
        reject(new ConnectionError("no response"));
        return this.#after(`${said}: the response is lost`);
      }
      if (chance < 16) return Promise.resolve(`${said}: the response is late`);
    }
    this.#parked.delete(parked);
    const { answer } = parked;
    if ("error" in answer) reject(answer.error);
    else resolve(answer.body);
    return this.#after("error" in answer ? `${said} → ${answer.error.code} ${answer.error.message}` : said);
  }

  #perform(request: RequestOptions): { body: JSONValue } | { error: ApiError } {
    try {
      return { body: this.#api.perform(request) };
    } catch (error) {
      if (error instanceof ApiError) return { error };
      throw error;
    }
  }

  #deliver(kind: SimulatedKind): string {
    this.#told++;
    const { object, old, type } = this.#pending.get(kind)!.shift()!;
    const store = this.#storeOf(kind)!;
    if (type === "put" && selects(kind, object)) store.put(object);
    else if (type === "gone" || old && selects(kind, old)) store.remove(object);
    return `sees ${kind} ${simulatedKeyOf(object.metadata.namespace, object.metadata.name)}`;
  }

  #lookAtPods(namespace: string): string {
    this.#told++;
    const watch = this.#pods.get(namespace)!;
    if (!watch.synced) {
      watch.synced = true;
      watch.pending = [];
      for (const pod of this.#world.within("pods", namespace)) watch.store.put(podObject(pod));
    } else {
      for (const { type, object } of watch.pending.splice(0)) {
        if (type === "put") watch.store.put(podObject(object));
        else watch.store.remove(podObject(object));
      }
    }
    this.#context.signals.pods.emit(namespace);
    return `sees pods of ${namespace}`;
  }

  #podsOf(namespace: string): PodFacts[] | undefined {
    const watch = this.#pods.get(namespace);
    if (!watch?.synced) return undefined;
    return watch.store.list().map((pod) => {
      const budget = watch.budgets.get(pod.uid);
      if (watch.ending.has(pod.uid)) return { ...pod, terminating: true };
      return budget === undefined || pod.terminating ? pod : { ...pod, budget };
    });
  }

  #wantPods(namespace: string, wanted: boolean): void {
    if (!wanted) this.#pods.delete(namespace);
    else if (!this.#pods.has(namespace)) {
      this.#pods.set(namespace, {
        store: createPodStore(),
        synced: false,
        pending: [],
        ending: new Set(),
        budgets: new Map(),
      });
    }
  }
}

const names: Partial<Record<SimulatedKind, string>> = {
  quotas: quotaName,
  limitRanges: limitRangeName,
  serviceAccounts: "default",
  bindings: guestRole,
  guides: guideName,
  flowSchemas: guestFlowName,
  priorityLevels: guestFlowName,
};
const labelled = new Set<SimulatedKind>(["clusterRoles", "clusterBindings"]);

/** True for objects that the operator watches. */
function selects(kind: SimulatedKind, { metadata: { name, labels } }: SimulatedObject): boolean {
  if (labelled.has(kind)) return labels[managedByLabel] === managedBy;
  return names[kind] === undefined || names[kind] === name;
}

/** A signal that never aborts: a crashed process is not notified. */
const quietSignal = (): AbortSignal =>
  ({ aborted: false, throwIfAborted() {}, addEventListener() {}, removeEventListener() {} }) as unknown as AbortSignal;
