/**
 * Keystone's invariants, checked against the simulated state. Entitlements are computed here independently and simply,
 * with numbers, so that the planners aren't checked against themselves.
 */
import { isDeepStrictEqual } from "node:util";
import { defaultSettings, type GrantSpec, type TrustLevel } from "../../src/api/mod.ts";
import {
  adoptAnnotation,
  guestNamespace,
  managedBy,
  managedByLabel,
  realmOfNamespace,
  volumesAnnotation,
} from "../../src/core/names.ts";
import { trustOf } from "../../src/core/grant/lifecycle.ts";
import type { Sent } from "./replica.ts";
import type { SimulatedSurroundings } from "./simulated_surroundings.ts";
import {
  amount,
  isMade,
  type ObjectChange,
  quotaStatusOf,
  realmSpecOf,
  realmStatusOf,
  type SimulatedObject,
  simulatedSpecOf,
  statusOf,
  type World,
} from "./simulated_world.ts";

/** Error of a broken invariant. */
export class Broken extends Error {
  override readonly name = "Broken";
}

/** The history of a grant, present or deleted. */
interface Memory {
  name: string;
  grantee: string;
  spec: GrantSpec;
  /** Its terms since the last rest: an operator may have seen a new trust level and not yet the latest terms. */
  specs: GrantSpec[];
  present: boolean;
  terminal: boolean;
  wasActive: boolean;
  createdAt: number;
  revoked?: { at: number; active: boolean };
  /** Time from which its grantor wants it to have ended, without the rest of a notice. */
  immediate?: number;
  /** The end that its status announces since its revocation. */
  announced?: number;
  deleted?: { at: number; active: boolean };
  /** Times from which a part of it may have been cut. */
  cuts: number[];
  /** Its status at rest said that none of its pods is left. */
  drained: boolean;
  /** The most that it may have given of each key since the last rest. */
  most: Map<string, number>;
}

const keys = [
  "pods",
  "requests.cpu",
  "limits.cpu",
  "requests.memory",
  "limits.memory",
  "requests.storage",
  "persistentvolumeclaims",
  "requests.nvidia.com/gpu",
  "services.loadbalancers",
] as const;

/** Returns the amounts that a grant gives. An absent key gives nothing, except pods and claims, which have defaults. */
function given({ hard }: GrantSpec, level: TrustLevel): Map<string, number> {
  const named = (...names: string[]) => {
    const name = names.find((each) => hard[each] !== undefined);
    return name === undefined ? undefined : amount(hard[name]!);
  };
  const { pods, objects } = defaultSettings.trust[level];
  const out = new Map<string, number>([
    ["pods", named("pods") ?? pods * 1000],
    ["persistentvolumeclaims", named("persistentvolumeclaims") ?? objects * 1000],
    ["requests.storage", named("requests.storage") ?? 0],
    ["requests.nvidia.com/gpu", named("requests.nvidia.com/gpu") ?? 0],
    ["services.loadbalancers", named("services.loadbalancers") ?? 0],
  ]);
  for (const resource of ["cpu", "memory"]) {
    const requests = named(`requests.${resource}`, resource) ?? named(`limits.${resource}`) ?? 0;
    out.set(`requests.${resource}`, requests);
    out.set(`limits.${resource}`, named(`limits.${resource}`) ?? requests);
  }
  return out;
}

function raise(most: Map<string, number>, to: Iterable<[string, number]>): void {
  for (const [key, value] of to) most.set(key, Math.max(most.get(key) ?? 0, value));
}

const isTerminal = (grant: SimulatedObject): boolean => ["Expired", "Revoked"].includes(statusOf(grant).phase ?? "");

/** Works for a pod of the simulation and for one of an API server. */
const hasFinished = ({ pod, status }: SimulatedObject): boolean =>
  pod?.finished ?? ["Failed", "Succeeded"].includes((status as { phase?: string } | undefined)?.phase ?? "");

const noGrant = { metadata: {} as SimulatedObject["metadata"] };

const denyAll = { podSelector: {}, policyTypes: ["Ingress", "Egress"] };

/** The CIDR of each destination in a schedule, if it may be opened at all. */
const openable: Readonly<Record<string, string>> = {
  "203.0.113.0/24": "203.0.113.0/24",
  "198.51.100.7:443": "198.51.100.7/32",
  "10.0.0.0/8": "10.0.0.0/8",
  "169.254.169.254": "169.254.169.254/32",
};

