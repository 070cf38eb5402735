/**
 * Grants to another realm, one after another, with the times at which each came into force and at which its access
 * ended.
 */
import { sleep, systemClock } from "../../../lib/clock/mod.ts";
import { Reflector, Store } from "../../../lib/controller/mod.ts";
import { isApiError } from "../../../lib/kubernetes/mod.ts";
import { type Grant, KeystoneV1alpha1Api } from "../../../src/api/client/keystone.io@v1alpha1.ts";
import { RbacAuthorizationV1Api, type RoleBinding } from "../../../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import { guestNamespace, guestRole } from "../../../src/core/names.ts";
import { secondsFromNow, type TestCluster } from "../../fixtures/test_operator.ts";
import type { SeededRandom } from "../../simulation/random.ts";

/** Milliseconds of each grant in a period. */
export interface Times {
  /** From its creation, or its validFrom, until it was shown Active and access existed. */
  begun: number[];
  /** From its end, or its revocation, until no access existed. */
  ended: number[];
  /** Descriptions of grants that failed to begin or end. */
  missed: string[];
}

export const noTimes = (): Times => ({ begun: [], ended: [], missed: [] });

/** Timeout after which a grant counts as failed. */
const patienceMs = 30_000;

/** The state of grants and access, from watches. */
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

  /** Waits until the grant is in one of the phases; returns the time, in epoch milliseconds. */
  phase(name: string, ...phases: string[]): Promise<number> {
    return this.#when(`Grant ${name} is ${phases.join(" or ")}`, () => {
      const grant = this.#grants.get(name);
      return phases.includes(grant?.phase ?? "gone") || `the phase is ${grant?.phase ?? "gone"}: ${grant?.message}`;
    });
  }

  /** Waits until the people of a realm have access, or no longer have it; returns the time. */
  access(realm: string, wanted: boolean): Promise<number> {
    const namespace = guestNamespace(realm);
    return this.#when(
      `access to ${namespace} is ${wanted ? "given" : "removed"}`,
      () => (this.#bindings.get(`${namespace}/${guestRole}`) !== undefined) === wanted || "not yet",
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
        reject(new Error(`Timed out after ${patienceMs / 1000} s: ${what}. Last result: ${isSo()}`));
      }, patienceMs);
      this.#looks.add(look);
      look();
    });
  }
}

/** Creates grants to one realm, one after another, with all ways to begin and end. */
export class GrantCycle {
  #count = 0;
  /** Times of grants from now on. */
  times = noTimes();

  constructor(
    private readonly cluster: TestCluster,
    private readonly sight: Sight,
    readonly realm: string,
    private readonly local: string,
    private readonly random: SeededRandom,
  ) {}

  /** Runs until the signal aborts, and then until the current grant ends. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { times } = this;
      try {
        await this.#lend(times);
      } catch (error) {
        times.missed.push((error as Error).message);
        // A retry without a pause wouldn't help.
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
      if (lateMs < 0) throw new Error(`Access by Grant ${name} ended ${-lateMs} ms early`);
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
