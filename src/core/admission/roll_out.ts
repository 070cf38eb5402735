/**
 * The Deployment controller in counts of pods: which pods come when a template or number of replicas changes. Sources:
 * rolling.go, recreate.go and sync.go of pkg/controller/deployment. Pods of the new template are expected to become
 * ready as soon as they and their claims are created, and deleted pods to end.
 */
import type { Ledger, Load } from "./ledger.ts";

/** Loads of one pod. */
export interface PodLoads {
  pod: Load;
  /** Of its generic ephemeral volumes; they end with the pod. */
  claims: Load;
}

/** A ReplicaSet and its pods. */
export interface ReplicaGroup extends PodLoads {
  /** spec.replicas. */
  wanted: number;
  pods: number;
  /** Available pods. */
  ready: number;
  /** Pods whose claims are not created. */
  waiting: number;
}

export interface RollOut {
  ledger: Ledger;
  replicas: number;
  maxSurge: number;
  maxUnavailable: number;
  recreate: boolean;
  paused: boolean;
  /** ReplicaSets of other templates, the oldest first. */
  old: ReplicaGroup[];
  /** The ReplicaSet of the template; it may not exist yet. */
  next: ReplicaGroup;
  nextExists: boolean;
  /** Load of one more ReplicaSet. */
  replicaSet: Load;
  /** Replicas with the surge of the Deployment before it was scaled; absent: it is not scaled. */
  scaledFrom?: number;
}

export interface RollOutEnd {
  /** Available pods of the template. */
  come: number;
  /** Pods of other templates that remain. */
  left: number;
  /** True if there is no room for the ReplicaSet. */
  noReplicaSet: boolean;
  /** True if the simulation was given up. */
  unfinished: boolean;
  /** Number of rounds in which some new pods found no room. */
  refusedRounds: number;
}

/** Maximum number of steps; with jumps, real roll-outs need less than a hundred. */
const mostSteps = 2000;

/**
 * Follows a roll-out to its end; `state` has the result.
 *
 * @param skips skips rounds that only repeat
 */
export function rollOut(state: RollOut, skips = true): RollOutEnd {
  const { next, old } = state;
  let refusedRounds = 0;
  const endOf = (noReplicaSet: boolean, unfinished: boolean): RollOutEnd => ({
    come: Math.min(next.ready, next.wanted),
    left: old.reduce((sum, { pods }) => sum + pods, 0),
    noReplicaSet,
    unfinished,
    refusedRounds,
  });
  scale(state);
  if (state.paused) {
    settleAll(state);
    return endOf(false, false);
  }
  if (state.recreate) {
    for (const group of old) {
      group.wanted = 0;
      settle(state.ledger, group);
    }
  }
  if (!state.nextExists) {
    if (state.ledger.takeMost(state.replicaSet, 1) === 0) return endOf(true, false);
    state.nextExists = true;
  }
  if (state.recreate) {
    next.wanted = state.replicas;
    settle(state.ledger, next);
    return endOf(false, false);
  }
  const jumps = new Jumps(state);
  for (let step = 0; step < mostSteps; step++) {
    settleAll(state);
    if (scaleUp(state)) continue;
    if (next.pods < next.wanted) refusedRounds++;
    if (!scaleDown(state)) return endOf(false, false);
    if (skips) jumps.afterRound();
  }
  return endOf(false, true);
}

/** Deletes and creates pods until the group has as many as wanted, as far as there is room. */
export function settle(ledger: Ledger, group: ReplicaGroup): void {
  shrink(ledger, group);
  grow(ledger, group);
}

function shrink(ledger: Ledger, group: ReplicaGroup): void {
  if (group.pods > group.wanted) {
    // Pods that are not ready are deleted first.
    const drop = group.pods - group.wanted;
    const waiting = Math.min(drop, group.waiting);
    ledger.give(group.pod, drop);
    ledger.give(group.claims, drop - waiting);
    group.pods -= drop;
    group.waiting -= waiting;
    group.ready = Math.min(group.ready, group.pods - group.waiting);
  }
}

function grow(ledger: Ledger, group: ReplicaGroup): void {
  const created = ledger.takeMost(group.pod, group.wanted - group.pods);
  group.pods += created;
  group.waiting += created;
  const claimed = ledger.takeMost(group.claims, group.waiting);
  group.waiting -= claimed;
  group.ready += claimed;
}

/** Deletes pods of all groups, then creates those of the new one first. */
function settleAll({ ledger, next, old }: RollOut): void {
  for (const group of [next, ...old]) shrink(ledger, group);
  for (const group of [next, ...old]) grow(ledger, group);
}

const wantedIn = (groups: readonly ReplicaGroup[]): number => groups.reduce((sum, { wanted }) => sum + wanted, 0);

/** Raises or lowers the new ReplicaSet (reconcileNewReplicaSet). */
function scaleUp({ next, old, replicas, maxSurge }: RollOut): boolean {
  const before = next.wanted;
  if (next.wanted > replicas) next.wanted = replicas;
  else {
    const spare = replicas + maxSurge - wantedIn([next, ...old]);
    if (spare > 0) next.wanted += Math.min(spare, replicas - next.wanted);
  }
  return next.wanted !== before;
}

