/** The stage of one plan: a control plane, its operators, each behind a separate proxy, and the plan's faults. */
import { type KubernetesObject, ResourceApi } from "../../lib/kubernetes/mod.ts";
import { createTailnet } from "../../src/tailnet/local_tailnet.ts";
import { changingTailnet, type StandInNode } from "../fixtures/stand_ins.ts";
import { startOperator, type TestOperator } from "../fixtures/test_operator.ts";
import { poll } from "../lab/poll.ts";
import type { FaultyControlPlane } from "./faulty_control_plane.ts";
import type { FaultTrigger } from "./fault.ts";
import { LocalApiProxy } from "./local_api_proxy.ts";
import { Proxy } from "./proxy.ts";
import { type Recorder, witnessed } from "./recorder.ts";

/** The operator's request timeout: longer than any response takes, also on a busy machine. */
const timeoutMs = 4000;
/** Time without writes after which everything counts as done: longer than the first backoffs. */
const quietMs = 500;
/** After a 429 nothing is retried for a second, as its Retry-After says. */
const quietAfter429Ms = 1500;
/** Timeout of a step, and of the quiet after it: longer than the backoff after some faults. */
export const patienceMs = 60_000;
/** Timeout for a missed change of the tailnet, which the operator must notice before its next poll, after a minute. */
const tailnetPatienceMs = 40_000;
/** Timeout after a stale response of tailscaled, which only that poll corrects. */
const stalePatienceMs = 90_000;

/** One operator; if it is killed, another one replaces it. */
interface Replica {
  operator: TestOperator;
  proxy: Proxy;
  localApi: LocalApiProxy | undefined;
  /** Set when no other one is to replace it. */
  leaving: boolean;
}

/** Objects by resource. */
export type Objects = Map<string, KubernetesObject[]>;

/** The tailnet of a scenario. */
export interface Tailnets {
  /** The tailnet's nodes, the operator's own first. If absent, the operator has no tailnet. */
  nodes?: readonly StandInNode[];
  /** Realms of the lab that are nodes of a real tailnet, the operator's own first. */
  realms?: readonly string[];
}

export class FaultStage {
  readonly #seats: Replica[] = [];
  readonly #proxies: Proxy[] = [];
  /** Pending replacements of killed operators. */
  readonly #changes: Promise<void>[] = [];
  /** The nodes of the tailnet; undefined without a tailnet. */
  readonly tailnet: ReturnType<typeof changingTailnet> | undefined;
  /** The operator's node on a real tailnet, if the scenario has one. */
  readonly #realm: string | undefined;
  /** Log lines of all operators. */
  readonly log: string[] = [];

  constructor(
    readonly plane: FaultyControlPlane,
    readonly trigger: FaultTrigger,
    /** Part of the name of each object of this plan, and of no other plan. */
    readonly mark: string,
    { nodes = [], realms = [] }: Tailnets = {},
  ) {
    this.#realm = realms[0];
    const [self, ...others] = this.#nodes(nodes);
    this.tailnet = self && changingTailnet(self, ...others);
  }

  /** Returns the name of a scenario's object in this plan. */
  named(name: string): string {
    return `${name}${this.mark}`;
  }

  get witness() {
    return this.plane.recorder;
  }

  get cluster() {
    return this.plane.cluster;
  }

  /** Number of requests to the API server, without watches. */
  get requests(): number {
    return this.#proxies.reduce((sum, { requests }) => sum + requests, 0);
  }

  /** Starts one more operator; returns its index. */
  async startOperator(): Promise<number> {
    const index = this.#seats.length;
    this.#seats.push(await this.#seat(index));
    return index;
  }

  /** Stops an operator as SIGTERM does. */
  async endOperator(index: number): Promise<void> {
    const replica = this.#seats[index]!;
    replica.leaving = true;
    await replica.operator.stop();
    await replica.localApi?.[Symbol.asyncDispose]();
    await replica.proxy[Symbol.asyncDispose]();
  }

