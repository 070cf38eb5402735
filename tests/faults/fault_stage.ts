/** Where one plan runs: a control plane, the operators on it, each behind a proxy of its own, and what they may break. */
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

/** How long an operator waits for an answer: longer than any takes, also where others keep the machine busy. */
const timeoutMs = 4000;
/** How long nothing may have been written until all counts as done: longer than the first steps of retries. */
const quietMs = 500;
/** Nothing is asked again before a 429 has said so, which is after a second. */
const quietAfter429Ms = 1500;
/** How long a step, and the quiet after it, may be in coming: more than the backoff after some faults. */
export const patienceMs = 60_000;
/** Of a tailnet that was misheard an operator learns before it looks by itself, after a minute. */
const tailnetPatienceMs = 40_000;
/** But not when an answer was older than the last. */
const stalePatienceMs = 90_000;

/** One operator's place: should it be killed, another takes it. */
interface Replica {
  operator: TestOperator;
  proxy: Proxy;
  localApi: LocalApiProxy | undefined;
  /** Set when no other is to take the place. */
  leaving: boolean;
}

/** By resource. */
export type Objects = Map<string, KubernetesObject[]>;

/** Which tailnet a scenario plays on. */
export interface Tailnets {
  /** The tailnet's nodes, the operator's own first; none: an operator without a tailnet. */
  nodes?: readonly StandInNode[];
  /** Realms of the lab that are nodes of a real tailnet, the operator's own first. */
  realms?: readonly string[];
}

export class FaultStage {
  readonly #seats: Replica[] = [];
  readonly #proxies: Proxy[] = [];
  /** Killings under way, with the start of the next one. */
  readonly #changes: Promise<void>[] = [];
  /** The nodes of the tailnet; without any there is no tailnet. */
  readonly tailnet: ReturnType<typeof changingTailnet> | undefined;
  /** The operator's node of a real tailnet, if the scenario has one. */
  readonly #realm: string | undefined;
  /** What an operator has logged. */
  readonly log: string[] = [];

  constructor(
    readonly plane: FaultyControlPlane,
    readonly trigger: FaultTrigger,
    /** Is in the name of each object of this plan and of no other. */
    readonly mark: string,
    { nodes = [], realms = [] }: Tailnets = {},
  ) {
    this.#realm = realms[0];
    const [self, ...others] = this.#nodes(nodes);
    this.tailnet = self && changingTailnet(self, ...others);
  }

  /** The name that an object of a scenario has in this plan. */
  named(name: string): string {
    return `${name}${this.mark}`;
  }

  get witness() {
    return this.plane.recorder;
  }

  get cluster() {
    return this.plane.cluster;
  }

  /** How much was asked of the API server, watches aside. */
  get requests(): number {
    return this.#proxies.reduce((sum, { requests }) => sum + requests, 0);
  }

  /** Starts one more operator; returns its seat. */
  async startOperator(): Promise<number> {
    const index = this.#seats.length;
    this.#seats.push(await this.#seat(index));
    return index;
  }

  /** Ends an operator as SIGTERM does. */
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

  /** What is left of a killed operator in this process ends; its Lease goes as if it had run out. */
  async #killed(index: number, replica: Replica): Promise<void> {
    await replica.operator.stop().catch(() => {});
    await replica.localApi?.[Symbol.asyncDispose]();
    this.log.push(...replica.operator.log);
    await this.plane.freeLease();
    if (!replica.leaving) this.#seats[index] = await this.#seat(index);
  }

  /** Whether an object isn't there any more. */
  isGone(resource: Parameters<Recorder["get"]>[0], name: string): true | string {
    return this.witness.get(resource, this.named(name)) === undefined || `${name} is still there`;
  }

  /** What happens on the tailnet. */
  tailnetBecomes(...nodes: readonly StandInNode[]): Promise<void> {
    return Promise.resolve(this.tailnet!.becomes(...this.#nodes(nodes)));
  }

  #nodes(nodes: readonly StandInNode[]): StandInNode[] {
    return nodes.map((node) => ({ ...node, name: this.named(node.name) }));
  }

  /** Waits for what users see. */
  async until(what: string, look: () => true | string): Promise<void> {
    const isStale = this.trigger.planned.some(({ kind }) => kind === "localapi-stale");
    const withinMs = isStale ? stalePatienceMs : this.#realm === undefined ? patienceMs : tailnetPatienceMs;
    await poll(what, () => Promise.resolve(look()), { withinMs, everyMs: 10 });
  }

  /** Waits until nothing has been written for a while, and nothing of what happens is missed. */
  async quiet(): Promise<void> {
    await poll("the operator is quiet", async () => {
      await Promise.all(this.#changes);
      const living = this.#seats.filter(({ leaving }) => !leaving);
      const since = performance.now() - Math.max(...this.#proxies.map(({ lastWrite }) => lastWrite));
      if (!living.every(({ proxy }) => proxy.idle)) return "it asks, or doesn't watch";
      const enoughMs = this.trigger.planned.some(({ kind }) => kind === "429") ? quietAfter429Ms : quietMs;
      return since >= enoughMs || `it wrote ${Math.round(since)} ms ago`;
    }, { withinMs: patienceMs, everyMs: 20 });
  }

  /** All objects of the plan as the API server has them, once the witness has seen all of it too. */
  async objects(): Promise<Objects> {
    const out: Objects = new Map();
    await Promise.all(witnessed.map(async (resource) => {
      const api = new ResourceApi(this.cluster.rest, resource);
      await poll(`all ${resource.plural} are seen`, async () => {
        const { items } = await api.list();
        const mine = items.filter(({ metadata }) => `${metadata.namespace}/${metadata.name}`.includes(this.mark));
        out.set(resource.plural, mine);
        return mine.every((object) => this.witness.knows(resource, object)) || "not yet";
      }, { withinMs: 5000, everyMs: 10 });
    }));
    return out;
  }

  /** What else must not have been. */
  broken(): Promise<string[]> {
    return Promise.resolve([]);
  }

  /** Ends all operators in order; what one of them makes of that is told. */
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