/** The part of the state against which invariants are checked. */
export type Truth = Pick<World, "now" | "get" | "within"> & { readonly refused?: ReadonlySet<string> };

export class Invariants {
  readonly #world: Truth;
  readonly #around: Pick<SimulatedSurroundings, "tailnet" | "aheadMs" | "broken">;
  readonly #grants = new Map<string, Memory>();
  /** Namespaces in which another writer has changed Keystone's objects since the last rest. */
  readonly #disturbed = new Set<string>();
  /** Grantees whose notice may have been that of the strictest trust level. */
  readonly #strict = new Set<string>();
  /** Trust levels of grantees since the last rest. */
  readonly #levels = new Map<string, Set<TrustLevel>>();
  readonly #touched = new Set<string>();
  /** UIDs of namespaces with a grant in force that retains volumes. */
  readonly #retained = new Set<string>();
  #skewed = false;
  #broken: string | undefined;

  constructor(world: Truth, around: Pick<SimulatedSurroundings, "tailnet" | "aheadMs" | "broken">) {
    this.#world = world;
    this.#around = around;
  }

  /** The clocks have disagreed: times recorded meanwhile may be wrong. */
  skewed(): void {
    this.#skewed = true;
  }

  disturbed(namespace: string): void {
    this.#disturbed.add(namespace);
    this.#touched.add(namespace);
  }

  /** Records a change, and checks the operator's changes against the invariants. */
  changed(change: ObjectChange): void {
    const { kind, object, old, type, by } = change;
    const { name, namespace, uid } = object.metadata;
    if (namespace !== undefined) this.#touched.add(namespace);
    if (kind === "namespaces") this.#touched.add(name);
    if (kind === "realms") this.#realmChanged(name, type === "gone" ? undefined : object, old);
    if (kind === "grants") {
      this.#touched.add(guestNamespace(simulatedSpecOf(object).granteeRealm));
      const memory = this.#grants.get(uid);
      if (memory) this.#grantChanged(memory, change);
      else this.#grants.set(uid, this.#remembered(object));
    }
    if (by === "operator" && kind !== "grants" && kind !== "realms") this.#operatorWrote(change);
  }

