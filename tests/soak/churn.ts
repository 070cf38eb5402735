/** A changing set of objects of constant size: grants, realms and pools are created, changed and deleted. */
import { isApiError } from "../../lib/kubernetes/mod.ts";
import { digestOf } from "../../src/core/superentity/digest.ts";
import { realmOf, secondsFromNow, superEntityOf, type TestCluster } from "../fixtures/test_operator.ts";
import type { SeededRandom } from "../simulation/random.ts";

const most = { grants: 40, realms: 10, entities: 3 };

export class Churn {
  /** Numbers of changes, and of new grants among them. */
  readonly done = { changes: 0, grants: 0 };
  readonly #grants: string[] = [];
  readonly #realms: string[] = [];
  readonly #entities: string[] = [];
  #count = 0;

  /**
   * @param local the local realm
   * @param steady a realm that is never deleted
   */
  constructor(
    readonly cluster: TestCluster,
    readonly random: SeededRandom,
    readonly local: string,
    readonly steady: string,
  ) {}

  /** Makes one change. A change that the API server refuses, because its object has ended or is gone, doesn't count. */
  async change(): Promise<void> {
    try {
      await this.#change();
      this.done.changes++;
    } catch (error) {
      if (!isApiError(error) || ![404, 409, 422].includes(error.code)) throw error;
    }
  }

  /** Deletes everything except the permanent realms. */
  async end(): Promise<void> {
    const { grants, superEntities, realms } = this.cluster;
    for (const name of this.#grants.splice(0)) await unlessGone(grants.delete(name));
    for (const name of this.#entities.splice(0)) await unlessGone(superEntities.delete(name));
    for (const name of this.#realms.splice(0)) await unlessGone(realms.delete(name));
  }

  async #change(): Promise<void> {
    const { random } = this;
    if (this.#realms.length < most.realms) return await this.#makeRealm();
    if (this.#entities.length < most.entities) return await this.#makeEntity();
    if (this.#grants.length < most.grants) return await this.#makeGrant();
    if (random.percent(4)) return await this.cluster.realms.delete(this.#taken(this.#realms));
    if (random.percent(2)) return await this.cluster.superEntities.delete(this.#taken(this.#entities));
    if (random.percent(45)) return await this.cluster.grants.delete(this.#taken(this.#grants));
    await this.cluster.grants.patch(random.of(this.#grants), { spec: this.#terms() }, { type: "merge" });
  }

  #taken(names: string[]): string {
    return names.splice(this.random.below(names.length), 1)[0]!;
  }

  #name(what: string): string {
    return `${what}-${this.#count++}`;
  }

  async #makeRealm(): Promise<void> {
    const name = this.#name("realm");
    this.#realms.push(name);
    await this.cluster.realms.create(realmOf(name, { trustLevel: this.random.of(["internal", "partner"]) }));
  }

  /** Creates a SuperEntity that all its members have approved. */
  async #makeEntity(): Promise<void> {
    const name = this.#name("pool");
    const members = { [this.local]: { cpu: "20" }, [this.random.of(this.#realms)]: { cpu: "20" } };
    const entity = superEntityOf({ name, members });
    const digest = digestOf(name, entity.spec!);
    const approvals = Object.keys(members).map((realm) => ({ realm, digest }));
    this.#entities.push(name);
    await this.cluster.superEntities.create({ ...entity, spec: { ...entity.spec!, approvals } });
  }

  async #makeGrant(): Promise<void> {
    const { random } = this;
    const name = this.#name("grant");
    this.#grants.push(name);
    await this.cluster.create({
      name,
      grantor: random.percent(80) ? this.local : random.of(this.#entities),
      to: random.of([...this.#realms, ...this.#entities, this.steady]),
      hard: this.#hard(),
      termination: { noticeSeconds: random.below(3), drainSeconds: 0 },
      ...(random.percent(40) ? { until: secondsFromNow(2 + random.below(20)).text } : {}),
      ...(random.percent(10) ? { from: secondsFromNow(1).text } : {}),
    });
    this.done.grants++;
  }

  #hard(): Record<string, string> {
    const { random } = this;
    return { cpu: `${1 + random.below(3000)}m`, memory: `${1 + random.below(64)}Mi`, pods: String(random.below(9)) };
  }

  /** Returns a random change of a grant. */
  #terms(): Record<string, unknown> {
    const { random } = this;
    if (random.percent(25)) return { revocation: { reason: "churn" } };
    if (random.percent(50)) return { hard: this.#hard() };
    const allowedDestinations = Array.from({ length: random.below(4) }, () => `203.0.113.${random.below(256)}:443`);
    return { networkPolicy: { egressAllowed: random.percent(80), allowedDestinations } };
  }
}

async function unlessGone(deletion: Promise<void>): Promise<void> {
  await deletion.catch((error) => {
    if (!isApiError(error, 404)) throw error;
  });
}