  async #seat(index: number): Promise<Replica> {
    const replica = { leaving: false } as Replica;
    replica.proxy = await Proxy.listen({
      upstream: this.plane.upstream,
      trigger: this.trigger,
      mark: this.mark,
      onKill: () => this.#changes.push(this.#killed(index, replica)),
    });
    this.#proxies.push(replica.proxy);
    if (this.#realm !== undefined) {
      replica.localApi = await LocalApiProxy.listen(this.plane.lab.realms[this.#realm]!.socket, this.trigger);
    }
    const tailnet = replica.localApi ? createTailnet({ socket: replica.localApi.socket }) : this.tailnet;
    replica.operator = await startOperator(replica.proxy, {
      realm: this.named("alice"),
      timeoutMs,
      ...(tailnet ? { tailnet } : {}),
    });
    return replica;
  }

  /** Ends the killed operator's remains in this process; frees its Lease as if it had expired. */
  async #killed(index: number, replica: Replica): Promise<void> {
    await replica.operator.stop().catch(() => {});
    await replica.localApi?.[Symbol.asyncDispose]();
    this.log.push(...replica.operator.log);
    await this.plane.freeLease();
    if (!replica.leaving) this.#seats[index] = await this.#seat(index);
  }

  /** Returns true if an object is gone, else the reason to wait. */
  isGone(resource: Parameters<Recorder["get"]>[0], name: string): true | string {
    return this.witness.get(resource, this.named(name)) === undefined || `${name} still exists`;
  }

  /** Changes the nodes of the tailnet. */
  tailnetBecomes(...nodes: readonly StandInNode[]): Promise<void> {
    return Promise.resolve(this.tailnet!.becomes(...this.#nodes(nodes)));
  }

  #nodes(nodes: readonly StandInNode[]): StandInNode[] {
    return nodes.map((node) => ({ ...node, name: this.named(node.name) }));
  }

  /** Waits for a state that users see. */
  async until(what: string, look: () => true | string): Promise<void> {
    const isStale = this.trigger.planned.some(({ kind }) => kind === "localapi-stale");
    const withinMs = isStale ? stalePatienceMs : this.#realm === undefined ? patienceMs : tailnetPatienceMs;
    await poll(what, () => Promise.resolve(look()), { withinMs, everyMs: 10 });
  }

  /** Waits until nothing has been written for a while, and all watches are open. */
  async quiet(): Promise<void> {
    await poll("the operator is quiet", async () => {
      await Promise.all(this.#changes);
      const living = this.#seats.filter(({ leaving }) => !leaving);
      const since = performance.now() - Math.max(...this.#proxies.map(({ lastWrite }) => lastWrite));
      if (!living.every(({ proxy }) => proxy.idle)) return "a request is pending, or a watch is closed";
      const enoughMs = this.trigger.planned.some(({ kind }) => kind === "429") ? quietAfter429Ms : quietMs;
      return since >= enoughMs || `its last write was ${Math.round(since)} ms ago`;
    }, { withinMs: patienceMs, everyMs: 20 });
  }

  /** Returns all objects of the plan from the API server, once the recorder has seen all of them too. */
  async objects(): Promise<Objects> {
    const out: Objects = new Map();
    await Promise.all(witnessed.map(async (resource) => {
      const api = new ResourceApi(this.cluster.rest, resource);
      await poll(`the recorder has seen all ${resource.plural}`, async () => {
        const { items } = await api.list();
        const mine = items.filter(({ metadata }) => `${metadata.namespace}/${metadata.name}`.includes(this.mark));
        out.set(resource.plural, mine);
        return mine.every((object) => this.witness.knows(resource, object)) || "not yet";
      }, { withinMs: 5000, everyMs: 10 });
    }));
    return out;
  }

  /** Returns further broken invariants. */
  broken(): Promise<string[]> {
    return Promise.resolve([]);
  }

  /** Stops all operators gracefully; returns their failures. */
  async end(): Promise<string[]> {
    await Promise.all(this.#changes);
    const failures: string[] = [];
    for (const [index, replica] of this.#seats.entries()) {
      if (!replica.leaving) await this.endOperator(index).catch((error) => failures.push(String(error)));
      this.log.push(...replica.operator.log);
    }
    for (const proxy of this.#proxies) await proxy[Symbol.asyncDispose]();
    return failures;
  }
}
