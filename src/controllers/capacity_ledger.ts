/** Adds up what the grants in force promise and compares it with the nodes. */
import type { Clock, Timer } from "../../lib/clock/mod.ts";
import { parseQuantity, type Quantity } from "../../lib/quantity/mod.ts";
import type { ClusterFacts, GrantFacts } from "../core/facts.ts";
import { type ClusterRoom, promisedBy } from "../core/grant/cluster_fit.ts";
import type { ResourceList } from "../core/resources/resource_list.ts";
import { Feed } from "../engine/triggers.ts";
import type { Stores } from "./stores.ts";

/**
 * Time for which nodes may be away, as in a restart or an upgrade, before grants stop counting on them. Kubernetes
 * evicts the pods of a lost node after the same time.
 */
const patienceMs = 300_000;

const zero = parseQuantity("0");

interface ClusterSource {
  readonly facts: ClusterFacts;
  onChange(listener: () => void): void;
}

/** Totals, kept up to date with each change, so that judging a grant reads no other grant. */
export class CapacityLedger {
  /** Reports the keys whose comparison may have changed. */
  readonly changes = new Feed<ReadonlySet<string>>();
  readonly #cluster: ClusterSource;
  readonly #clock: Clock;
  readonly #promised = new Map<string, Quantity>();
  readonly #overbooked = new Set<string>();
  #there: ResourceList | undefined;
  #storageClasses: readonly string[] | undefined;
  #timer: Timer | undefined;

  constructor(
    { grants, cluster, clock, signal }: {
      grants: Pick<Stores["grants"], "subscribe" | "list">;
      cluster: ClusterSource;
      clock: Clock;
      signal: AbortSignal;
    },
  ) {
    this.#cluster = cluster;
    this.#clock = clock;
    for (const grant of grants.list()) this.#add(undefined, grant);
    grants.subscribe(({ old, new: now }) => this.#add(old, now));
    cluster.onChange(() => this.#look());
    this.#look();
    signal.addEventListener("abort", () => this.#timer?.cancel(), { once: true });
  }

  /** Amounts that grants are compared with; undefined while the nodes aren't known. */
  get room(): ClusterRoom | undefined {
    return this.#there && {
      there: this.#there,
      overbooked: this.#overbooked,
      ...(this.#storageClasses ? { storageClasses: this.#storageClasses } : {}),
    };
  }

  #add(old: GrantFacts | undefined, now: GrantFacts | undefined): void {
    const [before, after] = [countedOf(old), countedOf(now)];
    if (before === after) return;
    const keys = new Set([...before?.keys() ?? [], ...after?.keys() ?? []]);
    for (const key of keys) {
      const sum = (this.#promised.get(key) ?? zero).subtract(before?.get(key) ?? zero).add(after?.get(key) ?? zero);
      if (sum.sign() > 0) this.#promised.set(key, sum);
      else this.#promised.delete(key);
    }
    this.#compare(keys);
  }

  /** Takes over more at once, and less only if it stays so. */
  #look(): void {
    const { schedulable: there, storageClasses, provisioningClasses } = this.#cluster.facts;
    // Without the classes' provisioners the classes can't be read.
    const classes = provisioningClasses && storageClasses;
    const isLess = this.#there !== undefined && there !== undefined &&
      [...this.#there].some(([key, amount]) => amount.compare(there.get(key) ?? zero) > 0);
    if (isLess) {
      // Not later for each change: nodes that come and go would postpone it forever.
      this.#timer ??= this.#clock.setTimer(patienceMs, () => {
        this.#timer = undefined;
        this.#take(this.#cluster.facts.schedulable, classes);
      });
      return this.#take(largest(this.#there!, there!), classes);
    }
    this.#timer?.cancel();
    this.#timer = undefined;
    // Unreadable for a while: the last known amounts stay.
    this.#take(there ?? this.#there, classes);
  }

  #take(there: ResourceList | undefined, classes: readonly string[] | undefined): void {
    const before = this.#there;
    const keys = new Set(
      [...before?.keys() ?? [], ...there?.keys() ?? []].filter((key) =>
        (before?.get(key) ?? zero).compare(there?.get(key) ?? zero) !== 0
      ),
    );
    const known = before === undefined && there !== undefined;
    const others = String(classes) !== String(this.#storageClasses);
    this.#there = there;
    this.#storageClasses = classes;
    if (known) return this.#compare(new Set([...this.#promised.keys(), ...keys]), true);
    this.#compare(keys, others || keys.size > 0);
  }

  /** @param always reports even if no key becomes overbooked or stops to be */
  #compare(keys: ReadonlySet<string>, always = false): void {
    const changed = new Set(always ? keys : []);
    for (const key of keys) {
      const isOver = this.#there !== undefined &&
        (this.#promised.get(key) ?? zero).compare(this.#there.get(key) ?? zero) > 0;
      if (isOver === this.#overbooked.has(key)) continue;
      if (isOver) this.#overbooked.add(key);
      else this.#overbooked.delete(key);
      changed.add(key);
    }
    if (changed.size > 0 || always) this.changes.emit(changed);
  }
}

/** Returns the amounts that count; the same object for the same terms. */
function countedOf(grant: GrantFacts | undefined): ResourceList | undefined {
  if (grant?.status.phase !== "Active") return undefined;
  const known = counted.get(grant.spec.hard);
  if (known) return known;
  const promised = promisedBy(grant.spec.hard);
  counted.set(grant.spec.hard, promised);
  return promised;
}

const counted = new WeakMap<object, ResourceList>();

function largest(a: ResourceList, b: ResourceList): ResourceList {
  const out = new Map(a);
  for (const [key, amount] of b) {
    const other = out.get(key);
    if (!other || amount.compare(other) > 0) out.set(key, amount);
  }
  return out;
}