  #levelOf(grantee: string): TrustLevel {
    const realm = this.#world.get("realms", grantee);
    return trustOf(realm && { spec: realmSpecOf(realm) });
  }

  #remembered(object: SimulatedObject): Memory {
    const spec = simulatedSpecOf(object);
    if (this.#levelOf(spec.granteeRealm) === "public") this.#strict.add(spec.granteeRealm);
    return {
      name: object.metadata.name,
      grantee: spec.granteeRealm,
      spec,
      specs: [spec],
      present: true,
      terminal: false,
      wasActive: false,
      createdAt: Date.parse(object.metadata.creationTimestamp),
      cuts: [],
      drained: false,
      most: this.#mostOf(spec),
    };
  }

  /** Returns the most that terms may give, at the realm's trust level or its last known one. */
  #mostOf(spec: GrantSpec): Map<string, number> {
    const most = given(spec, this.#levelOf(spec.granteeRealm));
    for (const level of this.#levels.get(spec.granteeRealm) ?? []) raise(most, given(spec, level));
    return most;
  }

  #realmChanged(name: string, realm: SimulatedObject | undefined, old: SimulatedObject | undefined): void {
    const level = trustOf(realm && { spec: realmSpecOf(realm) });
    if (level === "public") this.#strict.add(name);
    if (realm && old && realmSpecOf(old).trustLevel === level) return;
    const levels = this.#levels.get(name) ?? new Set();
    for (const each of [old, realm]) if (each) levels.add(trustOf({ spec: realmSpecOf(each) }));
    this.#levels.set(name, levels);
    for (const memory of this.#grants.values()) {
      if (memory.grantee !== name) continue;
      for (const spec of memory.specs) raise(memory.most, given(spec, level));
      memory.cuts.push(this.#world.now + this.#noticeMs(memory));
    }
  }

  #grantChanged(memory: Memory, { object, old, type }: ObjectChange): void {
    const { now } = this.#world;
    const phase = statusOf(object).phase;
    if (old && isTerminal(old) && phase !== statusOf(old).phase) {
      this.#break(terminalPhasesNeverRevert, `${memory.name}: ${statusOf(old).phase} → ${phase}`);
    }
    if (old && statusOf(old).phase === "Active" && phase === "Pending" && now >= this.#beginOf(memory)) {
      this.#break(whatIsInForceStaysSo, `${memory.name} went back to Pending`);
    }
    if (isTerminal(object) && old && !isTerminal(old)) {
      memory.terminal = true;
      this.#nothingIsLeft(memory, `is shown as ${phase}`);
    }
    if (type === "gone") {
      memory.present = false;
      memory.deleted ??= { at: now, active: memory.wasActive };
      if (old?.metadata.finalizers?.length) this.#nothingIsLeft(memory, "has lost its finalizer");
    }
    const { conditions, effectiveUntil } = statusOf(object);
    const isDrained = (grant: SimulatedObject) =>
      statusOf(grant).conditions?.some(({ reason }) => reason === "Drained") ?? false;
    if (memory.wasActive && isDrained(object) && !(old && isDrained(old))) this.#noPodIsThere(memory);
    if (effectiveUntil && conditions?.some(({ reason }) => reason === "Revoked")) {
      memory.announced = Date.parse(effectiveUntil);
    }
    if (phase === "Active") {
      memory.wasActive = true;
      const home = this.#world.get("namespaces", guestNamespace(memory.grantee));
      if (home && (memory.spec.termination?.volumes ?? "Retain") === "Retain") this.#retained.add(home.metadata.uid);
    }
    const spec = simulatedSpecOf(object);
    if (spec !== memory.spec) {
      if (spec.revocation) memory.revoked ??= { at: now, active: memory.wasActive };
      if (spec.revocation?.immediate) memory.immediate ??= now;
      // A change after the end doesn't undo what ended, though a later one may be set before the operator shows it.
      const lapsed = this.#endOf(memory) <= now;
      memory.spec = spec;
      memory.specs.push(spec);
      memory.cuts.push(lapsed ? now : now + this.#noticeMs(memory));
      raise(memory.most, this.#mostOf(spec));
    }
    if (object.metadata.deletionTimestamp) {
      memory.deleted ??= { at: Date.parse(object.metadata.deletionTimestamp), active: memory.wasActive };
    }
  }

  /** Returns the shortest notice that may apply. */
  #noticeMs({ spec, grantee }: Memory): number {
    const asked = spec.termination?.noticeSeconds ?? 300;
    return 1000 * (this.#strict.has(grantee) ? Math.min(asked, 60) : asked);
  }

  /** Returns the earliest time at which the grant may end. */
  #endOf(memory: Memory): number {
    const { revoked, deleted } = memory;
    const notice = this.#noticeMs(memory);
    return Math.min(
      this.#untilOf(memory),
      this.#trustEndOf(memory),
      memory.immediate ?? Infinity,
      revoked ? revoked.at + (revoked.active ? notice : 0) : Infinity,
      deleted ? deleted.at + (deleted.active ? notice : 0) : Infinity,
    );
  }

  /**
   * Returns the latest time at which the grant may end: it may have become active after its revocation or deletion,
   * before the operator saw that.
   */
  #latestEndOf(memory: Memory): number {
    const { revoked, deleted, wasActive, announced, spec } = memory;
    const notice = wasActive ? 1000 * (spec.termination?.noticeSeconds ?? 300) : 0;
    return Math.min(
      this.#untilOf(memory),
      // Only its status shows when a revocation was seen.
      revoked ? wasActive ? announced ?? Infinity : revoked.at : Infinity,
      deleted ? deleted.at + notice : Infinity,
    );
  }

  /** Returns the earliest end of a grant whose validity the strictest trust level limits. */
  #trustEndOf(memory: Memory): number {
    const { maxValidityDays } = defaultSettings.trust.public;
    if (!this.#strict.has(memory.grantee) || maxValidityDays === null) return Infinity;
    const from = memory.spec.validity?.validFrom ? this.#beginOf(memory) : memory.createdAt;
    return from + maxValidityDays * 86_400_000;
  }

  #untilOf({ spec: { validity } }: Memory): number {
    return validity?.validUntil ? Date.parse(validity.validUntil) : Infinity;
  }

  #beginOf({ spec }: Memory): number {
    return spec.validity?.validFrom ? Date.parse(spec.validity.validFrom) : -Infinity;
  }

  /** True if the grant may be in force. */
  #mayHold(memory: Memory, now = this.#world.now): boolean {
    if (!memory.present || memory.terminal || (now < this.#beginOf(memory) && !memory.wasActive)) return false;
    // What ends at once waits for no clock.
    if (memory.immediate !== undefined) return false;
    return now < this.#latestEndOf(memory) || this.#around.aheadMs !== 0;
  }

  #to(grantee: string): Memory[] {
    return [...this.#grants.values()].filter((memory) => memory.grantee === grantee);
  }

  #bound(grantee: string, others: (memory: Memory) => boolean = () => true): Map<string, number> {
    const sum = new Map<string, number>();
    for (const memory of this.#grants.values()) {
      if (memory.grantee !== grantee || !others(memory)) continue;
      for (const [key, value] of memory.most) sum.set(key, (sum.get(key) ?? 0) + value);
    }
    return sum;
  }

  #isOurs(namespace: string): boolean {
    const home = this.#world.get("namespaces", namespace);
    return home !== undefined && isMade(home) && !home.metadata.deletionTimestamp;
  }

  /** Checks that nothing of an ended grant is enforced: only the other grants' entitlements are left. */
  #nothingIsLeft(ended: Memory, how: string): void {
    const namespace = guestNamespace(ended.grantee);
    if (!this.#isOurs(namespace) || this.#disturbed.has(namespace)) return;
    const policy = this.#world.get("policies", `${namespace}/grant-${ended.name}`);
    if (policy) this.#break(whatHasEndedIsNotEnforced, `${ended.name} ${how}, and its policy exists`);
    const others = (memory: Memory) => memory !== ended && memory.present && !memory.terminal;
    if (!this.#to(ended.grantee).some(others) && this.#world.get("bindings", `${namespace}/keystone-guest`)) {
      this.#break(whatHasEndedIsNotEnforced, `${ended.name} ${how}, and its guests still have access`);
    }
    const quota = this.#world.get("quotas", `${namespace}/keystone`);
    const over = quota && this.#beyond(quota, this.#bound(ended.grantee, others));
    if (over) this.#break(whatHasEndedIsNotEnforced, `${ended.name} ${how}, and ${over}`);
  }

  /** True if another policy refuses the operator's writes of the object. */
  #isRefused(kind: string, key: string): boolean {
    return this.#world.refused?.has(`${kind} ${key}`) ?? false;
  }

  /** True if decisions about a grant to it can't be stored, so that only the operator knows them. */
  #isUnwritten(grantee: string): boolean {
    return this.#to(grantee).some(({ name, present }) => present && this.#isRefused("grants", name));
  }

  /** Checks that no pod is left when all grants have ended and are shown as drained. */
  #noPodIsThere(drained: Memory): void {
    const namespace = guestNamespace(drained.grantee);
    const home = this.#world.get("namespaces", namespace);
    // The remaining pods may belong to another ended grant that isn't shown as drained yet.
    const isHeld = ({ name }: Memory) => (this.#world.get("grants", name)?.metadata.finalizers?.length ?? 0) > 0;
    const others = this.#to(drained.grantee).some((memory) =>
      memory !== drained && (this.#mayHold(memory) || (memory.present && !memory.terminal && isHeld(memory)))
    );
    if (!home || !isMade(home) || this.#disturbed.has(namespace) || others) return;
    const there = this.#world.within("pods", namespace).filter((pod) =>
      !hasFinished(pod) || pod.metadata.deletionTimestamp
    );
    if (there.length > 0) this.#break(drainedMeansGone, `${drained.name}, and pod ${there[0]!.metadata.name} exists`);
  }

  /** Checks that grants that are over leave no access, despite all breakage, refusals and deletions meanwhile. */
  #whatIsOverIsClosed(grantee: string, namespace: string): void {
    const home = this.#world.get("namespaces", namespace);
    if (!home || !isMade(home)) return;
    const disagrees = this.#skewed || this.#around.aheadMs !== 0;
    const { now } = this.#world;
    const all = this.#to(grantee);
    // While its status can't be written, the operator alone knows that a grant is in force, and so has a notice.
    const isUnwritten = ({ name, present }: Memory) => present && this.#isRefused("grants", name);
    const isOver = (memory: Memory) =>
      !memory.present || memory.terminal || memory.immediate !== undefined ||
      (!disagrees && this.#latestEndOf(memory) <= now && !isUnwritten(memory));
    const stand = new Set(all.filter((memory) => !isOver(memory)).map(({ name }) => name));
    const open = this.#world.within("policies", namespace).map(({ metadata }) => metadata.name).filter((name) =>
      name !== "default-deny" && !this.#isRefused("policies", `${namespace}/${name}`)
    );
    const left = open.find((name) => stand.size === 0 || (name.startsWith("grant-") && !stand.has(name.slice(6))));
    if (left) this.#break(whatIsOverIsClosed, `${namespace} has policy ${left}`);
    if (stand.size > 0 || all.length === 0) return;
    const binding = `${namespace}/keystone-guest`;
    if (this.#world.get("bindings", binding) && !this.#isRefused("bindings", binding)) {
      this.#break(whatIsOverIsClosed, `guests have access to ${namespace}`);
    }
    // Pods end by a clock.
    if (disagrees) return;
    const deadline = Math.max(
      ...all.map((memory) =>
        Math.min(this.#latestEndOf(memory), now) + 1000 * (memory.spec.termination?.drainSeconds ?? 120)
      ),
    );
    if (now < deadline) return;
    const runs = this.#world.within("pods", namespace).find((pod) =>
      !hasFinished(pod) && (!pod.metadata.deletionTimestamp || (pod.pod?.graceSeconds ?? 0) > 60)
    );
    if (runs) this.#break(whatIsOverIsClosed, `${runs.metadata.name} runs in ${namespace}`);
  }

  #beyond(quota: SimulatedObject, bound: ReadonlyMap<string, number>): string | undefined {
    const { namespace, name } = quota.metadata;
    if (this.#isRefused("quotas", `${namespace}/${name}`) || this.#isUnwritten(realmOfNamespace(namespace!)!)) {
      return undefined;
    }
    const { hard } = quotaStatusOf(quota);
    const key = keys.find((each) => hard[each] !== undefined && amount(hard[each]) > (bound.get(each) ?? 0));
    return key && `${hard[key]} ${key} are enforced, but ${(bound.get(key) ?? 0) / 1000} are granted`;
  }

  #operatorWrote({ kind, object, old, type }: ObjectChange): void {
    const { name, namespace, labels } = object.metadata;
    const home = namespace === undefined ? undefined : this.#world.get("namespaces", namespace);
    if (home && !isMade(home)) this.#break(nothingForeignIsWritten, `${kind} ${namespace}/${name}`);
    if (kind === "namespaces" && old && !isMade(old) && !old.metadata.annotations[adoptAnnotation]) {
      this.#break(nothingForeignIsWritten, `namespace ${name}`);
    }
    if (kind === "claims") {
      if (this.#retained.has(home?.metadata.uid ?? "")) {
        this.#break(nothingStoredIsLost, `claim ${namespace}/${name} is deleted, but a grant retains volumes`);
      }
      return;
    }
    const deleted = type === "gone" || object.metadata.deletionTimestamp !== undefined;
    if (!deleted || kind === "pods") return;
    if (labels[managedByLabel] !== managedBy) this.#break(nothingForeignIsWritten, `deleted ${kind} ${name}`);
    if (kind === "namespaces" && old && !old.metadata.deletionTimestamp) {
      const claims = this.#world.within("claims", name).length;
      const keeps = object.metadata.annotations[volumesAnnotation] === "Retain" || claims > 0;
      if (claims > 0 && keeps) this.#break(nothingStoredIsLost, `namespace ${name} with ${claims} claims is deleted`);
      const inForce = (memory: Memory) =>
        memory.present && memory.wasActive && !memory.terminal && this.#world.now < this.#endOf(memory);
      if (this.#to(realmOfNamespace(name)!).some(inForce)) {
        this.#break(nothingEndsBeforeItsTime, `namespace ${name} is deleted with a grant in force`);
      }
    }
  }

  /** Checks a request of the operator before it is sent. */
  sending({ home, grantee, text, ends }: Sent): void {
    if (grantee === undefined) return;
    const foreign = home && !home.annotations[adoptAnnotation] &&
      (home.labels[managedByLabel] !== managedBy || realmOfNamespace(home.name) !== grantee);
    if (foreign) this.#break(nothingForeignIsWritten, `${text}, though the object is known to be another's`);
    if (!ends) return;
    if (this.#around.aheadMs !== 0) this.#break(nobodyIsEvictedWhileClocksDisagree, text);
    // Deleting a namespace deletes its pods.
    if (this.#world.get("namespaces", guestNamespace(grantee))?.metadata.deletionTimestamp) return;
    // An end that was recorded by a clock that was set back is past when the clocks agree again.
    if (this.#skewed) return;
    const { now } = this.#world;
    const memories = this.#to(grantee);
    const over = memories.some((memory) => this.#endOf(memory) <= now || memory.cuts.some((cut) => cut <= now));
    if (!over && memories.some((memory) => this.#mayHold(memory))) this.#break(nothingEndsBeforeItsTime, text);
    const drained = (memory: Memory) => {
      this.#noteDrained(memory);
      const drainMs = 1000 * (memory.spec.termination?.drainSeconds ?? 120);
      const isFine = (end: number) => end > now || end + drainMs <= now;
      // A notice begins when the operator sees the revocation, which may be later.
      return !memory.wasActive || memory.drained || isFine(this.#endOf(memory)) ||
        (memory.revoked !== undefined && isFine(this.#latestEndOf(memory)));
    };
    if (ends === "delete" && !memories.every(drained)) this.#break(budgetsAreRespected, text);
  }

  #break(promise: () => string, detail: string): void {
    // Thrown after the step: during a write it would look like the write's own failure.
    this.#broken ??= `${promise()}: ${detail}`;
  }

  /** Checks after every step the invariants that hold at every moment. */
  hold(): void {
    for (const namespace of this.#touched) {
      if (!this.#disturbed.has(namespace)) this.#holdIn(namespace);
    }
    this.#touched.clear();
    if (this.#broken !== undefined) throw new Broken(this.#broken);
  }

  #holdIn(namespace: string): void {
    if (!this.#isOurs(namespace)) return;
    const quota = this.#world.get("quotas", `${namespace}/keystone`);
    if (this.#world.get("bindings", `${namespace}/keystone-guest`)) {
      const deny = this.#world.get("policies", `${namespace}/default-deny`);
      if (!deny || !isDeepStrictEqual(deny.spec, denyAll)) {
        this.#break(nobodyIsLetInWithoutDenyAndQuota, `${namespace} has no default deny`);
      }
      if (
        !quota || keys.some((key) => key !== "requests.nvidia.com/gpu" && quotaStatusOf(quota).hard[key] === undefined)
      ) {
        this.#break(nobodyIsLetInWithoutDenyAndQuota, `${namespace} has no quota in force`);
      }
    }
    const over = quota && this.#beyond(quota, this.#bound(realmOfNamespace(namespace)!));
    if (over) this.#break(neverMoreThanGranted, `${namespace}: ${over}`);
  }

  /** Excludes pods that exist after a drain ended: they belong to no earlier end. */
  #noteDrained(memory: Memory): void {
    const draining = statusOf(this.#world.get("grants", memory.name) ?? noGrant).conditions;
    const isDrained = !memory.present || draining?.some(({ reason }) => reason === "Drained");
    if (isDrained && this.#endOf(memory) <= this.#world.now) memory.drained = true;
  }

  /** Checks at rest the exact state. */
  atRest(): void {
    const { now } = this.#world;
    for (const memory of this.#grants.values()) {
      memory.specs = [memory.spec];
      this.#endIsAnnounced(memory);
      this.#noteDrained(memory);
      // A later one may begin before the next rest.
      if (!this.#mayHold(memory, Math.max(now, this.#beginOf(memory)))) memory.most = new Map();
      else {
        const grant = this.#world.get("grants", memory.name)!;
        const { reductions = [], hard, phase } = statusOf(grant);
        const realm = this.#world.get("realms", memory.grantee);
        const known = realm && !realm.metadata.deletionTimestamp;
        memory.most = known || phase !== "Active" ? given(memory.spec, this.#levelOf(memory.grantee)) : new Map();
        // While the clocks disagree, or its terms can't be read, nothing is cut: the grant keeps its last entitlement.
        const isCut = known && this.#around.aheadMs === 0 && this.#around.broken !== memory.name;
        const shown = isCut ? {} : hard ?? {};
        const held = reductions.filter(({ until }) => this.#around.aheadMs !== 0 || Date.parse(until) > now);
        for (const more of [shown, ...held.map(({ hard }) => hard)]) {
          raise(memory.most, keys.flatMap((key) => more[key] === undefined ? [] : [[key, amount(more[key])]]));
        }
      }
    }
    this.#strict.clear();
    this.#levels.clear();
    this.#disturbed.clear();
    for (const grantee of new Set([...this.#grants.values()].map(({ grantee }) => grantee))) {
      if (this.#levelOf(grantee) === "public") this.#strict.add(grantee);
      const namespace = guestNamespace(grantee);
      this.#whatIsOverIsClosed(grantee, namespace);
      if (!this.#isOurs(namespace)) continue;
      this.#holdIn(namespace);
      this.#exactlyWhatIsGranted(grantee, namespace);
      this.#opensOnlyWhatIsGranted(grantee, namespace);
    }
    for (const [uid, memory] of this.#grants) {
      // A grant without a trace needs no history, but its pods may still be ending.
      if (!memory.present && memory.deleted && memory.deleted.at < now - 30 * 86_400_000) this.#grants.delete(uid);
    }
    if (this.#broken !== undefined) throw new Broken(this.#broken);
  }

  /** Checks that a revocation that was seen ends in time. */
  #endIsAnnounced(memory: Memory): void {
    const { present, revoked, wasActive, terminal } = memory;
    if (!present || !revoked?.active || !wasActive || terminal || this.#isUnwritten(memory.grantee)) return;
    const latest = this.#world.now + 1000 * (memory.spec.termination?.noticeSeconds ?? 300) + 1000;
    if (!this.#skewed && this.#latestEndOf(memory) > latest) {
      this.#break(whatIsRevokedEnds, `${memory.name} was revoked, but ends at ${this.#latestEndOf(memory)}`);
    }
  }

  /** With all grants in force and none starting or ending, checks that the quota is exactly their sum. */
  #exactlyWhatIsGranted(grantee: string, namespace: string): void {
    const quota = this.#world.get("quotas", `${namespace}/keystone`);
    if (!this.isPresent(grantee, namespace) || !quota || this.#around.broken || this.#isUnwritten(grantee)) return;
    if (this.#isRefused("quotas", `${namespace}/keystone`) || this.#isRefused("namespaces", namespace)) return;
    const sum = new Map<string, number>();
    for (const memory of this.#to(grantee)) {
      if (!this.#mayHold(memory)) continue;
      // What was cut at its end may stay so after the operator's clock was set back to before that.
      if (this.#around.aheadMs !== 0 && this.#untilOf(memory) <= this.#world.now) return;
      const status = statusOf(this.#world.get("grants", memory.name)!);
      const draining = status.conditions?.find(({ type }) => type === "Draining");
      if (status.phase !== "Active" || draining?.status !== "False") return;
      for (const [key, value] of given(memory.spec, this.#levelOf(grantee))) sum.set(key, (sum.get(key) ?? 0) + value);
    }
    const { hard } = quotaStatusOf(quota);
    for (const [key, value] of sum) {
      if (hard[key] === undefined ? value > 0 : amount(hard[key]) !== value) {
        this.#break(allThatIsGrantedIsThere, `${namespace}: ${hard[key]} ${key}, but ${value / 1000} are granted`);
      }
    }
  }

  /** True if the realm of the namespace exists. */
  isPresent(grantee: string, namespace: string): boolean {
    const realm = this.#world.get("realms", grantee);
    const home = this.#world.get("namespaces", namespace);
    if (!home || !realm || realm.metadata.deletionTimestamp) return false;
    const record = home.metadata.annotations["keystone.io/grantee"]?.split("/");
    const identity = realmSpecOf(realm).identity.replace(/\.$/, "");
    const node = realm.metadata.annotations["keystone.io/trusted-node"];
    return record?.[2] === identity && !(record[3] && record[3] !== node);
  }

  #addressesOf(name: string): string[] {
    const realm = this.#world.get("realms", name);
    if (!realm || realm.metadata.deletionTimestamp) return [];
    const { tailnet } = this.#around;
    const { node } = realmStatusOf(realm);
    const reported = (node?.addresses ?? []).map(asCidr);
    if (tailnet.kind !== "running") return reported;
    const pin = realm.metadata.annotations["keystone.io/trusted-node"];
    const identity = realmSpecOf(realm).identity.replace(/\.$/, "");
    const present = tailnet.nodes.filter(({ stableID, dnsName }) => stableID === pin && dnsName === identity).flatMap((
      { addresses },
    ) => addresses.map(asCidr));
    // A clock that was set back prolongs the half second for which a node that disappeared is waited for.
    return this.#around.aheadMs === 0 ? present : [...present, ...reported];
  }

  #opensOnlyWhatIsGranted(grantee: string, namespace: string): void {
    if (this.#isUnwritten(grantee)) return;
    const allowed = new Set(["169.254.20.10/32", ...this.#addressesOf(grantee)]);
    let somebody = false;
    for (const memory of this.#to(grantee)) {
      if (!this.#mayHold(memory)) continue;
      somebody = true;
      const { networkPolicy } = memory.spec;
      const { reductions = [], resolvedDestinations = [] } = statusOf(this.#world.get("grants", memory.name)!);
      const open = [
        ...(networkPolicy?.egressAllowed ? networkPolicy.allowedDestinations ?? [] : []),
        ...reductions.flatMap(({ allowedDestinations = [] }) => allowedDestinations),
        // While the clocks disagree nothing is cut.
        ...(this.#around.aheadMs === 0 ? [] : resolvedDestinations.map(({ destination }) => destination)),
      ];
      for (const text of open) {
        const where = openable[text];
        const level = this.#levelOf(grantee);
        if (where === undefined) { for (const address of this.#addressesOf(text.split(":")[0]!)) allowed.add(address); }
        else if (level === "internal" || level === "partner" && !where.startsWith("169")) allowed.add(where);
      }
    }
    for (const { metadata: { name }, spec } of this.#world.within("policies", namespace)) {
      if (this.#isRefused("policies", `${namespace}/${name}`)) continue;
      // While their realm isn't known, policies stay unchanged, or are deleted.
      if (somebody && name !== "default-deny" && name !== "realm" && !this.isPresent(grantee, namespace)) continue;
      const { ingress, egress } = spec as { ingress?: { from?: Peer[] }[]; egress?: { to?: Peer[] }[] };
      const peers = [...(ingress ?? []).map(({ from }) => from), ...(egress ?? []).map(({ to }) => to)];
      for (const list of peers) {
        if (!list || list.length === 0) this.#break(nothingOpensThatIsNotGranted, `${namespace}/${name} opens all`);
        for (const { ipBlock } of list ?? []) {
          if (!somebody || ipBlock && !allowed.has(ipBlock.cidr)) {
            this.#break(nothingOpensThatIsNotGranted, `${namespace}/${name} opens ${ipBlock?.cidr ?? "pods"}`);
          }
        }
      }
    }
  }
}

interface Peer {
  ipBlock?: { cidr: string };
}

// The invariants, by name.
const nobodyIsLetInWithoutDenyAndQuota = () => "guests have access only with a default deny and a quota in force";
const neverMoreThanGranted = () => "no more is enforced than granted";
const allThatIsGrantedIsThere = () => "at rest the quota equals the sum of the entitlements";
const nothingOpensThatIsNotGranted = () => "policies open only destinations of grants in force";
const terminalPhasesNeverRevert = () => "a grant never leaves a terminal phase";
const whatIsInForceStaysSo = () => "a grant in force stays Active until it ends";
const whatHasEndedIsNotEnforced = () => "a grant is shown as ended only when nothing of it is enforced";
const whatIsRevokedEnds = () => "a revoked grant ends when its notice is over";
const nothingForeignIsWritten = () => "the operator writes and deletes only Keystone's objects";
const nothingStoredIsLost = () => "no volume is deleted while a grant retains volumes";
const nothingEndsBeforeItsTime = () => "pods are evicted only after the end of a grant or of a cut's notice";
const budgetsAreRespected = () => "pods are evicted first, and deleted only after drainSeconds";
const nobodyIsEvictedWhileClocksDisagree = () => "no pod is evicted while the clocks disagree";

const whatIsOverIsClosed = () => "after its end a grant leaves no access, no open policy and no pod";
const drainedMeansGone = () => "a grant is shown as drained only without pods";

/** Returns the CIDR of an address, as in policies. */
const asCidr = (address: string): string => `${address}/${address.includes(":") ? 128 : 32}`;
