/** Grants of somebody else, one after the other: when each was in force, and when its access had gone. */
import { sleep, systemClock } from "../../../lib/clock/mod.ts";
import { Reflector, Store } from "../../../lib/controller/mod.ts";
import { isApiError } from "../../../lib/kubernetes/mod.ts";
import { type Grant, KeystoneV1alpha1Api } from "../../../src/api/client/keystone.io@v1alpha1.ts";
import { RbacAuthorizationV1Api, type RoleBinding } from "../../../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import { guestNamespace, guestRole } from "../../../src/core/names.ts";
import { secondsFromNow, type TestCluster } from "../../fixtures/test_operator.ts";
import type { SeededRandom } from "../../simulation/random.ts";

/** Milliseconds of each grant of a time. */
export interface Times {
  /** From when it was asked for, or was to begin, until it was shown Active and people were let in. */
  begun: number[];
  /** From when it was to end, or was revoked, until nobody was let in by it. */
  ended: number[];
  /** Failures to come about at all, in words. */
  missed: string[];
}

export const noTimes = (): Times => ({ begun: [], ended: [], missed: [] });

/** After so long it is said that something doesn't come about. */
const patienceMs = 30_000;

/** Grants and accesses, as a watch tells them. */
export class Sight {
  readonly #grants = new Store({
    project: ({ status }: Grant) => ({ phase: status?.phase ?? "", message: status?.message ?? "" }),
  });
  readonly #bindings = new Store({ project: ({ metadata }: RoleBinding) => metadata!.namespace! });
  readonly #looks = new Set<() => void>();
  readonly #cluster: TestCluster;

  constructor(cluster: TestCluster) {
    this.#cluster = cluster;
    for (const store of [this.#grants, this.#bindings]) {
      store.subscribe(() => [...this.#looks].forEach((look) => look()));
    }
  }

  /** Watches until the signal aborts. */
  run(signal: AbortSignal): { synced: Promise<unknown>; ended: Promise<unknown> } {
    const { rest } = this.#cluster;
    const clock = systemClock;
    const selector = { fieldSelector: `metadata.name=${guestRole}` };
    const seen = new Reflector({ api: new KeystoneV1alpha1Api(rest).grants, store: this.#grants, clock });
    const let_in = new Reflector({
      api: new RbacAuthorizationV1Api(rest).roleBindings,
      store: this.#bindings,
      selector,
      clock,
    });
    return {
      synced: Promise.all([seen.synced(signal), let_in.synced(signal)]),
      ended: Promise.all([seen.run(signal), let_in.run(signal)]),
    };
  }

  /** Waits until the grant is seen in one of the phases; returns when, in epoch milliseconds. */
  phase(name: string, ...phases: string[]): Promise<number> {
    return this.#when(`Grant ${name} is ${phases.join(" or ")}`, () => {
      const grant = this.#grants.get(name);
      return phases.includes(grant?.phase ?? "gone") || `it is ${grant?.phase ?? "gone"}: ${grant?.message}`;
    });
  }

  /** Waits until the people of a realm are let in, or are no more; returns when. */
  access(realm: string, wanted: boolean): Promise<number> {
    const namespace = guestNamespace(realm);
    return this.#when(
      `access to ${namespace} has ${wanted ? "come" : "gone"}`,
      () => (this.#bindings.get(`${namespace}/${guestRole}`) !== undefined) === wanted || "it hasn't",
    );
  }

  #when(what: string, isSo: () => true | string): Promise<number> {
    return new Promise((resolve, reject) => {
      const done = () => {
        clearTimeout(timer);
        this.#looks.delete(look);
      };
      const look = () => {
        if (isSo() !== true) return;
        done();
        resolve(Date.now());
      };
      const timer = setTimeout(() => {
        done();
        reject(new Error(`${what}: not after ${patienceMs / 1000} s; ${isSo()}`));
      }, patienceMs);
      this.#looks.add(look);
      look();
    });
  }
}

/** Lends to one realm again and again, in all the ways in which grants begin and end. */
export class GrantCycle {
  #count = 0;
  /** Of what is lent from now on. */
  times = noTimes();

  constructor(
    private readonly cluster: TestCluster,
    private readonly sight: Sight,
    readonly realm: string,
    private readonly local: string,
    private readonly random: SeededRandom,
  ) {}

  /** Goes on until the signal aborts, and then to the end of the grant that is under way. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { times } = this;
      try {
        await this.#lend(times);
      } catch (error) {
        times.missed.push((error as Error).message);
        // Whatever holds it up doesn't end sooner for being asked more often.
        await sleep(systemClock, 1000, signal);
      }
    }
  }

  async #lend(times: Times): Promise<void> {
    const { realm, random, sight, cluster } = this;
    const name = `${realm}-${this.#count++}`;
    const isRevoked = random.percent(50);
    const from = random.percent(25) ? secondsFromNow(1) : undefined;
    const until = isRevoked ? undefined : secondsFromNow(from ? 5 : 4);
    const askedAt = Date.now();
    await cluster.create({
      name,
      to: realm,
      grantor: this.local,
      hard: { cpu: `${1 + random.below(4)}`, memory: "1Gi", pods: `${1 + random.below(9)}` },
      ...(from ? { from: from.text } : {}),
      ...(until ? { until: until.text } : {}),
      termination: { noticeSeconds: 0, drainSeconds: 0 },
    });
    try {
      const begunAt = await Promise.all([sight.phase(name, "Active"), sight.access(realm, true)]);
      times.begun.push(Math.max(...begunAt) - Math.max(askedAt, from?.at ?? 0));
      const endAt = until?.at ?? Date.now();
      if (!until) await cluster.grants.patch(name, { spec: { revocation: { reason: "enough" } } }, { type: "merge" });
      const lateMs = await sight.access(realm, false) - endAt;
      if (lateMs < 0) throw new Error(`Access by Grant ${name} has gone ${-lateMs} ms before its end`);
      times.ended.push(lateMs);
      await sight.phase(name, "Expired", "Revoked");
    } finally {
      await cluster.grants.delete(name).catch((error) => {
        if (!isApiError(error, 404)) throw error;
      });
    }
    await sight.phase(name, "gone");
  }
}