/** Lowers the old ReplicaSets (reconcileOldReplicaSets). */
function scaleDown({ next, old, replicas, maxUnavailable }: RollOut): boolean {
  if (wantedIn(old) === 0) return false;
  const minAvailable = replicas - maxUnavailable;
  let left = wantedIn([next, ...old]) - minAvailable - (next.wanted - next.ready);
  if (left <= 0) return false;
  let changed = false;
  for (const group of old) {
    const unhealthy = Math.min(left, group.wanted - Math.min(group.ready, group.wanted));
    if (unhealthy <= 0) continue;
    group.wanted -= unhealthy;
    left -= unhealthy;
    changed = true;
  }
  let spare = [next, ...old].reduce((sum, { ready }) => sum + ready, 0) - minAvailable;
  for (const group of old) {
    const drop = Math.min(group.wanted, spare);
    if (drop <= 0) continue;
    group.wanted -= drop;
    spare -= drop;
    changed = true;
  }
  return changed;
}

/** Scales all ReplicaSets in proportion if the number of replicas has changed (scale in sync.go). */
function scale({ next, nextExists, old, replicas, maxSurge, recreate, paused, scaledFrom }: RollOut): void {
  if (scaledFrom === undefined && !paused) return;
  const existing = nextExists ? [next, ...old] : old;
  const active = existing.filter(({ wanted }) => wanted > 0);
  if (active.length <= 1) {
    const only = active[0] ?? (nextExists ? next : old.at(-1));
    if (only) only.wanted = replicas;
    return;
  }
  if (nextExists && next.wanted === replicas && next.ready === replicas) {
    for (const group of old) group.wanted = 0;
    return;
  }
  if (recreate) return;
  const allowed = replicas > 0 ? replicas + maxSurge : 0;
  const toAdd = allowed - wantedIn(active);
  if (toAdd === 0) return;
  const sorted = [...active].sort((a, b) => b.wanted - a.wanted);
  let added = 0;
  const sizes = sorted.map((group) => {
    const whole = replicas === 0 ? 0 : Math.round(group.wanted * (replicas + maxSurge) / (scaledFrom ?? allowed));
    const part = replicas === 0 ? -group.wanted : whole - group.wanted;
    const share = toAdd > 0 ? Math.min(part, toAdd - added) : Math.max(part, toAdd - added);
    added += share;
    return group.wanted + share;
  });
  for (const [index, group] of sorted.entries()) {
    group.wanted = Math.max(0, sizes[index]! + (index === 0 ? toAdd - added : 0));
  }
}

/**
 * Skips rounds (one scale-up, one scale-down) that do the same as the two before them, so that the work doesn't grow
 * with the number of pods.
 */
class Jumps {
  readonly #state: RollOut;
  #counts: number[] = [];
  #deltas: number[] = [];

  constructor(state: RollOut) {
    this.#state = state;
  }

  afterRound(): void {
    const { next, old, ledger, replicas } = this.#state;
    settleAll(this.#state);
    const groups = [next, ...old];
    const counts = groups.flatMap(({ wanted, ready }) => [wanted, ready]);
    const deltas = counts.map((count, index) => count - (this.#counts[index] ?? NaN));
    const repeats = deltas.every((delta, index) => delta === this.#deltas[index]) && next.ready === next.pods &&
      groups.every(({ wanted, pods, waiting }) => pods === wanted && waiting === 0);
    [this.#counts, this.#deltas] = [counts, deltas];
    const up = deltas[0]!;
    if (!repeats || !(up > 0)) return;
    let rounds = Math.floor((replicas - next.wanted) / up);
    /** Limits the rounds to those in which a count that falls is above zero. */
    const bound = (count: number, delta: number) => {
      if (delta < 0) rounds = Math.min(rounds, Math.floor(count / -delta));
    };
    for (const [index, { wanted, ready }] of old.entries()) {
      const [byWanted, byReady] = [deltas[2 * index + 2]!, deltas[2 * index + 3]!];
      if (byWanted > 0 || byReady > 0) return;
      bound(wanted, byWanted);
      bound(ready, byReady);
      bound(wanted - ready, byWanted - byReady);
    }
    rounds = Math.min(rounds, this.#roundsWithRoom(groups.map((_, index) => deltas[2 * index]!))) - 2;
    if (rounds <= 0) return;
    for (const [index, group] of groups.entries()) {
      const change = deltas[2 * index]! * rounds;
      ledger.take(group.pod, change);
      ledger.take(group.claims, change);
      group.wanted += change;
      group.pods += change;
      group.ready += deltas[2 * index + 1]! * rounds;
    }
    this.#counts = groups.flatMap(({ wanted, ready }) => [wanted, ready]);
  }

  /** Returns the number of rounds for which the new pods of each have room before old ones are deleted. */
  #roundsWithRoom(deltas: readonly number[]): number {
    const { next, old, ledger } = this.#state;
    let most = BigInt(Number.MAX_SAFE_INTEGER);
    for (const [index, free] of ledger.free.entries()) {
      const of = (group: ReplicaGroup) => (group.pod.get(index) ?? 0n) + (group.claims.get(index) ?? 0n);
      const up = of(next) * BigInt(deltas[0]!);
      if (up === 0n) continue;
      const net = old.reduce((sum, group, at) => sum + of(group) * BigInt(deltas[at + 1]!), up);
      if (free < up) return 0;
      if (net > 0n) {
        const rounds = (free - up) / net;
        if (rounds < most) most = rounds;
      }
    }
    return Number(most);
  }
}
